//! What people type: exit codes, what a refusal says at three in the morning, and who stands behind what was done.

use super::place::Said;
use super::{LATER, NOW, Stage};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

const WHY: [&str; 2] = ["--reason", "the customer called"];

fn text(stage: &Stage, sql: &str) -> String {
    stage.place.texts(sql).remove(0)
}

fn payment_of(stage: &Stage, subscription: &str) -> String {
    text(stage, &format!("SELECT payment_id FROM renewals WHERE subscription_id = '{subscription}'"))
}

/// A command at [`LATER`], with a reason.
fn by_hand(stage: &Stage, arguments: &[&str]) -> Said {
    stage.place.at(LATER, &[arguments, &WHY].concat())
}

fn json(stage: &Stage, arguments: &[&str]) -> Value {
    by_hand(stage, &[&["--output", "json"], arguments].concat()).ok().json()
}

#[test]
fn a_retry_charges_and_says_so() {
    let stage = Stage::with(&[("a", "billing-key-a-insufficient-once")]);
    assert_eq!(stage.run(&[])["declined"], 1);
    let said = by_hand(&stage, &["retry", "sub_a", "--actor", "haneul"]).ok();
    assert!(said.out.contains("paid (55,000 KRW for the period from 2026-01-31 00:00)"), "{said:#?}");
    assert!(said.out.contains("attempt 2"), "{said:#?}");
    let again = by_hand(&stage, &["retry", "sub_a"]);
    again.refused(2, &["is paid"]).money("never charged again").line(&["hint: ", "renewd show"]);
    let status = stage.place.at(LATER, &["status"]).ok().out;
    assert!(status.contains("haneul") && status.contains("the customer called"), "{status}");
    assert_eq!(stage.simulator.charged().len(), 1);
}

#[test]
fn a_decline_by_hand_is_an_ordinary_outcome() {
    let stage = Stage::with(&[("a", "billing-key-a-insufficient")]);
    stage.run(&[]);
    let retried = json(&stage, &["retry", "sub_a"]);
    assert_eq!((&retried["renewal"]["state"], &retried["attempts"][0]["state"]), (&"due".into(), &"declined".into()));
    let said = by_hand(&stage, &["retry", "sub_a"]).ok();
    assert!(said.out.contains("insufficient funds") && said.out.contains("its ladder goes on"), "{said:#?}");
}

#[test]
fn what_is_not_known_is_only_looked_up() {
    let stage = Stage::with(&[("a", "billing-key-a-pending")]);
    stage.run(&[]);
    let said = by_hand(&stage, &["retry", "sub_a"]);
    said.refused(1, &["not known yet"]).money("only looked up").line(&["renewd run --subscription sub_a"]);
    assert_eq!(stage.place.count("actions"), 0);
}

#[test]
fn a_retry_without_an_outcome_exits_with_3() {
    let stage = Stage::with(&[("a", "billing-key-a-lost")]);
    stage.run(&[]);
    let said = by_hand(&stage, &["retry", "sub_a", "--with-billing-key", "billing-key-b-pending"]);
    assert_eq!(said.code, Some(3), "{said:#?}");
    said.erred(&["is not known yet"]).money("not charged again before that is known").line(&["renewd show"]);
}

