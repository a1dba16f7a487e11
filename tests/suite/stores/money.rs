//! Sums for people: what was taken and refused by business date, and what is still expected.

use super::ground::{Ground, now};
use super::on_all;
use chrono::{NaiveDate, TimeDelta};
use renewd::domain::ids::RunId;
use renewd::store::NewRun;
use renewd::store::read::{AtRisk, Taking};

on_all!(
    what_was_taken_and_refused_is_summed_up_by_date_and_reason,
    takings_begin_where_they_are_asked_for,
    what_waits_for_money_is_at_risk_and_what_is_new_is_not,
);

fn today() -> NaiveDate {
    now().date_naive()
}

async fn open(ground: &Ground, id: RunId, business_date: NaiveDate) {
    let run = NewRun {
        id,
        trigger: "test".to_owned(),
        business_date,
        zone: "Asia/Seoul".to_owned(),
        actor: "test".to_owned(),
        started_at: now(),
    };
    ground.open_run(&run).await.unwrap();
}

/// Three are charged by a run of today: two are paid, one is declined. One is left open.
async fn charged(ground: &Ground) {
    ground.subscribed_and_planned(&["sub_1", "sub_2", "sub_3", "sub_4"]).await;
    let claimed = ground.claim_all().await;
    let attempts: Vec<_> = claimed.attempts.iter().map(|attempt| attempt.get().clone()).collect();
    open(ground, attempts[0].run_id, today()).await;
    let settled = [
        ground.paid(&attempts[0]),
        ground.paid(&attempts[1]),
        ground.declined(&attempts[2]),
        ground.unknown(&attempts[3]),
    ];
    ground.settle(&settled).await.unwrap();
}

async fn what_was_taken_and_refused_is_summed_up_by_date_and_reason(ground: Ground) {
    assert_eq!(ground.takings(today(), now()).await.unwrap(), []);
    charged(&ground).await;
    let takings = ground.takings(today(), now()).await.unwrap();
    let sums: Vec<_> = takings.iter().map(|row| (row.state.as_str(), row.attempts, row.minor)).collect();
    assert_eq!(sums, [("declined", 1, 55_000), ("paid", 2, 110_000)], "what is open is no result");
    assert!(takings.iter().all(|row| row.business_date == today() && row.currency == "KRW"));
    let is_told = |row: &Taking| row.decline_reason.is_some() == (row.state == "declined");
    assert!(takings.iter().all(is_told), "{takings:?}");
}

async fn takings_begin_where_they_are_asked_for(ground: Ground) {
    charged(&ground).await;
    let rows = async |from, since| ground.takings(from, since).await.unwrap().len();
    assert_eq!(rows(today() - TimeDelta::days(29), now() - TimeDelta::days(29)).await, 2);
    assert_eq!(rows(today() + TimeDelta::days(1), now()).await, 0, "a later business date");
    assert_eq!(rows(today(), now() + TimeDelta::days(1)).await, 0, "attempts that began later");
}

async fn what_waits_for_money_is_at_risk_and_what_is_new_is_not(ground: Ground) {
    ground.subscribe(&["sub_5", "sub_6"]).await;
    charged(&ground).await;
    let (fresh, mut keyless) = (ground.planned("sub_5"), ground.planned("sub_6"));
    (keyless.next_attempt_at, keyless.waits_for_key) = (None, true);
    ground.record_plan(ground.run_id(), &[fresh, keyless]).await.unwrap();
    let row = |state: &str, waits_for_key| AtRisk {
        state: state.to_owned(),
        waits_for_key,
        currency: Some("KRW".to_owned()),
        renewals: 1,
        minor: 55_000,
    };
    let expected = [row("due", false), row("due", true), row("unknown", false)];
    assert_eq!(ground.at_risk().await.unwrap(), expected);
}
