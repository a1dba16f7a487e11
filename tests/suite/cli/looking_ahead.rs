//! `look-ahead` and `status --codes`: what a person learns before it is too late, and what they are asked to classify.

use super::{NOW, Stage};

/// Two days before [`NOW`]'s charges.
const EARLY: &str = "2026-01-28T09:00:00+09:00";

#[test]
fn a_look_ahead_tells_what_would_go_wrong_and_charges_nothing() {
    let stage =
        Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b-deleted"), ("c", "billing-key-c-scheduled")]);
    let report = stage.place.at(EARLY, &["--output", "json", "look-ahead"]).ok().json();
    assert_eq!((&report["status"], &report["announced"]), (&"completed".into(), &3.into()), "{report:#}");
    assert_eq!((&report["issued"], &report["gone"], &report["scheduled"]), (&2.into(), &1.into(), &1.into()));
    let told = stage.place.texts("SELECT kind || ' ' || subscription_id FROM events ORDER BY kind, subscription_id");
    assert_eq!(
        told,
        ["billing_key.missing sub_b", "renewal.upcoming sub_a", "renewal.upcoming sub_b", "renewal.upcoming sub_c"]
    );
    assert_eq!(stage.place.texts("SELECT count(*) || '' FROM attempts"), ["0"]);
    let again = stage.place.at(EARLY, &["look-ahead"]).ok().out;
    assert!(again.contains("look ahead from 2026-01-28: completed"), "{again}");
}

#[test]
fn a_look_ahead_that_cannot_ask_ends_with_1_and_has_told_all_the_same() {
    let mut stage = Stage::with(&[("a", "billing-key-a")]);
    stage.place.set("PORTONE_API_SECRET", "wrong");
    let refused = stage.place.at(EARLY, &["look-ahead"]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    refused.erred(&["credentials"]).money("nothing was charged").line(&["hint: ", "renewd look-ahead"]);
    assert_eq!(stage.place.texts("SELECT kind FROM events"), ["renewal.upcoming"]);
}

#[test]
fn codes_that_nobody_knows_are_listed_until_somebody_classifies_them() {
    let mut stage =
        Stage::with(&[("a", "billing-key-a-unheard-of"), ("b", "billing-key-b-kcp-unheard-of"), ("c", "bk-c-lost")]);
    stage.run(&[]);
    let codes = stage.place.at(NOW, &["--output", "json", "status", "--codes"]).ok().json();
    let listed: Vec<_> =
        codes.as_array().unwrap().iter().map(|code| (&code["pg_provider"], &code["pg_code"])).collect();
    assert_eq!(
        listed,
        [(&"KCP_V2".into(), &"ZZ-UNHEARD-OF".into()), (&"TOSSPAYMENTS".into(), &"ZZ-UNHEARD-OF".into())],
        "{codes:#}"
    );
    assert_eq!((&codes[0]["decline_class"], &codes[0]["attempts"]), (&"unknown".into(), &1.into()));
    let table = stage.place.at(NOW, &["status", "--codes"]).ok().out;
    assert!(table.contains("알 수 없는 오류") && table.contains("declines.more_codes_file"), "{table}");
    stage.place.write("more.csv", "pg_provider,pg_code,class,reason\nKCP_V2,ZZ-UNHEARD-OF,soft,over_limit\n");
    stage.place.set("RENEWD_DECLINES__MORE_CODES_FILE", "more.csv");
    let left = stage.place.at(NOW, &["--output", "json", "status", "--codes"]).ok().json();
    assert_eq!((left.as_array().unwrap().len(), &left[0]["pg_provider"]), (1, &"TOSSPAYMENTS".into()));
    stage.place.run(&["status", "--days", "3"]).refused(2, &["required"]).line(&["--codes"]);
}
