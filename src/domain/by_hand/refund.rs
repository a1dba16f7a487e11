//! `refund`: what of a payment is given back because a person said so. How much there is to give back is what a look-up
//! shows, not what is recorded.
//!
//! One refund of a payment is under way at a time, and each has a reference: the same reference is given back once, however
//! often the command is typed. Unless it is named, the reference is the sum.

use super::Refusal;
use crate::domain::ids::{PaymentId, RenewalId, SubscriptionId};
use crate::domain::money::{Currency, format_minor};
use crate::domain::payment::{LookUp, Payment, PaymentStatus};
use crate::domain::refund::{NewRefund, RefundReason, RefundState, idempotency_key};
use crate::domain::renewal::State;

/// The longest reason that the gateway is told, in characters.
const TOLD_MAX: usize = 200;

const NOTHING: &str = "nothing was given back";

/// What somebody wants back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundAsk {
    /// Minor units; all that is left where it is not given.
    pub amount: Option<i64>,
    /// Tells this refund of the payment from others.
    pub reference: Option<String>,
    pub reason: String,
}

/// A payment that somebody wants to give back, with what stands around it.
#[derive(Clone, Debug, PartialEq)]
pub struct PaidFacts {
    pub payment_id: PaymentId,
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub renewal_state: State,
    pub found: LookUp,
    /// Refunds of this payment, the oldest first.
    pub earlier: Vec<EarlierRefund>,
    /// Other payments of the renewal hold money.
    pub other_money: bool,
}

/// A refund of the same payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierRefund {
    pub number: u32,
    pub reference: String,
    /// Minor units.
    pub amount: i64,
    pub state: RefundState,
}

/// The refund as it is wanted.
///
/// # Errors
/// [`Refusal`], in the words of what stands against it.
pub fn decide(ask: &RefundAsk, facts: &PaidFacts) -> Result<NewRefund, Refusal> {
    let id = &facts.payment_id;
    if facts.renewal_state.is_open() {
        return Err(Refusal::new(
            format!("renewal {} is {}: it may still be charged", facts.renewal_id, facts.renewal_state.as_str()),
            NOTHING,
        )
        .hint(format!("let a run settle it first: renewd run --subscription {}", facts.subscription_id))
        .for_now());
    }
    let payment = there(facts)?;
    let Some((total, currency)) = payment.total.zip(payment.currency.clone()) else {
        return Err(Refusal::new(format!("the gateway does not say how much {id} took"), NOTHING)
            .hint("give it back in PortOne's console"));
    };
    let says = |minor| sum(&currency, minor);
    if let Some(open) = facts.earlier.iter().find(|one| is_open(one.state)) {
        return Err(Refusal::new(
            format!("a refund of {} of {id} is under way already ({})", says(open.amount), open.reference),
            "it is asked for by every run until it is back; nothing more was asked for",
        )
        .hint(format!("see it: renewd show {id}"))
        .for_now());
    }
    let reference = reference(ask);
    if let Some(same) = facts.earlier.iter().find(|one| one.reference == reference) {
        return Err(again(id, same, &says(same.amount)));
    }
    let left = total.saturating_sub(payment.cancelled);
    let amount = ask.amount.unwrap_or(left);
    if payment.status == PaymentStatus::Cancelled || left <= 0 {
        return Err(Refusal::new(format!("all of {id} was given back already: {}", says(payment.cancelled)), NOTHING));
    }
    if amount < 1 || amount > left {
        return Err(Refusal::new(
            format!("{} cannot be given back: {} of {} are left of {id}", says(amount), says(left), says(total)),
            NOTHING,
        )
        .hint("--amount is in the currency's minor unit; without it all that is left goes back"));
    }
    let number = facts.earlier.iter().map(|one| one.number).max().unwrap_or(0).saturating_add(1);
    let left_after = left - amount;
    Ok(NewRefund {
        payment_id: id.clone(),
        renewal_id: facts.renewal_id,
        subscription_id: facts.subscription_id.clone(),
        amount,
        currency,
        reason: RefundReason::ByHand,
        idempotency_key: idempotency_key(id, number),
        number,
        reference,
        back_before: payment.cancelled,
        left_after,
        told: Some(ask.reason.chars().take(TOLD_MAX).collect()),
        ends_renewal: left_after == 0 && !facts.other_money,
    })
}

/// The payment, if it took money.
fn there(facts: &PaidFacts) -> Result<&Payment, Refusal> {
    let id = &facts.payment_id;
    let refuse = |what: String| Refusal::new(what, NOTHING);
    match &facts.found {
        LookUp::Found(payment) if payment.id != id.as_str() => {
            Err(refuse("the gateway answered with another payment".to_owned()).for_now())
        }
        LookUp::Found(payment) => match payment.status {
            PaymentStatus::Paid | PaymentStatus::PartialCancelled | PaymentStatus::Cancelled => Ok(payment),
            _ => Err(refuse(format!("{id} is {} at the gateway: it took no money", payment.status.as_str()))),
        },
        LookUp::NotFound => Err(refuse(format!("the gateway knows no payment {id}"))),
        LookUp::Unauthorized(why) => Err(refuse(format!("the gateway refused our credentials ({why})")).for_now()),
        LookUp::Failed(why) => Err(refuse(format!("{id} could not be looked up: {why}")).for_now()),
    }
}

fn again(id: &PaymentId, same: &EarlierRefund, says: &str) -> Refusal {
    let refusal = if same.state == RefundState::Failed {
        Refusal::new(format!("{says} of {id} could not be given back before (reference {})", same.reference), NOTHING)
            .hint(format!("see why: renewd show {id}"))
    } else {
        Refusal::new(
            format!("{says} of {id} were given back already (reference {})", same.reference),
            "nothing was given back a second time",
        )
    };
    refusal.hint("if another refund is meant, name it: --reference TEXT")
}

