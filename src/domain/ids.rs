//! Identifiers. Those that the API service owns are text and opaque; renewd's own are UUIDv7, which insert in order.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    )+};
}

macro_rules! own_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

text_id! {
    /// What is sold; the API service's name for it.
    PlanId,
    /// Who pays.
    CustomerId,
    /// One customer on one plan.
    SubscriptionId,
    /// The row that holds a billing key: safe to log, unlike the key.
    BillingKeyId,
    /// The name of one payment at the gateway; derived, see [`super::payment_id`].
    PaymentId,
}

own_id! {
    /// One move of one subscription to its next period.
    RenewalId,
    /// One try at charging a renewal.
    AttemptId,
    /// One execution of the worker.
    RunId,
    /// Something that happened and that somebody may want to be told.
    EventId,
    /// A fact that somebody saw at the gateway outside a settle.
    ObservationId,
    /// Something that a person did by hand.
    ActionId,
}
