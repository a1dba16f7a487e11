//! Comparing what the gateway lists with what is recorded here: one payment and what is known of it in, one standing out.
//! Nothing here settles anything: a difference only causes a look-up, and the look-up's verdict decides as always.

use super::charge::{BillingKey, CustomData};
use super::ids::{AttemptId, BillingKeyId, PaymentId, RenewalId, SubscriptionId};
use super::payment::{Payment, PaymentStatus};
use super::payment_id;
use super::policy::Policy;
use super::renewal::State;
use super::settlement::PaymentRecord;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// How many payment ids of one renewal are tried when a listed one is to be derived again.
const SERIES_MAX: u32 = 16;

/// A payment at the gateway that the store is asked about; the last three are what its custom data says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedPayment {
    pub payment_id: PaymentId,
    pub subscription_id: Option<SubscriptionId>,
    pub period_start: Option<DateTime<Utc>>,
    pub attempt: Option<u32>,
}

impl WantedPayment {
    pub fn of(payment: &Payment) -> Self {
        let data = custom_data(payment);
        Self {
            payment_id: PaymentId(payment.id.clone()),
            subscription_id: data.as_ref().map(|data| data.subscription.clone()),
            period_start: data.as_ref().map(|data| data.period_start),
            attempt: data.map(|data| data.attempt),
        }
    }
}

/// What the database knows of one payment.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownPayment {
    pub payment_id: PaymentId,
    /// The renewal whose payment id it is or was; otherwise the one of the subscription and period that were asked for.
    pub renewal: Option<KnownRenewal>,
    /// Its row in `payments`.
    pub recorded: Option<RecordedPayment>,
    /// The renewal's subscription, or the one that was asked for.
    pub subscription: Option<KnownSubscription>,
    /// An attempt under this payment id stands here, with the number that was asked for where one was.
    pub attempted: bool,
    /// The keys of the renewal's customer, the newest first; empty where the payment is recorded.
    pub keys: Vec<(BillingKeyId, BillingKey)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownRenewal {
    pub id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub state: State,
    /// The payment id that it uses now.
    pub payment_id: PaymentId,
    pub series: u32,
}

/// Money as it is recorded; sums in minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedPayment {
    pub total: Option<i64>,
    /// Given back when it was recorded, or wanted back by renewd itself since.
    pub cancelled: i64,
    pub currency: Option<String>,
    pub verified: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSubscription {
    pub id: SubscriptionId,
    pub current_period_end: DateTime<Utc>,
    /// It is `active` or `past_due`.
    pub renews: bool,
}

/// A payment that nobody here has recorded, on its way to a look-up.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundPayment {
    pub renewal_id: RenewalId,
    pub series: u32,
    /// As it was listed: kept as an observation, believed by nobody.
    pub record: PaymentRecord,
    /// The attempt that must have asked for it, where no such row is left.
    pub lost_attempt: Option<LostAttempt>,
}

/// An attempt that was committed once and is forgotten: as much of it as the gateway still tells.
#[derive(Clone, Debug, PartialEq)]
pub struct LostAttempt {
    pub id: AttemptId,
    pub number: u32,
    pub billing_key_id: BillingKeyId,
    pub channel_key: Option<String>,
    pub started_at: DateTime<Utc>,
}

/// How the two sides differ, for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Difference {
    /// Paid here; the gateway knows no such payment.
    NotThere,
    /// Paid here; at the gateway it is not.
    NotPaidThere,
    /// Another sum or currency than is recorded.
    OtherAmount,
    /// Given back or charged back at the gateway, which is not recorded.
    GivenBack,
    /// Paid at the gateway beside what its renewal was paid with, or after it was refunded: money that nothing is owed for.
    PaidBeside,
    /// Paid at the gateway, but not as ordered, or for a period that nobody wants any more: now under review.
    NotAsOrdered,
    /// Paid at the gateway; the look-up could not be made or not be used.
    Unsettled,
}

impl Difference {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotThere => "not_there",
            Self::NotPaidThere => "not_paid_there",
            Self::OtherAmount => "other_amount",
            Self::GivenBack => "given_back",
            Self::PaidBeside => "paid_beside",
            Self::NotAsOrdered => "not_as_ordered",
            Self::Unsettled => "unsettled",
        }
    }

    /// What it means, and what to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NotThere => {
                "recorded as paid, unknown to the gateway: see whether this is the right store, then ask PortOne"
            }
            Self::NotPaidThere => {
                "recorded as paid, not paid at the gateway: ask PortOne before the period is taken back"
            }
            Self::OtherAmount => "another amount was taken than is recorded: compare with the gateway's console",
            Self::GivenBack => "given back at the gateway: decide whether the customer keeps the period",
            Self::PaidBeside => "money was taken beside what the period was paid with: give it back",
            Self::NotAsOrdered => "money was taken, and the period was not given: give the period or give it back",
            Self::Unsettled => "money was taken and could not be verified yet: reconcile again",
        }
    }
}

/// Where a payment stands between the two sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Both say the same, or no money was taken.
    Agreed,
    /// A renewal waits without this money: look it up and settle what the look-up says.
    Adopt {
        renewal: KnownRenewal,
        series: u32,
    },
    /// An unsettled claim explains it; its look-up settles it.
    Open(RenewalId),
    /// The renewal was lost, and its subscription stands where it stood: plan it first.
    Plan(SubscriptionId),
    /// Its subscription is not that far yet: an earlier period comes first.
    Ahead,
    Differs(Difference),
    /// Nobody here could have asked for it, or it can no longer be told who.
    Unknown(&'static str),
}

/// Whether a payment's name says that renewd made it.
pub fn is_ours(payment: &Payment) -> bool {
    payment.id.starts_with(payment_id::PREFIX)
}

