//! A plan's sums: by what would be done, plan, channel and reason.

use super::line::{Action, PlanLine};
use crate::domain::brakes::Charges;
use crate::domain::money::Currency;
use serde::Serialize;
use std::collections::BTreeMap;

/// Subscriptions that have the same plan, channel, reason and currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    pub plan_id: String,
    /// `None` without a usable billing key.
    pub channel: Option<String>,
    pub reason: &'static str,
    pub renewals: u64,
    pub currency: String,
    /// Minor units.
    pub minor: i64,
}

type Key = (Action, &'static str, String, Option<String>, String);

#[derive(Default)]
pub(super) struct Sums {
    groups: BTreeMap<Key, (u64, i64)>,
    ahead: Charges,
}

impl Sums {
    pub fn add(&mut self, line: &PlanLine, is_first: bool) {
        let (minor, currency) = (line.amount.unwrap_or(0), line.currency.clone().unwrap_or_default());
        if line.action == Action::Charge {
            match Currency::parse(&currency) {
                Ok(currency) => self.ahead.add(currency, minor, is_first),
                Err(_) => {
                    self.ahead.count += 1;
                    self.ahead.first += u64::from(is_first);
                }
            }
        }
        let key = (line.action, line.reason, line.plan_id.clone(), line.channel.clone(), currency);
        let group = self.groups.entry(key).or_default();
        group.0 += 1;
        group.1 = group.1.saturating_add(minor);
    }

    /// What would be charged, as the brakes measure it.
    pub fn ahead(&self) -> Charges {
        self.ahead.clone()
    }

    /// What is charged, what waits, and what is skipped.
    pub fn groups(self) -> [Vec<Group>; 3] {
        let mut groups = [Vec::new(), Vec::new(), Vec::new()];
        for ((action, reason, plan_id, channel, currency), (renewals, minor)) in self.groups {
            let at = match action {
                Action::Charge => 0,
                Action::Wait => 1,
                Action::Skip => 2,
            };
            groups[at].push(Group { plan_id, channel, reason, renewals, currency, minor });
        }
        groups
    }
}
