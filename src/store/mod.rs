//! The port to the database: one method for each thing that the engine's steps record or ask, in bulk.
//!
//! What does not live here: no decision. A store reads facts, and records what the domain decided; its SQL may refuse
//! (a lost lease, a cancelled subscription, a period that moved), it may not choose. No method is per subscription.

pub mod act;
mod error;
mod import;
pub mod inbox;
pub mod memory;
pub mod outbox;
pub mod postgres;
pub mod read;
mod rows;
pub mod search;
pub mod sql;
pub mod sqlite;

pub use error::{SchemaProblem, StoreError, TlsProblem};
pub use import::{BillingKeyRow, CustomerRow, ImportBatch, ImportRefs, PlanRow, SubscriptionRow};

use crate::domain::access::{AccessChange, AccessFacts};
use crate::domain::charge::Attempt;
use crate::domain::claim::{ClaimDecision, ClaimFacts, RenewalChange};
use crate::domain::coverage::Entry;
use crate::domain::delivery::{Recorded, Sending};
use crate::domain::due::{PlannedRenewal, SubscriptionFacts};
use crate::domain::event::NewEvent;
use crate::domain::ids::{AttemptId, CustomerId, EventId, PaymentId, RenewalId, RunId, SubscriptionId};
use crate::domain::look_ahead::{LookAheadFacts, LookedAhead};
use crate::domain::reconcile::{FoundPayment, KnownPayment, WantedPayment};
use crate::domain::refund::{RefundChange, RefundFacts};
use crate::domain::renewal::State;
use crate::domain::settlement::{PaymentRecord, Settlement};
use crate::domain::waiting::WaitingFacts;
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use std::sync::Arc;
use std::time::Duration;

/// Proof that what it holds is on disk. Only a store can make one, and only after its commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Committed<T>(T);

impl<T> Committed<T> {
    pub fn get(&self) -> &T {
        &self.0
    }
}

/// The versions before and after a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// 0 where there was no schema.
    pub before: i64,
    pub after: i64,
}

/// What was fixed when the database was made: pinned, so that a test setting never meets live data.
#[derive(Clone)]
pub struct Installation {
    /// 32 bytes, hex; secret. Payment ids are derived with it.
    pub payment_id_key: secrecy::SecretString,
    /// Set by the first run that charges; another store or channel type is refused afterwards.
    pub pinned: Option<Pinned>,
}

/// Which store and which kind of channels this database belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    pub store_id: String,
    pub channel_type: String,
}

/// The kill switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// `Some` while no charge may start anywhere.
    pub paused: Option<Paused>,
}

/// Who stopped charging, when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    pub at: DateTime<Utc>,
    pub by: String,
    pub reason: String,
}

/// A run as it is opened.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    pub id: RunId,
    /// `cli`, `schedule`, `demo`, …
    pub trigger: String,
    pub business_date: NaiveDate,
    pub zone: String,
    pub actor: String,
    pub started_at: DateTime<Utc>,
}

/// A run as it is closed.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedRun {
    pub id: RunId,
    /// `completed`, `failed`, `interrupted`.
    pub status: String,
    /// The figures, as `run --output json` prints them.
    pub figures: serde_json::Value,
    pub error: Option<String>,
    pub finished_at: DateTime<Utc>,
    pub events: Vec<NewEvent>,
    /// For the coverage ledger: one a business date. An entry that is there stays as it is.
    pub coverage: Vec<Entry>,
}

/// One keyset page of due subscriptions: `(current_period_end, id)` greater than `after`.
#[derive(Clone, Debug, PartialEq)]
pub struct DuePage {
    /// Periods that end before this instant are due.
    pub ends_before: DateTime<Utc>,
    pub after: Option<(DateTime<Utc>, SubscriptionId)>,
    pub rows_max: u32,
    /// Only these subscriptions, where given.
    pub only: Option<Vec<SubscriptionId>>,
    /// Without those whose last period this run planned or charged, or anybody charged since it started: one run renews
    /// nobody twice, nor do several beside each other.
    pub not_again_in: Option<(RunId, DateTime<Utc>)>,
}

