//! The port, method by method: each is one step of this folder.

use super::{
    SqlStore, access, act, ahead, claim, deliveries, import, installation, late, look_ahead, money, plan, read,
    reconcile, refunds, resolve, runs, schema, search, settle,
};
use crate::domain::access::{AccessChange, AccessFacts};
use crate::domain::claim::RenewalChange;
use crate::domain::delivery::{Recorded, Sending};
use crate::domain::due::{PlannedRenewal, SubscriptionFacts};
use crate::domain::event::NewEvent;
use crate::domain::ids::{AttemptId, CustomerId, EventId, PaymentId, RenewalId, RunId, SubscriptionId};
use crate::domain::look_ahead::{LookAheadFacts, LookedAhead};
use crate::domain::reconcile::{FoundPayment, KnownPayment, WantedPayment};
use crate::domain::refund::{RefundChange, RefundFacts};
use crate::domain::settlement::{PaymentRecord, Settlement};
use crate::domain::waiting::WaitingFacts;
use crate::store::act::Act;
use crate::store::outbox::{DeliveriesLeft, DeliveryClaim, DeliveryFilter, DeliveryRow, ManualChange, Router};
use crate::store::read::{
    AccessRow, ActionRow, AtRisk, Backlog, Coverage, DueSum, Health, KeyChannel, OpenRenewalRow, RenewalRow, RunRow,
    Taking, Timeline, UnseenCode,
};
use crate::store::search::{ClientKey, KeyedRun, RenewalPage, RunPage};
use crate::store::{
    ClaimDecider, ClaimRequest, Claimed, ClosedRun, DuePage, GivenBack, ImportBatch, ImportRefs, Installation,
    LateChange, LateFacts, LookAheadPage, Migrated, NewRun, Pinned, RecordedPage, Settled, Store, StoreError, Switch,
    TakenOver,
};
use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
use std::time::Duration;

