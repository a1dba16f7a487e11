//! Looking ahead: who is going to be renewed, and what was found out about that.

use super::MemoryStore;
use super::rows::{Attempt, KeyState, LookAhead, Subscription};
use super::tables::Tables;
use crate::domain::decline::MatchedBy;
use crate::domain::ids::{BillingKeyId, PlanId, SubscriptionId};
use crate::domain::look_ahead::{LookAheadFacts, LookedAhead, StoredKey};
use crate::store::read::UnseenCode;
use crate::store::rows::look_ahead::{KEY_GONE, LookedOut, gone, told};
use crate::store::{LookAheadPage, StoreError};
use chrono::{DateTime, Utc};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn look_ahead_facts(store: &MemoryStore, page: &LookAheadPage) -> Result<Vec<LookAheadFacts>, StoreError> {
    store.read(|tables, _| {
        let is_on_page = |sub: &&Subscription| {
            let key = (sub.row.current_period_end, &sub.row.id);
            is_renewed(sub)
                && key.0 > page.ends_after
                && key.0 < page.ends_before
                && page.after.as_ref().is_none_or(|(end, id)| key > (*end, &id.0))
        };
        let mut near: Vec<&Subscription> = tables.subscriptions().iter().filter(is_on_page).collect();
        near.sort_by_key(|sub| (sub.row.current_period_end, &sub.row.id));
        Ok(near.into_iter().take(page.rows_max as usize).filter_map(|sub| facts(tables, sub)).collect())
    })
}

fn is_renewed(sub: &Subscription) -> bool {
    sub.is_live() && !sub.row.cancel_at_period_end
}

fn facts(tables: &Tables, sub: &Subscription) -> Option<LookAheadFacts> {
    let row = &sub.row;
    let plan = tables.plans().get(row.next_plan_id.as_ref().unwrap_or(&row.plan_id))?;
    let known = tables.looked_ahead(&row.id, row.current_period_end);
    let keys = tables.keys_of(&row.customer_id).into_iter().filter(|key| key.is_usable());
    Some(LookAheadFacts {
        subscription_id: SubscriptionId(row.id.clone()),
        plan_id: PlanId(plan.id.clone()),
        amount: plan.amount,
        currency: plan.currency.clone(),
        interval: plan.interval.clone(),
        order_name: plan.order_name.clone(),
        current_period_end: row.current_period_end,
        anchor_day: row.anchor_day,
        renewal: tables.renewal_from(&row.id, row.current_period_end).map(|renewal| (renewal.id, renewal.state)),
        keys: keys
            .map(|key| StoredKey {
                id: BillingKeyId(key.id.clone()),
                key: key.billing_key.clone(),
                channel_key: key.channel_key.clone(),
            })
            .collect(),
        looked_at: known.and_then(|known| known.looked_at),
        key_was: known.and_then(|known| known.key_state),
        noticed: known.and_then(|known| known.noticed_amount.zip(known.noticed_currency.clone())),
    })
}

pub(super) fn record_look_ahead(
    store: &MemoryStore,
    looked: &[LookedAhead],
) -> Result<Vec<SubscriptionId>, StoreError> {
    store.write(|tables, now| {
        for id in gone(looked) {
            spend(tables, id, now)?;
        }
        let mut written = BTreeSet::new();
        for one in looked {
            let is_still = |sub: &Subscription| is_renewed(sub) && sub.row.current_period_end == one.period_start;
            if tables.subscription(&one.subscription_id).is_some_and(is_still) {
                record(tables, one, now);
                written.insert(one.subscription_id.clone());
            }
        }
        tables.tell(told(looked, &written))?;
        Ok(written.into_iter().collect())
    })
}

pub(super) fn spend(tables: &mut Tables, id: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    if !tables.billing_keys().get(id).is_some_and(|key| key.is_usable()) {
        return Ok(());
    }
    tables.change_key(id, |key| {
        key.state = KeyState::Unusable;
        key.unusable_reason = Some(KEY_GONE.to_owned());
        key.updated_at = now;
    })
}

fn record(tables: &mut Tables, one: &LookedAhead, now: DateTime<Utc>) {
    let out = LookedOut::new(one, now);
    let key = (one.subscription_id.clone(), one.period_start);
    let before = tables.look_aheads.get(&key).cloned().unwrap_or(LookAhead {
        subscription_id: one.subscription_id.clone(),
        period_start: one.period_start,
        looked_at: None,
        key_state: None,
        schedule_id: None,
        noticed_at: None,
        noticed_amount: None,
        noticed_currency: None,
    });
    let row = LookAhead {
        looked_at: out.looked_at.or(before.looked_at),
        key_state: out.key_state.or(before.key_state),
        schedule_id: match out.looked_at {
            Some(_) => out.schedule_id.map(str::to_owned),
            None => before.schedule_id,
        },
        noticed_at: out.noticed_at.or(before.noticed_at),
        noticed_amount: out.noticed_amount.or(before.noticed_amount),
        noticed_currency: out.noticed_currency.map(str::to_owned).or(before.noticed_currency),
        ..before
    };
    tables.look_aheads.put(key, row);
}

pub(super) fn unseen_codes(
    store: &MemoryStore,
    since: DateTime<Utc>,
    rows_max: u32,
) -> Result<Vec<UnseenCode>, StoreError> {
    store.read(|tables, _| {
        let mut codes: BTreeMap<_, UnseenCode> = BTreeMap::new();
        for row in tables.attempts().iter() {
            if let Some(one) = unseen(row, since) {
                let key = (one.pg_provider.clone(), one.pg_code.clone(), one.decline_class.clone());
                let key = (key, one.decline_reason.clone(), one.matched_by.clone());
                codes.entry(key).and_modify(|code| add(code, &one)).or_insert(one);
            }
        }
        let mut codes: Vec<UnseenCode> = codes.into_values().collect();
        codes.sort_by_key(|code| Reverse(code.attempts));
        codes.truncate(rows_max as usize);
        Ok(codes)
    })
}

fn unseen(row: &Attempt, since: DateTime<Utc>) -> Option<UnseenCode> {
    let seen = row.settled_at.filter(|at| *at >= since)?;
    let matched_by = row.decline_matched_by.filter(|by: &MatchedBy| by.is_unseen())?;
    Some(UnseenCode {
        pg_provider: row.pg_provider.clone(),
        pg_code: row.pg_code.clone(),
        decline_class: row.decline_class?.as_str().to_owned(),
        decline_reason: row.decline_reason?.as_str().to_owned(),
        matched_by: matched_by.as_str().to_owned(),
        attempts: 1,
        message: row.pg_message.clone(),
        other_message: row.pg_message.clone(),
        first_seen: seen,
        last_seen: seen,
    })
}

fn add(code: &mut UnseenCode, one: &UnseenCode) {
    code.attempts += 1;
    code.first_seen = code.first_seen.min(one.first_seen);
    code.last_seen = code.last_seen.max(one.last_seen);
    let messages = [&code.message, &code.other_message, &one.message].into_iter().flatten();
    let (first, last) = (messages.clone().min().cloned(), messages.max().cloned());
    (code.message, code.other_message) = (first, last);
}
