//! Planning: what is due is found once, page by page, and recorded once.

use super::ground::{Ground, next_period_end, now, period_end};
use super::on_all;
use chrono::TimeDelta;
use renewd::domain::claim::RenewalChange;
use renewd::domain::event::EventKind;
use renewd::domain::renewal::State;
use renewd::store::DuePage;

on_all!(
    what_is_due_comes_in_pages_and_only_once,
    only_what_was_asked_for_is_due,
    what_is_due_is_counted_planned_or_not,
    who_was_just_renewed_is_not_due_again_in_that_run,
    a_planned_page_is_recorded_once_and_told_once,
    an_unreadable_subscription_is_recorded_beside_the_others,
    a_change_is_written_only_from_the_state_it_was_decided_from,
    what_waits_is_told_when_its_surroundings_change,
);

fn page(rows_max: u32) -> DuePage {
    DuePage { ends_before: period_end() + TimeDelta::hours(1), after: None, rows_max, only: None, not_again_in: None }
}

async fn what_is_due_comes_in_pages_and_only_once(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2", "sub_3", "sub_4", "sub_5"]).await;
    ground.set_standing("sub_5", "downgraded", "free").await;
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let facts = ground.due_facts(&DuePage { after, ..page(3) }).await.unwrap();
        let Some(last) = facts.last() else { break };
        after = Some((last.current_period_end, last.id.clone()));
        seen.extend(facts.into_iter().map(|facts| facts.id.0));
    }
    assert_eq!(seen, ["sub_1", "sub_2", "sub_3", "sub_4"]);
    let early = DuePage { ends_before: period_end(), ..page(9) };
    assert_eq!(ground.due_facts(&early).await.unwrap(), [], "it ends at that instant, not before it");
    ground.plan(&["sub_2"]).await;
    let rest = ground.due_facts(&page(9)).await.unwrap();
    assert_eq!(rest.iter().map(|facts| facts.id.as_str()).collect::<Vec<_>>(), ["sub_1", "sub_3", "sub_4"]);
    assert!(rest[0].has_usable_key);
    assert_eq!((rest[0].amount, rest[0].interval.as_str(), rest[0].current_period_end), (55_000, "P1M", period_end()));
}

async fn only_what_was_asked_for_is_due(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2", "sub_3"]).await;
    let only = Some(vec!["sub_2".into(), "nobody".into()]);
    let facts = ground.due_facts(&DuePage { only, ..page(9) }).await.unwrap();
    assert_eq!(facts.iter().map(|facts| facts.id.as_str()).collect::<Vec<_>>(), ["sub_2"]);
}

async fn what_is_due_is_counted_planned_or_not(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2", "sub_3", "sub_4"]).await;
    ground.set_standing("sub_4", "downgraded", "free").await;
    ground.plan(&["sub_2"]).await;
    assert_eq!(ground.due_count(&page(9)).await.unwrap(), 3);
    assert_eq!(ground.due_count(&page(2)).await.unwrap(), 2, "and no further");
    let only = Some(vec!["sub_1".into(), "nobody".into()]);
    assert_eq!(ground.due_count(&DuePage { only, ..page(9) }).await.unwrap(), 1);
    assert_eq!(ground.due_count(&DuePage { ends_before: period_end(), ..page(9) }).await.unwrap(), 0);
}

async fn who_was_just_renewed_is_not_due_again_in_that_run(ground: Ground) {
    let (own, other) = (ground.run_id(), ground.run_id());
    ground.subscribe(&["sub_1"]).await;
    ground.record_plan(own, &[ground.planned("sub_1")]).await.unwrap();
    let attempt = ground.claim_one().await;
    ground.settle(&[ground.paid(&attempt)]).await.unwrap();
    let later = DuePage { ends_before: next_period_end() + TimeDelta::days(1), ..page(9) };
    let due = async |not_again_in| ground.due_facts(&DuePage { not_again_in, ..later.clone() }).await.unwrap().len();
    assert_eq!(due(None).await, 1);
    let charged = attempt.started_at;
    assert_eq!(due(Some((own, charged))).await, 0, "planned by it");
    assert_eq!(due(Some((attempt.run_id, charged))).await, 0, "charged by it");
    let earlier = charged - TimeDelta::microseconds(1);
    assert_eq!(due(Some((other, earlier))).await, 0, "charged beside it, once it had started");
    // Whether those runs are over or were killed nobody can tell: they hold up none that starts later.
    assert_eq!(due(Some((other, charged))).await, 1);
}

