//! What a run would do, without doing it: the same facts and the same decisions, and nothing is recorded.
//!
//! Every subscription is handed to whoever asked, one by one, and only sums are kept: memory is bounded by a page, and by
//! the renewals that wait and would change. What a payment gateway demands of a customer (a phone number, say) is seen when
//! it is claimed, and not here.

mod line;
mod sums;

pub use line::{Action, PlanLine};
pub use sums::Group;

use super::brakes::limited;
use super::run::RunRequest;
use super::{Engine, RunError};
use crate::domain::brakes::{self, Tripped};
use crate::domain::claim::{RenewalChange, channel_name};
use crate::domain::coverage::Ledger;
use crate::domain::date::first_allowed;
use crate::domain::due::{self, Planning};
use crate::domain::ids::{CustomerId, RenewalId, SubscriptionId};
use crate::domain::waiting;
use crate::store::DuePage;
use crate::store::read::OpenRenewalRow;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use sums::Sums;
use uuid::Uuid;

/// A plan for one business date.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Preview {
    pub business_date: NaiveDate,
    /// The moment that is looked at: now, or when a later date may start to charge.
    pub at: DateTime<Utc>,
    /// Who has paused charging, and why: nothing of this is charged until they resume.
    pub paused: Option<String>,
    /// What would be charged.
    pub charges: Vec<Group>,
    /// What would be charged later: its time has not come.
    pub waiting: Vec<Group>,
    /// What would not be charged.
    pub skipped: Vec<Group>,
    /// Charges that would be left to the next run by the number asked for.
    pub over_limit: u64,
    /// Brakes that would hold all charging.
    pub brakes: Vec<Tripped>,
    /// Business dates without a run that this one would take up.
    pub missed: Vec<NaiveDate>,
}

/// Hears each line of a plan.
pub type Hear<'a> = &'a mut (dyn FnMut(&PlanLine) + Send);

/// One look at the plan.
struct Look<'a> {
    at: DateTime<Utc>,
    business_date: NaiveDate,
    only: Option<BTreeSet<SubscriptionId>>,
    sums: Sums,
    hear: Hear<'a>,
}

/// On which channel each customer would be charged; whoever is not in it has no usable billing key.
type Channels = HashMap<String, String>;

impl Engine {
    /// What a run of `request` would do now; `hear` hears each subscription.
    ///
    /// # Errors
    /// [`RunError::Store`], and [`RunError::Illegal`] for a row that stands where it cannot stand.
    pub async fn preview(&self, request: &RunRequest, hear: Hear<'_>) -> Result<Preview, RunError> {
        let now = self.store.now().await?;
        let zone = self.policy.zone;
        let business_date = request.business_date.unwrap_or_else(|| zone.date_of(now));
        let opens = || first_allowed(zone.start_of(business_date), zone, &self.policy.window, &self.policy.quiet);
        let at = if business_date > zone.date_of(now) { opens().unwrap_or(now) } else { now };
        let only = (!request.only.is_empty()).then(|| request.only.iter().cloned().collect());
        let mut look = Look { at, business_date, only, sums: Sums::default(), hear };
        self.preview_due(request, &mut look).await?;
        self.preview_open(&mut look).await?;
        let ledger = self.store.coverage(Ledger::needed_from(business_date)).await?.ledger();
        let missed = ledger.missed_before(business_date);
        let due = look.sums.ahead();
        let over_limit = request.charges_max.map_or(0, |max| due.count.saturating_sub(max));
        let usual = ledger.usual(business_date, ledger.unplanned(&missed));
        let ahead = limited(due, request.charges_max);
        let paused = self.store.switch().await?.paused;
        let [charges, waiting, skipped] = look.sums.groups();
        Ok(Preview {
            business_date,
            at,
            paused: paused.map(|paused| format!("by {}: {}", paused.by, paused.reason)),
            charges,
            waiting,
            skipped,
            over_limit,
            brakes: brakes::before(&ahead, usual.as_ref(), &self.limits.brakes),
            missed,
        })
    }

