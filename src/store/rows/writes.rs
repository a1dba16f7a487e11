//! All that a batch of outcomes writes, gathered before the first row is changed.

use super::money::PaymentOut;
use super::settled::{GuardRow, PERIOD_NOT_MOVED, SettledOut, Standing};
use super::told::review_event;
use crate::domain::event::NewEvent;
use crate::domain::ids::RenewalId;
use crate::domain::refund::NewRefund;
use crate::domain::renewal::State;
use crate::domain::settlement::Settlement;
use crate::store::Settled;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;

/// What observations of a settle say whose lease was gone.
const FENCE_LOST: &str = "a settle whose lease was lost";

/// Everything that a batch of outcomes changes and tells.
#[derive(Default)]
pub struct Writes<'a> {
    pub settled: Vec<SettledOut<'a>>,
    pub payments: Vec<PaymentOut>,
    pub refunds: Vec<&'a NewRefund>,
    pub observed: Vec<PaymentOut>,
    /// Under the lock; `None` if there is nothing to write.
    pub now: Option<DateTime<Utc>>,
    events: Vec<&'a NewEvent>,
    found_out: Vec<NewEvent>,
}

impl<'a> Writes<'a> {
    /// Judges a batch against the rows that are locked for it.
    pub fn judge(batch: &'a [Settlement], guards: &BTreeMap<RenewalId, GuardRow>) -> (Settled, Self) {
        let (mut done, mut writes) = (Settled::default(), Self::default());
        for settlement in batch {
            let Some(row) = guards.get(&settlement.renewal_id) else {
                done.fence_lost.push(settlement.renewal_id);
                continue;
            };
            let standing = row.standing(settlement);
            let canceled = row.is_as_canceled(settlement, standing);
            done.as_canceled.extend(canceled.then_some(settlement.renewal_id));
            match standing {
                Standing::Held => {
                    let settlement = settlement.as_recorded(canceled);
                    if writes.add(settlement, row, State::Charging) {
                        done.settled.push(settlement.renewal_id);
                    } else {
                        done.period_not_moved.push(settlement.renewal_id);
                    }
                }
                Standing::Repeated => done.settled.push(settlement.renewal_id),
                Standing::Lost => {
                    done.fence_lost.push(settlement.renewal_id);
                    writes.observe(settlement, row);
                }
            }
        }
        (done, writes)
    }

    /// Adds a settlement that holds its guard; `false` if its period cannot move.
    pub fn add(&mut self, settlement: &'a Settlement, row: &GuardRow, from: State) -> bool {
        let period = settlement.period.as_ref().filter(|period| row.current_period_end == period.from());
        let moves = period.is_some() || settlement.period.is_none();
        self.now = Some(row.now);
        self.settled.push(SettledOut::new(settlement, row, from, period));
        self.payments.extend(PaymentOut::of(settlement, ""));
        self.refunds.extend(&settlement.refund);
        self.events.extend(&settlement.events);
        if !moves {
            let renewal = settlement.renewal_id;
            self.found_out.push(review_event(&settlement.subscription_id, renewal, PERIOD_NOT_MOVED, row.now));
        }
        moves
    }

    /// Keeps the payment of a settlement that lost its lease; the rest of it is void.
    pub fn observe(&mut self, settlement: &Settlement, row: &GuardRow) {
        self.now = Some(row.now);
        self.observed.extend(PaymentOut::of(settlement, FENCE_LOST));
    }

    /// What is told with it.
    pub fn events(&self) -> impl Iterator<Item = &NewEvent> {
        self.events.iter().copied().chain(&self.found_out)
    }
}
