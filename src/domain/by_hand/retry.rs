//! `retry`: whether a person may have this renewal charged now, whatever its ladder says. The charge itself goes through
//! the same claim, look-up and settle as in every run.

use super::Refusal;
use crate::domain::attempt::AttemptState;
use crate::domain::claim::RenewalChange;
use crate::domain::decline::DeclineClass;
use crate::domain::ids::{BillingKeyId, RenewalId, SubscriptionId};
use crate::domain::policy::Policy;
use crate::domain::renewal::{Event, State, transition};
use chrono::{DateTime, TimeDelta, Utc};

/// How long a person's command stands over the ladder, the grace and the charging window. It is meant for now.
pub const COMMAND_STANDS: TimeDelta = TimeDelta::hours(1);

const NOTHING: &str = "nothing was charged";

/// A renewal that somebody wants charged, with what stands around it.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryFacts {
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub state: State,
    pub waits_for_key: bool,
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub review_reason: Option<String>,
    /// Amount, currency and period could be read when it was planned.
    pub is_complete: bool,
    pub cancel_at_period_end: bool,
    /// The subscription still ends where this renewal's period starts, downgraded or not.
    pub period_is_next: bool,
    /// Money of it is being given back, or was.
    pub is_given_back: bool,
    /// The kill switch is on: by whom, and why.
    pub paused: Option<String>,
    /// In the order in which they were made.
    pub attempts: Vec<PastTry>,
    /// All keys of the customer, the newest first.
    pub keys: Vec<KeyOnFile>,
    /// The key that comes with the command.
    pub new_key: Option<BillingKeyId>,
    pub now: DateTime<Utc>,
}

/// An earlier attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastTry {
    pub state: AttemptState,
    pub class: Option<DeclineClass>,
    pub billing_key_id: BillingKeyId,
    pub started_at: DateTime<Utc>,
}

/// A billing key by the name of its row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOnFile {
    pub id: BillingKeyId,
    pub usable: bool,
}

/// The change that makes the renewal due now.
///
/// # Errors
/// [`Refusal`], in the words of what stands against it.
pub fn decide(facts: &RetryFacts, policy: &Policy) -> Result<RenewalChange, Refusal> {
    by_state(facts)?;
    by_customer(facts)?;
    by_time(facts, policy)?;
    by_attempts(facts, policy)?;
    by_key(facts)?;
    change(facts)
}

/// The same for a renewal under review, whose answer is that it is charged again: a look-up showed no money.
///
/// # Errors
/// As [`decide`].
pub fn after_review(facts: &RetryFacts, policy: &Policy) -> Result<RenewalChange, Refusal> {
    by_customer(facts)?;
    by_time(facts, policy)?;
    by_attempts(facts, policy)?;
    by_key(facts)?;
    change(facts)
}

fn change(facts: &RetryFacts) -> Result<RenewalChange, Refusal> {
    let (to, _) =
        transition(facts.state, Event::RetryCommanded).map_err(|illegal| Refusal::new(illegal.to_string(), NOTHING))?;
    Ok(RenewalChange {
        renewal_id: facts.renewal_id,
        from: facts.state,
        to,
        next_attempt_at: Some(facts.now),
        // What was tried before is looked up first: money that turned up late is not asked for again.
        next_look_up_at: (!facts.attempts.is_empty()).then_some(facts.now),
        waits_for_key: false,
        waited_for_key: facts.waits_for_key,
        access_until: None,
        review_reason: None,
        events: Vec::new(),
    })
}

fn by_state(facts: &RetryFacts) -> Result<(), Refusal> {
    let id = facts.renewal_id;
    match facts.state {
        State::Due | State::Failed | State::Lapsed => Ok(()),
        State::Paid => Err(Refusal::new(format!("renewal {id} is paid"), "it is never charged again")
            .hint(format!("see what it paid: renewd show {id}"))),
        State::Refunded => {
            Err(Refusal::new(format!("renewal {id} was paid and given back"), "it is never charged again")
                .hint("the period that follows is charged when it is due"))
        }
        State::Charging => Err(Refusal::new(
            format!("renewal {id} is being charged now"),
            "nothing more was charged: while an attempt is open no other may start",
        )
        .hint(format!("see what comes of it: renewd show {id}"))
        .for_now()),
        State::Unknown => Err(Refusal::new(
            format!("the outcome of renewal {id}'s last attempt is not known yet"),
            "nothing more was charged: it may have been charged already, so it is only looked up",
        )
        .hint(format!(
            "look it up: renewd run --subscription {} (it is due for that at {})",
            facts.subscription_id,
            facts.next_look_up_at.map_or_else(|| "any time".to_owned(), |at| at.to_rfc3339())
        ))
        .for_now()),
        State::Review => {
            let why = facts.review_reason.as_deref().unwrap_or("a person must look");
            Err(Refusal::new(format!("renewal {id} is under review: {why}"), "nothing was charged")
                .hint(format!("answer it: renewd resolve {id} --as retry --evidence … --reason …")))
        }
        State::Canceled => Err(canceled(facts)),
    }
}

