//! The tables, and how rows of them are found. What may be written into them is in `constraints`: other modules see the
//! constrained tables through methods that only read.

use super::rows::{
    Action, Attempt, BillingKey, Covered, Customer, Delivery, Event, Installed, LookAhead, Plan, Refund, Renewal,
    Retired, Run, Seen, Subscription, Webhook,
};
use super::table::{Table, Undo};
use crate::domain::delivery::SinkName;
use crate::domain::ids::{ActionId, AttemptId, BillingKeyId, EventId, PaymentId, RenewalId, RunId, SubscriptionId};
use crate::store::Paused;
use crate::store::search::KeyedRun;
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

mod constraints;
mod outside;

/// What makes a sight of a payment the same sight: payment id, status, sum given back, verified, seen by.
type Sight = (String, String, i64, bool, String);

/// All tables, and the indexes that keep their constraints.
#[derive(Clone, Default)]
pub(super) struct Tables {
    pub installation: Table<(), Installed>,
    /// No row while charging may run.
    pub paused: Table<(), Paused>,
    pub retired: Table<PaymentId, Retired>,
    /// By payment and number.
    pub refunds: Table<(PaymentId, u32), Refund>,
    pub runs: Table<RunId, Run>,
    /// The runs that clients started, by the clients' keys.
    pub client_keys: Table<String, KeyedRun>,
    pub look_aheads: Table<(SubscriptionId, DateTime<Utc>), LookAhead>,
    /// By business date and run.
    pub coverage: Table<(NaiveDate, RunId), Covered>,
    /// Not handed to the sinks yet, by themselves.
    pub outbox: Table<EventId, EventId>,
    pub deliveries: Table<(SinkName, EventId), Delivery>,
    pub webhooks: Table<String, Webhook>,
    plans: Table<String, Plan>,
    customers: Table<String, Customer>,
    billing_keys: Table<String, BillingKey>,
    subscriptions: Table<String, Subscription>,
    renewals: Table<RenewalId, Renewal>,
    periods: Table<(SubscriptionId, DateTime<Utc>), RenewalId>,
    payment_ids: Table<PaymentId, RenewalId>,
    attempts: Table<AttemptId, Attempt>,
    numbers: Table<(RenewalId, u32), AttemptId>,
    /// By billing key, in the order of their ids: of time.
    tried: Table<(BillingKeyId, AttemptId), AttemptId>,
    open: Table<RenewalId, AttemptId>,
    idempotency_keys: Table<String, AttemptId>,
    payments: Table<String, Seen>,
    /// By the order in which they were seen.
    observations: Table<usize, Seen>,
    sights: Table<Sight, usize>,
    events: Table<EventId, Event>,
    told: Table<String, EventId>,
    actions: Table<ActionId, Action>,
}

impl Tables {
    fn all(&mut self) -> [&mut dyn Undo; 29] {
        [
            &mut self.installation,
            &mut self.paused,
            &mut self.retired,
            &mut self.refunds,
            &mut self.runs,
            &mut self.client_keys,
            &mut self.coverage,
            &mut self.outbox,
            &mut self.deliveries,
            &mut self.webhooks,
            &mut self.plans,
            &mut self.customers,
            &mut self.billing_keys,
            &mut self.subscriptions,
            &mut self.renewals,
            &mut self.periods,
            &mut self.payment_ids,
            &mut self.attempts,
            &mut self.numbers,
            &mut self.tried,
            &mut self.look_aheads,
            &mut self.open,
            &mut self.idempotency_keys,
            &mut self.payments,
            &mut self.observations,
            &mut self.sights,
            &mut self.events,
            &mut self.told,
            &mut self.actions,
        ]
    }

    pub fn commit(&mut self) {
        self.all().into_iter().for_each(Undo::commit);
    }

    pub fn rollback(&mut self) {
        self.all().into_iter().for_each(Undo::rollback);
    }

    pub fn plans(&self) -> &Table<String, Plan> {
        &self.plans
    }

    pub fn customers(&self) -> &Table<String, Customer> {
        &self.customers
    }

    pub fn billing_keys(&self) -> &Table<String, BillingKey> {
        &self.billing_keys
    }

    pub fn subscriptions(&self) -> &Table<String, Subscription> {
        &self.subscriptions
    }

