//! `refund`: wanted in one transaction with who and why, asked for at once, and by every later run until it is back.

use super::{ByHandError, Case, case, overtaken};
use crate::domain::action::{ActionKind, Hand, NewAction};
use crate::domain::by_hand::Refusal;
use crate::domain::by_hand::refund::{self, EarlierRefund, PaidFacts, RefundAsk};
use crate::domain::ids::{ActionId, PaymentId};
use crate::domain::refund::{NewRefund, RefundState};
use crate::domain::renewal::State;
use crate::engine::run::RunRequest;
use crate::engine::{Engine, RunError};
use crate::shutdown::Shutdown;
use crate::store::act::{Act, Doing};
use crate::store::read::{PaymentRow, RefundRow, RenewalRow};
use crate::store::{ClosedRun, Store, StoreError};
use serde::Serialize;
use serde_json::json;

/// What is to be given back, by whose word.
#[derive(Clone, Debug)]
pub struct RefundCommand {
    pub payment_id: String,
    pub ask: RefundAsk,
    pub hand: Hand,
}

/// Which payment of a renewal is meant: the one that is named, the id itself where it is a payment's, or else the only one
/// that it has.
///
/// # Errors
/// [`ByHandError::Refused`] where that is not plain; [`ByHandError::NotFound`].
async fn meant(store: &dyn Store, id: &str, named: Option<&str>) -> Result<String, ByHandError> {
    let case = case(store, id).await?;
    if let Some(named) = named {
        let named = PaymentId::from(named);
        let is_one = is_payment(&case, &named);
        return if is_one { Ok(named.0) } else { Err(no_payment(&case, &named).into()) };
    }
    if is_payment(&case, &PaymentId::from(id)) {
        return Ok(id.to_owned());
    }
    let of_renewal =
        case.timeline.payments.iter().filter(|row| row.renewal_id.as_deref() == Some(case.renewal.id.as_str()));
    let paid: Vec<&str> = of_renewal.map(|row| row.payment_id.as_str()).collect();
    match &paid[..] {
        [] => Ok(case.payment_id.0),
        [one] => Ok((*one).to_owned()),
        several => {
            let what = format!("renewal {} was paid more than once", case.id);
            let refusal = Refusal::new(what, "nothing was given back");
            Err(refusal.hint(format!("say which payment: {}", several.join(", "))).into())
        }
    }
}

/// What a refund came to.
#[derive(Clone, Debug, Serialize)]
pub struct Refunded {
    pub refund: RefundRow,
    pub renewal: RenewalRow,
}

impl Engine {
    /// Gives back a payment of what `command` names as its payment: of a renewal, of a subscription's latest, or `payment`
    /// of it.
    ///
    /// # Errors
    /// As [`Engine::refund_by_hand`].
    pub async fn refund_of(
        &self,
        command: RefundCommand,
        payment: Option<&str>,
        shutdown: &Shutdown,
    ) -> Result<Refunded, ByHandError> {
        let payment_id = meant(&*self.store, &command.payment_id, payment).await?;
        self.refund_by_hand(&RefundCommand { payment_id, ..command }, shutdown).await
    }

    /// Gives back a payment, whole or in part.
    ///
    /// # Errors
    /// [`ByHandError::Refused`] where something stands against it: nothing was asked for then. [`ByHandError::Run`] where
    /// the database went away: what is wanted by then is asked for by the next run.
    pub async fn refund_by_hand(&self, command: &RefundCommand, shutdown: &Shutdown) -> Result<Refunded, ByHandError> {
        let case = case(&*self.store, &command.payment_id).await?;
        let payment_id = PaymentId(command.payment_id.clone());
        if !is_payment(&case, &payment_id) {
            return Err(no_payment(&case, &payment_id).into());
        }
        let facts = PaidFacts {
            found: self.gateway.payment(&payment_id).await,
            renewal_id: case.id,
            subscription_id: case.subscription_id.clone(),
            renewal_state: case.state,
            earlier: earlier(&case, &payment_id)?,
            other_money: case.timeline.payments.iter().any(|row| is_other_money(&case, row, &payment_id)),
            payment_id: payment_id.clone(),
        };
        let refund = refund::decide(&command.ask, &facts)?;
        if !is_recorded(&case, &payment_id) && !matches!(case.state, State::Paid | State::Refunded) {
            return Err(not_recorded(&case, &payment_id).into());
        }
        let now = self.store.now().await?;
        let details = json!({
            "amount": refund.amount, "currency": refund.currency, "reference": refund.reference,
            "number": refund.number, "left": refund.left_after,
        });
        let action = NewAction::new(ActionId(self.new_id()), ActionKind::Refund, &command.hand, now)
            .about(&case.subscription_id, case.id, &payment_id)
            .with(details);
        let act = Act { action, doing: Doing::GiveBack(case.mark(), refund.clone()), events: Vec::new() };
        if !self.store.act(&act).await? {
            return Err(overtaken(&case).into());
        }
        self.ask_now(&case, &refund, &command.hand, shutdown).await?;
        let after = self.again(&case).await?;
        let is_it = |row: &RefundRow| row.payment_id == payment_id.as_str() && row.number == i64::from(refund.number);
        let row = after.timeline.refunds.into_iter().find(is_it).ok_or_else(|| StoreError::Row {
            table: "refunds",
            key: payment_id.0.clone(),
            problem: "is gone".to_owned(),
        })?;
        Ok(Refunded { refund: row, renewal: after.renewal })
    }

