//! One run, on one screen.
//!
//! 1. **Open** the run's row, and probe the gateway. Two runs at once are fine: they share the work.
//! 2. **Resolve** what an earlier process left open, before anything new; and look once more at what ended.
//! 3. **Plan**: every due subscription gets exactly one renewal.
//! 4. **Drain**: claim, charge, verify, settle, until nothing is due. A claim is committed before its request is sent;
//!    only a look-up decides; a period moves only with a verified payment.
//! 5. **Refund** what nobody wants to have paid: before the plan what an earlier run left, now what this one found.
//! 6. **Access**: who is past due, who is downgraded.
//! 7. **Close** with the figures.

use super::channel::Channels;
use super::report::{Report, RunReport};
use super::{Engine, RunError};
use crate::domain::ids::{RunId, SubscriptionId};
use crate::shutdown::Shutdown;
use crate::store::NewRun;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a run is asked to do.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// Who asked: `cli`, `schedule`, `demo`.
    pub trigger: String,
    pub actor: String,
    /// Today in the business zone, unless given.
    pub business_date: Option<NaiveDate>,
    /// Only these subscriptions, where any are given.
    pub only: Vec<SubscriptionId>,
    /// At most this many charges.
    pub charges_max: Option<u64>,
}

/// A run under way.
pub(super) struct Run {
    pub id: RunId,
    pub business_date: NaiveDate,
    pub only: Option<Vec<SubscriptionId>>,
    pub charges_max: Option<u64>,
    pub report: Report,
    pub shutdown: Shutdown,
    /// The database's time when the run started, and our uptime then.
    started: (DateTime<Utc>, Duration),
    stops: Mutex<Stops>,
    channels: Mutex<Channels>,
    /// Ends the waits of claims that are not sent yet.
    halted: CancellationToken,
}

/// What of the run stopped, and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Stops {
    pub run: Option<String>,
    pub channels: BTreeSet<String>,
}

impl Engine {
    /// Does one run. The report says how it ended; a run that could not be completed has a `problem`.
    ///
    /// # Errors
    /// [`RunError`] when the run could not even be opened or closed. What it claimed is resolved by the next run.
    pub async fn run(&self, request: &RunRequest, shutdown: &Shutdown) -> Result<RunReport, RunError> {
        let run = self.open(request, shutdown).await?;
        let ended = self.steps(&run).await;
        self.close(&run, ended).await
    }

    async fn steps(&self, run: &Run) -> Result<(), RunError> {
        self.probe(run).await?;
        self.resolve(run).await?;
        self.sweep_late(run).await?;
        self.refund(run).await?;
        if run.shutdown.requested() {
            return Ok(());
        }
        self.plan(run).await?;
        self.drain(run).await?;
        self.refund(run).await?;
        self.update_access(run).await
    }

    async fn open(&self, request: &RunRequest, shutdown: &Shutdown) -> Result<Run, RunError> {
        let now = self.store.now().await?;
        let zone = self.policy.zone;
        let row = NewRun {
            id: RunId(self.new_id()),
            trigger: request.trigger.clone(),
            business_date: request.business_date.unwrap_or_else(|| zone.date_of(now)),
            zone: zone.name().to_owned(),
            actor: request.actor.clone(),
            started_at: now,
        };
        let run = Run {
            id: row.id,
            business_date: row.business_date,
            only: (!request.only.is_empty()).then(|| request.only.clone()),
            charges_max: request.charges_max,
            report: Report::of(&row, zone),
            shutdown: shutdown.clone(),
            started: (now, self.clock.uptime()),
            stops: Mutex::default(),
            channels: Mutex::default(),
            halted: CancellationToken::new(),
        };
        self.store.open_run(&row).await?;
        tracing::info!(run.id = %run.id, business_date = %run.business_date, "run {} opened", run.id);
        Ok(run)
    }

    /// When the run started, by the database's clock: what is planned is due from then on, and not a moment later.
    pub(super) fn started(&self, run: &Run) -> DateTime<Utc> {
        run.started.0
    }

    /// The database's time, told from its last answer and our own stopwatch: no statement for every result.
    pub(super) fn now(&self, run: &Run) -> DateTime<Utc> {
        let (then, uptime) = run.started;
        let passed = self.clock.uptime().saturating_sub(uptime);
        // Whole microseconds, as both databases keep them: what is told is what is recorded.
        then + TimeDelta::microseconds(i64::try_from(passed.as_micros()).unwrap_or(0))
    }
}

impl Run {
    /// No new charge may start.
    pub fn is_stopping(&self) -> bool {
        self.shutdown.requested() || self.stops().run.is_some()
    }

    /// Waits until no new charge may start.
    pub async fn stopping(&self) {
        tokio::select! {
            biased;
            () = self.shutdown.wait() => {}
            () = self.halted.cancelled() => {}
        }
    }

    pub fn stops(&self) -> Stops {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn channels<T>(&self, look: impl FnOnce(&mut Channels) -> T) -> T {
        look(&mut self.channels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops all charging. The first reason is the one that is told.
    pub fn stop(&self, why: String) {
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        if stops.run.is_none() {
            tracing::error!(run.id = %self.id, "charging stops: {why}; what is due stays due");
            stops.run = Some(why);
            self.halted.cancel();
        }
    }

    /// Stops one channel; the others go on.
    pub fn stop_channel(&self, channel: &str, why: &str) {
        let mut stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        if stops.channels.insert(channel.to_owned()) {
            tracing::error!(run.id = %self.id, channel, "charging on {channel} stops: {why}; what is due stays due");
            self.report.channel_stopped(channel, why);
        }
    }
}
