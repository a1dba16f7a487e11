//! What people do by hand: one transaction with the record of who and why.

use super::SqlStore;
use super::import::BillingKeyOut;
use super::plan::{change, tell};
use super::rows::{IdRow, bulk, events_param};
use super::session::{Lane, Step, Tx};
use super::settle::{guards, write};
use super::statement::{self, Param};
use crate::domain::action::NewAction;
use crate::domain::ids::RenewalId;
use crate::domain::refund::NewRefund;
use crate::domain::settlement::Settlement;
use crate::store::act::{Act, Doing, Mark, Move, Seen};
use crate::store::read::ActionRow;
use crate::store::rows::actions::{ActionOut, accepted};
use crate::store::rows::late::{LateRow, read_all};
use crate::store::{BillingKeyRow, LateChange, LateFacts, StoreError};

impl Step for Act {
    const NAME: &'static str = "acting by hand";
    const LANE: Lane = Lane::Settle;
    type Output = bool;

    async fn run(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        // Refused before anything is written: a commit of nothing.
        if !done(tx, &self.doing).await? {
            return Ok(false);
        }
        record(tx, &self.action).await?;
        tell(tx, events_param(self.events.iter())?).await?;
        Ok(true)
    }
}

/// Who did it, and why: in the transaction that does it.
pub(super) async fn record(tx: &mut Tx, action: &NewAction) -> Result<(), StoreError> {
    tx.execute(&statement::ACT_RECORD, &[bulk(&[ActionOut::from(action)])?]).await.map(|_| ())
}

async fn done(tx: &mut Tx, doing: &Doing) -> Result<bool, StoreError> {
    match doing {
        Doing::Note => Ok(true),
        Doing::Turn(switch) => super::installation::turn(tx, switch).await.map(|()| true),
        Doing::NewKey(key) => keep_key(tx, key).await.map(|()| true),
        Doing::Move(mark, one) => Ok(stands(tx, mark).await? && moved(tx, one).await?),
        Doing::Settle(mark, settlement) => Ok(stands(tx, mark).await? && settled(tx, settlement).await?),
        Doing::GiveBack(mark, refund) => Ok(stands(tx, mark).await? && wanted(tx, refund).await?),
    }
}

/// Locks the renewal and compares it with how the person saw it.
async fn stands(tx: &mut Tx, mark: &Mark) -> Result<bool, StoreError> {
    let id = [Param::text(mark.renewal_id.to_string())];
    let locked: Vec<IdRow> = tx.rows(&statement::ACT_LOCK, &id).await?;
    let now: Vec<Seen> = tx.rows(&statement::ACT_MARK, &id).await?;
    Ok(!locked.is_empty() && now.first() == Some(&mark.seen))
}

async fn moved(tx: &mut Tx, one: &Move) -> Result<bool, StoreError> {
    if change(tx, std::slice::from_ref(&one.change)).await?.is_empty() {
        return Ok(false);
    }
    let id = Param::text(one.change.renewal_id.to_string());
    if let Some(note) = &one.close_attempt {
        let now = Param::time(tx.now().await?);
        tx.execute(&statement::ACT_CLOSE_ATTEMPT, &[id.clone(), Param::text(&**note), now]).await?;
    }
    if let Some(key) = &one.billing_key {
        keep_key(tx, key).await?;
    }
    tx.execute(&statement::ACT_COMMAND, &[id, Param::Time(one.commanded_until)]).await?;
    Ok(true)
}

async fn keep_key(tx: &mut Tx, key: &BillingKeyRow) -> Result<(), StoreError> {
    let now = Param::time(tx.now().await?);
    tx.execute(&statement::IMPORT_BILLING_KEYS, &[bulk(&[BillingKeyOut::from(key)])?, now]).await.map(|_| ())
}

async fn settled(tx: &mut Tx, settlement: &Settlement) -> Result<bool, StoreError> {
    let guards = guards(tx, std::iter::once(settlement)).await?;
    let found =
        [LateChange::Found { from: crate::domain::renewal::State::Review, settlement: Box::new(settlement.clone()) }];
    let Some((writes, looked)) = accepted(&found, &guards) else { return Ok(false) };
    write(tx, &writes).await?;
    let now = tx.now_param().await?;
    tx.execute(&statement::LATE_LOOK_AGAIN, &[bulk(&looked)?, now]).await.map(|_| true)
}

async fn wanted(tx: &mut Tx, refund: &NewRefund) -> Result<bool, StoreError> {
    let now = Param::time(tx.now().await?);
    let rows: Vec<IdRow> = tx.rows(&statement::ACT_REFUND, &[bulk(&[refund])?, now]).await?;
    Ok(!rows.is_empty())
}

pub(super) async fn act(store: &SqlStore, act: &Act) -> Result<bool, StoreError> {
    store.perform(act.clone()).await
}

struct Latest(u32);

impl Step for Latest {
    const NAME: &'static str = "reading what people did";
    const LANE: Lane = Lane::Read;
    type Output = Vec<ActionRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<ActionRow>, StoreError> {
        tx.rows(&statement::ACTIONS_LATEST, &[Param::Int(i64::from(self.0))]).await
    }
}

pub(super) async fn actions(store: &SqlStore, rows_max: u32) -> Result<Vec<ActionRow>, StoreError> {
    store.perform(Latest(rows_max)).await
}

struct ReadCase(RenewalId);

impl Step for ReadCase {
    const NAME: &'static str = "reading a renewal's payment ids";
    const LANE: Lane = Lane::Read;
    type Output = Vec<LateRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<LateRow>, StoreError> {
        let now = tx.now_param().await?;
        tx.rows(&statement::CASE_FACTS, &[now, Param::text(self.0.to_string())]).await
    }
}

pub(super) async fn case_facts(store: &SqlStore, renewal: RenewalId) -> Result<Vec<LateFacts>, StoreError> {
    read_all(store.perform(ReadCase(renewal)).await?)
}
