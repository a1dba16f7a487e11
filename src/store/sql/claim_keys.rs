//! The billing keys that a claim would charge: locked, so that no two claims take one card at the same time, and what
//! was tried with them lately.

use super::rows::bulk;
use super::session::Tx;
use super::statement::{self, Param};
use crate::domain::claim::chargeable;
use crate::domain::ids::BillingKeyId;
use crate::domain::key_turn::{KeyTry, matters_since};
use crate::store::StoreError;
use crate::store::rows::claimed::Locked;
use crate::store::rows::tries::TryRow;
use std::collections::{BTreeMap, BTreeSet};

#[derive(sqlx::FromRow)]
struct KeyRow {
    id: String,
    state: String,
}

/// Locks the keys of `rows` and completes their facts. The tries are read by a statement of their own: it sees what was
/// committed until the keys were locked.
pub(super) async fn read(tx: &mut Tx, rows: &mut [Locked]) -> Result<(), StoreError> {
    let keys = rows.iter().filter_map(|row| row.facts.as_ref().ok().and_then(|facts| chargeable(&facts.keys)));
    let ids: BTreeSet<&str> = keys.map(|key| key.id.as_str()).collect();
    let (Some(first), false) = (rows.first(), ids.is_empty()) else { return Ok(()) };
    let since = Param::time(matters_since(first.now));
    let ids = bulk(&ids.into_iter().collect::<Vec<_>>())?;
    let locked: Vec<KeyRow> = tx.rows(&statement::CLAIM_KEYS, std::slice::from_ref(&ids)).await?;
    let tries: Vec<TryRow> = tx.rows(&statement::CLAIM_KEY_TRIES, &[ids, since]).await?;
    complete(rows, &locked, tries)
}

fn complete(rows: &mut [Locked], locked: &[KeyRow], tries: Vec<TryRow>) -> Result<(), StoreError> {
    let states: BTreeMap<&str, &str> = locked.iter().map(|row| (row.id.as_str(), row.state.as_str())).collect();
    let mut by_key: BTreeMap<String, Vec<(String, KeyTry)>> = BTreeMap::new();
    for row in tries {
        let (key, renewal, one) = row.into_try()?;
        by_key.entry(key).or_default().push((renewal, one));
    }
    for row in rows {
        let own = row.renewal_id.to_string();
        let Ok(facts) = &mut row.facts else { continue };
        let Some(wanted) = chargeable(&facts.keys).map(|key| key.id.clone()) else { continue };
        let BillingKeyId(id) = &wanted;
        let of_others = by_key.get(id).into_iter().flatten().filter(|(renewal, _)| *renewal != own);
        let tries: Vec<KeyTry> = of_others.map(|(_, one)| one.clone()).collect();
        for key in facts.keys.iter_mut().filter(|key| key.id == wanted) {
            key.is_held = !states.contains_key(id.as_str());
            // It may have become unusable since its row was read.
            key.usable = states.get(id.as_str()).is_none_or(|state| *state == "usable");
            key.tries.clone_from(&tries);
        }
    }
    Ok(())
}
