//! Every answer and every trouble, from the simulator's ledger through real HTTP to our words.

use super::{PAYMENT_ID, PortOne, World, attempt, noon, settings};
use crate::domain::charge::BillingKey;
use crate::domain::ids::PaymentId;
use crate::domain::payment::{ChannelType, LookUp, Payment, PaymentStatus};
use crate::gateway::simulator::{KeyInfo, Route, Trouble};
use crate::gateway::{
    Answer, BillingKeyStatus, Cancellation, CancellationStatus, Gateway, GatewayError, ListedBy, PaymentRange,
};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;

async fn charge(world: &World, key: &str) -> Answer {
    let attempt = attempt(&world.gateway, key, 1);
    world.gateway.send(&attempt).await
}

async fn look_up(world: &World) -> LookUp {
    world.gateway.payment(&PaymentId::from(PAYMENT_ID)).await
}

async fn found(world: &World) -> Payment {
    match look_up(world).await {
        LookUp::Found(payment) => *payment,
        other => panic!("{other:?}"),
    }
}

fn is_unclear(answer: &Answer) -> bool {
    matches!(answer, Answer::Unclear { .. })
}

#[tokio::test]
async fn a_charge_is_accepted_once_and_looks_paid() {
    let world = World::start().await;
    assert_eq!(charge(&world, "bk-kcp-1").await, Answer::Accepted);
    let paid = found(&world).await;
    assert_eq!((paid.status, paid.total, paid.currency.as_deref()), (PaymentStatus::Paid, Some(9900), Some("KRW")));
    assert_eq!(paid.billing_key, Some(BillingKey::new("bk-kcp-1")));
    assert_eq!((paid.channel_type, paid.pg_provider.as_deref()), (Some(ChannelType::Live), Some("KCP_V2")));
    assert_eq!(paid.custom_data, Some(super::order().custom_data.to_text()));
    assert_eq!(paid.paid_at, Some(noon()));
    // The same attempt is answered as before, another one is told that it is paid.
    assert_eq!(charge(&world, "bk-kcp-1").await, Answer::Accepted);
    assert_eq!(world.gateway.send(&attempt(&world.gateway, "bk-kcp-1", 2)).await, Answer::AlreadyPaid);
    assert_eq!((world.successes(), world.sends()), (1, 3));
}

#[tokio::test]
async fn a_decline_says_why_and_is_replayed_for_three_hours_only() {
    let world = World::start().await;
    let declined = charge(&world, "bk-kcp-1-insufficient-once").await;
    let pg_message = Some("통장 잔액부족".to_owned());
    assert_eq!(declined, Answer::PgError { pg_code: Some("CC10".to_owned()), pg_message });
    let failed = found(&world).await;
    assert_eq!((failed.status, failed.failure.pg_code.as_deref()), (PaymentStatus::Failed, Some("CC10")));
    assert_eq!(failed.failed_at, Some(noon()));
    assert_eq!(charge(&world, "bk-kcp-1-insufficient-once").await, declined);
    assert_eq!(world.simulator.model().ledger().declined().len(), 1);
    world.later(TimeDelta::hours(3));
    assert_eq!(charge(&world, "bk-kcp-1-insufficient-once").await, Answer::Accepted);
}

#[tokio::test]
async fn the_gateways_own_refusals_charge_nothing() {
    let gone = |kind: &str| Answer::BillingKeyGone { kind: kind.to_owned() };
    let rows = [
        ("bk-1-deleted", gone("BILLING_KEY_ALREADY_DELETED")),
        ("bk-1-unknown-key", gone("BILLING_KEY_NOT_FOUND")),
        ("bk-1-max-transactions", Answer::TransactionCountReached),
        ("bk-1-no-channel", Answer::ChannelNotFound),
        ("bk-1-outstanding", Answer::Outstanding),
        ("bk-1-rate-limited", Answer::RateLimited { retry_after: Some(Duration::from_secs(1)) }),
        ("bk-1-squatted", Answer::AlreadyPaid),
    ];
    for (key, answer) in rows {
        let world = World::start().await;
        assert_eq!(charge(&world, key).await, answer, "{key}");
        assert_eq!(world.successes(), 0, "{key}");
    }
    for (key, word) in [("bk-1-bad-request", "INVALID_REQUEST"), ("bk-1-scheduled", "PAYMENT_SCHEDULE_ALREADY_EXISTS")]
    {
        let world = World::start().await;
        assert!(matches!(charge(&world, key).await, Answer::Refused { kind, .. } if kind == word), "{key}");
    }
    let world = World::start().await;
    world.trouble(Trouble::SumOfParts);
    assert!(matches!(charge(&world, "bk-1").await, Answer::Refused { .. }));
}

