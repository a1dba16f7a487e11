//! What a person does by hand: who, why, on what evidence and about what. Written with the change itself, so that nothing
//! that was done by hand is without a name.

use super::ids::{ActionId, PaymentId, RenewalId, RunId, SubscriptionId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

/// The longest reason or evidence that is kept, in characters.
pub const WORDS_MAX: usize = 1_000;

macro_rules! kinds {
    ($($name:ident = $word:literal),+ $(,)?) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ActionKind {
            $($name,)+
        }

        impl ActionKind {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }
        }
    };
}

kinds! {
    Pause = "pause",
    Resume = "resume",
    Retry = "retry",
    Refund = "refund",
    Resolve = "resolve",
    Reconcile = "reconcile",
    OverrideBrake = "override_brake",
    EventsDrop = "events_drop",
    EventsReplay = "events_replay",
    NewCard = "new_card",
}

/// Who does something, and why, as they typed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hand {
    pub actor: String,
    pub reason: Option<String>,
    pub evidence: Option<String>,
}

impl Hand {
    /// For what asks for no reason.
    pub fn of(actor: &str) -> Self {
        Self { actor: words(actor), reason: None, evidence: None }
    }

    #[must_use]
    pub fn because(self, reason: &str) -> Self {
        Self { reason: some_words(reason), ..self }
    }

    #[must_use]
    pub fn seeing(self, evidence: &str) -> Self {
        Self { evidence: some_words(evidence), ..self }
    }
}

/// A row of `actions`. Only ever added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewAction {
    pub id: ActionId,
    pub kind: ActionKind,
    pub actor: String,
    pub reason: Option<String>,
    pub evidence: Option<String>,
    pub subscription_id: Option<SubscriptionId>,
    pub renewal_id: Option<RenewalId>,
    pub payment_id: Option<PaymentId>,
    pub run_id: Option<RunId>,
    /// What exactly was asked for. Never holds a secret or a billing key.
    pub details: Value,
    pub created_at: DateTime<Utc>,
}

impl NewAction {
    pub fn new(id: ActionId, kind: ActionKind, hand: &Hand, now: DateTime<Utc>) -> Self {
        Self {
            id,
            kind,
            actor: hand.actor.clone(),
            reason: hand.reason.clone(),
            evidence: hand.evidence.clone(),
            subscription_id: None,
            renewal_id: None,
            payment_id: None,
            run_id: None,
            details: json!({}),
            created_at: now,
        }
    }

    /// About one renewal.
    #[must_use]
    pub fn about(self, subscription: &SubscriptionId, renewal: RenewalId, payment: &PaymentId) -> Self {
        Self {
            subscription_id: Some(subscription.clone()),
            renewal_id: Some(renewal),
            payment_id: Some(payment.clone()),
            ..self
        }
    }

    #[must_use]
    pub fn with(self, details: Value) -> Self {
        Self { details, ..self }
    }
}

/// One line of what somebody typed: without control characters, and not longer than is kept.
fn words(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    line.trim().chars().take(WORDS_MAX).collect()
}

fn some_words(text: &str) -> Option<String> {
    Some(words(text)).filter(|words| !words.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_stays_one_line_of_a_bounded_length() {
        let hand = Hand::of("ops\u{1b}[31m\nroot").because(" a\nb ").seeing("   ");
        assert_eq!((hand.actor.as_str(), hand.reason.as_deref(), hand.evidence), ("ops [31m root", Some("a b"), None));
        assert_eq!(Hand::of("x").because(&"y".repeat(5_000)).reason.unwrap().len(), WORDS_MAX);
    }

    #[test]
    fn words_are_written_as_they_are_serialized() {
        for kind in ActionKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
