//! The standing of subscriptions whose period ended.

use super::MemoryStore;
use super::rows::Subscription;
use crate::domain::access::{AccessChange, AccessFacts};
use crate::domain::ids::SubscriptionId;
use crate::store::StoreError;
use chrono::{DateTime, Utc};

pub(super) fn access_facts(
    store: &MemoryStore,
    ended_before: DateTime<Utc>,
    after: Option<&(DateTime<Utc>, SubscriptionId)>,
    rows_max: u32,
) -> Result<Vec<AccessFacts>, StoreError> {
    store.read(|tables, _| {
        let comes_after = |sub: &Subscription| {
            after.is_none_or(|(end, id)| (sub.row.current_period_end, &sub.row.id) > (*end, &id.0))
        };
        let has_ended =
            |sub: &&Subscription| sub.is_live() && sub.row.current_period_end < ended_before && comes_after(sub);
        let facts = |sub: &Subscription| {
            let renewal = tables.renewal_from(&sub.row.id, sub.row.current_period_end);
            Some(AccessFacts {
                subscription_id: SubscriptionId(sub.row.id.clone()),
                past_due: sub.status == "past_due",
                current_period_end: sub.row.current_period_end,
                cancel_at_period_end: sub.row.cancel_at_period_end,
                fallback_tier: tables.plans().get(&sub.row.plan_id)?.fallback_tier.clone(),
                renewal: renewal.map(|renewal| (renewal.id, renewal.state)),
                decline_count: renewal.map_or(0, |row| u32::try_from(row.decline_count).unwrap_or(u32::MAX)),
                waits_for_key: renewal.is_some_and(|renewal| renewal.waits_for_key),
            })
        };
        let mut ended: Vec<&Subscription> = tables.subscriptions().iter().filter(has_ended).collect();
        ended.sort_by_key(|sub| (sub.row.current_period_end, &sub.row.id));
        Ok(ended.into_iter().take(rows_max as usize).filter_map(facts).collect())
    })
}

pub(super) fn record_access(store: &MemoryStore, changes: &[AccessChange]) -> Result<Vec<SubscriptionId>, StoreError> {
    store.write(|tables, now| {
        let mut written = std::collections::BTreeSet::new();
        for change in changes {
            let is_as_decided = |sub: &Subscription| {
                let is_meant = sub.row.cancel_at_period_end == change.cancel_at_period_end;
                is_meant && sub.is_at(change.current_period_end) && sub.status != change.status
            };
            if !tables.subscription(&change.subscription_id).is_some_and(is_as_decided) {
                continue;
            }
            tables.change_subscription(change.subscription_id.as_str(), |sub| {
                sub.status = change.status;
                sub.tier = change.tier.clone().unwrap_or_else(|| sub.tier.clone());
                sub.updated_at = now;
            })?;
            written.insert(change.subscription_id.clone());
        }
        let told = changes.iter().filter(|change| written.contains(&change.subscription_id));
        tables.tell(told.flat_map(|change| &change.events))?;
        Ok(written.into_iter().collect())
    })
}
