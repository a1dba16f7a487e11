//! What a run has ahead of it: sums of what is due, what is open, and where it would be charged.

use super::ground::{Ground, billing_key, now, period_end};
use super::on_all;
use chrono::TimeDelta;
use renewd::domain::ids::CustomerId;
use renewd::store::read::{DueSum, KeyChannel};
use renewd::store::{BillingKeyRow, ImportBatch};

on_all!(
    what_is_due_is_summed_up_by_currency,
    what_is_open_comes_in_pages_in_order_of_id,
    a_change_of_mind_opens_a_cancelled_one,
    the_newest_usable_key_names_the_channel,
);

fn sum(currency: &str, renewals: i64, first: i64, minor: i64) -> DueSum {
    DueSum { currency: currency.to_owned(), renewals, first, minor }
}

async fn what_is_due_is_summed_up_by_currency(ground: Ground) {
    assert_eq!(ground.due_now(None).await.unwrap(), []);
    ground.subscribe(&["sub_1", "sub_2", "sub_3", "sub_4", "sub_5", "sub_6"]).await;
    let run = ground.run_id();
    let mut page: Vec<_> = ["sub_1", "sub_2", "sub_3", "sub_4", "sub_5"].map(|id| ground.planned(id)).into();
    page[2].currency = Some("USD".to_owned());
    page[3].next_attempt_at = Some(now() + TimeDelta::minutes(1));
    (page[4].next_attempt_at, page[4].waits_for_key) = (None, true);
    ground.record_plan(run, &page).await.unwrap();
    assert_eq!(ground.due_now(None).await.unwrap(), [sum("KRW", 2, 2, 110_000), sum("USD", 1, 1, 55_000)]);
    let only = ["sub_2".into(), "sub_4".into(), "nobody".into()];
    assert_eq!(ground.due_now(Some(&only)).await.unwrap(), [sum("KRW", 1, 1, 55_000)]);
    assert_eq!(ground.due_now(Some(&[])).await.unwrap(), []);

    // One is declined and due again: a retry. What is being charged is nobody's to come.
    let claimed = ground.claim(&ground.request(1), super::ground::charge_everything(run)).await.unwrap();
    let attempt = claimed.attempts[0].get().clone();
    assert_eq!(ground.due_now(None).await.unwrap().iter().map(|sum| sum.renewals).sum::<i64>(), 2);
    ground.settle(&[ground.declined(&attempt)]).await.unwrap();
    ground.pass(TimeDelta::days(2));
    assert_eq!(ground.due_now(None).await.unwrap(), [sum("KRW", 3, 2, 165_000), sum("USD", 1, 1, 55_000)]);

    // Sums that no number holds do not end the run that asks.
    let much = |id: &str| renewd::domain::due::PlannedRenewal {
        currency: Some("JPY".to_owned()),
        amount: Some(9_007_199_254_740_991),
        ..ground.planned(id)
    };
    ground.record_plan(run, &[much("sub_6")]).await.unwrap();
    assert_eq!(ground.due_now(None).await.unwrap()[0], sum("JPY", 1, 1, 9_007_199_254_740_991));
}

async fn what_is_open_comes_in_pages_in_order_of_id(ground: Ground) {
    let mut ids = ground.subscribed_and_planned(&["sub_1", "sub_2", "sub_3", "sub_4"]).await;
    ids.sort();
    let paid = ground.claim_all().await;
    let settled = ground.paid(paid.attempts[0].get());
    let unknown = ground.unknown(paid.attempts[1].get());
    ground.settle(&[settled.clone(), unknown.clone()]).await.unwrap();
    let open: Vec<String> = ids.iter().filter(|id| **id != settled.renewal_id).map(ToString::to_string).collect();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = ground.open_renewals(after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(renewd::domain::ids::RenewalId(last.id.parse().unwrap()));
        seen.extend(page);
    }
    assert_eq!(seen.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), open);
    let states = |state: &str| seen.iter().filter(|row| row.state == state).count();
    assert_eq!((states("unknown"), states("charging")), (1, 2));
    let row = &seen[0];
    assert_eq!((row.plan_id.as_str(), row.amount, row.currency.as_deref()), ("pro", Some(55_000), Some("KRW")));
    assert_eq!((row.period_start, row.attempt_count, row.period_is_next), (period_end(), 1, true));
    assert_eq!(row.customer_id, format!("user_{}", row.subscription_id));
}

async fn a_change_of_mind_opens_a_cancelled_one(ground: Ground) {
    ground.subscribe(&["sub_1"]).await;
    let mut planned = ground.planned("sub_1");
    planned.state = renewd::domain::renewal::State::Canceled;
    planned.next_attempt_at = None;
    ground.set_cancel("sub_1", true).await;
    ground.record_plan(ground.run_id(), &[planned]).await.unwrap();
    assert_eq!(ground.open_renewals(None, 9).await.unwrap(), []);
    ground.set_cancel("sub_1", false).await;
    let open = ground.open_renewals(None, 9).await.unwrap();
    assert_eq!((open.len(), open[0].state.as_str(), open[0].cancel_at_period_end), (1, "canceled", false));
    ground.set_standing("sub_1", "downgraded", "free").await;
    assert_eq!(ground.open_renewals(None, 9).await.unwrap(), [], "too late");
}

async fn the_newest_usable_key_names_the_channel(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2", "sub_3"]).await;
    ground.pass(TimeDelta::minutes(1));
    let newer = |id: &str, channel: Option<&str>| BillingKeyRow {
        id: format!("bk_newer_{id}"),
        channel_key: channel.map(str::to_owned),
        billing_key: renewd::domain::charge::BillingKey::new(format!("newer-{id}")),
        ..billing_key(id)
    };
    let billing_keys = vec![newer("sub_1", Some("channel-2")), newer("sub_2", None)];
    ground.import(ImportBatch { billing_keys, ..ImportBatch::default() }).await.unwrap();
    let customers: Vec<CustomerId> =
        ["user_sub_2", "user_sub_1", "user_sub_3", "user_sub_1", "nobody"].map(CustomerId::from).into();
    let channel = |customer: &str, channel: Option<&str>| KeyChannel {
        customer_id: customer.to_owned(),
        channel_key: channel.map(str::to_owned),
    };
    let all = [
        channel("user_sub_1", Some("channel-2")),
        channel("user_sub_2", None),
        channel("user_sub_3", Some("channel-1")),
    ];
    assert_eq!(ground.channels_of(&customers).await.unwrap(), all);
    ground.set_key_usable("bk_newer_sub_1", false).await;
    ground.set_key_usable("bk_sub_3", false).await;
    let usable = [channel("user_sub_1", Some("channel-1")), channel("user_sub_2", None)];
    assert_eq!(ground.channels_of(&customers).await.unwrap(), usable);
    assert_eq!(ground.channels_of(&[]).await.unwrap(), []);
}