    /// Subscriptions that have no renewal for their next period yet.
    async fn preview_due(&self, request: &RunRequest, look: &mut Look<'_>) -> Result<(), RunError> {
        let mut page = DuePage {
            ends_before: self.policy.due_before(look.business_date),
            after: None,
            rows_max: self.limits.plan_rows_max,
            only: (!request.only.is_empty()).then(|| request.only.clone()),
            not_again_in: None,
        };
        loop {
            let facts = self.store.due_facts(&page).await?;
            let Some(last) = facts.last() else { return Ok(()) };
            page.after = Some((last.current_period_end, last.id.clone()));
            let channels = self.channels(facts.iter().map(|facts| &facts.customer_id)).await?;
            // An id of the preview names nothing: whoever plans makes their own.
            let at = Planning { business_date: look.business_date, now: look.at, new_id: &Uuid::nil };
            for facts in &facts {
                let (disposition, planned) = due::decide(facts, &self.policy, &at);
                let channel = channels.get(facts.customer_id.as_str());
                look.tell(line::of_due(disposition, planned, channel.cloned(), look.at), true);
            }
        }
    }

    /// Renewals of earlier runs: retries whose time has come, those that wait, and those that are not charged.
    async fn preview_open(&self, look: &mut Look<'_>) -> Result<(), RunError> {
        let changes = self.foreseen_changes(look.at).await?;
        let is_open = self.policy.is_open_at(look.at);
        let mut after = None;
        loop {
            let page = self.store.open_renewals(after, self.limits.plan_rows_max).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = id_of(last);
            let wanted: Vec<OpenRenewalRow> = page.into_iter().filter(|row| look.wants(&row.subscription_id)).collect();
            let customers: Vec<CustomerId> = wanted.iter().map(|row| CustomerId(row.customer_id.clone())).collect();
            let channels = self.channels(customers.iter()).await?;
            for row in wanted {
                let change = id_of(&row).and_then(|id| changes.get(&id));
                let channel = channels.get(&row.customer_id).cloned();
                let is_first = row.attempt_count == 0;
                look.tell(line::of_open(row, change, channel, (look.at, is_open)), is_first);
            }
        }
    }

    /// What planning would make of renewals whose surroundings have changed.
    async fn foreseen_changes(&self, at: DateTime<Utc>) -> Result<HashMap<RenewalId, RenewalChange>, RunError> {
        let (mut changes, mut after) = (HashMap::new(), None);
        let over_before = at - self.policy.max_overdue;
        loop {
            let page = self.store.waiting_facts(after, over_before, self.limits.plan_rows_max).await?;
            let Some(last) = page.last() else { return Ok(changes) };
            after = Some(last.renewal_id);
            for facts in &page {
                let change = waiting::decide(facts, &self.policy, at, &Uuid::nil)?;
                changes.extend(change.map(|change| (change.renewal_id, change)));
            }
        }
    }

    async fn channels(&self, customers: impl Iterator<Item = &CustomerId>) -> Result<Channels, RunError> {
        let customers: Vec<CustomerId> = customers.cloned().collect();
        let keys = self.store.channels_of(&customers).await?;
        let channel = |key: Option<String>| {
            let key = key.or_else(|| self.policy.channel_key.clone());
            channel_name(key.as_deref()).to_owned()
        };
        Ok(keys.into_iter().map(|key| (key.customer_id, channel(key.channel_key))).collect())
    }
}

impl Look<'_> {
    fn wants(&self, subscription: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&SubscriptionId::from(subscription)))
    }

    fn tell(&mut self, line: PlanLine, is_first: bool) {
        self.sums.add(&line, is_first);
        (self.hear)(&line);
    }
}

/// An id that the store made; one that is none was written by hand, and changes nothing of the preview.
fn id_of(row: &OpenRenewalRow) -> Option<RenewalId> {
    Uuid::parse_str(&row.id).ok().map(RenewalId)
}
