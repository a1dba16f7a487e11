//! What a look-up says about an attempt: the only place that decides whether money was taken.

use super::charge::{Attempt, CustomData};
use super::decline::Decline;
use super::ids::{PaymentId, RenewalId};
use super::payment::{LookUp, Payment, PaymentStatus};
use super::policy::Policy;
use super::settlement::PaymentRecord;
use chrono::TimeDelta;

/// Proof that a look-up showed PAID and that everything matched the order. Only this module can make one.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified(PaymentRecord);

impl Verified {
    pub fn record(&self) -> &PaymentRecord {
        &self.0
    }
}

/// What the look-up proves about the attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The money was taken, as ordered.
    Paid(Verified),
    /// PAID, but these parts are not as ordered: never an extension, never another charge.
    Mismatch { parts: Vec<&'static str>, record: PaymentRecord },
    /// A definite no to this attempt.
    Declined { decline: Decline, transaction_id: Option<String> },
    /// FAILED for a reason that may hide a success: wait and look again.
    Uncertain { decline: Decline, transaction_id: Option<String> },
    /// FAILED, but of an earlier attempt: says nothing about this one.
    Stale,
    /// Under way, or a word that we do not know.
    Wait { status: String },
    /// The gateway has not received it yet.
    NotReceived,
    /// Given back at the gateway, whole or in part: a person decides what it means for the period.
    Cancelled { record: PaymentRecord },
    /// The look-up failed: nothing is known.
    NoAnswer { why: String },
    /// The look-up was refused for our credentials: nothing is known, and nothing more can be.
    Unauthorized { why: String },
}

impl Verdict {
    /// It settles the attempt; otherwise it only says to look again.
    pub fn is_definite(&self) -> bool {
        match self {
            Self::Paid(_) | Self::Mismatch { .. } | Self::Declined { .. } | Self::Cancelled { .. } => true,
            Self::Uncertain { .. }
            | Self::Stale
            | Self::Wait { .. }
            | Self::NotReceived
            | Self::NoAnswer { .. }
            | Self::Unauthorized { .. } => false,
        }
    }

    /// The money that was taken, whether as ordered, given back since, or neither.
    pub fn money(&self) -> Option<&PaymentRecord> {
        match self {
            Self::Paid(proof) => Some(proof.record()),
            Self::Mismatch { record, .. } | Self::Cancelled { record } => Some(record),
            _ => None,
        }
    }
}

/// The longest text of the gateway's that is kept, in characters.
const TEXT_MAX: usize = 256;

/// How far the gateway's clock and ours may differ when a failure's time is compared with an attempt's start.
const CLOCKS_APART: TimeDelta = TimeDelta::minutes(5);

/// Judges what a look-up found, for the attempt that asked.
pub fn judge(attempt: &Attempt, found: &LookUp, policy: &Policy) -> Verdict {
    let payment = match found {
        LookUp::Found(payment) => payment,
        LookUp::NotFound => return Verdict::NotReceived,
        LookUp::Failed(why) => return Verdict::NoAnswer { why: why.clone() },
        LookUp::Unauthorized(why) => return Verdict::Unauthorized { why: why.clone() },
    };
    if payment.id != attempt.renewal.payment_id.as_str() {
        return Verdict::NoAnswer { why: "the gateway answered with another payment".to_owned() };
    }
    match &payment.status {
        PaymentStatus::Paid => paid(attempt, payment, policy),
        PaymentStatus::Failed if is_news(attempt, payment) => declined(attempt, payment, policy),
        PaymentStatus::Failed => Verdict::Stale,
        PaymentStatus::Cancelled | PaymentStatus::PartialCancelled => {
            Verdict::Cancelled { record: record(attempt, payment, false) }
        }
        PaymentStatus::Ready
        | PaymentStatus::Pending
        | PaymentStatus::VirtualAccountIssued
        | PaymentStatus::Other(_) => Verdict::Wait { status: payment.status.as_str().to_owned() },
    }
}

fn paid(attempt: &Attempt, payment: &Payment, policy: &Policy) -> Verdict {
    let parts = mismatches(attempt, payment, policy);
    let record = record(attempt, payment, parts.is_empty());
    if parts.is_empty() { Verdict::Paid(Verified(record)) } else { Verdict::Mismatch { parts, record } }
}