    /// Asks once, under a run's row: whoever else asks meanwhile asks under the same key.
    async fn ask_now(
        &self,
        case: &Case,
        refund: &NewRefund,
        hand: &Hand,
        shutdown: &Shutdown,
    ) -> Result<(), ByHandError> {
        let request = RunRequest { trigger: "refund".to_owned(), actor: hand.actor.clone(), ..RunRequest::default() };
        let run = self.open(&request, shutdown).await?;
        let facts = refund.asked_first(case.state, self.started(&run));
        let change = self.refund_one(&run, &facts).await;
        let recorded: Result<(), RunError> = match &change {
            Some(change) => self.record_refunds(&run, std::slice::from_ref(&facts), std::slice::from_ref(change)).await,
            None => Ok(()),
        };
        let problem = run.stops().run.or_else(|| recorded.as_ref().err().map(ToString::to_string));
        let status = if problem.is_some() { "failed" } else { "completed" };
        let closed = ClosedRun {
            id: run.id,
            status: status.to_owned(),
            figures: json!({ "refunded": u64::from(change.is_some_and(|change| change.to == RefundState::Done)) }),
            error: problem,
            finished_at: self.now(&run),
            events: Vec::new(),
            coverage: Vec::new(),
        };
        let written = self.store.close_run(&closed).await;
        recorded?;
        Ok(written?)
    }
}

/// Whether the id is one under which this renewal was, or may have been, paid.
fn is_payment(case: &Case, id: &PaymentId) -> bool {
    let timeline = &case.timeline;
    case.payment_id == *id
        || timeline.attempts.iter().any(|row| row.payment_id == id.as_str())
        || timeline.payments.iter().any(|row| row.payment_id == id.as_str())
}

fn is_recorded(case: &Case, id: &PaymentId) -> bool {
    case.timeline.payments.iter().any(|row| row.payment_id == id.as_str())
}

/// Given back before it is recorded, it could never be recorded: what is left of it would buy nothing, and be nobody's.
fn not_recorded(case: &Case, id: &PaymentId) -> Refusal {
    let what = format!("no money under {id} is recorded here yet: it is looked up and settled first");
    let refusal = Refusal::new(what, "nothing was given back");
    let started = case.timeline.attempts.iter().filter(|row| row.payment_id == id.as_str()).map(|row| row.started_at);
    match started.min() {
        Some(at) => refusal.hint(format!("renewd reconcile --from {}, then refund it", at.date_naive())).for_now(),
        None => refusal.hint(format!("see it: renewd show {}", case.subscription_id)),
    }
}

fn no_payment(case: &Case, id: &PaymentId) -> Refusal {
    let paid: Vec<&str> = case.timeline.payments.iter().map(|row| row.payment_id.as_str()).collect();
    let hint = match &paid[..] {
        [] => format!("see it: renewd show {}", case.subscription_id),
        paid => format!("its payments are {}", paid.join(", ")),
    };
    Refusal::new(format!("{id} is no payment id"), "nothing was given back").hint(hint)
}

fn earlier(case: &Case, id: &PaymentId) -> Result<Vec<EarlierRefund>, StoreError> {
    let of_payment = case.timeline.refunds.iter().filter(|row| row.payment_id == id.as_str());
    let read = |row: &RefundRow| {
        let odd = || StoreError::Row {
            table: "refunds",
            key: row.payment_id.clone(),
            problem: format!("its state is \"{}\"", row.state),
        };
        Ok(EarlierRefund {
            number: u32::try_from(row.number).unwrap_or(u32::MAX),
            reference: row.reference.clone(),
            amount: row.amount,
            state: RefundState::parse(&row.state).ok_or_else(odd)?,
        })
    };
    of_payment.map(read).collect()
}

/// Another payment of the renewal holds money.
fn is_other_money(case: &Case, row: &PaymentRow, id: &PaymentId) -> bool {
    if row.payment_id == id.as_str() || row.renewal_id.as_deref() != Some(case.renewal.id.as_str()) {
        return false;
    }
    let back = case.timeline.refunds.iter().filter(|back| back.payment_id == row.payment_id && back.state == "done");
    let back: i64 = back.map(|back| back.amount).sum();
    row.amount.is_none_or(|amount| amount > back.max(row.cancelled_amount))
}