/// Which renewals to claim.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRequest {
    pub run_id: RunId,
    /// At most this many rows are locked.
    pub rows_max: u32,
    pub lease: Duration,
    /// `(next_attempt_at, id)` greater than this: a run claims each renewal at most once.
    pub after: Option<(DateTime<Utc>, RenewalId)>,
    pub only: Option<Vec<SubscriptionId>>,
}

/// The pure function that decides each claimed row, from the domain.
pub type ClaimDecider = Arc<dyn Fn(&ClaimFacts) -> ClaimDecision + Send + Sync>;

/// What a claim brought.
#[derive(Clone, Debug, Default)]
pub struct Claimed {
    pub attempts: Vec<Committed<Attempt>>,
    /// Rows that were decided otherwise, as they were recorded.
    pub changed: Vec<RenewalChange>,
    /// Renewals whose billing key is being charged for another one: their turn comes when that is settled.
    pub waiting: Vec<RenewalId>,
    /// Rows locked in all; fewer than asked for means that nothing more is due.
    pub seen: u32,
    /// Where the next claim of this run goes on.
    pub last: Option<(DateTime<Utc>, RenewalId)>,
    /// The kill switch was on: nothing was claimed.
    pub paused: bool,
}

/// An attempt that was never sent, or proved not to have been charged, given back with its renewal unchanged.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenBack {
    pub renewal_id: RenewalId,
    pub attempt_id: AttemptId,
    pub lease_epoch: i64,
    /// Why, for the timeline.
    pub note: String,
}

/// What of a batch of settlements was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub settled: Vec<RenewalId>,
    /// The lease was lost: a payment became an observation and makes the renewal due for a look-up, the rest is void.
    pub fence_lost: Vec<RenewalId>,
    /// Paid, but the subscription was no longer at that period: recorded, told as `renewal.review`, not extended.
    pub period_not_moved: Vec<RenewalId>,
    /// Those among the settled whose customer had cancelled: what stands is their `if_canceled`.
    pub as_canceled: Vec<RenewalId>,
}

/// An open renewal whose earlier worker is gone, or whose outcome is unknown and due for a look-up.
#[derive(Clone, Debug)]
pub struct TakenOver {
    pub attempt: Committed<Attempt>,
    /// Its worker is gone; otherwise its outcome was unknown, and a look-up was due.
    pub was_left: bool,
    /// Sending it again is allowed: not cancelled, the kill switch off.
    pub may_resend: bool,
    pub cancel_at_period_end: bool,
}

/// A final renewal whose payment id is looked up once more, because money can turn up late.
#[derive(Clone, Debug, PartialEq)]
pub struct LateFacts {
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub state: State,
    pub payment_id: PaymentId,
    /// The payment id is one of an earlier series.
    pub retired: bool,
    pub look_ups: u32,
    /// Since the renewal ended, or the series was retired.
    pub since: DateTime<Utc>,
    /// When this look-up was due.
    pub due_at: DateTime<Utc>,
    pub subscription_canceled: bool,
    /// The subscription is `active` or `past_due`, and still ends where the renewal's period starts.
    pub period_is_next: bool,
    /// As it was last attempted: what a payment must match.
    pub attempt: Attempt,
}

/// What a late look-up led to.
#[derive(Clone, Debug, PartialEq)]
pub enum LateChange {
    /// Nothing turned up: look again then, or never.
    LookAgain { facts: Box<LateFacts>, next_look_up_at: Option<DateTime<Utc>> },
    /// Money turned up: recorded like any settlement, guarded by the state it was decided from.
    Found { from: State, settlement: Box<Settlement> },
}

/// One keyset page of payments that are recorded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedPage {
    pub from: DateTime<Utc>,
    /// Included, to its whole millisecond.
    pub until: DateTime<Utc>,
    pub after: Option<AttemptId>,
    pub rows_max: u32,
}

impl RecordedPage {
    /// The ids between which the page lies, neither included.
    pub fn bounds(&self) -> (AttemptId, AttemptId) {
        let end = DateTime::from_timestamp_millis(self.until.timestamp_millis().saturating_add(1));
        (self.after.unwrap_or(first_id(self.from)), first_id(end.unwrap_or(DateTime::<Utc>::MAX_UTC)))
    }
}