#[async_trait]
impl Store for SqlStore {
    async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        installation::now(self).await
    }

    async fn check_schema(&self) -> Result<(), StoreError> {
        schema::check_schema(self).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        read::health(self).await
    }

    async fn migrate(&self, payment_id_key: Option<SecretString>) -> Result<Migrated, StoreError> {
        schema::migrate(self, payment_id_key).await
    }

    async fn installation(&self) -> Result<Installation, StoreError> {
        installation::installation(self).await
    }

    async fn pin(&self, wanted: &Pinned) -> Result<Pinned, StoreError> {
        installation::pin(self, wanted).await
    }

    async fn switch(&self) -> Result<Switch, StoreError> {
        installation::switch(self).await
    }

    async fn set_switch(&self, switch: &Switch) -> Result<(), StoreError> {
        installation::set_switch(self, switch).await
    }

    async fn import(&self, batch: ImportBatch) -> Result<(), StoreError> {
        import::import(self, batch).await
    }

    async fn known_ids(&self, ids: &ImportRefs) -> Result<ImportRefs, StoreError> {
        import::known_ids(self, ids).await
    }

    async fn open_run(&self, run: &NewRun) -> Result<(), StoreError> {
        runs::open_run(self, run).await
    }

    async fn open_run_once(&self, run: &NewRun, key: &ClientKey) -> Result<Option<KeyedRun>, StoreError> {
        runs::open_run_once(self, run, key).await
    }

    async fn run_of_key(&self, key: &str) -> Result<Option<KeyedRun>, StoreError> {
        runs::run_of_key(self, key).await
    }

    async fn close_run(&self, run: &ClosedRun) -> Result<(), StoreError> {
        runs::close_run(self, run).await
    }

    async fn due_count(&self, page: &DuePage) -> Result<u64, StoreError> {
        plan::due_count(self, page).await
    }

    async fn due_facts(&self, page: &DuePage) -> Result<Vec<SubscriptionFacts>, StoreError> {
        plan::due_facts(self, page).await
    }

    async fn record_plan(&self, run: RunId, page: &[PlannedRenewal]) -> Result<Vec<RenewalId>, StoreError> {
        plan::record_plan(self, run, page).await
    }

    async fn waiting_facts(
        &self,
        after: Option<RenewalId>,
        over_before: DateTime<Utc>,
        rows_max: u32,
    ) -> Result<Vec<WaitingFacts>, StoreError> {
        plan::waiting_facts(self, after, over_before, rows_max).await
    }

    async fn change_renewals(&self, changes: &[RenewalChange]) -> Result<Vec<RenewalId>, StoreError> {
        plan::change_renewals(self, changes).await
    }

    async fn claim(&self, request: &ClaimRequest, decide: ClaimDecider) -> Result<Claimed, StoreError> {
        claim::claim(self, request, decide).await
    }

    async fn give_back(&self, given: &[GivenBack]) -> Result<(), StoreError> {
        claim::give_back(self, given).await
    }

    async fn take_over(&self, rows_max: u32, lease: Duration, claims_max: u32) -> Result<Vec<TakenOver>, StoreError> {
        resolve::take_over(self, rows_max, lease, claims_max).await
    }

    async fn settle(&self, batch: &[Settlement]) -> Result<Settled, StoreError> {
        settle::settle(self, batch).await
    }

    async fn unplaced(&self, seen_by: &str, rows_max: u32) -> Result<Vec<PaymentId>, StoreError> {
        late::unplaced(self, seen_by, rows_max).await
    }

    async fn late_facts(&self, rows_max: u32) -> Result<Vec<LateFacts>, StoreError> {
        late::late_facts(self, rows_max).await
    }

    async fn record_late(&self, changes: &[LateChange]) -> Result<(), StoreError> {
        late::record_late(self, changes).await
    }

    async fn refund_facts(&self, rows_max: u32) -> Result<Vec<RefundFacts>, StoreError> {
        refunds::refund_facts(self, rows_max).await
    }

    async fn record_refunds(&self, changes: &[RefundChange]) -> Result<Vec<PaymentId>, StoreError> {
        refunds::record_refunds(self, changes).await
    }

    async fn observe(&self, seen: &[(PaymentRecord, String)]) -> Result<(), StoreError> {
        late::observe(self, seen).await
    }

    async fn known_payments(&self, wanted: &[WantedPayment]) -> Result<Vec<KnownPayment>, StoreError> {
        reconcile::known_payments(self, wanted).await
    }

    async fn recorded_payments(&self, page: &RecordedPage) -> Result<Vec<(AttemptId, KnownPayment)>, StoreError> {
        reconcile::recorded_payments(self, page).await
    }

    async fn wake(&self, run: RunId, found: &[FoundPayment], seen_by: &str) -> Result<(), StoreError> {
        reconcile::wake(self, run, found, seen_by).await
    }

    async fn tell(&self, events: &[NewEvent]) -> Result<(), StoreError> {
        reconcile::tell(self, events).await
    }

    async fn route_events(&self, rows_max: u32, decide: Router) -> Result<u32, StoreError> {
        deliveries::route_events(self, rows_max, decide).await
    }

    async fn claim_deliveries(&self, claim: &DeliveryClaim) -> Result<Vec<Sending>, StoreError> {
        deliveries::claim_deliveries(self, claim).await
    }

    async fn record_deliveries(&self, sent: &[Recorded]) -> Result<Vec<EventId>, StoreError> {
        deliveries::record_deliveries(self, sent).await
    }

    async fn change_deliveries(&self, change: &ManualChange) -> Result<u64, StoreError> {
        deliveries::change_deliveries(self, change).await
    }

    async fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<DeliveryRow>, StoreError> {
        deliveries::deliveries(self, filter).await
    }

    async fn deliveries_left(&self) -> Result<Vec<DeliveriesLeft>, StoreError> {
        deliveries::deliveries_left(self).await
    }

    async fn access_facts(
        &self,
        ended_before: DateTime<Utc>,
        after: Option<(DateTime<Utc>, SubscriptionId)>,
        rows_max: u32,
    ) -> Result<Vec<AccessFacts>, StoreError> {
        access::access_facts(self, ended_before, after, rows_max).await
    }

    async fn record_access(&self, changes: &[AccessChange]) -> Result<Vec<SubscriptionId>, StoreError> {
        access::record_access(self, changes).await
    }

    async fn look_ahead_facts(&self, page: &LookAheadPage) -> Result<Vec<LookAheadFacts>, StoreError> {
        look_ahead::look_ahead_facts(self, page).await
    }

    async fn record_look_ahead(&self, looked: &[LookedAhead]) -> Result<Vec<SubscriptionId>, StoreError> {
        look_ahead::record_look_ahead(self, looked).await
    }

    async fn unseen_codes(&self, since: DateTime<Utc>, rows_max: u32) -> Result<Vec<UnseenCode>, StoreError> {
        look_ahead::unseen_codes(self, since, rows_max).await
    }

    async fn open_renewals(&self, after: Option<RenewalId>, rows_max: u32) -> Result<Vec<OpenRenewalRow>, StoreError> {
        ahead::open_renewals(self, after, rows_max).await
    }

    async fn channels_of(&self, customers: &[CustomerId]) -> Result<Vec<KeyChannel>, StoreError> {
        ahead::channels_of(self, customers).await
    }

    async fn due_now(&self, only: Option<&[SubscriptionId]>) -> Result<Vec<DueSum>, StoreError> {
        ahead::due_now(self, only).await
    }

    async fn takings(&self, from: NaiveDate, since: DateTime<Utc>) -> Result<Vec<Taking>, StoreError> {
        money::takings(self, from, since).await
    }

    async fn at_risk(&self) -> Result<Vec<AtRisk>, StoreError> {
        money::at_risk(self).await
    }

    async fn coverage(&self, from: NaiveDate) -> Result<Coverage, StoreError> {
        runs::coverage(self, from).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        read::backlog(self).await
    }

    async fn act(&self, act: &Act) -> Result<bool, StoreError> {
        act::act(self, act).await
    }

    async fn actions(&self, rows_max: u32) -> Result<Vec<ActionRow>, StoreError> {
        act::actions(self, rows_max).await
    }

    async fn case_facts(&self, renewal: RenewalId) -> Result<Vec<LateFacts>, StoreError> {
        act::case_facts(self, renewal).await
    }

    async fn runs(&self, rows_max: u32) -> Result<Vec<RunRow>, StoreError> {
        runs::runs_page(self, &RunPage { before: None, rows_max }).await
    }

    async fn runs_page(&self, page: &RunPage) -> Result<Vec<RunRow>, StoreError> {
        runs::runs_page(self, page).await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        runs::run(self, id).await
    }

    async fn needs_person(&self, rows_max: u32) -> Result<Vec<RenewalRow>, StoreError> {
        read::needs_person(self, rows_max).await
    }

    async fn subscriptions_of(&self, customer: &CustomerId, rows_max: u32) -> Result<Vec<AccessRow>, StoreError> {
        read::subscriptions_of(self, customer, rows_max).await
    }

    async fn renewals_page(&self, page: &RenewalPage) -> Result<Vec<RenewalRow>, StoreError> {
        search::renewals_page(self, page).await
    }

    async fn timeline(&self, id: &str) -> Result<Option<Timeline>, StoreError> {
        read::timeline(self, id).await
    }
}