/// The parts of a payment that are not as ordered. What the gateway leaves out does not match.
fn mismatches(attempt: &Attempt, payment: &Payment, policy: &Policy) -> Vec<&'static str> {
    let renewal = &attempt.renewal;
    let ours =
        payment.custom_data.as_deref().and_then(CustomData::from_text).is_some_and(|data| {
            data.subscription == renewal.subscription_id && data.period_start == renewal.period_start
        });
    let key_is_customers =
        payment.billing_key.as_ref().is_some_and(|key| renewal.customer_keys.iter().any(|known| known == key));
    [
        ("amount", payment.total == Some(renewal.amount.minor())),
        ("currency", payment.currency.as_deref() == Some(renewal.amount.currency().code())),
        ("billing key", key_is_customers),
        ("custom data", ours),
        ("store", payment.store_id.as_deref() == Some(policy.store_id.as_str())),
        ("channel type", payment.channel_type == Some(policy.channel_type)),
    ]
    .into_iter()
    .filter(|(_, matches)| !matches)
    .map(|(part, _)| part)
    .collect()
}

/// Whether a FAILED is of this attempt: not before its start, or under a transaction that no earlier attempt had. The
/// transaction of an earlier attempt is never news, whatever the gateway's clock says of it.
///
/// A new transaction alone is not enough for the first attempt that we know of: after a restored backup the gateway
/// may remember attempts that we do not.
fn is_news(attempt: &Attempt, payment: &Payment) -> bool {
    let known = &attempt.renewal.known_transactions;
    if payment.transaction_id.as_ref().is_some_and(|id| known.contains(id)) {
        return false;
    }
    let is_new = payment.transaction_id.as_ref().is_some_and(|id| !known.contains(id));
    let failed_after = |start| payment.failed_at.is_some_and(|failed: chrono::DateTime<chrono::Utc>| failed >= start);
    failed_after(attempt.started_at)
        || (is_new && (!known.is_empty() || failed_after(attempt.started_at - CLOCKS_APART)))
}

fn declined(attempt: &Attempt, payment: &Payment, policy: &Policy) -> Verdict {
    let failure = &payment.failure;
    let provider = payment.pg_provider.as_deref().or(attempt.pg_provider.as_deref());
    let message = failure.pg_message.as_deref().or(failure.reason.as_deref());
    let decline = policy.declines.classify(provider, failure.pg_code.as_deref(), message);
    let transaction_id = payment.transaction_id.as_deref().map(storable);
    if decline.is_uncertain() {
        Verdict::Uncertain { decline, transaction_id }
    } else {
        Verdict::Declined { decline, transaction_id }
    }
}

/// What others wrote, as a database takes it: PostgreSQL refuses a NUL, and a whole batch with it.
fn storable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}

/// A payment as somebody saw it, without an order to compare it with: worth nothing but a look-up.
pub fn as_seen(payment: &Payment, renewal_id: Option<RenewalId>) -> PaymentRecord {
    PaymentRecord {
        payment_id: PaymentId(storable(&payment.id)),
        renewal_id,
        status: storable(payment.status.as_str()),
        total: payment.total,
        cancelled: payment.cancelled,
        currency: payment.currency.as_deref().map(storable),
        transaction_id: payment.transaction_id.as_deref().map(storable),
        pg_tx_id: payment.pg_tx_id.as_deref().map(storable),
        pg_provider: payment.pg_provider.as_deref().map(storable),
        channel_type: payment.channel_type.map(|kind| kind.as_str().to_owned()),
        paid_at: payment.paid_at,
        verified: false,
    }
}

