//! `resolve`: every payment id of the renewal is looked up, the person's answer is held against that, and both are written
//! together.

use super::{ByHandError, Case, Retried, case, overtaken};
use crate::domain::action::{ActionKind, Hand, NewAction};
use crate::domain::by_hand::Refusal;
use crate::domain::by_hand::resolve::{self, Answer, Look, Resolution, ReviewFacts, Shows};
use crate::domain::by_hand::retry::{self, COMMAND_STANDS};
use crate::domain::claim::RenewalChange;
use crate::domain::ids::ActionId;
use crate::domain::refund::RefundState;
use crate::domain::settle::Settling;
use crate::domain::verdict::judge;
use crate::engine::Engine;
use crate::shutdown::Shutdown;
use crate::store::LateFacts;
use crate::store::act::{Act, Doing, Move};
use crate::store::read::{PaymentRow, RenewalRow};
use serde::Serialize;
use serde_json::json;

/// What a person says of a renewal under review.
#[derive(Clone, Debug)]
pub struct ResolveCommand {
    pub id: String,
    pub answer: Answer,
    /// What they know and the gateway does not.
    pub against: Option<String>,
    pub hand: Hand,
}

/// What an answer came to.
#[derive(Clone, Debug, Serialize)]
pub struct Resolved {
    pub renewal: RenewalRow,
    /// What the gateway showed for each payment id.
    pub shown: Vec<(String, String)>,
    /// Where the answer was to charge again.
    pub retried: Option<Retried>,
}

impl Engine {
    /// Takes a person's answer to a renewal under review.
    ///
    /// # Errors
    /// [`ByHandError::Refused`] where the gateway shows something else, or anything stands against it: nothing was written
    /// then. [`ByHandError::Run`] as [`Engine::run`], where it was to be charged again.
    pub async fn resolve_by_hand(
        &self,
        command: &ResolveCommand,
        shutdown: &Shutdown,
    ) -> Result<Resolved, ByHandError> {
        let case = case(&*self.store, &command.id).await?;
        let facts = self.review_facts(&case, command.against.is_some()).await?;
        let (doing, charges) = match self.resolution(command.answer, &facts)? {
            Resolution::Paid(settlement) => (Doing::Settle(case.mark(), settlement), false),
            Resolution::Ends(change) => (Doing::Move(case.mark(), moved(change, None)), false),
            Resolution::Retry => {
                let asked = self.retry_facts(&case, None).await?;
                let change = retry::after_review(&asked, &self.policy)?;
                (Doing::Move(case.mark(), moved(change, Some(asked.now + COMMAND_STANDS))), true)
            }
        };
        let shown: Vec<(String, String)> =
            facts.looks.iter().map(|look| (look.payment_id.0.clone(), look.shows.words())).collect();
        let details = json!({ "as": command.answer, "gateway": shown, "against_gateway": command.against });
        let action = NewAction::new(ActionId(self.new_id()), ActionKind::Resolve, &command.hand, facts.now)
            .about(&case.subscription_id, case.id, &case.payment_id)
            .with(details);
        if !self.store.act(&Act { action, doing, events: Vec::new() }).await? {
            return Err(overtaken(&case).into());
        }
        if charges {
            let retried = self.charge_now(&case, &command.hand, "resolve", shutdown).await?;
            return Ok(Resolved { renewal: retried.renewal.clone(), shown, retried: Some(retried) });
        }
        Ok(Resolved { renewal: self.again(&case).await?.renewal, shown, retried: None })
    }

    fn resolution(&self, answer: Answer, facts: &ReviewFacts) -> Result<Resolution, Refusal> {
        let new_id = || self.new_id();
        let at = Settling { policy: &self.policy, now: facts.now, new_id: &new_id, canceled: false };
        resolve::decide(answer, facts, &at)
    }

    async fn review_facts(&self, case: &Case, against: bool) -> Result<ReviewFacts, ByHandError> {
        let now = self.store.now().await?;
        let mut looks = Vec::new();
        for known in self.store.case_facts(case.id).await? {
            looks.push(self.look(case, &known, now).await);
        }
        if !looks.iter().any(|look| look.payment_id == case.payment_id) {
            let found = self.gateway.payment(&case.payment_id).await;
            looks.push(Look { payment_id: case.payment_id.clone(), shows: Shows::of_unsent(&found) });
        }
        let is_open =
            |state: &str| matches!(RefundState::parse(state), Some(RefundState::Wanted | RefundState::Requested));
        let refunds = &case.timeline.refunds;
        let looks = looks.into_iter().map(|look| beside_the_books(case, look)).collect();
        Ok(ReviewFacts {
            renewal_id: case.id,
            subscription_id: case.subscription_id.clone(),
            state: case.state,
            cancel_at_period_end: case.timeline.subscription.cancel_at_period_end,
            period_is_next: case.is_next(),
            refund_is_open: refunds.iter().any(|row| row.renewal_id == case.renewal.id && is_open(&row.state)),
            amount: case.renewal.amount,
            currency: case.renewal.currency.clone(),
            period_start: case.renewal.period_start,
            access_until: case.renewal.access_until,
            looks,
            against,
            now,
        })
    }

    async fn look(&self, case: &Case, known: &LateFacts, now: chrono::DateTime<chrono::Utc>) -> Look {
        let found = self.gateway.payment(&known.payment_id).await;
        let verdict = judge(&known.attempt, &found, &self.policy);
        let id = known.attempt.id.to_string();
        let is_open = case.timeline.attempts.iter().any(|row| row.id == id && row.state == "open");
        Look { payment_id: known.payment_id.clone(), shows: Shows::of(verdict, &known.attempt, is_open, now) }
    }
}

/// Money that was recorded under the payment id counts as much as what the gateway shows of it now.
fn beside_the_books(case: &Case, look: Look) -> Look {
    let is_held = |row: &&PaymentRow| {
        row.payment_id == look.payment_id.as_str() && row.amount.is_none_or(|amount| row.cancelled_amount < amount)
    };
    match case.timeline.payments.iter().find(is_held) {
        Some(row) => Look { shows: look.shows.beside_money_on_record(&row.status), ..look },
        None => look,
    }
}

fn moved(change: RenewalChange, commanded_until: Option<chrono::DateTime<chrono::Utc>>) -> Move {
    let close_attempt = Some("closed by hand: nothing was charged by it".to_owned());
    Move { change, commanded_until, billing_key: None, close_attempt }
}
