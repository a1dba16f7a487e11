//! The database as a worker sees it: commits that fail, commits whose answer is lost, and a process that dies or stops
//! just before one or just after it.

use super::bugs::Bug;
use super::office::{AIM, Machine, Office, Place};
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use renewd::clock::Clock;
use renewd::domain::access::{AccessChange, AccessFacts};
use renewd::domain::charge::Attempt;
use renewd::domain::claim::RenewalChange;
use renewd::domain::delivery::{Recorded, Sending};
use renewd::domain::due::{PlannedRenewal, SubscriptionFacts};
use renewd::domain::event::NewEvent;
use renewd::domain::ids::{AttemptId, CustomerId, EventId, PaymentId, RenewalId, RunId, SubscriptionId};
use renewd::domain::look_ahead::{LookAheadFacts, LookedAhead};
use renewd::domain::notice::{Kept, KeyHeard, Notice, Outcome};
use renewd::domain::reconcile::{FoundPayment, KnownPayment, WantedPayment};
use renewd::domain::refund::{RefundChange, RefundFacts};
use renewd::domain::renewal::State;
use renewd::domain::settlement::{PaymentRecord, Settlement};
use renewd::domain::waiting::WaitingFacts;
use renewd::store::act::Act;
use renewd::store::inbox::{Inbox, KeysHeard};
use renewd::store::outbox::{DeliveriesLeft, DeliveryClaim, DeliveryFilter, DeliveryRow, ManualChange, Router};
use renewd::store::read::{
    AccessRow, ActionRow, AtRisk, Backlog, Coverage, DueSum, KeyChannel, OpenRenewalRow, RenewalRow, RunRow, Taking,
    Timeline, UnseenCode,
};
use renewd::store::search::{ClientKey, KeyedRun, RenewalPage, RunPage};
use renewd::store::{
    ClaimDecider, ClaimRequest, Claimed, ClosedRun, Committed, DuePage, GivenBack, ImportBatch, ImportRefs,
    Installation, LateChange, LateFacts, LookAheadPage, Migrated, NewRun, Pinned, RecordedPage, Settled, Store,
    StoreError, Switch, TakenOver,
};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Storage {
    pub office: Arc<Office>,
    pub machine: Arc<Machine>,
    pub inner: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub bug: Option<Bug>,
    /// Claims that nobody settled yet, whoever holds them: for the bug that hands them out twice.
    pub held: Held,
}

/// Attempts by their renewals.
pub type Held = Arc<Mutex<HashMap<RenewalId, Committed<Attempt>>>>;

type Stored<T> = Result<T, StoreError>;

impl Storage {
    /// One statement or transaction, with all that can happen around it.
    async fn at<T>(&self, name: &'static str, work: impl Future<Output = Stored<T>>) -> Stored<T> {
        let office = &self.office;
        office.travel(&self.machine, Place::Before(name)).await;
        let aim = if Place::Before(name).is_about_money() { AIM } else { 1.0 };
        if office.is_database_away() || office.strikes(aim * office.swarm.lost_before) {
            office.struck(format!("database away before {name}"));
            office.note("database away", self.machine.number, || name.to_owned());
            return Err(away());
        }
        let done = office.real(work).await;
        office.note(name, self.machine.number, || done.as_ref().err().map(ToString::to_string).unwrap_or_default());
        if office.strikes(aim * office.swarm.lost_after) {
            office.note("acknowledgement lost", self.machine.number, || name.to_owned());
            office.struck(format!("acknowledgement lost after {name}"));
            return Err(away());
        }
        office.travel(&self.machine, Place::After(name)).await;
        done
    }

    /// One that changes rows, if what it answers says so.
    async fn write<T>(
        &self,
        name: &'static str,
        work: impl Future<Output = Stored<T>>,
        changes: impl FnOnce(&T) -> bool,
    ) -> Stored<T> {
        let marked = async {
            let done = work.await;
            if done.as_ref().is_ok_and(changes) {
                self.office.changed();
            }
            done
        };
        self.at(name, marked).await
    }

    fn is(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// The bug of a claim that is not checked: what others hold is handed out once more.
    fn also_held(&self, claimed: &mut Claimed) {
        let mut held = self.held.lock().unwrap();
        for attempt in &claimed.attempts {
            held.insert(attempt.get().renewal.id, attempt.clone());
        }
        let mine: Vec<RenewalId> = claimed.attempts.iter().map(|attempt| attempt.get().renewal.id).collect();
        let mut others: Vec<_> = held.values().filter(|attempt| !mine.contains(&attempt.get().renewal.id)).collect();
        others.sort_by_key(|attempt| attempt.get().renewal.id.0);
        claimed.attempts.extend(others.into_iter().cloned());
    }
}

fn away() -> StoreError {
    StoreError::Unreachable(sqlx::Error::PoolTimedOut)
}

#[async_trait]
impl Store for Storage {
    async fn now(&self) -> Stored<DateTime<Utc>> {
        let now = self.at("now", self.inner.now()).await?;
        Ok(if self.is(Bug::WorkerClockDue) { self.clock.now() } else { now })
    }