/// Not above any id that was made then or later: a UUIDv7 starts with its time, to the millisecond.
fn first_id(since: DateTime<Utc>) -> AttemptId {
    AttemptId(uuid::Uuid::from_u128(u128::try_from(since.timestamp_millis()).unwrap_or(0) << 80))
}

/// One keyset page of subscriptions that are going to be renewed: `(current_period_end, id)` greater than `after`.
#[derive(Clone, Debug, PartialEq)]
pub struct LookAheadPage {
    pub ends_after: DateTime<Utc>,
    pub ends_before: DateTime<Utc>,
    pub after: Option<(DateTime<Utc>, SubscriptionId)>,
    pub rows_max: u32,
}

/// The tables and the steps of a run. All times are decided by the database's clock, see [`Store::now`].
#[async_trait]
pub trait Store: inbox::Inbox + Send + Sync {
    /// The database's clock (on SQLite the host's, which never goes back), unless a test clock replaces it.
    async fn now(&self) -> Result<DateTime<Utc>, StoreError>;

    /// Refuses a schema that this version cannot work with.
    async fn check_schema(&self) -> Result<(), StoreError>;

    /// What the database is, and whether what is committed there lasts. Writes nothing; takes the write lock where there is
    /// only one, because a file that looks writable may not be.
    async fn health(&self) -> Result<read::Health, StoreError>;

    /// Creates or upgrades the tables; makes the id key on the first time, unless one is given.
    async fn migrate(&self, payment_id_key: Option<secrecy::SecretString>) -> Result<Migrated, StoreError>;

    async fn installation(&self) -> Result<Installation, StoreError>;

    /// Pins store and channel type if nothing is pinned yet; answers what is pinned.
    async fn pin(&self, wanted: &Pinned) -> Result<Pinned, StoreError>;

    async fn switch(&self) -> Result<Switch, StoreError>;

    async fn set_switch(&self, switch: &Switch) -> Result<(), StoreError>;

    /// Writes all rows or none.
    async fn import(&self, batch: ImportBatch) -> Result<(), StoreError>;

    /// Which of these ids exist already: what an import may refer to.
    async fn known_ids(&self, ids: &ImportRefs) -> Result<ImportRefs, StoreError>;

    async fn open_run(&self, run: &NewRun) -> Result<(), StoreError>;

    /// Opens a run that a client asked for under a key of its own. Where a run was opened under it before, by whatever
    /// process, nothing is opened, and that one is the answer.
    async fn open_run_once(
        &self,
        run: &NewRun,
        key: &search::ClientKey,
    ) -> Result<Option<search::KeyedRun>, StoreError>;

    /// The run that was opened under a client's key.
    async fn run_of_key(&self, key: &str) -> Result<Option<search::KeyedRun>, StoreError>;

    async fn close_run(&self, run: &ClosedRun) -> Result<(), StoreError>;

    /// How many subscriptions are due, planned or not, and `page.rows_max` at most: told from an index alone.
    async fn due_count(&self, page: &DuePage) -> Result<u64, StoreError>;

    /// Subscriptions that are due and have no renewal for their next period, in keyset order.
    async fn due_facts(&self, page: &DuePage) -> Result<Vec<SubscriptionFacts>, StoreError>;

    /// Records one page of decisions; answers the renewals that were not there before.
    async fn record_plan(&self, run: RunId, page: &[PlannedRenewal]) -> Result<Vec<RenewalId>, StoreError>;