#[test]
fn a_new_card_comes_from_stdin_and_is_printed_nowhere() {
    let stage = Stage::with(&[("a", "billing-key-a-lost")]);
    stage.run(&[]);
    by_hand(&stage, &["retry", "sub_a"])
        .refused(2, &["no billing key that can be charged"])
        .money("nothing was charged")
        .line(&["--with-billing-key"]);
    let secret = "billing-key-of-a-new-card";
    let mut command = Command::new(env!("CARGO_BIN_EXE_renewd"));
    command.args(["--clock", LATER, "retry", "sub_a", "--with-billing-key", "-"]).args(WHY);
    let (out, err, code) = fed(&stage, command, secret);
    assert_eq!(code, Some(0), "{out} {err}");
    assert!(out.contains("paid") && !out.contains(secret) && !err.contains(secret), "{out} {err}");
    let shown = stage.place.at(LATER, &["--output", "json", "show", "sub_a"]).ok().out;
    assert!(!shown.contains(secret) && shown.contains("new_billing_key"), "{shown}");
    let actions = stage.place.tables()["actions"].join("\n");
    assert!(!actions.contains(secret) && actions.contains("bk_"), "{actions}");
    for bad in ["", "4111111111111111"] {
        let said = by_hand(&stage, &["retry", "sub_a", "--with-billing-key", bad]);
        assert_eq!(said.code, Some(2), "{said:#?}");
        assert!(bad.is_empty() || !said.err.contains(bad), "{said:#?}");
    }
}