    async fn check_schema(&self) -> Stored<()> {
        self.inner.check_schema().await
    }

    async fn health(&self) -> Stored<renewd::store::read::Health> {
        self.inner.health().await
    }

    async fn migrate(&self, key: Option<secrecy::SecretString>) -> Stored<Migrated> {
        self.inner.migrate(key).await
    }

    async fn installation(&self) -> Stored<Installation> {
        self.inner.installation().await
    }

    async fn pin(&self, wanted: &Pinned) -> Stored<Pinned> {
        self.inner.pin(wanted).await
    }

    async fn switch(&self) -> Stored<Switch> {
        self.at("switch", self.inner.switch()).await
    }

    async fn set_switch(&self, switch: &Switch) -> Stored<()> {
        self.write("set switch", self.inner.set_switch(switch), |()| true).await
    }

    async fn import(&self, batch: ImportBatch) -> Stored<()> {
        self.inner.import(batch).await
    }

    async fn known_ids(&self, ids: &ImportRefs) -> Stored<ImportRefs> {
        self.inner.known_ids(ids).await
    }

    async fn open_run(&self, run: &NewRun) -> Stored<()> {
        self.at("open run", self.inner.open_run(run)).await
    }

    async fn open_run_once(&self, run: &NewRun, key: &ClientKey) -> Stored<Option<KeyedRun>> {
        self.at("open run", self.inner.open_run_once(run, key)).await
    }

    async fn run_of_key(&self, key: &str) -> Stored<Option<KeyedRun>> {
        self.inner.run_of_key(key).await
    }

    async fn close_run(&self, run: &ClosedRun) -> Stored<()> {
        self.at("close run", self.inner.close_run(run)).await
    }

    async fn due_count(&self, page: &DuePage) -> Stored<u64> {
        self.at("due count", self.inner.due_count(page)).await
    }

    async fn due_facts(&self, page: &DuePage) -> Stored<Vec<SubscriptionFacts>> {
        self.at("due facts", self.inner.due_facts(page)).await
    }

    async fn record_plan(&self, run: RunId, page: &[PlannedRenewal]) -> Stored<Vec<RenewalId>> {
        if self.is(Bug::PlanSkipsOnError) && page.iter().any(|planned| planned.state == State::Review) {
            return Ok(Vec::new());
        }
        let mut page = page.to_vec();
        if self.is(Bug::RandomIdPersisted) {
            for planned in &mut page {
                planned.payment_id = PaymentId(format!("rn{:032}", self.office.between(0, i64::MAX)));
            }
        }
        self.write("plan", self.inner.record_plan(run, &page), |new| !new.is_empty()).await
    }

    async fn waiting_facts(
        &self,
        after: Option<RenewalId>,
        over_before: DateTime<Utc>,
        rows_max: u32,
    ) -> Stored<Vec<WaitingFacts>> {
        let mut facts = self.at("waiting facts", self.inner.waiting_facts(after, over_before, rows_max)).await?;
        if self.is(Bug::CancelNotChecked) {
            facts.iter_mut().for_each(|facts| facts.cancel_at_period_end = false);
        }
        Ok(facts)
    }

    async fn change_renewals(&self, changes: &[RenewalChange]) -> Stored<Vec<RenewalId>> {
        self.write("change", self.inner.change_renewals(changes), |written| !written.is_empty()).await
    }

    async fn claim(&self, request: &ClaimRequest, decide: ClaimDecider) -> Stored<Claimed> {
        let decide: ClaimDecider = if self.is(Bug::CancelNotChecked) {
            Arc::new(move |facts| {
                let mut facts = facts.clone();
                facts.cancel_at_period_end = false;
                decide(&facts)
            })
        } else {
            decide
        };
        let mut claimed = self
            .write("claim", self.inner.claim(request, decide), |claimed: &Claimed| {
                !claimed.attempts.is_empty() || !claimed.changed.is_empty()
            })
            .await?;
        if self.is(Bug::ClaimNotChecked) {
            self.also_held(&mut claimed);
        }
        for attempt in &claimed.attempts {
            let attempt = attempt.get();
            self.office.note("claimed", self.machine.number, || {
                format!("{} {}", attempt.renewal.subscription_id, attempt.idempotency_key)
            });
        }
        Ok(claimed)
    }