/// Compares one payment, as the gateway shows it (`None`: it knows none), with what is known here.
pub fn compare(payment: Option<&Payment>, known: &KnownPayment, policy: &Policy) -> Standing {
    let Some(payment) = payment else {
        return match &known.recorded {
            Some(recorded) if recorded.verified => Standing::Differs(Difference::NotThere),
            _ => Standing::Agreed,
        };
    };
    match &known.recorded {
        Some(recorded) if recorded.verified => recorded_as(payment, recorded, known),
        // Recorded as not in order: a person was told then.
        Some(_) => Standing::Agreed,
        None if is_unread(payment) => Standing::Unknown("what the gateway says of it cannot be read by this version"),
        None if took_money(payment) => unrecorded(payment, known, policy),
        None => Standing::Agreed,
    }
}

/// Whether this database has forgotten that it asked for a payment: every attempt is committed before it is sent and
/// never deleted, so money under a name that only this installation can derive, without its attempt, means lost commits.
pub fn is_forgotten(payment: &Payment, known: &KnownPayment, policy: &Policy) -> bool {
    let may_be_paid = took_money(payment) || is_unread(payment);
    if !may_be_paid || known.recorded.is_some() || known.attempted {
        return false;
    }
    match (&known.renewal, &known.subscription) {
        (Some(renewal), _) if renewal.payment_id.as_str() == payment.id => true,
        // The period is accounted for: brought in by an import, or paid by other means.
        (None, Some(subscription)) if is_past(payment, subscription) => false,
        _ => series_of(payment, policy).is_some(),
    }
}

/// The attempt that must have asked for a payment which `known` has no attempt for; `None` without any billing key.
pub fn lost_attempt(payment: &Payment, known: &KnownPayment, id: AttemptId, now: DateTime<Utc>) -> Option<LostAttempt> {
    let charged = known.keys.iter().find(|(_, key)| payment.billing_key.as_ref() == Some(key));
    let (billing_key_id, _) = charged.or(known.keys.first())?;
    Some(LostAttempt {
        id,
        number: custom_data(payment).map_or(1, |data| data.attempt.max(1)),
        billing_key_id: billing_key_id.clone(),
        channel_key: payment.channel_key.clone(),
        started_at: payment.requested_at.or(payment.paid_at).unwrap_or(now),
    })
}

/// The gateway took money for it, whether or not it gave it back since.
fn took_money(payment: &Payment) -> bool {
    matches!(payment.status, PaymentStatus::Paid | PaymentStatus::PartialCancelled | PaymentStatus::Cancelled)
}

/// Nobody can tell from it whether money was taken.
fn is_unread(payment: &Payment) -> bool {
    matches!(payment.status, PaymentStatus::Other(_))
}

fn recorded_as(payment: &Payment, recorded: &RecordedPayment, known: &KnownPayment) -> Standing {
    let refunded = known.renewal.as_ref().is_some_and(|renewal| renewal.state == State::Refunded);
    match payment.status {
        PaymentStatus::Paid if payment.total != recorded.total || payment.currency != recorded.currency => {
            Standing::Differs(Difference::OtherAmount)
        }
        PaymentStatus::Paid => Standing::Agreed,
        PaymentStatus::Cancelled | PaymentStatus::PartialCancelled
            if refunded || payment.cancelled <= recorded.cancelled =>
        {
            Standing::Agreed
        }
        PaymentStatus::Cancelled | PaymentStatus::PartialCancelled => Standing::Differs(Difference::GivenBack),
        _ => Standing::Differs(Difference::NotPaidThere),
    }
}

fn unrecorded(payment: &Payment, known: &KnownPayment, policy: &Policy) -> Standing {
    let by_name = known.renewal.as_ref().filter(|renewal| renewal.payment_id.as_str() == payment.id);
    let series = by_name.map(|renewal| renewal.series).or_else(|| series_of(payment, policy));
    let Some(series) = series else {
        return Standing::Unknown("its name cannot be derived from what it says it is for");
    };
    if let Some(renewal) = &known.renewal {
        return match renewal.state {
            State::Paid | State::Refunded => Standing::Differs(Difference::PaidBeside),
            State::Charging | State::Unknown if by_name.is_some() => Standing::Open(renewal.id),
            // An unsettled claim under another name does not explain this one.
            _ => Standing::Adopt { renewal: renewal.clone(), series },
        };
    }
    let Some(subscription) = &known.subscription else {
        return Standing::Unknown("its subscription is not in this database");
    };
    match custom_data(payment).map(|data| data.period_start) {
        Some(start) if start == subscription.current_period_end && subscription.renews => {
            Standing::Plan(subscription.id.clone())
        }
        Some(start) if start > subscription.current_period_end => Standing::Ahead,
        _ => Standing::Unknown("its subscription is past that period, or renews no more"),
    }
}

/// Which series of which renewal a payment's name is of; `None` for a name that our key does not give.
fn series_of(payment: &Payment, policy: &Policy) -> Option<u32> {
    let data = custom_data(payment)?;
    (0..SERIES_MAX).find(|series| {
        let name = payment_id::derive(
            &policy.payment_id_key,
            &policy.store_id,
            &data.subscription,
            data.period_start,
            *series,
        );
        name.as_str() == payment.id
    })
}

fn is_past(payment: &Payment, subscription: &KnownSubscription) -> bool {
    custom_data(payment).is_some_and(|data| data.period_start < subscription.current_period_end)
}

fn custom_data(payment: &Payment) -> Option<CustomData> {
    payment.custom_data.as_deref().and_then(CustomData::from_text)
}

#[cfg(test)]
mod tests;
