//! One run, on one screen.
//!
//! 1. **Open** the run's row, and probe the gateway: does it take our credentials, and does the database remember what it
//!    took? Two runs at once are fine: they share the work.
//! 2. **Resolve** what an earlier process left open, before anything new; and look once more at what ended.
//! 3. **Plan**: every due subscription gets exactly one renewal, page by page.
//!    Then the **brakes**: more than one run may do is looked at by a person first.
//! 4. **Drain**: claim, charge, verify, settle, until nothing is due. A claim is committed before its request is sent;
//!    only a look-up decides; a period moves only with a verified payment. Where all that is due is too little for any
//!    brake, what is planned is charged while the rest is planned.
//!    A channel that stopped answering is left to the end, and tried again by one charge a minute.
//! 5. **Refund** what nobody wants to have paid: before the plan what an earlier run left, now what this one found.
//! 6. **Access**: who is past due, who is downgraded.
//! 7. **Close** with the figures.

use super::channel::Channels;
use super::coverage::Book;
use super::pace::Paces;
use super::reconcile::report::ReconcileReport;
use super::report::{Report, RunReport};
use super::restore::is_hold;
use super::{Engine, RunError, spans};
use crate::domain::brakes::{BrakeLimits, Charges, Override};
use crate::domain::event::EventKind;
use crate::domain::ids::{RenewalId, RunId, SubscriptionId};
use crate::shutdown::Shutdown;
use crate::store::NewRun;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

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
    /// Brakes that a person has let go.
    pub let_go: Option<Override>,
    /// How much of the work.
    pub scope: Scope,
}

/// Which part of a run's work is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    #[default]
    Whole,
    /// Only what an earlier run planned: look-ups, retries, refunds. No new renewal begins.
    Planned,
}

/// A run under way.
pub(super) struct Run {
    pub id: RunId,
    pub business_date: NaiveDate,
    pub only: Option<Vec<SubscriptionId>>,
    pub scope: Scope,
    /// What is found open is looked up and settled, and never sent again.
    pub looks_only: bool,
    /// The database may have been put back from a backup: what it says of cancellations may be old.
    suspects_restore: AtomicBool,
    pub report: Report,
    /// The dates before this one.
    pub book: Book,
    /// Those that are not let go.
    pub brakes: BrakeLimits,
    pub let_go: Option<Override>,
    pub paces: Paces,
    pub shutdown: Shutdown,
    /// The database's time when the run started, and our uptime then.
    started: (DateTime<Utc>, Duration),
    /// Held while a claim is under way: two of one run would pass over each other's rows, and each find too few.
    pub claiming: tokio::sync::Mutex<()>,
    /// Charges that may still be claimed; `None` for as many as are due.
    charges_left: Mutex<Option<u64>>,
    /// Renewals that wait until their billing key is back from another one's charge.
    waiting: Mutex<BTreeSet<RenewalId>>,
    /// Charges that were claimed and not given back.
    made: Mutex<Charges>,
    stops: Mutex<Stops>,
    channels: Mutex<Channels>,
    /// Ends the waits of claims that are not sent yet.
    halted: CancellationToken,
}

/// What of the run stopped, and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Stops {
    pub run: Option<String>,
    /// The event that says why, where there is one beside the run's own.
    pub told_by: Option<EventKind>,
    /// Stopped for the rest of the run.
    pub channels: BTreeSet<String>,
    /// Their circuits are open: they did not answer, and may be tried again.
    pub open: BTreeSet<String>,
    /// Of those the ones that a probe is let through to.
    pub probed: BTreeSet<String>,
}

impl Engine {
    /// Does one run. The report says how it ended; a run that could not be completed has a `problem`.
    ///
    /// # Errors
    /// [`RunError`] when the run could not even be opened or closed. What it claimed is resolved by the next run.
    pub async fn run(&self, request: &RunRequest, shutdown: &Shutdown) -> Result<RunReport, RunError> {
        let run = self.open(request, shutdown).await?;
        self.do_all(run).await
    }

    /// Does what was opened, and closes it.
    pub(super) async fn do_all(&self, mut run: Run) -> Result<RunReport, RunError> {
        let span = spans::run(run.id);
        let doing = async {
            let ended = self.steps(&mut run).await;
            self.close(&run, ended).await
        };
        doing.instrument(span).await
    }

