//! Asking the gateway about billing keys, and noticing when it is the asking that is wrong.

use super::super::run::Run;
use super::super::{Engine, RunError};
use super::LookAheadRequest;
use super::report::LookAheadReport;
use crate::domain::claim::channel_name;
use crate::domain::ids::BillingKeyId;
use crate::domain::look_ahead::{Found, KeyFound, LookAheadFacts, schedules_until};
use crate::gateway::{BillingKeyStatus, GatewayError, ScheduleRange};
use futures_util::stream::{self, StreamExt};
use std::collections::BTreeSet;
use std::time::Duration;

/// Subscriptions whose answers are recorded together.
const ASK_ROWS: usize = 200;

/// How the asking goes.
#[derive(Default)]
pub(super) struct Asking {
    /// Answers whose keys are all gone, since the last key that was there: not believed before there is another one.
    held: Vec<(LookAheadFacts, Found)>,
    gone_in_a_row: BTreeSet<BillingKeyId>,
    unanswered_in_a_row: u32,
    /// Why nothing more is asked.
    stopped: Option<String>,
}

impl Asking {
    pub fn problem(&self) -> Option<String> {
        self.stopped.clone()
    }

    pub fn into_held(self) -> Vec<(LookAheadFacts, Found)> {
        self.held
    }

    /// Takes one answer in; what may be recorded goes to `sure`.
    fn take(
        &mut self,
        facts: LookAheadFacts,
        answer: Result<Found, GatewayError>,
        bounds: (u32, usize),
        sure: &mut Vec<(LookAheadFacts, Found)>,
    ) {
        let (unanswered_max, gone_max) = bounds;
        match answer {
            Err(GatewayError::Unauthorized(why)) => {
                self.stopped = Some(format!("the gateway refused our credentials ({why})"));
            }
            Err(why) => {
                self.unanswered_in_a_row += 1;
                if self.unanswered_in_a_row >= unanswered_max {
                    self.stopped =
                        Some(format!("{} questions in a row had no answer: {why}", self.unanswered_in_a_row));
                }
            }
            Ok(found) if found.key == KeyFound::Gone => {
                self.unanswered_in_a_row = 0;
                self.gone_in_a_row.extend(found.gone.iter().cloned());
                self.held.push((facts, found));
                if self.gone_in_a_row.len() >= gone_max {
                    let count = self.gone_in_a_row.len();
                    self.held.clear();
                    self.stopped = Some(format!(
                        "the gateway knows none of {count} billing keys in a row: another store's secret? None of them \
                         was marked, and nobody was told"
                    ));
                }
            }
            Ok(found) => {
                self.unanswered_in_a_row = 0;
                if found.key == KeyFound::Issued {
                    self.gone_in_a_row.clear();
                    sure.append(&mut self.held);
                }
                sure.push((facts, found));
            }
        }
    }
}

impl Engine {
    /// Asks about these subscriptions, as fast as charges may start, and records what was answered.
    pub(super) async fn ask_page(
        &self,
        run: &Run,
        mut to_ask: Vec<LookAheadFacts>,
        request: &LookAheadRequest,
        (asking, report): (&mut Asking, &mut LookAheadReport),
    ) -> Result<(), RunError> {
        let bounds = (self.limits.circuit_unknown_in_a_row, self.limits.keys_gone_in_a_row);
        while !to_ask.is_empty() {
            if run.shutdown.requested() || asking.stopped.is_some() {
                report.not_asked += to_ask.len() as u64;
                return Ok(());
            }
            let rest = to_ask.split_off(to_ask.len().min(ASK_ROWS));
            let asked = stream::iter(std::mem::replace(&mut to_ask, rest))
                .map(|facts| async move {
                    let answer = self.ask(run, &facts, request).await;
                    (facts, answer)
                })
                .buffered(self.limits.concurrency.max(1));
            let answers: Vec<_> = asked.collect().await;
            let mut sure = Vec::new();
            for (facts, answer) in answers {
                report.asked += 1;
                if let Err(why) = &answer {
                    if report.unanswered == 0 {
                        tracing::warn!(
                            run.id = %run.id, subscription.id = %facts.subscription_id,
                            "subscription {}: nothing was found out early, and nothing else is lost: {why}",
                            facts.subscription_id
                        );
                    }
                    report.unanswered += 1;
                }
                asking.take(facts, answer, bounds, &mut sure);
            }
            self.record_found(run, sure, report).await?;
        }
        Ok(())
    }

    /// Asks about the newest key first, like a charge does; an older one matters where the newer ones are gone.
    async fn ask(&self, run: &Run, facts: &LookAheadFacts, request: &LookAheadRequest) -> Result<Found, GatewayError> {
        let mut gone = Vec::new();
        for stored in &facts.keys {
            let channel = stored.channel_key.as_deref().or(self.policy.channel_key.as_deref());
            let _turn = run.paces.turn(channel_name(channel), Duration::MAX, &*self.clock).await;
            if self.gateway.billing_key(&stored.key).await? != BillingKeyStatus::Issued {
                gone.push(stored.id.clone());
                continue;
            }
            let mut schedule_id = None;
            if request.schedules {
                let until = schedules_until(facts, &self.policy);
                let range = ScheduleRange { billing_key: stored.key.clone(), from: self.now(run), until };
                schedule_id = self.gateway.schedules(&range).await?.into_iter().next().map(|schedule| schedule.id);
            }
            return Ok(Found { key: KeyFound::Issued, gone, schedule_id });
        }
        let key = if facts.keys.is_empty() { KeyFound::None } else { KeyFound::Gone };
        Ok(Found { key, gone, schedule_id: None })
    }
}