async fn a_planned_page_is_recorded_once_and_told_once(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2"]).await;
    let tell = |id: &str| {
        let mut planned = ground.planned(id);
        planned.events = vec![ground.event(EventKind::BillingKeyMissing, id, planned.id)];
        planned
    };
    let first = ground.record_plan(ground.run_id(), &[tell("sub_1")]).await.unwrap();
    assert_eq!(first.len(), 1);
    let second = ground.record_plan(ground.run_id(), &[tell("sub_1"), tell("sub_2")]).await.unwrap();
    assert_eq!(second.len(), 1, "sub_1 has its renewal");
    assert_eq!(ground.count("renewals", "true").await, 2);
    assert_eq!(ground.count("events", "kind = 'billing_key.missing'").await, 2, "nothing is told of a row not written");
}

async fn an_unreadable_subscription_is_recorded_beside_the_others(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2"]).await;
    let mut broken = ground.planned("sub_1");
    (broken.state, broken.amount, broken.period_end, broken.next_attempt_at) = (State::Review, None, None, None);
    broken.review_reason = Some("the interval P1Q cannot be read".to_owned());
    let new = ground.record_plan(ground.run_id(), &[broken, ground.planned("sub_2")]).await.unwrap();
    assert_eq!(new.len(), 2);
    let seen = ground.needs_person(9).await.unwrap();
    assert_eq!(seen[0].review_reason.as_deref(), Some("the interval P1Q cannot be read"));
    assert_eq!(seen[0].amount, None);
    assert_eq!(ground.claim_all().await.attempts.len(), 1);
}

async fn a_change_is_written_only_from_the_state_it_was_decided_from(ground: Ground) {
    let renewal = ground.subscribed_and_planned(&["sub_1"]).await[0];
    let change = |from, to| RenewalChange {
        renewal_id: renewal,
        from,
        to,
        next_attempt_at: (to == State::Due).then(now),
        next_look_up_at: None,
        waits_for_key: false,
        waited_for_key: false,
        access_until: None,
        review_reason: None,
        events: vec![ground.event(EventKind::RenewalCanceled, "sub_1", renewal)],
    };
    assert_eq!(ground.change_renewals(&[change(State::Unknown, State::Failed)]).await.unwrap(), []);
    assert_eq!(ground.count("events", "true").await, 0, "nothing is told of what was not written");
    assert_eq!(ground.change_renewals(&[change(State::Due, State::Canceled)]).await.unwrap(), [renewal]);
    assert_eq!(ground.state("sub_1").await, "canceled");
    assert_eq!(ground.count("events", "true").await, 1);
    assert_eq!(ground.change_renewals(&[change(State::Canceled, State::Due)]).await.unwrap(), [renewal]);
    assert_eq!(ground.claim_all().await.attempts.len(), 1, "the customer changed their mind");
}

async fn what_waits_is_told_when_its_surroundings_change(ground: Ground) {
    ground.subscribe(&["sub_1", "sub_2", "sub_3", "sub_4"]).await;
    let plain = ground.planned("sub_1");
    let mut keyless = ground.planned("sub_2");
    (keyless.waits_for_key, keyless.next_attempt_at) = (true, None);
    let mut over = ground.planned("sub_3");
    over.access_until = now();
    let mut canceled = ground.planned("sub_4");
    (canceled.state, canceled.next_attempt_at) = (State::Canceled, None);
    ground.set_key_usable("bk_sub_2", false).await;
    ground.set_cancel("sub_4", true).await;
    let page = [plain, keyless, over, canceled];
    ground.record_plan(ground.run_id(), &page).await.unwrap();
    let waiting = async || {
        let facts = ground.waiting_facts(None, now() - TimeDelta::days(3), 9).await.unwrap();
        facts.into_iter().map(|facts| facts.subscription_id.0).collect::<Vec<_>>()
    };
    assert_eq!(waiting().await, ["sub_3"], "only the grace of sub_3 is over");
    ground.set_cancel("sub_1", true).await;
    ground.set_key_usable("bk_sub_2", true).await;
    ground.set_cancel("sub_4", false).await;
    assert_eq!(waiting().await, ["sub_1", "sub_2", "sub_3", "sub_4"]);
    let first = ground.waiting_facts(None, now() - TimeDelta::days(3), 1).await.unwrap();
    assert!(first[0].cancel_at_period_end && first[0].period_is_next && first[0].has_usable_key);
    let rest = ground.waiting_facts(Some(first[0].renewal_id), now() - TimeDelta::days(3), 9).await.unwrap();
    assert_eq!(rest.len(), 3);
    assert!(rest[0].waits_for_key && rest[0].has_usable_key);
    assert!(next_period_end() > rest[1].access_until);
}