fn reference(ask: &RefundAsk) -> String {
    let by_sum = || ask.amount.map_or_else(|| "all that was left".to_owned(), |amount| amount.to_string());
    ask.reference.clone().unwrap_or_else(by_sum)
}

fn is_open(state: RefundState) -> bool {
    matches!(state, RefundState::Wanted | RefundState::Requested)
}

fn sum(currency: &str, minor: i64) -> String {
    Currency::parse(currency).map_or_else(|_| format!("{minor} {currency}"), |currency| format_minor(minor, currency))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{found, payment};
    use uuid::Uuid;

    fn facts(found: LookUp) -> PaidFacts {
        PaidFacts {
            payment_id: "rn00".into(),
            renewal_id: RenewalId(Uuid::from_u128(1)),
            subscription_id: "sub_1".into(),
            renewal_state: State::Paid,
            found,
            earlier: Vec::new(),
            other_money: false,
        }
    }

    fn paid() -> PaidFacts {
        facts(found(payment(PaymentStatus::Paid)))
    }

    fn back(cancelled: i64) -> PaidFacts {
        facts(found(Payment { cancelled, ..payment(PaymentStatus::PartialCancelled) }))
    }

    fn ask(amount: Option<i64>) -> RefundAsk {
        RefundAsk { amount, reference: None, reason: "goodwill".to_owned() }
    }

    fn earlier(number: u32, reference: &str, state: RefundState) -> EarlierRefund {
        EarlierRefund { number, reference: reference.to_owned(), amount: 10_000, state }
    }

    fn refused(ask: &RefundAsk, facts: &PaidFacts) -> String {
        decide(ask, facts).unwrap_err().what
    }

    #[test]
    fn all_of_it_ends_its_renewal_unless_there_is_other_money() {
        let refund = decide(&ask(None), &paid()).unwrap();
        assert_eq!((refund.amount, refund.left_after, refund.back_before, refund.number), (55_000, 0, 0, 1));
        assert_eq!((refund.idempotency_key.as_str(), refund.ends_renewal), ("rn00-refund-1", true));
        assert_eq!((refund.told.as_deref(), refund.reason), (Some("goodwill"), RefundReason::ByHand));
        let beside = PaidFacts { other_money: true, ..paid() };
        assert!(!decide(&ask(None), &beside).unwrap().ends_renewal);
    }

    #[test]
    fn a_part_leaves_the_rest_and_the_rest_is_all_that_is_left() {
        let part = decide(&ask(Some(5_000)), &paid()).unwrap();
        assert_eq!((part.amount, part.left_after, part.ends_renewal), (5_000, 50_000, false));
        let rest = decide(&ask(None), &back(5_000)).unwrap();
        assert_eq!((rest.amount, rest.back_before, rest.left_after, rest.ends_renewal), (50_000, 5_000, 0, true));
    }

    #[test]
    fn never_more_than_is_left() {
        for amount in [0, -1, 50_001, i64::MAX] {
            assert!(
                refused(&ask(Some(amount)), &back(5_000)).contains("50,000 KRW of 55,000 KRW are left"),
                "{amount}"
            );
        }
        let gone = facts(found(Payment { cancelled: 55_000, ..payment(PaymentStatus::Cancelled) }));
        assert!(refused(&ask(None), &gone).contains("all of rn00 was given back already"));
    }

    #[test]
    fn the_same_twice_is_given_back_once() {
        let done = PaidFacts { earlier: vec![earlier(1, "10000", RefundState::Done)], ..back(10_000) };
        assert!(refused(&ask(Some(10_000)), &done).contains("were given back already"));
        let named = RefundAsk { reference: Some("ticket 7".to_owned()), ..ask(Some(10_000)) };
        let second = decide(&named, &done).unwrap();
        assert_eq!((second.number, second.idempotency_key.as_str()), (2, "rn00-refund-2"));
        let failed = PaidFacts { earlier: vec![earlier(1, "10000", RefundState::Failed)], ..paid() };
        assert!(refused(&ask(Some(10_000)), &failed).contains("could not be given back before"));
    }

    #[test]
    fn one_at_a_time() {
        for state in [RefundState::Wanted, RefundState::Requested] {
            let open = PaidFacts { earlier: vec![earlier(1, "x", state)], ..paid() };
            assert!(refused(&ask(Some(1)), &open).contains("under way already"));
        }
    }

    #[test]
    fn only_money_that_a_look_up_shows() {
        for (found, words) in [
            (LookUp::NotFound, "knows no payment"),
            (LookUp::Failed("reset".into()), "could not be looked up: reset"),
            (LookUp::Unauthorized("401".into()), "credentials"),
            (found(payment(PaymentStatus::Failed)), "took no money"),
            (found(payment(PaymentStatus::Ready)), "took no money"),
            (found(Payment { id: "rn99".into(), ..payment(PaymentStatus::Paid) }), "another payment"),
            (found(Payment { total: None, ..payment(PaymentStatus::Paid) }), "does not say how much"),
        ] {
            let what = refused(&ask(None), &facts(found));
            assert!(what.contains(words), "{what}");
        }
    }

    #[test]
    fn what_may_still_be_charged_is_settled_first() {
        for renewal_state in [State::Due, State::Charging, State::Unknown] {
            assert!(refused(&ask(None), &PaidFacts { renewal_state, ..paid() }).contains("may still be charged"));
        }
    }
}
