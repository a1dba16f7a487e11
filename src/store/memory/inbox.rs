//! What the gateway told by itself: kept, claimed, recorded, forgotten.

use super::MemoryStore;
use super::look_ahead::spend;
use super::rows::{BillingKey, KeyState, Webhook};
use super::tables::Tables;
use crate::domain::ids::{BillingKeyId, SubscriptionId};
use crate::domain::notice::{Kept, KeptSubject, KeyHeard, Keyless, Notice, Outcome, Subject};
use crate::store::StoreError;
use crate::store::inbox::{Inbox, KeysHeard};
use crate::store::rows::notices::{OutcomeOut, sorted};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

#[async_trait]
impl Inbox for MemoryStore {
    async fn keep_notices(&self, notices: &[Notice]) -> Result<Vec<String>, StoreError> {
        self.write(|tables, now| {
            let mut new = Vec::new();
            for notice in notices.iter().filter(|notice| !tables.webhooks.has(&notice.id)).collect::<Vec<_>>() {
                let Some(row) = row(tables, notice, now) else { continue };
                if !tables.webhooks.has(&row.id) {
                    new.push(row.id.clone());
                    tables.webhooks.put(row.id.clone(), row);
                }
            }
            Ok(new)
        })
    }

    async fn claim_notices(&self, rows_max: u32, lease: Duration) -> Result<Vec<Kept>, StoreError> {
        self.write(|tables, now| {
            let until = now + TimeDelta::from_std(lease).unwrap_or(TimeDelta::MAX);
            let mut due: Vec<(DateTime<Utc>, String)> = tables
                .webhooks
                .iter()
                .filter_map(|row| row.next_try_at.filter(|at| *at <= now).map(|at| (at, row.id.clone())))
                .collect();
            due.sort();
            due.truncate(rows_max as usize);
            let mut claimed = Vec::new();
            for (_, id) in due {
                tables.webhooks.change(&id, |row| {
                    row.next_try_at = Some(until);
                    row.tries += 1;
                });
                claimed.extend(tables.webhooks.get(&id).and_then(|row| kept(tables, row)));
            }
            Ok(claimed)
        })
    }

    async fn record_notices(&self, outcomes: &[Outcome]) -> Result<(), StoreError> {
        self.write(|tables, _| {
            for outcome in outcomes.iter().map(OutcomeOut::from) {
                let id = outcome.id.to_owned();
                let is_claimed = |row: &Webhook| row.tries == outcome.tries && row.state == "pending";
                if tables.webhooks.get(&id).is_some_and(is_claimed) {
                    tables.webhooks.change(&id, |row| {
                        row.state = outcome.state;
                        row.next_try_at = outcome.next_try_at;
                        row.note = Some(outcome.note.to_owned());
                    });
                }
            }
            Ok(())
        })
    }

    async fn forget_notices(&self, before: DateTime<Utc>, rows_max: u32) -> Result<u64, StoreError> {
        self.write(|tables, _| {
            let is_over = |row: &&Webhook| row.state != "pending" && row.received_at < before;
            let mut over: Vec<(DateTime<Utc>, String)> =
                tables.webhooks.iter().filter(is_over).map(|row| (row.received_at, row.id.clone())).collect();
            over.sort();
            over.truncate(rows_max as usize);
            over.iter().for_each(|(_, id)| tables.webhooks.remove(id.clone()));
            Ok(over.len() as u64)
        })
    }

    async fn hear_keys(&self, heard: &[KeyHeard]) -> Result<KeysHeard, StoreError> {
        self.write(|tables, now| {
            let (gone, issued) = sorted(heard);
            let mut back = Vec::new();
            for one in issued {
                let is_out = |key: &BillingKey| !key.is_usable() && key.updated_at < one.issued_at;
                if tables.billing_keys().get(one.id).is_some_and(is_out) {
                    tables.change_key(one.id, |key| {
                        key.state = KeyState::Usable;
                        key.unusable_reason = None;
                        key.updated_at = now;
                    })?;
                    back.push(BillingKeyId(one.id.to_owned()));
                }
            }
            for id in &gone {
                spend(tables, id, now)?;
            }
            Ok(KeysHeard { back, keyless: keyless(tables, &gone) })
        })
    }
}

/// `None` for a billing key that is not stored here.
fn row(tables: &Tables, notice: &Notice, now: DateTime<Utc>) -> Option<Webhook> {
    let (payment_id, billing_key_id) = match &notice.subject {
        Subject::Payment(id) => (Some(id.clone()), None),
        Subject::Key(key) => {
            let stored = tables.billing_keys().iter().find(|row| row.billing_key == *key)?;
            (None, Some(BillingKeyId(stored.id.clone())))
        }
    };
    Some(Webhook {
        id: notice.id.clone(),
        kind: notice.kind,
        payment_id,
        billing_key_id,
        happened_at: notice.happened_at,
        received_at: now,
        state: "pending",
        tries: 0,
        next_try_at: Some(now),
        note: None,
    })
}

fn kept(tables: &Tables, row: &Webhook) -> Option<Kept> {
    let subject = match (&row.payment_id, &row.billing_key_id) {
        (Some(id), _) => KeptSubject::Payment(id.clone()),
        (None, id) => {
            let id = id.clone()?;
            let key = tables.billing_keys().get(id.as_str())?.billing_key.clone();
            KeptSubject::Key(id, key)
        }
    };
    Some(Kept {
        id: row.id.clone(),
        kind: row.kind,
        subject,
        happened_at: row.happened_at,
        received_at: row.received_at,
        tries: row.tries,
    })
}

fn keyless(tables: &Tables, gone: &[&str]) -> Vec<Keyless> {
    let customers: Vec<&str> =
        gone.iter().filter_map(|id| Some(tables.billing_keys().get(*id)?.customer_id.as_str())).collect();
    let is_keyless = |customer: &str| !tables.keys_of(customer).iter().any(|key| key.is_usable());
    let subscriptions = tables.subscriptions().iter().filter(|sub| {
        let row = &sub.row;
        let renews = sub.is_live() && !row.cancel_at_period_end;
        renews && customers.contains(&row.customer_id.as_str()) && is_keyless(&row.customer_id)
    });
    subscriptions
        .map(|sub| Keyless {
            subscription_id: SubscriptionId(sub.row.id.clone()),
            period_start: sub.row.current_period_end,
            renewal_id: tables.renewal_from(&sub.row.id, sub.row.current_period_end).map(|renewal| renewal.id),
        })
        .collect()
}