    async fn steps(&self, run: &mut Run) -> Result<(), RunError> {
        // Three questions to the gateway, and none waits for another's answer: who is charged first need not wait for the
        // sum of them. Nothing is concluded from the listings while credentials are refused or clocks disagree.
        let ((), listed) = tokio::join!(self.probe(run), self.list_since_compared(run));
        self.check_clocks().await?;
        self.tell_override(run).await?;
        let compared = self.compare_unless_let_go(run, listed).await;
        // Not compared: this database may have forgotten who cancelled. Nothing is sent, but what was sent is looked up.
        run.looks_only = compared.is_err();
        self.resolve(run).await?;
        self.sweep_late(run).await?;
        let now = self.now(run);
        self.place_seen(run, &mut ReconcileReport::new(run, (now, now), now)).await?;
        match compared {
            // Charging stops; what needs no charge goes on.
            Err(RunError::Gateway(why)) => run.trip_comparison(&why),
            compared => compared?,
        }
        self.refund(run).await?;
        if run.shutdown.requested() {
            return Ok(());
        }
        self.plan_and_charge(run).await?;
        self.refund(run).await?;
        self.update_access(run).await?;
        if self.try_open_circuits(run).await? {
            self.refund(run).await?;
            self.update_access(run).await?;
        }
        Ok(())
    }

    pub(super) async fn open(&self, request: &RunRequest, shutdown: &Shutdown) -> Result<Run, RunError> {
        let (row, run) = self.new_run(request, shutdown).await?;
        self.store.open_run(&row).await?;
        self.opened(&run).await?;
        Ok(run)
    }

    /// A run and its row, which is to be written before anything else is done.
    pub(super) async fn new_run(&self, request: &RunRequest, shutdown: &Shutdown) -> Result<(NewRun, Run), RunError> {
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
        let book = self.book(row.business_date).await?;
        let let_go = request.let_go.clone();
        let brakes = &self.limits.brakes;
        let run = Run {
            id: row.id,
            business_date: row.business_date,
            only: (!request.only.is_empty()).then(|| request.only.clone()),
            scope: request.scope,
            looks_only: false,
            suspects_restore: AtomicBool::new(false),
            claiming: tokio::sync::Mutex::default(),
            charges_left: Mutex::new(request.charges_max),
            paces: Paces::new(&self.limits),
            report: Report::of(&row, zone, let_go.clone(), request.only.is_empty()),
            book,
            brakes: let_go.as_ref().map_or_else(|| brakes.clone(), |let_go| brakes.without(&let_go.brakes)),
            let_go,
            shutdown: shutdown.clone(),
            started: (now, self.clock.uptime()),
            waiting: Mutex::default(),
            made: Mutex::default(),
            stops: Mutex::default(),
            channels: Mutex::default(),
            halted: CancellationToken::new(),
        };
        Ok((row, run))
    }

