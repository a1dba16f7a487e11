//! `retry`: a renewal is made due by a person's word, and charged by a run of its own.

use super::{ByHandError, Case, case, overtaken};
use crate::domain::action::{ActionKind, Hand, NewAction};
use crate::domain::attempt::AttemptState;
use crate::domain::by_hand::retry::{self, COMMAND_STANDS, KeyOnFile, PastTry, RetryFacts};
use crate::domain::charge::BillingKey;
use crate::domain::decline::DeclineClass;
use crate::domain::ids::{ActionId, BillingKeyId};
use crate::engine::Engine;
use crate::engine::import::billing_key_id;
use crate::engine::report::RunReport;
use crate::engine::run::{RunRequest, Scope};
use crate::shutdown::Shutdown;
use crate::store::BillingKeyRow;
use crate::store::act::{Act, Doing, Move};
use crate::store::read::{AttemptRow, RenewalRow};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

/// What is to be charged, by whose word.
#[derive(Clone, Debug)]
pub struct RetryCommand {
    /// A renewal, a payment id, or a subscription: then its latest renewal.
    pub id: String,
    /// The customer's new card, stored before it is charged.
    pub new_key: Option<NewKey>,
    pub hand: Hand,
}

/// A billing key that comes with a command. Without a channel or a gateway of its own it has those of the key before.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub key: BillingKey,
    pub channel_key: Option<String>,
    pub pg_provider: Option<String>,
}

/// What a retry came to.
#[derive(Clone, Debug, Serialize)]
pub struct Retried {
    pub renewal: RenewalRow,
    /// What was tried because of it; empty where it was paid already, or nothing could be sent.
    pub attempts: Vec<AttemptRow>,
    pub run: RunReport,
}

impl Engine {
    /// Charges one renewal now, whatever its ladder says, by the steps of a run.
    ///
    /// # Errors
    /// [`ByHandError::Refused`] where something stands against it: nothing was written then. [`ByHandError::Run`] as
    /// [`Engine::run`]; the renewal is due then, and the next run charges it.
    pub async fn retry(&self, command: &RetryCommand, shutdown: &Shutdown) -> Result<Retried, ByHandError> {
        let case = case(&*self.store, &command.id).await?;
        let key = command.new_key.as_ref().map(|new| key_row(new, &case));
        let facts = self.retry_facts(&case, key.as_ref().map(|key| BillingKeyId(key.id.clone()))).await?;
        let change = retry::decide(&facts, &self.policy)?;
        let by =
            Move { change, commanded_until: Some(facts.now + COMMAND_STANDS), billing_key: key, close_attempt: None };
        let details = json!({ "from": case.state, "new_billing_key": facts.new_key });
        let action = NewAction::new(ActionId(self.new_id()), ActionKind::Retry, &command.hand, facts.now)
            .about(&case.subscription_id, case.id, &case.payment_id)
            .with(details);
        let act = Act { action, doing: Doing::Move(case.mark(), by), events: Vec::new() };
        if !self.store.act(&act).await? {
            return Err(overtaken(&case).into());
        }
        self.charge_now(&case, &command.hand, "retry", shutdown).await
    }

    /// A run for the one subscription whose renewal was just made due.
    pub(super) async fn charge_now(
        &self,
        case: &Case,
        hand: &Hand,
        trigger: &str,
        shutdown: &Shutdown,
    ) -> Result<Retried, ByHandError> {
        let request = RunRequest {
            trigger: trigger.to_owned(),
            actor: hand.actor.clone(),
            business_date: None,
            only: vec![case.subscription_id.clone()],
            charges_max: Some(1),
            let_go: None,
            scope: Scope::Planned,
        };
        let run = self.run(&request, shutdown).await?;
        let after = self.again(case).await?;
        let before: Vec<&str> = case.timeline.attempts.iter().map(|row| row.id.as_str()).collect();
        let is_new = |row: &AttemptRow| row.renewal_id == case.renewal.id && !before.contains(&row.id.as_str());
        let attempts = after.timeline.attempts.into_iter().filter(is_new).collect();
        Ok(Retried { renewal: after.renewal, attempts, run })
    }

    pub(super) async fn retry_facts(
        &self,
        case: &Case,
        new_key: Option<BillingKeyId>,
    ) -> Result<RetryFacts, ByHandError> {
        let paused = self.store.switch().await?.paused;
        let (renewal, timeline) = (&case.renewal, &case.timeline);
        let attempts = timeline.attempts.iter().filter(|row| row.renewal_id == renewal.id).map(past_try);
        let keys = timeline.keys.iter();
        Ok(RetryFacts {
            renewal_id: case.id,
            subscription_id: case.subscription_id.clone(),
            state: case.state,
            waits_for_key: renewal.waits_for_key,
            next_look_up_at: renewal.next_look_up_at,
            review_reason: renewal.review_reason.clone(),
            is_complete: renewal.amount.is_some() && renewal.currency.is_some() && renewal.period_end.is_some(),
            cancel_at_period_end: timeline.subscription.cancel_at_period_end,
            period_is_next: case.is_next(),
            is_given_back: timeline.refunds.iter().any(|row| row.renewal_id == renewal.id),
            paused: paused.map(|paused| format!("by {}: {}", paused.by, paused.reason)),
            attempts: attempts.collect(),
            keys: keys.map(|key| KeyOnFile { id: key.id.as_str().into(), usable: key.state == "usable" }).collect(),
            new_key,
            now: self.store.now().await?,
        })
    }
}

fn past_try(row: &AttemptRow) -> PastTry {
    let class = row.decline_class.as_ref().and_then(|word| serde_json::from_value::<DeclineClass>(json!(word)).ok());
    let started_at: DateTime<Utc> = row.started_at;
    PastTry {
        // A word that this version does not know counts as an attempt.
        state: AttemptState::parse(&row.state).unwrap_or(AttemptState::Open),
        class,
        billing_key_id: row.billing_key_id.as_str().into(),
        started_at,
    }
}

fn key_row(new: &NewKey, case: &Case) -> BillingKeyRow {
    let before = case.timeline.keys.first();
    BillingKeyRow {
        id: billing_key_id(new.key.expose()),
        customer_id: case.timeline.subscription.customer_id.clone(),
        billing_key: new.key.clone(),
        channel_key: new.channel_key.clone().or_else(|| before?.channel_key.clone()),
        pg_provider: new.pg_provider.clone().or_else(|| before?.pg_provider.clone()),
    }
}
