//! What the gateway tells by itself: a name to look up, and nothing more.
//!
//! A notice can be late, twice, out of order, or never sent: nothing depends on it. Whoever sends one can only make us
//! look, and what the look shows is judged as ever.

use super::charge::BillingKey;
use super::event::{EventKind, NewEvent};
use super::ids::{BillingKeyId, EventId, PaymentId, RenewalId, SubscriptionId};
use super::payment::Payment;
use super::policy::Policy;
use super::reconcile::KnownPayment;
use super::renewal::State;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What it says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// Money was taken, or is on its way.
    Paid,
    /// It was not.
    Failed,
    /// Given back, all or a part, or on its way back.
    GivenBack,
    /// The customer disputes it with the card's issuer.
    Disputed,
    DisputeResolved,
    /// A billing key was issued, or stands for another card now.
    KeyIssued,
    KeyDeleted,
}

impl NoticeKind {
    pub const ALL: [Self; 7] = [
        Self::Paid,
        Self::Failed,
        Self::GivenBack,
        Self::Disputed,
        Self::DisputeResolved,
        Self::KeyIssued,
        Self::KeyDeleted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::GivenBack => "given_back",
            Self::Disputed => "disputed",
            Self::DisputeResolved => "dispute_resolved",
            Self::KeyIssued => "key_issued",
            Self::KeyDeleted => "key_deleted",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What is to be looked up.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    Payment(PaymentId),
    Key(BillingKey),
}

/// A message of the gateway's that is worth a look.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// The same on every delivery of one message.
    pub id: String,
    pub kind: NoticeKind,
    pub subject: Subject,
    /// When it happened, as the gateway says.
    pub happened_at: Option<DateTime<Utc>>,
}

/// A notice that was kept, and is looked into now.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub id: String,
    pub kind: NoticeKind,
    pub subject: KeptSubject,
    pub happened_at: Option<DateTime<Utc>>,
    pub received_at: DateTime<Utc>,
    /// How often it was claimed, this time included; names this claim.
    pub tries: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub enum KeptSubject {
    Payment(PaymentId),
    Key(BillingKeyId, BillingKey),
}

/// What became of a notice under one claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub id: String,
    /// Of the claim that it was looked into under.
    pub tries: u32,
    pub next: Next,
    /// For whoever asks later.
    pub note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Done,
    Again(DateTime<Utc>),
    /// Nobody could look for a day. What it told of is found by the reconciliation.
    GivenUp,
}

impl Kept {
    pub fn done(&self, note: impl Into<String>) -> Outcome {
        Outcome { id: self.id.clone(), tries: self.tries, next: Next::Done, note: note.into() }
    }

    /// Could not be looked into now.
    pub fn again(&self, why: impl Into<String>, now: DateTime<Utc>) -> Outcome {
        let wait = WAITS[(self.tries.max(1) as usize - 1).min(WAITS.len() - 1)];
        let next = if self.received_at + GIVE_UP_AFTER <= now { Next::GivenUp } else { Next::Again(now + wait) };
        Outcome { id: self.id.clone(), tries: self.tries, next, note: why.into() }
    }
}

/// Waits before the second look and the later ones; the last one repeats.
const WAITS: [TimeDelta; 5] = [
    TimeDelta::seconds(10),
    TimeDelta::seconds(30),
    TimeDelta::minutes(2),
    TimeDelta::minutes(10),
    TimeDelta::minutes(30),
];

const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(1);

/// Notices are kept for so long after they were received: a repeat is known by then, PortOne's last comes after six hours.
pub const KEPT_FOR: TimeDelta = TimeDelta::days(7);

/// Whether a payment is asked for at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// No answer could be news, for this reason.
    NoNews(&'static str),
    /// Our own claim is under way, and looks by itself.
    UnderWay,
    Ask,
}

/// Whether what is recorded leaves anything to ask.
pub fn before_asking(kind: NoticeKind, known: &KnownPayment) -> Before {
    let state = known.renewal.as_ref().map(|renewal| renewal.state);
    let is_recorded = known.recorded.as_ref().is_some_and(|recorded| recorded.verified);
    match kind {
        NoticeKind::Paid if is_recorded => Before::NoNews("recorded already"),
        _ if state == Some(State::Charging) && !is_recorded => Before::UnderWay,
        // Only a renewal without an outcome learns from it that there was no money.
        NoticeKind::Failed if state != Some(State::Unknown) => Before::NoNews("nothing waits for it"),
        _ => Before::Ask,
    }
}

/// That a customer disputes a payment, or no longer does: for a person, once for each notice.
pub fn disputed(
    notice: &Kept,
    payment: &Payment,
    known: &KnownPayment,
    id: EventId,
    now: DateTime<Utc>,
) -> Option<NewEvent> {
    let (kind, reason) = match notice.kind {
        NoticeKind::Disputed => (
            EventKind::PaymentDisputed,
            "the customer disputes this payment with the card's issuer: answer it in PortOne's console; the subscription \
             goes on until somebody ends it",
        ),
        NoticeKind::DisputeResolved => {
            (EventKind::PaymentDisputeResolved, "the dispute about this payment is over: see PortOne's console for how")
        }
        _ => return None,
    };
    let renewal = known.renewal.as_ref();
    Some(NewEvent {
        id,
        kind,
        subscription_id: renewal.map(|renewal| renewal.subscription_id.clone()),
        renewal_id: renewal.map(|renewal| renewal.id),
        attempt_id: None,
        dedupe: format!("{}:{}:{}", kind.as_str(), payment.id, notice.id),
        payload: json!({
            "payment_id": payment.id, "status": payment.status.as_str(), "amount": payment.total,
            "currency": payment.currency, "reason": reason,
        }),
        created_at: now,
    })
}