    pub fn renewals(&self) -> &Table<RenewalId, Renewal> {
        &self.renewals
    }

    pub fn attempts(&self) -> &Table<AttemptId, Attempt> {
        &self.attempts
    }

    pub fn payments(&self) -> &Table<String, Seen> {
        &self.payments
    }

    pub fn observations(&self) -> &Table<usize, Seen> {
        &self.observations
    }

    pub fn events(&self) -> &Table<EventId, Event> {
        &self.events
    }

    /// In the order of their ids.
    pub fn actions(&self) -> &Table<ActionId, Action> {
        &self.actions
    }

    /// Refunds of one payment, the oldest first.
    pub fn refunds_of<'t>(&'t self, payment: &PaymentId) -> impl Iterator<Item = &'t Refund> {
        self.refunds.range((payment.clone(), 0)..=(payment.clone(), u32::MAX))
    }

    /// Money of this renewal is being given back, or was.
    pub fn is_given_back(&self, renewal: RenewalId) -> bool {
        self.refunds.iter().any(|row| row.wanted.renewal_id == renewal)
    }

    pub fn is_paused(&self) -> bool {
        self.paused.has(&())
    }

    /// A subscription and its plan, as the API service reads them.
    pub fn subscription(&self, id: &SubscriptionId) -> Option<&Subscription> {
        self.subscriptions.get(id.as_str())
    }

    /// The renewal of a subscription from `period_start`.
    pub fn renewal_from(&self, subscription: &str, period_start: DateTime<Utc>) -> Option<&Renewal> {
        let key = (SubscriptionId::from(subscription), period_start);
        self.periods.get(&key).and_then(|id| self.renewals.get(id))
    }

    /// All keys of a customer, the newest first.
    pub fn keys_of(&self, customer: &str) -> Vec<&BillingKey> {
        let mut keys: Vec<&BillingKey> = self.billing_keys.iter().filter(|key| key.customer_id == customer).collect();
        keys.sort_by(|one, other| (other.created_at, &other.id).cmp(&(one.created_at, &one.id)));
        keys
    }

    pub fn has_usable_key(&self, customer: &str) -> bool {
        self.billing_keys.iter().any(|key| key.customer_id == customer && key.is_usable())
    }

    /// All attempts of a renewal, the oldest first.
    pub fn attempts_of(&self, renewal: RenewalId) -> impl Iterator<Item = &Attempt> {
        let ids = self.numbers.range((renewal, 0)..=(renewal, u32::MAX));
        ids.filter_map(|id| self.attempts.get(id))
    }

    /// What is known of the period of a subscription that starts at `period_start`, before it does.
    pub fn looked_ahead(&self, subscription: &str, period_start: DateTime<Utc>) -> Option<&LookAhead> {
        self.look_aheads.get(&(SubscriptionId::from(subscription), period_start))
    }

    /// All attempts with a billing key.
    pub fn tries_of(&self, key: &BillingKeyId) -> impl Iterator<Item = &Attempt> {
        let (first, last) = (AttemptId(Uuid::nil()), AttemptId(Uuid::max()));
        let ids = self.tried.range((key.clone(), first)..=(key.clone(), last));
        ids.filter_map(|id| self.attempts.get(id))
    }

    /// The key that would be charged was never tried.
    pub fn has_new_key(&self, customer: &str) -> bool {
        let newest = self.keys_of(customer).into_iter().find(|key| key.is_usable());
        newest.is_some_and(|key| self.tries_of(&BillingKeyId(key.id.clone())).next().is_none())
    }

    /// Open attempts with their renewals and subscriptions.
    pub fn open_attempts(&self) -> impl Iterator<Item = (&Attempt, &Renewal, &Subscription)> {
        self.open.iter().filter_map(|id| self.whole(self.attempts.get(id)?))
    }

    /// An attempt with its renewal and its subscription.
    pub fn whole<'t>(&'t self, attempt: &'t Attempt) -> Option<(&'t Attempt, &'t Renewal, &'t Subscription)> {
        let renewal = self.renewals.get(&attempt.renewal_id)?;
        Some((attempt, renewal, self.subscription(&renewal.subscription_id)?))
    }
}
