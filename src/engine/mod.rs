//! The engine: the steps of a run, over the ports of the store and the gateway and the decisions of the domain.
//!
//! Read [`run`] first: it is the protocol on one screen. What does not live here: no SQL, no HTTP, no settings file,
//! and no decision about money: each step reads facts, asks one pure function of the domain what follows, and hands
//! the decision to the store.

mod access;
mod backoff;
mod brakes;
pub mod by_hand;
mod channel;
mod charge;
mod circuit;
mod claims;
mod close;
pub mod control;
pub mod coverage;
pub mod deliver;
mod drain;
pub mod explain;
pub mod hear;
pub mod import;
mod late;
pub mod limits;
pub mod look_ahead;
pub mod meter;
pub mod new_card;
mod pace;
mod pipeline;
mod plan;
pub mod preview;
mod probe;
pub mod reconcile;
mod refund;
pub mod report;
mod resolve;
mod restore;
pub mod run;
mod settle;
mod spans;
pub mod start;
pub mod status;
pub mod ticks;
pub mod unresolved;
mod verify;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::domain::policy::Policy;
use crate::gateway::{Gateway, GatewayError};
use crate::store::{Store, StoreError};
use limits::Limits;
use meter::Meter;
use std::sync::Arc;
use uuid::Uuid;

/// All that a run needs from the world, handed in.
pub struct Engine {
    pub store: Arc<dyn Store>,
    pub gateway: Arc<dyn Gateway>,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    pub policy: Arc<Policy>,
    pub limits: Limits,
    pub progress: Arc<dyn Progress>,
    pub meter: Arc<dyn Meter>,
}

impl Engine {
    /// An id that inserts in order.
    pub fn new_id(&self) -> Uuid {
        self.chance.id(self.clock.now())
    }
}

/// Hears how far a run is; for a progress bar, and for nothing that matters.
pub trait Progress: Send + Sync {
    /// So many renewals more are to be charged.
    fn more(&self, renewals: u64);
    /// So many are settled.
    fn done(&self, renewals: u64);
}

/// Nobody listens.
pub struct Silent;

impl Progress for Silent {
    fn more(&self, _: u64) {}
    fn done(&self, _: u64) {}
}

/// Why a run ended before its work was done. What it had claimed is settled, given back, or resolved by the next run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The gateway's clock and the database's are too far apart to know what is due.
    #[error("the gateway's clock is {seconds} s ahead of the database's: nothing is charged until they agree")]
    ClockSkew { seconds: i64 },
    /// The gateway could not list its payments: whether this database is whole is not known.
    #[error("the payments at the gateway cannot be compared with the database's: {0}")]
    Gateway(#[from] GatewayError),
    /// A step that the state machine does not know: a bug, or a row edited by hand.
    #[error(transparent)]
    Illegal(#[from] crate::domain::renewal::Illegal),
}