/// What the gateway says of a billing key that a notice named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHeard {
    pub id: BillingKeyId,
    pub found: KeyNow,
}

/// How a billing key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyNow {
    /// The gateway does not know it any more.
    Gone,
    /// It was issued, or stands for another card, since then: a refusal from before says nothing about it.
    IssuedAt(DateTime<Utc>),
}

/// A subscription that renews and has no billing key left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyless {
    pub subscription_id: SubscriptionId,
    pub period_start: DateTime<Utc>,
    pub renewal_id: Option<RenewalId>,
}

/// That there is nothing to charge any more; told once a period, whoever finds it out first.
pub fn missing(keyless: &Keyless, policy: &Policy, id: EventId, now: DateTime<Utc>) -> NewEvent {
    let kind = EventKind::BillingKeyMissing;
    let period = keyless.period_start.to_rfc3339_opts(SecondsFormat::Micros, true);
    NewEvent {
        id,
        kind,
        subscription_id: Some(keyless.subscription_id.clone()),
        renewal_id: keyless.renewal_id,
        attempt_id: None,
        dedupe: format!("{}:{}:{period}:early", kind.as_str(), keyless.subscription_id),
        payload: json!({
            "period_start": keyless.period_start,
            "charged_from": policy.zone.date_of(policy.due_at(keyless.period_start)),
            "key": "gone",
            "early": true,
        }),
        created_at: now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reconcile::{KnownRenewal, RecordedPayment};
    use uuid::Uuid;

    fn known(state: Option<State>, verified: Option<bool>) -> KnownPayment {
        let id: PaymentId = "rn1".into();
        KnownPayment {
            payment_id: id.clone(),
            renewal: state.map(|state| KnownRenewal {
                id: RenewalId(Uuid::from_u128(1)),
                subscription_id: "sub".into(),
                state,
                payment_id: id,
                series: 0,
            }),
            recorded: verified.map(|verified| RecordedPayment { total: None, cancelled: 0, currency: None, verified }),
            subscription: None,
            attempted: true,
            keys: Vec::new(),
        }
    }

    #[test]
    fn what_is_recorded_is_asked_for_again_only_where_it_may_have_changed() {
        let paid = known(Some(State::Paid), Some(true));
        assert!(matches!(before_asking(NoticeKind::Paid, &paid), Before::NoNews(_)));
        for kind in [NoticeKind::GivenBack, NoticeKind::Disputed, NoticeKind::DisputeResolved] {
            assert_eq!(before_asking(kind, &paid), Before::Ask, "{kind:?}");
        }
        let not_in_order = known(Some(State::Review), Some(false));
        assert_eq!(before_asking(NoticeKind::Paid, &not_in_order), Before::Ask);
    }

    #[test]
    fn nobody_looks_while_our_own_claim_is_under_way() {
        let charging = known(Some(State::Charging), None);
        for kind in [NoticeKind::Paid, NoticeKind::Failed, NoticeKind::GivenBack] {
            assert_eq!(before_asking(kind, &charging), Before::UnderWay, "{kind:?}");
        }
    }

    #[test]
    fn a_failure_is_news_for_an_unknown_outcome_only() {
        for state in [State::Due, State::Failed, State::Canceled, State::Review, State::Paid] {
            let found = before_asking(NoticeKind::Failed, &known(Some(state), None));
            assert!(matches!(found, Before::NoNews(_)), "{state:?}");
            assert_eq!(before_asking(NoticeKind::Paid, &known(Some(state), None)), Before::Ask, "{state:?}");
        }
        assert_eq!(before_asking(NoticeKind::Failed, &known(Some(State::Unknown), None)), Before::Ask);
        assert_eq!(before_asking(NoticeKind::Paid, &known(None, None)), Before::Ask, "a database that forgot it");
    }

    #[test]
    fn looking_again_waits_longer_each_time_and_ends_after_a_day() {
        let received_at: DateTime<Utc> = "2026-01-30T01:00:00Z".parse().unwrap();
        let kept = |tries| Kept {
            id: "wh_1".to_owned(),
            kind: NoticeKind::Paid,
            subject: KeptSubject::Payment("rn1".into()),
            happened_at: None,
            received_at,
            tries,
        };
        let wait = |tries, now| match kept(tries).again("", now).next {
            Next::Again(at) => (at - now).num_seconds(),
            other => panic!("{other:?}"),
        };
        let waits: Vec<i64> = (1..8).map(|tries| wait(tries, received_at)).collect();
        assert_eq!(waits, [10, 30, 120, 600, 1800, 1800, 1800]);
        assert_eq!(wait(90, received_at + GIVE_UP_AFTER - TimeDelta::seconds(1)), 1800);
        assert_eq!(kept(90).again("", received_at + GIVE_UP_AFTER).next, Next::GivenUp);
    }

    #[test]
    fn words_of_kinds_are_read_back() {
        for kind in NoticeKind::ALL {
            assert_eq!(NoticeKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(NoticeKind::parse("else"), None);
    }
}
