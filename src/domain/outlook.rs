//! Why something will or will not be charged, and when: in words, from the same facts that the decisions read.

use super::due::{Disposition, PlannedRenewal};
use super::renewal::State;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// What is next for a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outlook {
    /// Nothing but time and a run is between it and a charge.
    pub will_be_charged: bool,
    /// Not before then; `None` where nothing is planned.
    pub at: Option<DateTime<Utc>>,
    /// What it waits for, or why it ends here: one sentence each.
    pub why: Vec<String>,
}

/// A renewal as it stands, with what stands around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub renewal_id: String,
    pub state: State,
    pub next_attempt_at: Option<DateTime<Utc>>,
    pub next_look_up_at: Option<DateTime<Utc>>,
    pub waits_for_key: bool,
    pub review_reason: Option<String>,
    pub declines: i64,
    pub last_decline: Option<String>,
    pub access_until: DateTime<Utc>,
    pub cancel_at_period_end: bool,
    pub has_usable_key: bool,
}

impl Outlook {
    /// Of the renewal of the next period.
    pub fn of_renewal(standing: &Standing) -> Self {
        let id = &standing.renewal_id;
        let never = |why: String| Self { will_be_charged: false, at: None, why: vec![why] };
        match standing.state {
            State::Due => due(standing),
            State::Charging => never("it is being charged now; what comes of it is looked up before it is recorded".to_owned()),
            State::Unknown => Self {
                will_be_charged: false,
                at: standing.next_look_up_at,
                why: vec!["it may have been charged: the payment is looked up then, and nothing more is charged before its outcome is known".to_owned()],
            },
            State::Paid => never("it is paid".to_owned()),
            State::Refunded => never("it was paid and given back: it is never charged again".to_owned()),
            State::Review => {
                let reason = standing.review_reason.as_deref().unwrap_or("a person must look");
                never(format!("it waits for a person ({reason}): renewd resolve {id} --as … --evidence … --reason …"))
            }
            State::Failed => never(format!(
                "its attempts are over{}: only a person's command charges it (renewd retry {id} --reason …)",
                said(standing)
            )),
            State::Lapsed => never(format!(
                "it was found too late to be charged by surprise: only a person's command charges it (renewd retry {id} --reason …)"
            )),
            State::Canceled if standing.cancel_at_period_end => never("the customer cancelled: it is not charged".to_owned()),
            State::Canceled => never("the customer cancelled and changed their mind: the next run makes it due again".to_owned()),
        }
    }

    /// Of a period that has no renewal yet, as it would be planned now.
    pub fn of_plan(disposition: Disposition, planned: &PlannedRenewal) -> Self {
        let never = |why: &str| Self { will_be_charged: false, at: None, why: vec![why.to_owned()] };
        match disposition {
            Disposition::Renew => Self {
                will_be_charged: true,
                at: planned.next_attempt_at,
                why: vec!["nothing is planned yet: the first run from then on plans it and charges it".to_owned()],
            },
            Disposition::Cancel => never("the customer cancelled: it is not charged, and ends with its period"),
            Disposition::Lapse => never("it ended too long ago to be charged by surprise"),
            Disposition::NoKey => never("the customer has no billing key that can be charged: it waits for one"),
            Disposition::Review => Self {
                will_be_charged: false,
                at: None,
                why: vec![format!(
                    "it cannot be read ({}): mend the row before its run",
                    planned.review_reason.as_deref().unwrap_or("no reason is kept")
                )],
            },
        }
    }

    /// Of a subscription that is not renewed at all.
    pub fn of_nothing(status: &str) -> Self {
        let why = format!("its subscription is {status}: it is not renewed");
        Self { will_be_charged: false, at: None, why: vec![why] }
    }

    /// While the kill switch is on nothing is charged, whatever else is so.
    #[must_use]
    pub fn paused(mut self, paused: &str) -> Self {
        if self.will_be_charged {
            self.will_be_charged = false;
            self.why.push(format!("and charging is paused {paused}: nothing is charged before renewd resume"));
        }
        self
    }
}

impl Outlook {
    /// What held the latest run may hold the next one.
    #[must_use]
    pub fn held(mut self, held: &str) -> Self {
        if self.will_be_charged {
            self.why.push(format!("but {held}: see renewd run --dry-run"));
        }
        self
    }
}