    /// Its row is written.
    pub(super) async fn opened(&self, run: &Run) -> Result<(), RunError> {
        if self.store.switch().await?.paused.is_some_and(|paused| is_hold(&paused)) {
            run.suspect_restore();
        }
        tracing::info!(run.id = %run.id, business_date = %run.business_date, "run {} opened", run.id);
        Ok(())
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
    /// Money is not given back by rule now: a person looks at it first.
    pub fn refunds_wait(&self) -> bool {
        self.suspects_restore.load(Ordering::Acquire)
    }

    pub fn suspect_restore(&self) {
        self.suspects_restore.store(true, Ordering::Release);
    }

    /// No new charge may start.
    pub fn is_stopping(&self) -> bool {
        self.shutdown.requested() || self.lock_stops().run.is_some()
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
        self.lock_stops().clone()
    }

    pub fn channels<T>(&self, look: impl FnOnce(&mut Channels) -> T) -> T {
        look(&mut self.channels.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops all charging. The first reason is the one that is told.
    pub fn stop(&self, why: String) {
        self.stop_told_by(None, why);
    }

    /// Stops all charging, for a reason that an event of its own tells.
    pub fn stop_told_by(&self, told_by: Option<EventKind>, why: String) {
        let mut stops = self.lock_stops();
        if stops.run.is_none() {
            tracing::error!(run.id = %self.id, "charging stops: {why}; what is due stays due");
            (stops.run, stops.told_by) = (Some(why), told_by);
            self.halted.cancel();
        }
    }

    /// Stops all charging: the gateway does not take our credentials. Answers what is noted of it.
    pub fn stop_unauthorized(&self, why: &str) -> String {
        let why = format!("the gateway refused our credentials ({why})");
        self.stop_told_by(Some(EventKind::GatewayUnauthorized), why.clone());
        why
    }

    /// Nothing may be sent on this channel now.
    pub fn holds(&self, channel: &str) -> bool {
        let stops = self.lock_stops();
        stops.channels.contains(channel) || (stops.open.contains(channel) && !stops.probed.contains(channel))
    }

    /// The channels on which nothing may be sent now.
    pub fn held(&self) -> BTreeSet<String> {
        let stops = self.stops();
        let open = stops.open.into_iter().filter(|channel| !stops.probed.contains(channel));
        open.chain(stops.channels).collect()
    }

    /// The channel did not answer, and may be tried again.
    pub fn circuit_is_open(&self, channel: &str) -> bool {
        let stops = self.lock_stops();
        stops.open.contains(channel) && !stops.channels.contains(channel)
    }

    /// Opens a channel's circuit: it is tried again when the other channels are done.
    pub fn open_circuit(&self, channel: &str, why: &str) {
        if self.lock_stops().open.insert(channel.to_owned()) {
            tracing::error!(run.id = %self.id, channel, "the circuit of {channel} opens: {why}; what is due stays due");
            self.report.channel_stopped(channel, why);
        }
    }

    /// Lets charges through an open circuit, or no longer: whoever does claims one charge only.
    pub fn probe_circuit(&self, channel: &str, probes: bool) {
        let mut stops = self.lock_stops();
        if probes {
            stops.probed.insert(channel.to_owned());
        } else {
            stops.probed.remove(channel);
        }
    }

    /// The channel answered: it charges as before, unless what it answered stops it.
    pub fn close_circuit(&self, channel: &str) {
        let mut stops = self.lock_stops();
        stops.open.remove(channel);
        if stops.channels.contains(channel) {
            return;
        }
        self.report.channel_answers(channel);
        tracing::warn!(run.id = %self.id, channel, "{channel} answers again: what is due there is charged");
    }

    /// These renewals come again when what is under way is settled.
    pub fn wait_for_keys(&self, renewals: &[RenewalId]) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).extend(renewals);
    }

    /// The renewals that waited for their billing keys until now.
    pub fn take_waiting(&self) -> BTreeSet<RenewalId> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many charges the run may still claim; `None` for as many as are due.
    pub fn charges_left(&self) -> Option<u64> {
        *self.charges_left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn made<T>(&self, look: impl FnOnce(&mut Charges) -> T) -> T {
        look(&mut self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes up to `wanted` of the charges that the run may still make.
    pub fn reserve_charges(&self, wanted: u32) -> u32 {
        let mut left = self.charges_left.lock().unwrap_or_else(PoisonError::into_inner);
        let granted = left.map_or(wanted, |left| wanted.min(u32::try_from(left).unwrap_or(u32::MAX)));
        *left = left.map(|left| left.saturating_sub(u64::from(granted)));
        granted
    }

    /// Gives back what was reserved and not claimed.
    pub fn release_charges(&self, unused: u32) {
        let mut left = self.charges_left.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.map(|left| left.saturating_add(u64::from(unused)));
    }

    fn lock_stops(&self) -> MutexGuard<'_, Stops> {
        self.stops.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops one channel for the rest of the run; the others go on.
    pub fn stop_channel(&self, channel: &str, why: &str) {
        let mut stops = self.lock_stops();
        if stops.channels.insert(channel.to_owned()) {
            tracing::error!(run.id = %self.id, channel, "charging on {channel} stops: {why}; what is due stays due");
            self.report.channel_stopped(channel, why);
            self.report.channel_held(channel, why);
        }
    }
}