fn canceled(facts: &RetryFacts) -> Refusal {
    Refusal::new(
        format!("subscription {} was cancelled by the customer", facts.subscription_id),
        "nothing was charged: who cancelled is never charged, by nobody's command",
    )
    .hint("if they changed their mind, set cancel_at_period_end to false first, as your API service does")
}

fn by_customer(facts: &RetryFacts) -> Result<(), Refusal> {
    let id = facts.renewal_id;
    if facts.cancel_at_period_end {
        return Err(canceled(facts));
    }
    if facts.is_given_back {
        return Err(Refusal::new(
            format!("money of renewal {id} was given back, or is on its way"),
            "it is never charged again",
        )
        .hint(format!("see it: renewd show {id}")));
    }
    if !facts.is_complete {
        return Err(Refusal::new(
            format!("renewal {id} has no amount, currency or period: its plan could not be read when it was planned"),
            NOTHING,
        )
        .hint("mend the plan for the periods to come; for this one give the period by hand, or none"));
    }
    if !facts.period_is_next {
        return Err(Refusal::new(
            format!("subscription {} is no longer at the period of renewal {id}", facts.subscription_id),
            "nothing was charged: it would pay for a period that is not the next one",
        )
        .hint(format!("see where it stands: renewd show {}", facts.subscription_id)));
    }
    Ok(())
}

fn by_time(facts: &RetryFacts, policy: &Policy) -> Result<(), Refusal> {
    if let Some(paused) = &facts.paused {
        return Err(Refusal::new(format!("charging is paused {paused}"), NOTHING)
            .hint("first: renewd resume --reason …")
            .for_now());
    }
    if policy.is_quiet_at(facts.now) {
        let quiet = policy.quiet.to_string();
        return Err(Refusal::new(
            format!(
                "it is {}, and nothing is sent in the quiet hours {quiet}",
                policy.zone.time_of(facts.now).format("%H:%M")
            ),
            "nothing was charged: banks and payment gateways are under maintenance then, and outcomes get lost",
        )
        .hint("try again when they are over")
        .for_now());
    }
    Ok(())
}

/// The card networks count, whoever types.
fn by_attempts(facts: &RetryFacts, policy: &Policy) -> Result<(), Refusal> {
    let dunning = &policy.dunning;
    let since = facts.now - TimeDelta::days(i64::from(dunning.attempts_days));
    let counted: Vec<_> = facts
        .attempts
        .iter()
        .filter(|past| past.state != AttemptState::NotCharged && past.started_at > since)
        .map(|past| past.started_at)
        .collect();
    let too_many = counted.len().checked_sub(dunning.attempts_max as usize);
    let Some(oldest) = too_many.and_then(|index| counted.get(index)) else { return Ok(()) };
    let free = *oldest + TimeDelta::days(i64::from(dunning.attempts_days));
    Err(Refusal::new(
        format!(
            "renewal {} was tried {} times in {} days, and that is the most that the card networks allow",
            facts.renewal_id,
            counted.len(),
            dunning.attempts_days
        ),
        NOTHING,
    )
    .hint(format!("the next attempt is allowed from {} on", policy.zone.date_of(free))))
}

