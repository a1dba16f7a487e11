//! Pages of what people and programs look through: a key to go on from, never a number of rows to pass over. What is
//! added meanwhile is newer than every page that follows, so nothing comes twice.

use crate::domain::ids::{PaymentId, RenewalId, RunId, SubscriptionId};
use crate::domain::renewal::State;
use chrono::{DateTime, NaiveDate, Utc};

/// One page of renewals, the newest first: those that meet everything that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenewalPage {
    pub state: Option<State>,
    pub subscription: Option<SubscriptionId>,
    /// A payment id that it has, had, or was paid under.
    pub payment: Option<PaymentId>,
    /// The date of the run that planned it.
    pub business_date: Option<NaiveDate>,
    /// Goes on after this one.
    pub before: Option<RenewalId>,
    pub rows_max: u32,
}

/// One page of runs, the newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunPage {
    /// Goes on after the run that was opened then, under that id.
    pub before: Option<(DateTime<Utc>, RunId)>,
    pub rows_max: u32,
}

/// The name under which a client asks for a run, and what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientKey {
    pub key: String,
    /// SHA-256, in hex, of the request: the same key with another request is a mistake.
    pub asked: String,
}

/// The run that was opened under a client's key.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyedRun {
    pub id: String,
    pub asked: String,
}