/// Runs a command in the stage's place with this on its stdin.
fn fed(stage: &Stage, mut command: Command, input: &str) -> (String, String, Option<i32>) {
    let command = stage.place.dress(&mut command).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().unwrap().write_all(format!("{input}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code())
}

#[test]
fn a_refund_gives_back_once_and_says_what_stays() {
    let stage = Stage::with(&[("a", "billing-key-a")]);
    stage.run(&[]);
    let id = payment_of(&stage, "sub_a");
    let part = by_hand(&stage, &["refund", &id, "--amount", "5000"]).ok();
    assert!(part.out.contains("5,000 KRW: done") && part.out.contains("50,000 KRW stay with you"), "{part:#?}");
    by_hand(&stage, &["refund", &id, "--amount", "5000"])
        .refused(2, &["5,000 KRW", "given back already"])
        .money("nothing was given back a second time")
        .line(&["--reference"]);
    by_hand(&stage, &["refund", &id, "--amount", "50001"]).refused(2, &["50,000 KRW of 55,000 KRW are left"]);
    let rest = json(&stage, &["refund", &id]);
    assert_eq!((&rest["refund"]["amount"], &rest["renewal"]["state"]), (&50_000.into(), &"refunded".into()));
    assert_eq!(text(&stage, "SELECT current_period_end FROM subscriptions"), "2026-02-27T15:00:00.000000Z");
    by_hand(&stage, &["retry", "sub_a"]).refused(2, &["paid and given back"]);
}

#[test]
fn a_review_is_answered_with_evidence_and_never_against_the_money() {
    let stage = Stage::with(&[("a", "billing-key-a-squatted")]);
    stage.run(&[]);
    let answer = |what: &str, more: &[&str]| {
        by_hand(&stage, &[&["resolve", "sub_a", "--as", what, "--evidence", "PortOne's console"], more].concat())
    };
    answer("paid", &[]).refused(2, &["not as ordered", "amount"]).money("stays under review").line(&["renewd refund"]);
    answer("retry", &[]).refused(2, &["the gateway says otherwise"]);
    answer("not-charged", &[]).refused(2, &["the gateway says otherwise"]).line(&["--against-gateway"]);
    answer("not-charged", &["--against-gateway", "because"]).refused(2, &["at least 20 characters"]);
    let said = answer("not-charged", &["--against-gateway", "1 won by a stranger, says PortOne"]).ok();
    assert!(said.out.contains("is failed now"), "{said:#?}");
    let shown = stage.place.at(LATER, &["show", "sub_a"]).ok().out;
    for words in
        ["resolve by", "as not charged", "evidence: PortOne's console", "against the gateway: 1 won by a stranger"]
    {
        assert!(shown.contains(words), "{words:?} is missing in {shown}");
    }
}

#[test]
fn each_of_them_wants_a_reason_and_a_review_its_evidence() {
    let stage = Stage::with(&[("a", "billing-key-a")]);
    for arguments in [
        vec!["retry", "sub_a"],
        vec!["refund", "rn"],
        vec!["resolve", "sub_a", "--as", "paid", "--evidence", "x"],
        vec!["resolve", "sub_a", "--as", "paid", "--reason", "x"],
        vec!["resolve", "sub_a", "--evidence", "x", "--reason", "x"],
        vec!["retry", "sub_a", "--reason", ""],
    ] {
        let said = stage.place.at(NOW, &arguments);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:#?}");
        assert!(["--reason", "--evidence", "--as"].iter().any(|flag| said.err.contains(flag)), "{said:#?}");
    }
    for command in [["retry", "nobody"], ["refund", "nobody"]] {
        by_hand(&stage, &command).refused(2, &["there is no subscription, renewal or payment \"nobody\""]);
    }
    assert_eq!(stage.place.count("actions"), 0);
}

#[test]
fn the_timeline_says_what_is_next_and_why() {
    let stage =
        Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b-insufficient"), ("c", "billing-key-c-lost")]);
    stage.place.import(&super::subscriber("nokey", None));
    let next = |id: &str| stage.place.at(LATER, &["--output", "json", "show", id]).ok().json()["next"].take();
    let before = stage.place.tables();
    assert_eq!(next("sub_a")["will_be_charged"], true);
    assert!(next("sub_nokey")["why"][0].as_str().unwrap().contains("no billing key"));
    assert_eq!(stage.place.tables(), before, "looking writes nothing");
    stage.run(&[]);
    let paid = next("sub_a");
    assert_eq!((&paid["will_be_charged"], &paid["at"]), (&true.into(), &"2026-02-27T00:00:00Z".into()), "{paid}");
    let declined = next("sub_b");
    assert_eq!(declined["at"], "2026-01-31T01:00:00Z");
    assert!(declined["why"][0].as_str().unwrap().contains("declined once (last: insufficient funds)"), "{declined}");
    assert!(next("sub_c")["why"][0].as_str().unwrap().contains("waits for a billing key"));
    stage.place.at(LATER, &["pause", "--reason", "prices", "--actor", "haneul"]).ok();
    assert!(next("sub_b")["why"][1].as_str().unwrap().contains("paused by haneul: prices"));
    let shown = stage.place.at(LATER, &["show", "sub_b"]).ok().out;
    for words in
        ["next period", "will not be charged", "told renewal.declined", "next attempt 2026-01-31 10:00", "with key bk_"]
    {
        assert!(shown.contains(words), "{words:?} is missing in {shown}");
    }
}

#[test]
fn who_is_the_user_of_the_process_where_the_environment_names_none() {
    let stage = Stage::with(&[("a", "billing-key-a")]);
    stage.place.at(NOW, &["pause", "--reason", "prices"]).ok();
    let user = std::process::Command::new("id").arg("-un").output().expect("every system has it").stdout;
    let told = stage.place.texts("SELECT actor FROM actions");
    assert_eq!(told, [String::from_utf8(user).expect("a name").trim()]);
}

/// Two commands that start at one moment would be listed in the order in which they got to their first statement.
const AFTERWARDS: &str = "2026-01-30T10:21:00+09:00";

#[test]
fn pause_resume_and_reconcile_are_kept_with_who_did_it() {
    let stage = Stage::with(&[("a", "billing-key-a")]);
    stage.place.at(NOW, &["pause", "--reason", "prices", "--actor", "haneul"]).ok();
    stage.place.at(LATER, &["resume", "--reason", "mended", "--actor", "haneul"]).ok();
    stage.place.at(AFTERWARDS, &["reconcile", "--reason", "after the outage", "--actor", "haneul"]).ok();
    let told = stage.place.texts("SELECT kind || ' ' || actor || ': ' || reason FROM actions ORDER BY created_at, id");
    assert_eq!(told, ["pause haneul: prices", "resume haneul: mended", "reconcile haneul: after the outage"]);
    let status = stage.place.at(AFTERWARDS, &["--output", "json", "status"]).ok().json();
    assert_eq!((status["by_hand"].as_array().unwrap().len(), &status["by_hand"][2]["kind"]), (3, &"pause".into()));
}
