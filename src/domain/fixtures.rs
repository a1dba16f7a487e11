//! A policy, facts and an attempt for the tests of this folder: one subscription that ends on 31 January, Seoul time.

use super::charge::{Attempt, BillingKey, ClaimedRenewal, CustomData, FrozenRequest, Payer};
use super::claim::{ClaimFacts, KeyFacts};
use super::date::{TimeWindow, Zone};
use super::decline::DeclineTables;
use super::due::SubscriptionFacts;
use super::dunning::DunningPolicy;
use super::ids::{AttemptId, RenewalId, RunId};
use super::money::{Currency, Money};
use super::payment::{ChannelType, Failure, LookUp, Payment, PaymentStatus};
use super::payment_id::PaymentIdKey;
use super::policy::Policy;
use chrono::{DateTime, TimeDelta, Utc};
use std::cell::Cell;
use std::sync::{Arc, LazyLock};
use uuid::Uuid;

static TABLES: LazyLock<Arc<DeclineTables>> = LazyLock::new(|| Arc::new(DeclineTables::built_in().unwrap()));

pub fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The night before the last day: ten in the morning of 30 January in Seoul.
pub fn now() -> DateTime<Utc> {
    utc("2026-01-30T01:00:00Z")
}

/// Midnight of 31 January in Seoul.
pub fn period_end() -> DateTime<Utc> {
    utc("2026-01-30T15:00:00Z")
}

pub fn policy() -> Policy {
    Policy {
        zone: Zone::parse("Asia/Seoul").unwrap(),
        renew_before_days: 1,
        max_overdue: TimeDelta::days(3),
        grace: TimeDelta::days(7),
        downgrade_at_run: false,
        window: TimeWindow::parse("09:00-21:00").unwrap(),
        quiet: TimeWindow::parse("23:00-01:00").unwrap(),
        dunning: DunningPolicy::default(),
        declines: Arc::clone(&TABLES),
        payment_id_key: PaymentIdKey::new([3; 32]),
        store_id: "store-1".to_owned(),
        channel_type: ChannelType::Live,
        channel_key: None,
        product_type: None,
        locale: None,
        refund_late: false,
        refund_late_cancel: false,
        claims_unsettled_max: 3,
    }
}

/// Ids that count up.
pub fn ids() -> impl Fn() -> Uuid {
    let next = Cell::new(100);
    move || {
        next.set(next.get() + 1);
        Uuid::from_u128(next.get())
    }
}

pub fn subscription() -> SubscriptionFacts {
    SubscriptionFacts {
        id: "sub_1".into(),
        customer_id: "user_1".into(),
        plan_id: "pro".into(),
        amount: 55_000,
        currency: "KRW".to_owned(),
        interval: "P1M".to_owned(),
        order_name: "Pro".to_owned(),
        current_period_start: utc("2025-12-30T15:00:00Z"),
        current_period_end: period_end(),
        anchor_day: 31,
        cancel_at_period_end: false,
        has_usable_key: true,
        overlaps_other: false,
        schedule_id: None,
    }
}

pub fn key() -> BillingKey {
    BillingKey::new("billing-key-1")
}

pub fn claim_facts() -> ClaimFacts {
    ClaimFacts {
        renewal_id: RenewalId(Uuid::from_u128(1)),
        subscription_id: "sub_1".into(),
        customer_id: "user_1".into(),
        plan_id: "pro".into(),
        payment_id: "rn0000".into(),
        series: 0,
        amount: 55_000,
        currency: "KRW".to_owned(),
        order_name: "Pro".to_owned(),
        period_start: period_end(),
        period_end: utc("2026-02-27T15:00:00Z"),
        access_until: period_end() + TimeDelta::days(7),
        next_attempt_at: now(),
        lease_epoch: 4,
        unsettled_claims: 0,
        cancel_at_period_end: false,
        period_is_next: true,
        commanded: false,
        payer: Payer::default(),
        keys: vec![KeyFacts {
            id: "bk_1".into(),
            key: key(),
            channel_key: Some("channel-1".to_owned()),
            pg_provider: Some("TOSSPAYMENTS".to_owned()),
            usable: true,
            is_held: false,
            tries: Vec::new(),
        }],
        attempts: Vec::new(),
        now: now(),
    }
}

pub fn attempt() -> Attempt {
    Attempt {
        id: AttemptId(Uuid::from_u128(2)),
        run_id: RunId(Uuid::from_u128(3)),
        renewal: ClaimedRenewal {
            id: RenewalId(Uuid::from_u128(1)),
            subscription_id: "sub_1".into(),
            customer_id: "user_1".into(),
            plan_id: "pro".into(),
            payment_id: "rn00".into(),
            series: 0,
            amount: Money::new(55_000, Currency::parse("KRW").unwrap()).unwrap(),
            period_start: period_end(),
            period_end: utc("2026-02-27T15:00:00Z"),
            access_until: period_end() + TimeDelta::days(7),
            declines: Vec::new(),
            first_declined_at: None,
            known_transactions: Vec::new(),
            customer_keys: vec![key()],
            look_ups: 0,
            unknown_since: None,
        },
        number: 1,
        idempotency_key: "rn00-1".to_owned(),
        request: FrozenRequest { body: "{}".to_owned(), hash: String::new() },
        billing_key_id: "bk_1".into(),
        billing_key: Some(key()),
        channel_key: Some("channel-1".to_owned()),
        pg_provider: Some("TOSSPAYMENTS".to_owned()),
        started_at: now(),
        maybe_sent: false,
        lease_epoch: 5,
        lease_until: now() + TimeDelta::minutes(10),
    }
}

/// A payment as the gateway tells it when all went well.
pub fn payment(status: PaymentStatus) -> Payment {
    let attempt = attempt();
    let custom_data = CustomData {
        subscription: attempt.renewal.subscription_id.clone(),
        period_start: attempt.renewal.period_start,
        attempt: 1,
    };
    Payment {
        id: "rn00".to_owned(),
        status,
        transaction_id: Some("tx-1".to_owned()),
        store_id: Some("store-1".to_owned()),
        total: Some(55_000),
        cancelled: 0,
        currency: Some("KRW".to_owned()),
        billing_key: Some(key()),
        custom_data: Some(custom_data.to_text()),
        channel_type: Some(ChannelType::Live),
        channel_key: Some("channel-1".to_owned()),
        pg_provider: Some("TOSSPAYMENTS".to_owned()),
        pg_tx_id: Some("pg-1".to_owned()),
        requested_at: Some(now()),
        paid_at: Some(now()),
        failed_at: Some(now()),
        failure: Failure::default(),
    }
}

pub fn found(payment: Payment) -> LookUp {
    LookUp::Found(Box::new(payment))
}

/// A failure with a code of Toss Payments.
pub fn failed(code: &str) -> Payment {
    let failure = Failure { pg_code: Some(code.to_owned()), ..Failure::default() };
    Payment { failure, ..payment(PaymentStatus::Failed) }
}
