//! Reconciling, the kill switch, and a file that was put back.

use super::place::Place;
use super::{LATER, NOW, Stage};
use std::path::{Path, PathBuf};

/// A minute after a run at [`LATER`].
const LATEST: &str = "2026-01-30T10:21:00+09:00";

fn stage() -> Stage {
    Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b")])
}

/// A database whose processes have ended, with what is not in its main file yet.
fn copy_database(from: &Path, to: &Path) {
    for part in ["", "-wal", "-shm"] {
        let with_part = |path: &Path| PathBuf::from(format!("{}{part}", path.display()));
        let (from, to) = (with_part(from), with_part(to));
        if from.exists() {
            std::fs::copy(&from, &to).unwrap();
        } else if to.exists() {
            std::fs::remove_file(&to).unwrap();
        }
    }
}

#[test]
fn a_paused_run_charges_nobody_and_a_resumed_one_goes_on() {
    let stage = stage();
    let paused = stage.place.at(NOW, &["pause", "--reason", "wrong prices", "--actor", "haneul"]).ok();
    assert!(paused.out.starts_with("charging is paused"), "{paused:#?}");
    let status = stage.place.at(NOW, &["status"]).ok();
    assert!(status.out.contains("by haneul since 2026-01-30 10:00: wrong prices"), "{status:#?}");

    let run = stage.run(&[]);
    assert_eq!((&run["paid"], &run["paused"], &run["left_due"]), (&0.into(), &true.into(), &2.into()));
    assert!(stage.simulator.charged().is_empty());

    // Each process starts its own clock: what comes later is told to be later.
    let (soon, later) = ("2026-01-30T10:05:00+09:00", "2026-01-30T10:10:00+09:00");
    let again = stage.place.at(soon, &["pause", "--reason", "still"]).ok();
    assert!(again.out.contains("it was already, by haneul"), "{again:#?}");
    let resumed = stage.place.at(later, &["--output", "json", "resume", "--reason", "prices mended"]).ok().json();
    assert_eq!((&resumed["paused"], &resumed["reason"]), (&false.into(), &"prices mended".into()));
    assert_eq!(stage.run_again(&[])["paid"], 2);
    let told = stage.place.texts(
        "SELECT kind || ' ' || (payload ->> 'by') || ': ' || (payload ->> 'reason') FROM events
        WHERE kind LIKE 'charging.%' ORDER BY id",
    );
    assert_eq!(told[0], "charging.paused haneul: wrong prices");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[2].starts_with("charging.resumed ") && told[2].ends_with(": prices mended"), "{told:?}");
    let resumed = stage.place.at(NOW, &["resume", "--reason", "sure"]).ok();
    assert!(resumed.out.starts_with("charging was not paused"), "{resumed:#?}");
}

#[test]
fn the_switch_wants_a_reason() {
    for command in ["pause", "resume"] {
        let place = Place::migrated();
        for arguments in [vec![command], vec![command, "--reason", ""]] {
            let said = place.run(&arguments);
            assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:#?}");
            assert!(said.err.contains("--reason"), "{said:#?}");
        }
    }
}

#[test]
fn reconcile_says_that_all_is_well() {
    let stage = stage();
    stage.run(&[]);
    let report = stage.place.at(LATER, &["--output", "json", "reconcile"]).ok().json();
    assert_eq!(
        (&report["agreed"], &report["recorded"], &report["status"]),
        (&2.into(), &2.into(), &"completed".into())
    );
    assert_eq!(report["from"], "2026-01-28T15:00:00Z", "yesterday and today, in Seoul");
    let said = stage.place.at(LATER, &["reconcile", "--from", "2026-01-30", "--until", "2026-01-30"]).ok();
    for line in ["payments from 2026-01-30 00:00 to 2026-01-30 10:2", "listed by the gateway", "agreed"] {
        assert!(said.out.contains(line), "{line:?} is missing in {said:#?}");
    }
}

