//! Imports that are refused: the line is named, and nothing of the file is written, also not its good lines.

use super::place::{Place, Said};
use super::{lines, plan, subscriber};

/// Imports good lines with bad ones after them (from line 5 on) into a database that holds something.
#[track_caller]
fn refused(bad: &str, problem: &[&str]) -> Said {
    let place = Place::migrated();
    place.import(&lines(&[("old", "billing-key-old")]));
    let before = place.tables();
    place.write("new.jsonl", &format!("{}{}{bad}\n", plan(), subscriber("new", Some("billing-key-new"))));
    let said = place.run(&["import", "new.jsonl"]);
    said.refused(2, &["new.jsonl", "bad line(s)"]).money("nothing was imported").line(problem);
    assert_eq!(place.tables(), before, "something was written");
    said
}

#[test]
fn a_line_that_is_no_json() {
    refused("{\"type\":\"customer\"", &["line 5: ", "not an import line", "at column 18"]);
}

#[test]
fn each_bad_line_has_a_line() {
    let said = refused("nonsense\n\n{\"type\":\"customer\"}", &["line 5: "]);
    said.refused(2, &["2 bad line(s)"]).line(&["line 7: ", "missing field `id`"]);
}

#[test]
fn an_unknown_type() {
    refused(r#"{"type":"coupon","id":"c"}"#, &["line 5: ", "unknown variant", "`subscription`"]);
}

#[test]
fn an_unknown_field() {
    refused(r#"{"type":"customer","id":"c","mail":"x"}"#, &["line 5: ", "unknown field `mail`", "`email`"]);
}

fn plan_of(amount: &str, currency: &str) -> String {
    plan().trim().replace("\"pro\"", "\"odd\"").replace("55000", amount).replace("KRW", currency)
}

#[test]
fn a_negative_amount() {
    refused(&plan_of("-5", "KRW"), &["line 5: ", "plan \"odd\"", "the amount is -5", "expected 1 to"]);
}

#[test]
fn an_amount_of_nothing() {
    refused(&plan_of("0", "KRW"), &["line 5: ", "plan \"odd\"", "the amount is 0", "expected 1 to"]);
}

#[test]
fn an_unknown_currency() {
    refused(&plan_of("500", "XQZ"), &["line 5: ", "plan \"odd\"", "XQZ"]);
}

#[test]
fn two_subscriptions_with_one_id() {
    let again = subscriber("new", None).lines().last().unwrap().to_owned();
    refused(&again, &["line 5: ", "subscription \"sub_new\" stands on line 4 already"]);
}

#[test]
fn a_plan_that_is_nowhere() {
    let line = subscriber("new", None).lines().last().unwrap().replace("\"pro\"", "\"gold\"").replace("sub_new", "s9");
    refused(&line, &["line 5: ", "there is no plan \"gold\""]);
}

#[test]
fn a_customer_that_is_nowhere() {
    let line = r#"{"type":"billing_key","customer":"nobody","billing_key":"billing-key-9"}"#;
    refused(line, &["line 5: ", "there is no customer \"nobody\""]);
}

#[test]
fn a_card_number_in_place_of_a_billing_key() {
    for number in ["\"4111111111111111\"", "\"4111 1111 1111 1111\"", "\"4111-1111-1111-1111\""] {
        let line = format!(r#"{{"type":"billing_key","customer":"user_old","billing_key":{number}}}"#);
        let said = refused(&line, &["line 5: ", "card number"]);
        assert!(!["1111 1111", "1111-1111", "11111111"].iter().any(|it| said.err.contains(it)), "{said:#?}");
    }
}

#[test]
fn a_card_number_that_is_no_text() {
    let line = r#"{"type":"billing_key","customer":"user_old","billing_key":4111111111111111}"#;
    let said = refused(line, &["line 5: ", "expected a string"]);
    assert!(!said.err.contains("11111111"), "{said:#?}");
}

#[test]
fn a_billing_key_that_was_never_confirmed() {
    let line = r#"{"type":"billing_key","customer":"user_old","billing_key":"NEEDS_CONFIRMATION"}"#;
    refused(line, &["line 5: ", "NEEDS_CONFIRMATION"]);
}

#[test]
fn user_documents_are_all_or_nothing_too() {
    let place = Place::migrated();
    let before = place.tables();
    place.write("plans.jsonl", &plan());
    let good = r#"{"id":"u1","tier":"pro","subscription_plan":"pro","subscription_expires_at":"2026-01-31T00:00:00+09:00","billing_key":"billing-key-1"}"#;
    place.write(
        "users.jsonl",
        &format!(
            "{good}\n{}\n",
            good.replace("u1", "u2").replace("\"pro\",\"subscription_e", "\"gold\",\"subscription_e")
        ),
    );
    let said = place.run(&["import", "users.jsonl", "--from", "user-documents", "--plans", "plans.jsonl"]);
    said.refused(2, &["users.jsonl"]).money("nothing was imported").line(&["line 2: "]);
    assert_eq!(place.tables(), before);
}

#[test]
fn user_documents_need_their_plans() {
    let place = Place::migrated();
    place.write("users.jsonl", "");
    let said = place.run(&["import", "users.jsonl", "--from", "user-documents"]);
    assert_eq!(said.code, Some(2), "{said:#?}");
    assert!(said.err.contains("--plans"), "{said:#?}");
}

#[test]
fn a_file_that_is_not_there() {
    let place = Place::migrated();
    place.run(&["import", "gone.jsonl"]).refused(2, &["gone.jsonl cannot be read", "No such file"]);
}