    /// Renewals that wait while something around them may have changed (cancelled, resumed, a new key, grace over).
    async fn waiting_facts(
        &self,
        after: Option<RenewalId>,
        over_before: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<WaitingFacts>, StoreError>;

    /// Records changes, each only if its renewal is still in the state it was decided from; answers those written.
    async fn change_renewals(&self, changes: &[RenewalChange]) -> Result<Vec<RenewalId>, StoreError>;

    /// Locks due renewals, lets `decide` judge each, and commits leases and attempts before it returns.
    async fn claim(&self, request: &ClaimRequest, decide: ClaimDecider) -> Result<Claimed, StoreError>;

    /// Gives claims back unsent: the renewal is `due` as it was, and the claim does not count.
    async fn give_back(&self, given: &[GivenBack]) -> Result<(), StoreError>;

    /// Takes over what is `charging` with an expired lease or `unknown` and due for a look-up, the oldest first.
    /// One that was claimed `claims_max` times without a settle between goes to `review` instead, its attempt open: it may
    /// be what ends the process.
    async fn take_over(&self, rows_max: u32, lease: Duration, claims_max: u32) -> Result<Vec<TakenOver>, StoreError>;

    /// Records a batch of outcomes in one transaction. Writing the same twice changes nothing.
    async fn settle(&self, batch: &[Settlement]) -> Result<Settled, StoreError>;

    /// Final renewals and retired payment ids that are due for a late look-up.
    async fn late_facts(&self, rows_max: u32) -> Result<Vec<LateFacts>, StoreError>;

    async fn record_late(&self, changes: &[LateChange]) -> Result<(), StoreError>;

    /// Payment ids that were observed under this name (`seen_by`) and whose money is not recorded since, the longest
    /// waiting first.
    async fn unplaced(&self, seen_by: &str, rows_max: u32) -> Result<Vec<PaymentId>, StoreError>;

    /// Refunds that are to be asked for now, the longest waiting first.
    async fn refund_facts(&self, rows_max: u32) -> Result<Vec<RefundFacts>, StoreError>;

    /// Records what asking led to, each only if its refund is still open, its renewal's step only if the renewal is still
    /// in the state that it was decided from; answers the payments whose refunds were written.
    async fn record_refunds(&self, changes: &[RefundChange]) -> Result<Vec<PaymentId>, StoreError>;

    /// Keeps a payment that was seen and belongs to no open attempt.
    async fn observe(&self, seen: &[(PaymentRecord, String)]) -> Result<(), StoreError>;

    /// What is known here of these payments: one answer for each, in any order.
    async fn known_payments(&self, wanted: &[WantedPayment]) -> Result<Vec<KnownPayment>, StoreError>;

    /// Payments that are recorded as in order and whose first attempt has an id of this span of time, in order of it.
    async fn recorded_payments(&self, page: &RecordedPage) -> Result<Vec<(AttemptId, KnownPayment)>, StoreError>;

    /// Makes payments that were found at the gateway due for a look-up, which settles them: keeps each as an observation by
    /// `seen_by`, brings back attempts that are lost (closed, under `run`), and takes their payment ids into the late sweep.
    /// Renewals that are claimed, paid or refunded are left alone.
    async fn wake(&self, run: RunId, found: &[FoundPayment], seen_by: &str) -> Result<(), StoreError>;

    /// Tells what no change of a row tells; each once.
    async fn tell(&self, events: &[NewEvent]) -> Result<(), StoreError>;

    /// Hands the oldest events of the outbox to the sinks, as `decide` says; answers how many events that were.
    async fn route_events(&self, rows_max: u32, decide: outbox::Router) -> Result<u32, StoreError>;

    /// Claims what one sink is to be told now: of each subscription only its oldest event that is not over.
    async fn claim_deliveries(&self, claim: &outbox::DeliveryClaim) -> Result<Vec<Sending>, StoreError>;

    /// Records how sending ended, each only under the claim that it was sent under; answers those written.
    async fn record_deliveries(&self, sent: &[Recorded]) -> Result<Vec<EventId>, StoreError>;

    /// Sends again, or drops, what a person says, and tells who did it; answers how many deliveries changed.
    async fn change_deliveries(&self, change: &outbox::ManualChange) -> Result<u64, StoreError>;

    /// Deliveries, those of the newest event first.
    async fn deliveries(&self, filter: &outbox::DeliveryFilter) -> Result<Vec<outbox::DeliveryRow>, StoreError>;

    /// What is not delivered, by sink and state.
    async fn deliveries_left(&self) -> Result<Vec<outbox::DeliveriesLeft>, StoreError>;

    /// Subscriptions whose period ended (or that are cancelled) without the next one being paid, in the order of their ends;
    /// those with `(current_period_end, id)` greater than `after`.
    async fn access_facts(
        &self,
        ended_before: DateTime<Utc>,
        after: Option<(DateTime<Utc>, SubscriptionId)>,
        rows_max: u32,
    ) -> Result<Vec<AccessFacts>, StoreError>;

    /// Records changes of standing; answers those written.
    async fn record_access(&self, changes: &[AccessChange]) -> Result<Vec<SubscriptionId>, StoreError>;

    /// Subscriptions that are going to be renewed, with what was found out about that before. Cancelled ones are not.
    async fn look_ahead_facts(&self, page: &LookAheadPage) -> Result<Vec<LookAheadFacts>, StoreError>;

    /// Records what was found out and told, each only while its subscription is still to be renewed at that period;
    /// answers those written. Keys that are gone are marked so whatever became of the subscription.
    async fn record_look_ahead(&self, looked: &[LookedAhead]) -> Result<Vec<SubscriptionId>, StoreError>;

    /// Codes that were declined since then and that the tables did not know, the most frequent first.
    async fn unseen_codes(&self, since: DateTime<Utc>, rows_max: u32) -> Result<Vec<read::UnseenCode>, StoreError>;

    /// Renewals that are open, and those that a change of mind may open again, in order of id: what a run would find beside
    /// what it plans.
    async fn open_renewals(
        &self,
        after: Option<RenewalId>,
        rows_max: u32,
    ) -> Result<Vec<read::OpenRenewalRow>, StoreError>;

    /// On which channels these customers would be charged; whoever has no usable billing key is not among the answers.
    async fn channels_of(&self, customers: &[CustomerId]) -> Result<Vec<read::KeyChannel>, StoreError>;

    /// What could be claimed now, by currency: only of these subscriptions, where given.
    async fn due_now(&self, only: Option<&[SubscriptionId]>) -> Result<Vec<read::DueSum>, StoreError>;

    /// What was taken and what was refused by runs of these business dates, of attempts that began at `since` or later.
    async fn takings(&self, from: NaiveDate, since: DateTime<Utc>) -> Result<Vec<read::Taking>, StoreError>;

    /// Money that was expected and is not there, by what it waits for.
    async fn at_risk(&self) -> Result<Vec<read::AtRisk>, StoreError>;

    /// The coverage ledger from a business date on.
    async fn coverage(&self, from: NaiveDate) -> Result<read::Coverage, StoreError>;

    /// How many renewals could be claimed now, and what the rest waits for.
    async fn backlog(&self) -> Result<read::Backlog, StoreError>;

    /// Does one thing by hand, with the record of who and why, in one transaction: all of it, or nothing where the renewal
    /// is no longer as the person saw it (`false`).
    async fn act(&self, act: &act::Act) -> Result<bool, StoreError>;

    /// What people did by hand last, the newest first.
    async fn actions(&self, rows_max: u32) -> Result<Vec<read::ActionRow>, StoreError>;

    /// All payment ids that a renewal has or had, each with the last attempt made under it.
    ///
    /// # Errors
    /// [`StoreError::Row`] where an attempt of it cannot be read.
    async fn case_facts(&self, renewal: RenewalId) -> Result<Vec<LateFacts>, StoreError>;

    /// The latest runs, the newest first.
    async fn runs(&self, rows_max: u32) -> Result<Vec<read::RunRow>, StoreError>;

    /// One page of runs.
    async fn runs_page(&self, page: &search::RunPage) -> Result<Vec<read::RunRow>, StoreError>;

    async fn run(&self, id: RunId) -> Result<Option<read::RunRow>, StoreError>;

    /// One page of renewals.
    async fn renewals_page(&self, page: &search::RenewalPage) -> Result<Vec<read::RenewalRow>, StoreError>;

    /// Renewals in `review` or `unknown`, the oldest first.
    async fn needs_person(&self, rows_max: u32) -> Result<Vec<read::RenewalRow>, StoreError>;

    /// The customer's subscriptions, those whose period ends last first.
    async fn subscriptions_of(&self, customer: &CustomerId, rows_max: u32) -> Result<Vec<read::AccessRow>, StoreError>;

    /// Everything about one subscription, renewal id or payment id, or `None`.
    async fn timeline(&self, id: &str) -> Result<Option<read::Timeline>, StoreError>;
}