fn record(attempt: &Attempt, payment: &Payment, verified: bool) -> PaymentRecord {
    let payment_id = attempt.renewal.payment_id.clone();
    PaymentRecord { payment_id, verified, ..as_seen(payment, Some(attempt.renewal.id)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::charge::BillingKey;
    use crate::domain::fixtures::{attempt, failed, found, now, payment, policy};
    use crate::domain::payment::ChannelType;

    fn judged(payment: Payment) -> Verdict {
        judge(&attempt(), &found(payment), &policy())
    }

    #[test]
    fn paid_is_paid_only_when_every_part_is_as_ordered() {
        let paid = payment(PaymentStatus::Paid);
        assert!(matches!(judged(paid.clone()), Verdict::Paid(_)));
        type Spoil = fn(&mut Payment);
        let spoilt: [(&str, Spoil); 9] = [
            ("amount", |p| p.total = Some(1)),
            ("amount", |p| p.total = None),
            ("currency", |p| p.currency = Some("USD".into())),
            ("billing key", |p| p.billing_key = Some(BillingKey::new("of somebody else"))),
            ("billing key", |p| p.billing_key = None),
            ("custom data", |p| p.custom_data = p.custom_data.as_ref().map(|data| data.replace("sub_1", "sub_2"))),
            ("custom data", |p| p.custom_data = None),
            ("store", |p| p.store_id = Some("store-2".into())),
            ("channel type", |p| p.channel_type = Some(ChannelType::Test)),
        ];
        for (part, spoil) in spoilt {
            let mut payment = paid.clone();
            spoil(&mut payment);
            match judged(payment) {
                Verdict::Mismatch { parts, record } => {
                    assert_eq!(parts, [part]);
                    assert!(!record.verified);
                }
                other => panic!("{part}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_a_database_would_refuse_is_not_recorded() {
        let odd = Payment { pg_tx_id: Some("tx\0-1".into()), ..payment(PaymentStatus::Paid) };
        let Verdict::Paid(proof) = judged(odd) else { panic!("not paid") };
        assert_eq!(proof.record().pg_tx_id.as_deref(), Some("tx-1"));
    }

    #[test]
    fn another_payments_object_says_nothing() {
        let other = Payment { id: "rn99".into(), ..payment(PaymentStatus::Paid) };
        assert!(matches!(judged(other), Verdict::NoAnswer { .. }));
    }

    #[test]
    fn a_failure_counts_once_for_the_attempt_that_it_is_of() {
        let soft = failed("REJECT_CARD_PAYMENT");
        assert!(matches!(judged(soft.clone()), Verdict::Declined { .. }));

        let before = Payment { failed_at: Some(now() - TimeDelta::hours(20)), ..soft.clone() };
        assert_eq!(judged(before.clone()), Verdict::Stale, "older than the only attempt that we know of");

        let mut second = attempt();
        second.renewal.known_transactions = vec!["tx-1".to_owned()];
        assert_eq!(judge(&second, &found(before.clone()), &policy()), Verdict::Stale, "the earlier attempt's failure");
        let ahead = Payment { failed_at: Some(now() + TimeDelta::minutes(4)), ..before.clone() };
        assert_eq!(judge(&second, &found(ahead), &policy()), Verdict::Stale, "by a clock that is ahead of ours, too");
        let new = Payment { transaction_id: Some("tx-2".into()), ..before };
        assert!(matches!(judge(&second, &found(new), &policy()), Verdict::Declined { .. }));
    }

    #[test]
    fn clocks_that_differ_a_little_do_not_hide_a_first_decline() {
        let early = Payment { failed_at: Some(now() - TimeDelta::seconds(90)), ..failed("REJECT_CARD_PAYMENT") };
        assert!(matches!(judged(early), Verdict::Declined { .. }));
    }

    #[test]
    fn a_failure_that_may_hide_a_success_is_not_a_decline() {
        assert!(matches!(judged(failed("ALREADY_PROCESSED_PAYMENT")), Verdict::Uncertain { .. }));
    }

    #[test]
    fn everything_else_waits_or_goes_to_a_person() {
        for status in [
            PaymentStatus::Ready,
            PaymentStatus::Pending,
            PaymentStatus::VirtualAccountIssued,
            PaymentStatus::Other("SOON".into()),
        ] {
            assert!(matches!(judged(payment(status)), Verdict::Wait { .. }));
        }
        for status in [PaymentStatus::Cancelled, PaymentStatus::PartialCancelled] {
            assert!(matches!(judged(payment(status)), Verdict::Cancelled { .. }));
        }
        let judge = |found| judge(&attempt(), &found, &policy());
        assert_eq!(judge(LookUp::NotFound), Verdict::NotReceived);
        assert!(matches!(judge(LookUp::Failed("reset".into())), Verdict::NoAnswer { .. }));
        assert!(matches!(judge(LookUp::Unauthorized("UNAUTHORIZED".into())), Verdict::Unauthorized { .. }));
    }
}