    async fn give_back(&self, given: &[GivenBack]) -> Stored<()> {
        self.write("give back", self.inner.give_back(given), |()| true).await
    }

    async fn take_over(&self, rows_max: u32, lease: Duration, claims_max: u32) -> Stored<Vec<TakenOver>> {
        if self.is(Bug::NoRecovery) {
            return Ok(Vec::new());
        }
        self.write("take over", self.inner.take_over(rows_max, lease, claims_max), |taken| !taken.is_empty()).await
    }

    async fn settle(&self, batch: &[Settlement]) -> Stored<Settled> {
        if self.is(Bug::ClaimNotChecked) {
            let mut held = self.held.lock().unwrap();
            batch.iter().for_each(|settlement| drop(held.remove(&settlement.renewal_id)));
        }
        let settled = self.write("settle", self.inner.settle(batch), |_| true).await?;
        for settlement in batch {
            let lost = settled.fence_lost.contains(&settlement.renewal_id);
            self.office.note(if lost { "fence lost" } else { "settled" }, self.machine.number, || {
                format!("{} {}", settlement.renewal_id, settlement.state.as_str())
            });
        }
        Ok(settled)
    }

    async fn unplaced(&self, seen_by: &str, rows_max: u32) -> Stored<Vec<PaymentId>> {
        self.at("unplaced", self.inner.unplaced(seen_by, rows_max)).await
    }

    async fn late_facts(&self, rows_max: u32) -> Stored<Vec<LateFacts>> {
        if self.is(Bug::NoLateSweep) {
            return Ok(Vec::new());
        }
        self.at("late facts", self.inner.late_facts(rows_max)).await
    }

    async fn record_late(&self, changes: &[LateChange]) -> Stored<()> {
        self.write("late", self.inner.record_late(changes), |()| true).await
    }

    async fn refund_facts(&self, rows_max: u32) -> Stored<Vec<RefundFacts>> {
        if self.is(Bug::RefundMissing) {
            return Ok(Vec::new());
        }
        self.at("refund facts", self.inner.refund_facts(rows_max)).await
    }

    async fn record_refunds(&self, changes: &[RefundChange]) -> Stored<Vec<PaymentId>> {
        self.write("refunds", self.inner.record_refunds(changes), |written| !written.is_empty()).await
    }

    async fn observe(&self, seen: &[(PaymentRecord, String)]) -> Stored<()> {
        self.write("observe", self.inner.observe(seen), |()| true).await
    }

    async fn known_payments(&self, wanted: &[WantedPayment]) -> Stored<Vec<KnownPayment>> {
        self.at("known payments", self.inner.known_payments(wanted)).await
    }

    async fn recorded_payments(&self, page: &RecordedPage) -> Stored<Vec<(AttemptId, KnownPayment)>> {
        self.at("recorded payments", self.inner.recorded_payments(page)).await
    }

    async fn wake(&self, run: RunId, found: &[FoundPayment], seen_by: &str) -> Stored<()> {
        self.write("wake", self.inner.wake(run, found, seen_by), |()| true).await
    }

    async fn tell(&self, events: &[NewEvent]) -> Stored<()> {
        self.write("tell", self.inner.tell(events), |()| true).await
    }

    async fn route_events(&self, rows_max: u32, decide: Router) -> Stored<u32> {
        self.at("route events", self.inner.route_events(rows_max, decide)).await
    }

    async fn claim_deliveries(&self, claim: &DeliveryClaim) -> Stored<Vec<Sending>> {
        self.at("claim deliveries", self.inner.claim_deliveries(claim)).await
    }

    async fn record_deliveries(&self, sent: &[Recorded]) -> Stored<Vec<EventId>> {
        self.at("record deliveries", self.inner.record_deliveries(sent)).await
    }