#[test]
fn reconcile_adopts_what_a_copy_lost_and_shows_it() {
    let stage = stage();
    let (file, copy) = (stage.place.path("renewd.db"), stage.place.path("yesterday.db"));
    copy_database(&file, &copy);
    stage.run(&[]);
    copy_database(&copy, &file);

    let said = stage.place.at(LATER, &["reconcile"]);
    assert!(said.out.contains("taken there, recorded now") && said.out.contains("sub_a"), "{said:#?}");
    assert_eq!(said.code, Some(3), "{said:#?}");
    said.erred(&["charging is held", "restore_suspected", "renewd resume"]).money("nothing is charged anywhere");
    assert_eq!(stage.place.count("renewals WHERE state = 'paid'"), 2);
    stage.place.at(LATER, &["resume", "--reason", "nobody cancelled since"]).ok();
    assert_eq!(stage.run_again(&[])["due"], 0);
    assert_eq!(stage.simulator.charged().len(), 2, "nobody twice");
}

#[test]
fn a_run_on_a_file_that_was_put_back_holds_until_it_is_resumed() {
    let stage = stage();
    let (file, copy) = (stage.place.path("renewd.db"), stage.place.path("yesterday.db"));
    copy_database(&file, &copy);
    stage.run(&["--subscription", "sub_a"]);
    copy_database(&copy, &file);

    let held = stage.place.at(LATER, &["--output", "json", "run"]);
    assert_eq!(held.code, Some(1), "{held:#?}");
    held.erred(&["restore_suspected", "sub_a", "renewd resume"]).money("nothing is charged twice");
    assert!(stage.place.at(LATER, &["status"]).ok().out.contains("charging is paused by renewd"));
    assert_eq!(stage.place.count("events WHERE kind = 'restore.suspected'"), 2, "held, and reconciled");
    assert_eq!(stage.simulator.charged().len(), 1, "sub_b waits");
    stage.place.at(LATER, &["resume", "--reason", "cancellations entered again"]).ok();
    // What the held run planned is due from its start on, and each program starts its test clock anew.
    assert_eq!(stage.place.at(LATEST, &["--output", "json", "run"]).ok().json()["paid"], 1);
    assert_eq!(stage.simulator.charged().len(), 2, "nobody twice");
}

#[test]
fn what_needs_a_look_exits_with_3() {
    let mut stage = stage();
    stage.run(&[]);
    // Another database of the same store: what is there is nobody's here.
    let other = Place::migrated();
    copy_database(&other.path("renewd.db"), &stage.place.path("other.db"));
    stage.place.set("DATABASE_URL", "sqlite://other.db");
    let said = stage.place.at(LATER, &["--output", "json", "reconcile"]);
    assert_eq!(said.code, Some(3), "{said:#?}");
    assert_eq!(said.json()["payments_unknown"], 2);
    said.erred(&["2 unknown payment(s)"]).money("stays paid").line(&["hint: ", "renewd show"]);
    let table = stage.place.at(LATER, &["reconcile"]);
    assert!(table.out.contains("cannot be derived"), "{table:#?}");
}

#[test]
fn days_that_hold_nothing_are_a_usage_error() {
    let stage = stage();
    for days in [["--from", "2026-01-31"], ["--until", "2026-01-27"]] {
        let said = stage.place.at(NOW, &[&["reconcile"], &days[..]].concat());
        if days[0] == "--from" {
            said.refused(2, &["2026-01-31"]).money("nothing was charged");
        } else {
            assert_eq!(said.code, Some(0), "the day before it, and it: {said:#?}");
        }
    }
    stage
        .place
        .at(NOW, &["reconcile", "--from", "2026-01-29", "--until", "2026-01-28"])
        .refused(2, &["2026-01-29", "2026-01-28"]);
}

#[test]
fn a_gateway_that_does_not_list_exits_with_1() {
    let mut stage = stage();
    stage.place.set("PORTONE_API_SECRET", "the-wrong-one");
    let said = stage.place.at(NOW, &["reconcile"]);
    said.refused(1, &["not compared with the gateway", "refused our credentials"]).money("nothing was charged");
}