fn by_key(facts: &RetryFacts) -> Result<(), Refusal> {
    if let Some(new) = &facts.new_key {
        return match facts.keys.iter().find(|key| key.id == *new) {
            None => Ok(()),
            Some(known) if known.usable => {
                Err(Refusal::new("this billing key is stored already", "nothing was charged")
                    .hint("leave --with-billing-key away: the newest usable key is charged"))
            }
            Some(_) => Err(Refusal::new(
                "this billing key was refused for good before",
                "nothing was charged: it cannot be charged any more",
            )
            .hint("ask the customer for another card, and give its billing key")),
        };
    }
    let new_card = "with the customer's new card: --with-billing-key KEY (or - to read it from stdin)";
    let Some(key) = facts.keys.iter().find(|key| key.usable) else {
        return Err(Refusal::new("the customer has no billing key that can be charged", NOTHING).hint(new_card));
    };
    let is_refused = |past: &PastTry| past.class == Some(DeclineClass::Hard) && past.billing_key_id == key.id;
    if facts.attempts.iter().any(is_refused) {
        return Err(Refusal::new(
            format!("the newest billing key, {}, was declined for good", key.id),
            "nothing was charged: after a hard decline a card is not asked again",
        )
        .hint(new_card));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::{now, policy, utc};
    use uuid::Uuid;

    fn facts() -> RetryFacts {
        RetryFacts {
            renewal_id: RenewalId(Uuid::from_u128(1)),
            subscription_id: "sub_1".into(),
            state: State::Due,
            waits_for_key: false,
            next_look_up_at: None,
            review_reason: None,
            is_complete: true,
            cancel_at_period_end: false,
            period_is_next: true,
            is_given_back: false,
            paused: None,
            attempts: vec![tried(DeclineClass::Soft, "bk_1", 1)],
            keys: vec![key("bk_1", true)],
            new_key: None,
            now: now(),
        }
    }

    fn tried(class: DeclineClass, key: &str, days_ago: i64) -> PastTry {
        PastTry {
            state: AttemptState::Declined,
            class: Some(class),
            billing_key_id: key.into(),
            started_at: now() - TimeDelta::days(days_ago),
        }
    }

    fn key(id: &str, usable: bool) -> KeyOnFile {
        KeyOnFile { id: id.into(), usable }
    }

    fn refused(facts: &RetryFacts) -> String {
        decide(facts, &policy()).unwrap_err().what
    }

    #[test]
    fn what_waits_failed_or_lapsed_is_due_now() {
        for state in [State::Due, State::Failed, State::Lapsed] {
            let change = decide(&RetryFacts { state, ..facts() }, &policy()).unwrap();
            assert_eq!((change.from, change.to, change.next_attempt_at), (state, State::Due, Some(now())));
            assert_eq!((change.waits_for_key, change.next_look_up_at), (false, Some(now())), "looked up first");
        }
    }

    #[test]
    fn every_other_state_is_refused_in_its_own_words() {
        for (state, words) in [
            (State::Paid, "is paid"),
            (State::Refunded, "given back"),
            (State::Charging, "is being charged now"),
            (State::Unknown, "is not known yet"),
            (State::Review, "under review"),
            (State::Canceled, "cancelled by the customer"),
        ] {
            let what = refused(&RetryFacts { state, ..facts() });
            assert!(what.contains(words), "{what}");
        }
    }

    #[test]
    fn what_stands_around_it_is_refused_in_its_own_words() {
        let night = utc("2026-01-30T14:30:00Z");
        for (facts, words) in [
            (RetryFacts { cancel_at_period_end: true, ..facts() }, "cancelled by the customer"),
            (RetryFacts { is_given_back: true, ..facts() }, "given back"),
            (RetryFacts { is_complete: false, ..facts() }, "no amount"),
            (RetryFacts { period_is_next: false, ..facts() }, "no longer at the period"),
            (RetryFacts { paused: Some("by ops".to_owned()), ..facts() }, "charging is paused by ops"),
            (RetryFacts { now: night, ..facts() }, "quiet hours"),
        ] {
            let what = refused(&facts);
            assert!(what.contains(words), "{what}");
            let resolved = after_review(&RetryFacts { state: State::Review, ..facts }, &policy());
            assert_eq!(resolved.unwrap_err().what, what, "the answer to a review is held to the same");
        }
    }

    #[test]
    fn the_evening_is_not_the_night() {
        let evening = utc("2026-01-30T13:30:00Z");
        assert!(!policy().is_open_at(evening), "no run charges then");
        decide(&RetryFacts { now: evening, ..facts() }, &policy()).unwrap();
    }

    #[test]
    fn the_cap_of_the_card_networks_holds_by_hand_too() {
        let tries = |count: i64| (0..count).map(|day| tried(DeclineClass::Soft, "bk_1", 29 - day)).collect::<Vec<_>>();
        decide(&RetryFacts { attempts: tries(14), ..facts() }, &policy()).unwrap();
        let full = RetryFacts { attempts: tries(15), ..facts() };
        let refusal = decide(&full, &policy()).unwrap_err();
        assert!(refusal.what.contains("15 times in 30 days") && refusal.hints[0].contains("2026-01-31"), "{refusal:?}");
        let mut older = full.clone();
        older.attempts[0].started_at = now() - TimeDelta::days(30);
        decide(&older, &policy()).unwrap();
        let mut unsent = full;
        unsent.attempts[3].state = AttemptState::NotCharged;
        decide(&unsent, &policy()).unwrap();
    }

    #[test]
    fn a_key_that_was_declined_for_good_is_not_asked_again() {
        let hard = vec![tried(DeclineClass::Hard, "bk_1", 1)];
        assert!(refused(&RetryFacts { attempts: hard.clone(), ..facts() }).contains("declined for good"));
        assert!(refused(&RetryFacts { keys: vec![key("bk_1", false)], ..facts() }).contains("no billing key"));
        let newer = vec![key("bk_2", true), key("bk_1", true)];
        decide(&RetryFacts { attempts: hard, keys: newer, ..facts() }, &policy()).unwrap();
    }

    #[test]
    fn a_key_that_comes_along_must_be_new() {
        let with = |id: &str, keys: Vec<KeyOnFile>| RetryFacts { new_key: Some(id.into()), keys, ..facts() };
        decide(&with("bk_2", vec![key("bk_1", false)]), &policy()).unwrap();
        decide(&with("bk_2", Vec::new()), &policy()).unwrap();
        assert!(refused(&with("bk_1", vec![key("bk_1", false)])).contains("refused for good"));
        assert!(refused(&with("bk_1", vec![key("bk_1", true)])).contains("stored already"));
    }
}