#[tokio::test]
async fn refused_credentials_are_told_from_everything_else() {
    for (trouble, word) in [(Trouble::Unauthorized, "UNAUTHORIZED"), (Trouble::Forbidden, "FORBIDDEN")] {
        let world = World::start().await;
        world.trouble(trouble.clone());
        world.simulator.model().add_rule(world.rule(trouble).on(Route::LookUp));
        assert_eq!(charge(&world, "bk-1").await, Answer::Unauthorized { kind: word.to_owned() });
        assert_eq!(look_up(&world).await, LookUp::Unauthorized(word.to_owned()));
    }
    let wrong_secret = World::start_with(|theirs| theirs.api_secret = "another".to_owned().into(), |_| {}).await;
    assert_eq!(charge(&wrong_secret, "bk-1").await, Answer::Unauthorized { kind: "UNAUTHORIZED".to_owned() });
    let wrong_store = World::start_with(|_| {}, |ours| ours.store_id = "store-b".to_owned()).await;
    assert_eq!(charge(&wrong_store, "bk-1").await, Answer::Unauthorized { kind: "FORBIDDEN".to_owned() });
    assert_eq!(wrong_store.successes(), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_or_senseless_is_unclear_though_money_was_taken() {
    let endings = ["timeout", "garbage", "html502", "error", "huge", "cut"];
    for ending in endings {
        let world = World::start().await;
        let answer = charge(&world, &format!("bk-1-{ending}")).await;
        assert!(is_unclear(&answer), "{ending}: {answer:?}");
        assert_eq!(world.successes(), 1, "{ending}");
        assert_eq!(found(&world).await.status, PaymentStatus::Paid, "{ending}");
    }
}

#[tokio::test]
async fn a_request_that_is_lost_is_unclear_and_nothing_was_taken() {
    for trouble in [
        Trouble::RequestLost,
        Trouble::HtmlBefore { status: 502 },
        Trouble::ErrorBefore { status: 503 },
        Trouble::Redirect { to: "http://127.0.0.1:1/".to_owned() },
    ] {
        let world = World::start().await;
        world.simulator.model().add_rule(world.rule(trouble.clone()).times(1));
        assert!(is_unclear(&charge(&world, "bk-1").await), "{trouble:?}");
        assert_eq!(look_up(&world).await, LookUp::NotFound);
        assert_eq!(world.sends(), 1, "the client must not repeat by itself: {trouble:?}");
        // The same attempt may be sent again, and is charged once.
        assert_eq!(charge(&world, "bk-1").await, Answer::Accepted);
        assert_eq!(world.successes(), 1);
    }
}

#[tokio::test]
async fn an_approval_slower_than_the_client_goes_on_without_it() {
    let world = World::start().await;
    let mut hasty = settings(world.simulator.base_url());
    (hasty.connect_timeout, hasty.first_byte_timeout) = (Duration::from_millis(100), Duration::from_millis(100));
    let hasty = PortOne::new(hasty, Arc::new(world.clock.clone())).unwrap();
    world.trouble(Trouble::SlowApproval { millis: 4_000 });
    assert!(is_unclear(&hasty.send(&attempt(&hasty, "bk-1", 1)).await));
    assert_eq!(charge(&world, "bk-1").await, Answer::Outstanding);
    assert_eq!(look_up(&world).await, LookUp::NotFound);
    while look_up(&world).await == LookUp::NotFound {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(found(&world).await.status, PaymentStatus::Paid);
    assert_eq!(charge(&world, "bk-1").await, Answer::Accepted);
    assert_eq!(world.successes(), 1);
}

#[tokio::test]
async fn what_is_wrong_with_a_payment_is_seen() {
    let other = |key: &'static str| async move {
        let world = World::start().await;
        charge(&world, key).await;
        found(&world).await
    };
    assert_eq!(other("bk-1-other-amount").await.total, Some(1));
    assert_eq!(other("bk-1-other-currency").await.currency.as_deref(), Some("USD"));
    assert_eq!(other("bk-1-other-store").await.store_id.as_deref(), Some("store-of-somebody-else"));
    assert_eq!(other("bk-1-test-channel").await.channel_type, Some(ChannelType::Test));
    let squat = other("bk-1-squatted").await;
    assert_eq!((squat.total, squat.billing_key, squat.custom_data), (Some(1), None, None));
    let back = other("bk-1-cancelled").await;
    assert_eq!((back.status, back.cancelled), (PaymentStatus::Cancelled, 9900));
    let part = other("bk-1-partly-cancelled").await;
    assert_eq!((part.status, part.cancelled), (PaymentStatus::PartialCancelled, 100));
}

#[tokio::test]
async fn a_payment_may_end_later_than_its_answer() {
    let rows = [
        ("pending", PaymentStatus::Pending, PaymentStatus::Paid, 1),
        ("pending-failed", PaymentStatus::Pending, PaymentStatus::Failed, 0),
        ("ready", PaymentStatus::Ready, PaymentStatus::Paid, 1),
        ("late", PaymentStatus::Failed, PaymentStatus::Paid, 1),
    ];
    for (ending, first, last, successes) in rows {
        let world = World::start().await;
        charge(&world, &format!("bk-1-{ending}")).await;
        assert_eq!((found(&world).await.status, world.successes()), (first, 0), "{ending}");
        world.later(TimeDelta::hours(1));
        assert_eq!((found(&world).await.status, world.successes()), (last, successes), "{ending}");
    }
}

#[tokio::test]
async fn a_late_approval_and_a_new_attempt_take_money_once() {
    let world = World::start().await;
    charge(&world, "bk-1-late-once").await;
    assert_eq!(world.gateway.send(&attempt(&world.gateway, "bk-1-late-once", 2)).await, Answer::Accepted);
    world.later(TimeDelta::hours(2));
    assert_eq!(found(&world).await.status, PaymentStatus::Paid);
    assert_eq!(world.successes(), 1);
}

#[tokio::test]
async fn look_ups_may_be_behind() {
    let world = World::start().await;
    charge(&world, "bk-1-insufficient-once").await;
    world.simulator.model().add_rule(world.rule(Trouble::Hidden).times(1));
    world.simulator.model().add_rule(world.rule(Trouble::Stale).times(1));
    world.gateway.send(&attempt(&world.gateway, "bk-1-insufficient-once", 2)).await;
    assert_eq!(look_up(&world).await, LookUp::NotFound);
    assert_eq!(found(&world).await.status, PaymentStatus::Failed);
    assert_eq!(found(&world).await.status, PaymentStatus::Paid);
}

#[tokio::test]
async fn a_payment_id_is_used_up_by_tries() {
    let world = World::start_with(|theirs| theirs.model.transactions_max = 2, |_| {}).await;
    for number in 1..=2 {
        let answer = world.gateway.send(&attempt(&world.gateway, "bk-1-insufficient", number)).await;
        assert!(matches!(answer, Answer::PgError { .. }));
    }
    let third = world.gateway.send(&attempt(&world.gateway, "bk-1", 3)).await;
    assert_eq!(third, Answer::TransactionCountReached);
}

#[tokio::test]
async fn concurrent_charges_of_one_payment_take_money_once() {
    let world = World::start_with(|theirs| theirs.model.latency = Duration::from_millis(30), |_| {}).await;
    let attempts: Vec<_> = (1..=8).map(|number| attempt(&world.gateway, "bk-1", number)).collect();
    let world = std::sync::Arc::new(world);
    let mut sends = tokio::task::JoinSet::new();
    for attempt in attempts {
        let world = world.clone();
        sends.spawn(async move { world.gateway.send(&attempt).await });
    }
    let answers = sends.join_all().await;
    assert_eq!(answers.iter().filter(|answer| **answer == Answer::Accepted).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == Answer::AlreadyPaid).count(), 7);
    assert_eq!(world.successes(), 1);
}

#[tokio::test]
async fn a_listing_pages_oldest_first() {
    let world = World::start().await;
    for number in 0..5 {
        let mut attempt = attempt(&world.gateway, "bk-1", 1);
        attempt.renewal.payment_id = PaymentId(format!("rnlisted{number}"));
        attempt.idempotency_key = format!("rnlisted{number}-0000000001");
        assert_eq!(world.gateway.send(&attempt).await, Answer::Accepted);
        world.later(TimeDelta::minutes(1));
    }
    let range = |page| PaymentRange {
        by: ListedBy::Created,
        from: noon() + TimeDelta::minutes(1),
        until: noon() + TimeDelta::hours(1),
        page,
        page_size: 3,
    };
    let first = world.gateway.payments(&range(0)).await.unwrap();
    let second = world.gateway.payments(&range(1)).await.unwrap();
    let ids: Vec<_> = first.items.iter().chain(&second.items).map(|item| item.id.as_str()).collect();
    assert_eq!(ids, ["rnlisted1", "rnlisted2", "rnlisted3", "rnlisted4"]);
    assert_eq!((first.total, first.items.len()), (4, 3));
    world.simulator.model().add_rule(world.rule(Trouble::Unauthorized).on(Route::List));
    assert!(matches!(world.gateway.payments(&range(0)).await, Err(GatewayError::Unauthorized(_))));
}

fn cancellation(amount: Option<i64>, cancellable: i64, key: &str) -> Cancellation {
    Cancellation {
        payment_id: PaymentId::from(PAYMENT_ID),
        amount,
        cancellable: Some(cancellable),
        reason: "late".to_owned(),
        idempotency_key: format!("{PAYMENT_ID}-refund-{key}"),
    }
}

#[tokio::test]
async fn money_is_given_back_once_however_often_it_is_asked_for() {
    let world = World::start().await;
    charge(&world, "bk-1").await;
    let part = cancellation(Some(900), 9900, "1");
    assert_eq!(world.gateway.cancel(&part).await, Ok(CancellationStatus::Succeeded));
    assert_eq!(world.gateway.cancel(&part).await, Ok(CancellationStatus::Succeeded));
    let refused = world.gateway.cancel(&cancellation(Some(900), 9900, "2")).await;
    assert!(
        matches!(refused, Err(GatewayError::Refused { kind, .. }) if kind == "CANCELLABLE_AMOUNT_CONSISTENCY_BROKEN")
    );
    assert_eq!(world.gateway.cancel(&cancellation(None, 9000, "3")).await, Ok(CancellationStatus::Succeeded));
    let again = world.gateway.cancel(&cancellation(None, 0, "4")).await;
    assert!(matches!(again, Err(GatewayError::Refused { kind, .. }) if kind == "PAYMENT_ALREADY_CANCELLED"));
    let given: i64 = world.simulator.model().ledger().given_back().iter().map(|one| one.amount).sum();
    assert_eq!((given, found(&world).await.cancelled), (9900, 9900));
}

#[tokio::test]
async fn a_cancellation_may_only_be_asked_for_or_fail() {
    let world = World::start().await;
    charge(&world, "bk-1").await;
    for (status, ours) in [("REQUESTED", CancellationStatus::Requested), ("FAILED", CancellationStatus::Failed)] {
        world.simulator.model().add_rule(world.rule(Trouble::CancellationStays { status: status.to_owned() }).times(1));
        assert_eq!(world.gateway.cancel(&cancellation(None, 9900, status)).await, Ok(ours));
    }
    world.simulator.model().add_rule(world.rule(Trouble::AnswerLost).on(Route::Cancel).times(1));
    assert!(matches!(world.gateway.cancel(&cancellation(None, 9900, "lost")).await, Err(GatewayError::NoAnswer(_))));
    assert_eq!(world.gateway.cancel(&cancellation(None, 9900, "lost")).await, Ok(CancellationStatus::Succeeded));
    assert_eq!(world.simulator.model().ledger().given_back().len(), 1);
}

#[tokio::test]
async fn a_billing_key_is_issued_deleted_or_not_there() {
    let world = World::start().await;
    world.simulator.model().set_key("bk 2/..?", KeyInfo { deleted: true, ..KeyInfo::default() });
    let plain = BillingKey::new("bk-1");
    assert_eq!(world.gateway.billing_key(&plain).await, Ok(BillingKeyStatus::Issued));
    let odd = BillingKey::new("bk 2/..?");
    assert_eq!(world.gateway.billing_key(&odd).await, Ok(BillingKeyStatus::Deleted));
    let unknown = BillingKey::new("bk-1-unknown-key");
    assert_eq!(world.gateway.billing_key(&unknown).await, Ok(BillingKeyStatus::NotFound));
    let nowhere = BillingKey::new("..");
    assert!(matches!(world.gateway.billing_key(&nowhere).await, Err(GatewayError::NoAnswer(_))));
}

#[tokio::test]
async fn the_gateways_clock_is_heard() {
    let theirs = crate::clock::SettableClock::at(noon() + TimeDelta::minutes(7));
    let world = World::start_with(|settings| settings.clock = std::sync::Arc::new(theirs), |_| {}).await;
    assert_eq!(world.gateway.clock_skew(), None);
    look_up(&world).await;
    assert_eq!(world.gateway.clock_skew(), Some(TimeDelta::minutes(7)));
}