fn due(standing: &Standing) -> Outlook {
    let waits = |why: String| Outlook { will_be_charged: false, at: None, why: vec![why] };
    if standing.cancel_at_period_end {
        return waits("the customer cancelled: it is not charged, and the next run says so".to_owned());
    }
    if standing.waits_for_key && !standing.has_usable_key {
        return waits(format!(
            "it waits for a billing key that can be charged{}: a new one makes it due at once",
            said(standing)
        ));
    }
    let why = match standing.declines {
        _ if standing.waits_for_key => "there is a new billing key: the next run charges it".to_owned(),
        0 => "the first run from then on charges it".to_owned(),
        1 => format!("declined once{}: the first run from then on tries again", said(standing)),
        times => format!("declined {times} times{}: the first run from then on tries again", said(standing)),
    };
    Outlook { will_be_charged: true, at: standing.next_attempt_at, why: vec![why] }
}

fn said(standing: &Standing) -> String {
    standing.last_decline.as_ref().map(|why| format!(" (last: {why})")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::due::{Planning, SubscriptionFacts, decide};
    use crate::domain::fixtures::{ids, now, period_end, policy, subscription, utc};

    fn standing(state: State) -> Standing {
        Standing {
            renewal_id: "r1".to_owned(),
            state,
            next_attempt_at: Some(now()),
            next_look_up_at: None,
            waits_for_key: false,
            review_reason: None,
            declines: 0,
            last_decline: None,
            access_until: period_end(),
            cancel_at_period_end: false,
            has_usable_key: true,
        }
    }

    fn planned(facts: &SubscriptionFacts) -> Outlook {
        let new_id = ids();
        let at = Planning { business_date: now().date_naive(), now: now(), new_id: &new_id };
        let (disposition, planned) = decide(facts, &policy(), &at);
        Outlook::of_plan(disposition, &planned)
    }

    #[test]
    fn only_what_is_due_will_be_charged() {
        for state in State::ALL {
            let outlook = Outlook::of_renewal(&standing(state));
            assert_eq!(outlook.will_be_charged, state == State::Due, "{state:?}");
            assert!(!outlook.why[0].is_empty());
        }
    }

    #[test]
    fn what_stands_against_it_is_told() {
        let canceled = Standing { cancel_at_period_end: true, ..standing(State::Due) };
        assert!(Outlook::of_renewal(&canceled).why[0].contains("cancelled"));
        let keyless = Standing { waits_for_key: true, has_usable_key: false, ..standing(State::Due) };
        assert!(!Outlook::of_renewal(&keyless).will_be_charged);
        let declined =
            Standing { declines: 2, last_decline: Some("insufficient funds".into()), ..standing(State::Due) };
        assert!(Outlook::of_renewal(&declined).why[0].contains("declined 2 times (last: insufficient funds)"));
        let paused = Outlook::of_renewal(&standing(State::Due)).paused("by ops");
        assert!(!paused.will_be_charged && paused.why[1].contains("paused by ops"));
        assert_eq!(Outlook::of_renewal(&standing(State::Paid)).paused("by ops").why.len(), 1);
    }

    #[test]
    fn what_has_no_renewal_yet_is_told_by_the_planners_own_decision() {
        let far = SubscriptionFacts { current_period_end: utc("2026-03-30T15:00:00Z"), ..subscription() };
        let outlook = planned(&far);
        assert_eq!((outlook.will_be_charged, outlook.at), (true, Some(utc("2026-03-30T00:00:00Z"))), "09:00 in Seoul");
        for (facts, words) in [
            (SubscriptionFacts { cancel_at_period_end: true, ..far.clone() }, "cancelled"),
            (SubscriptionFacts { has_usable_key: false, ..far.clone() }, "no billing key"),
            (SubscriptionFacts { interval: "P0M".to_owned(), ..far.clone() }, "cannot be read"),
            (SubscriptionFacts { current_period_end: utc("2026-01-01T15:00:00Z"), ..far }, "too long ago"),
        ] {
            let outlook = planned(&facts);
            assert!(!outlook.will_be_charged && outlook.why[0].contains(words), "{outlook:?}");
        }
    }
}
