//! What a claim makes of the rows that it locked.

use super::told::review_event;
use crate::domain::charge::Attempt;
use crate::domain::claim::{ClaimDecision, ClaimFacts, RenewalChange};
use crate::domain::ids::{BillingKeyId, RenewalId, SubscriptionId};
use crate::domain::renewal::State;
use crate::store::{Claimed, Committed};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// A renewal under the claim's lock; its facts, or what of them cannot be read.
pub struct Locked {
    pub now: DateTime<Utc>,
    pub renewal_id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub next_attempt_at: DateTime<Utc>,
    pub facts: Result<ClaimFacts, String>,
}

/// What a claim writes; its attempts are not handed out before the commit.
#[derive(Default)]
pub struct Written {
    pub attempts: Vec<Attempt>,
    pub changed: Vec<RenewalChange>,
    pub waiting: Vec<RenewalId>,
    pub seen: u32,
    pub last: Option<(DateTime<Utc>, RenewalId)>,
    pub paused: bool,
}

impl Written {
    /// Lets `decide` judge each row, in the order in which they are due.
    pub fn decided(rows: impl Iterator<Item = Locked>, decide: &dyn Fn(&ClaimFacts) -> ClaimDecision) -> Self {
        let mut written = Self::default();
        // One attempt at a time on each card: what this claim hands out is on its way.
        let mut taken: BTreeSet<BillingKeyId> = BTreeSet::new();
        for mut row in rows {
            written.seen = written.seen.saturating_add(1);
            written.last = Some((row.next_attempt_at, row.renewal_id));
            if let Ok(facts) = &mut row.facts {
                facts.keys.iter_mut().for_each(|key| key.is_held |= taken.contains(&key.id));
            }
            match row.facts.as_ref().map(decide) {
                Ok(ClaimDecision::Charge(attempt)) => {
                    taken.insert(attempt.billing_key_id.clone());
                    written.attempts.push(*attempt);
                }
                Ok(ClaimDecision::Skip) => {}
                Ok(ClaimDecision::Wait) => written.waiting.push(row.renewal_id),
                Ok(ClaimDecision::Change(change)) => written.changed.push(change),
                // One row that cannot be read holds up nobody else.
                Err(problem) => written.changed.push(unreadable(&row, problem)),
            }
        }
        written
    }

    /// Hands out what is committed: to be called after the commit, and nowhere else.
    pub fn committed(self) -> Claimed {
        Claimed {
            attempts: self.attempts.into_iter().map(Committed).collect(),
            changed: self.changed,
            waiting: self.waiting,
            seen: self.seen,
            last: self.last,
            paused: self.paused,
        }
    }
}

fn unreadable(row: &Locked, problem: &str) -> RenewalChange {
    let reason = format!("the row cannot be charged: {problem}");
    RenewalChange {
        renewal_id: row.renewal_id,
        from: State::Due,
        to: State::Review,
        next_attempt_at: None,
        next_look_up_at: None,
        waits_for_key: false,
        waited_for_key: false,
        access_until: None,
        events: vec![review_event(&row.subscription_id, row.renewal_id, &reason, row.now)],
        review_reason: Some(reason),
    }
}