    async fn change_deliveries(&self, change: &ManualChange) -> Stored<u64> {
        self.at("change deliveries", self.inner.change_deliveries(change)).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Stored<Vec<DeliveryRow>> {
        self.at("deliveries", self.inner.deliveries(filter)).await
    }

    async fn deliveries_left(&self) -> Stored<Vec<DeliveriesLeft>> {
        self.at("deliveries left", self.inner.deliveries_left()).await
    }

    async fn access_facts(
        &self,
        ended_before: DateTime<Utc>,
        after: Option<(DateTime<Utc>, SubscriptionId)>,
        rows_max: u32,
    ) -> Stored<Vec<AccessFacts>> {
        self.at("access facts", self.inner.access_facts(ended_before, after, rows_max)).await
    }

    async fn record_access(&self, changes: &[AccessChange]) -> Stored<Vec<SubscriptionId>> {
        self.write("access", self.inner.record_access(changes), |written| !written.is_empty()).await
    }

    async fn look_ahead_facts(&self, page: &LookAheadPage) -> Stored<Vec<LookAheadFacts>> {
        self.at("look ahead facts", self.inner.look_ahead_facts(page)).await
    }

    async fn record_look_ahead(&self, looked: &[LookedAhead]) -> Stored<Vec<SubscriptionId>> {
        self.write("look ahead", self.inner.record_look_ahead(looked), |written| !written.is_empty()).await
    }

    async fn unseen_codes(&self, since: DateTime<Utc>, rows_max: u32) -> Stored<Vec<UnseenCode>> {
        self.inner.unseen_codes(since, rows_max).await
    }

    async fn open_renewals(&self, after: Option<RenewalId>, rows_max: u32) -> Stored<Vec<OpenRenewalRow>> {
        self.inner.open_renewals(after, rows_max).await
    }

    async fn channels_of(&self, customers: &[CustomerId]) -> Stored<Vec<KeyChannel>> {
        self.inner.channels_of(customers).await
    }

    async fn due_now(&self, only: Option<&[SubscriptionId]>) -> Stored<Vec<DueSum>> {
        self.at("due now", self.inner.due_now(only)).await
    }

    async fn takings(&self, from: NaiveDate, since: DateTime<Utc>) -> Stored<Vec<Taking>> {
        self.inner.takings(from, since).await
    }

    async fn at_risk(&self) -> Stored<Vec<AtRisk>> {
        self.inner.at_risk().await
    }

    async fn coverage(&self, from: NaiveDate) -> Stored<Coverage> {
        self.at("coverage", self.inner.coverage(from)).await
    }

    async fn backlog(&self) -> Stored<Backlog> {
        self.at("backlog", self.inner.backlog()).await
    }

    async fn act(&self, act: &Act) -> Stored<bool> {
        self.write("act", self.inner.act(act), |written| *written).await
    }

    async fn actions(&self, rows_max: u32) -> Stored<Vec<ActionRow>> {
        self.inner.actions(rows_max).await
    }

    async fn case_facts(&self, renewal: RenewalId) -> Stored<Vec<LateFacts>> {
        self.at("case facts", self.inner.case_facts(renewal)).await
    }

    async fn runs(&self, rows_max: u32) -> Stored<Vec<RunRow>> {
        self.at("runs", self.inner.runs(rows_max)).await
    }

    async fn runs_page(&self, page: &RunPage) -> Stored<Vec<RunRow>> {
        self.at("runs", self.inner.runs_page(page)).await
    }

    async fn run(&self, id: RunId) -> Stored<Option<RunRow>> {
        self.inner.run(id).await
    }

    async fn needs_person(&self, rows_max: u32) -> Stored<Vec<RenewalRow>> {
        self.inner.needs_person(rows_max).await
    }

    async fn subscriptions_of(&self, customer: &CustomerId, rows_max: u32) -> Stored<Vec<AccessRow>> {
        self.inner.subscriptions_of(customer, rows_max).await
    }

    async fn renewals_page(&self, page: &RenewalPage) -> Stored<Vec<RenewalRow>> {
        self.inner.renewals_page(page).await
    }

    async fn timeline(&self, id: &str) -> Stored<Option<Timeline>> {
        self.at("timeline", self.inner.timeline(id)).await
    }
}

#[async_trait]
impl Inbox for Storage {
    async fn keep_notices(&self, notices: &[Notice]) -> Stored<Vec<String>> {
        self.at("keep notices", self.inner.keep_notices(notices)).await
    }

    async fn claim_notices(&self, rows_max: u32, lease: Duration) -> Stored<Vec<Kept>> {
        self.at("claim notices", self.inner.claim_notices(rows_max, lease)).await
    }

    async fn record_notices(&self, outcomes: &[Outcome]) -> Stored<()> {
        self.at("record notices", self.inner.record_notices(outcomes)).await
    }

    async fn forget_notices(&self, before: DateTime<Utc>, rows_max: u32) -> Stored<u64> {
        self.at("forget notices", self.inner.forget_notices(before, rows_max)).await
    }

    async fn hear_keys(&self, heard: &[KeyHeard]) -> Stored<KeysHeard> {
        self.write("keys", self.inner.hear_keys(heard), |keys| !keys.back.is_empty()).await
    }
}
