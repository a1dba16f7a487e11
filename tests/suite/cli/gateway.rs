//! A gateway that cannot be used: the run ends with 1, everything is still due, and the next run charges it.

use super::{NOW, Stage};

fn stage() -> Stage {
    Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b"), ("c", "billing-key-c")])
}

/// A run that charges nobody for these reasons, and one that charges all when the cause is mended.
#[track_caller]
fn charges_nobody(stage: &Stage, words: &[&str]) {
    let said = stage.place.at(NOW, &["--output", "json", "run"]);
    assert_eq!(said.code, Some(1), "{said:#?}");
    said.erred(words).money("nothing is charged twice").line(&["hint: ", "renewd run"]);
    let report = said.json();
    assert_eq!((&report["status"], &report["paid"], &report["left_due"]), (&"failed".into(), &0.into(), &3.into()));
    assert_eq!(stage.place.count("renewals WHERE state = 'due' AND next_attempt_at IS NOT NULL"), 3);
    assert_eq!(stage.place.count("attempts WHERE state IN ('open', 'paid')"), 0);
    assert!(stage.simulator.charged().is_empty());
}

#[track_caller]
fn charges_all(stage: &Stage) {
    let report = stage.run_again(&[]);
    assert_eq!((&report["paid"], &report["status"]), (&3.into(), &"completed".into()), "{report}");
    assert_eq!(stage.simulator.charged().len(), 3);
}

#[test]
fn an_unreachable_gateway() {
    let mut stage = stage();
    stage.place.set("PORTONE_API_BASE", "http://127.0.0.1:9");
    charges_nobody(&stage, &["the gateway could not list its payments", "Connection refused"]);
    stage.simulator.tell(&mut stage.place);
    charges_all(&stage);
}

#[test]
fn refused_credentials() {
    let mut stage = stage();
    stage.place.set("PORTONE_API_SECRET", "the-wrong-one");
    charges_nobody(&stage, &["the gateway refused our credentials"]);
    stage.simulator.tell(&mut stage.place);
    charges_all(&stage);
}
