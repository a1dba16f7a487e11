//! What a payment gateway's "no" means: its class decides what is done, its reason is told.
//!
//! The look-up order: provider and code, the table of the same provider's older names, a rule on the message that may
//! act, else unknown. A table is never shared between providers: the same code means other things elsewhere.

mod tables;
mod told;

pub use tables::{DeclineTableError, DeclineTables, Overlay};

use serde::{Deserialize, Serialize};

/// What is done about a decline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineClass {
    /// This billing key will not work again.
    Hard,
    /// It may work on a later day.
    Soft,
    /// The network, maintenance, or a fault of the payment gateway or the issuer.
    Transient,
    /// Our contract, channel, keys or request.
    Config,
    /// Not clear enough to tell.
    Unknown,
}

impl DeclineClass {
    pub const ALL: [Self; 5] = [Self::Hard, Self::Soft, Self::Transient, Self::Config, Self::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Transient => "transient",
            Self::Config => "config",
            Self::Unknown => "unknown",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == word)
    }
}

macro_rules! reasons {
    ($($name:ident = $word:literal),+ $(,)?) => {
        /// Why it was declined: a closed vocabulary over all providers.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $(#[serde(rename = $word)] $name,)+
        }

        impl Reason {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)+
                }
            }

            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
            }
        }
    };
}

reasons! {
    Authentication = "authentication",
    CardExpired = "card_expired",
    CardNotActivated = "card_not_activated",
    CardNotSupported = "card_not_supported",
    CardReplaced = "card_replaced",
    ClosedAccount = "closed_account",
    ClosedCard = "closed_card",
    Contract = "contract",
    Credentials = "credentials",
    Delinquent = "delinquent",
    DuplicateOrder = "duplicate_order",
    FraudSuspected = "fraud_suspected",
    InProgress = "in_progress",
    InsufficientFunds = "insufficient_funds",
    InvalidBillingKey = "invalid_billing_key",
    InvalidCard = "invalid_card",
    InvalidRequest = "invalid_request",
    IssuerDeclined = "issuer_declined",
    IssuerUnavailable = "issuer_unavailable",
    LostOrStolen = "lost_or_stolen",
    MandateRevoked = "mandate_revoked",
    MerchantLimit = "merchant_limit",
    Network = "network",
    OverLimit = "over_limit",
    PgError = "pg_error",
    PgMaintenance = "pg_maintenance",
    RateLimited = "rate_limited",
    ReferToIssuer = "refer_to_issuer",
    RestrictedAccount = "restricted_account",
    RestrictedCard = "restricted_card",
    SuspendedCard = "suspended_card",
    Timeout = "timeout",
    Unknown = "unknown",
    UserActionRequired = "user_action_required",
}

/// What the classification rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    Code,
    Alias,
    Message,
    Nothing,
}

impl MatchedBy {
    pub const ALL: [Self; 4] = [Self::Code, Self::Alias, Self::Message, Self::Nothing];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Alias => "alias",
            Self::Message => "message",
            Self::Nothing => "nothing",
        }
    }

    /// The tables do not know the code: somebody should look at it.
    pub fn is_unseen(self) -> bool {
        matches!(self, Self::Message | Self::Nothing)
    }
}

/// A decline with its class, its reason, and the words it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    pub class: DeclineClass,
    pub reason: Reason,
    pub matched_by: MatchedBy,
    pub pg_provider: Option<String>,
    pub pg_code: Option<String>,
    /// At most 256 characters, none of them a control character, no numbers of cards and people.
    pub pg_message: Option<String>,
}

/// The code of a payment that was taken and whose automatic cancel failed at the payment gateway.
const CANCEL_FAILED: (&str, &str) = ("KCP", "9048");

impl Decline {
    /// PortOne does not know the billing key, or knows that it was deleted.
    pub fn billing_key_gone() -> Self {
        Self {
            class: DeclineClass::Hard,
            reason: Reason::InvalidBillingKey,
            matched_by: MatchedBy::Code,
            pg_provider: None,
            pg_code: None,
            pg_message: None,
        }
    }

    /// Not a decline at all: the outcome may be a success. Look up, wait. What needs a person does not wait: by its
    /// reason a failed cancel is a time-out too, and the customer's money is already gone.
    pub fn is_uncertain(&self) -> bool {
        matches!(self.reason, Reason::DuplicateOrder | Reason::Timeout | Reason::InProgress) && !self.needs_person()
    }

    /// Our contract or credentials with the payment gateway: no customer's fault, and nobody's card will do better.
    pub fn stops_channel(&self) -> bool {
        self.class == DeclineClass::Config
            && matches!(self.reason, Reason::Credentials | Reason::Contract | Reason::MerchantLimit)
    }

    /// A person must look before anything else happens.
    pub fn needs_person(&self) -> bool {
        let (provider, code) = CANCEL_FAILED;
        let cancel_failed = self.pg_code.as_deref() == Some(code)
            && self.pg_provider.as_deref().is_some_and(|name| name.starts_with(provider));
        cancel_failed || (self.class == DeclineClass::Config && !self.stops_channel())
    }
}
