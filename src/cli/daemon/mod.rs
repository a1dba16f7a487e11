//! `renewd daemon`: the jobs of [`jobs`] on their cron lines, each kept by [`keeper`], until it is told to stop.
//!
//! Nobody leads: two daemons on one database do the same work beside each other, as two runs do, and share it row by row.
//! A tick only wakes a job, and the job looks at the tables, so a tick that is lost, late or doubled costs time or an
//! empty look, never a charge.

mod jobs;
mod keeper;
mod site;

use super::error::{CliError, incomplete};
use super::figures::local;
use crate::app::{self, App};
use crate::engine::deliver::Dispatcher;
use crate::engine::{Engine, Silent};
use crate::http::{self, Door, ListenError, Listening, Site};
use crate::schedule::{Line, Ticks, Wakes};
use crate::shutdown::Shutdown;
use crate::store::StoreError;
use crate::systemd::Systemd;
use crate::version;
use jobs::{Job, Work};
use keeper::{Bell, Keeper, Waits};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How often the lines are looked at without anybody being woken: what the scheduler lost is found within this.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Beside `charge.stop_within`, for closing the runs' rows.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct Args {}

/// One job: its line, as far as it was followed, and the bell that starts it.
struct Rung {
    job: Job,
    ticks: Ticks,
    bell: Arc<Bell>,
}

/// All that is rung.
struct Rungs {
    by_line: Vec<Rung>,
    /// For what the others did, and at every look for what other processes did.
    events: Arc<Bell>,
    /// For what the gateway told, and at every look for what could not be looked into before.
    webhooks: Arc<Bell>,
    /// Notified when something came due that should not wait for its tick.
    soon: Arc<Notify>,
}

pub async fn run(_: &Args, app: &Arc<App>, systemd: Systemd, shutdown: &Shutdown) -> Result<(), CliError> {
    app.config.gateway.require()?;
    let door = Door::new(app.config.server.clone(), Arc::clone(&app.clock));
    // Before there is a database: whoever probes learns what is missing.
    tracing::info!(version = version::NUMBER, commit = version::COMMIT, "renewd {}", version::WHOLE);
    let listening = listen(&door).await?;
    let kept = keep(app, &door, systemd, shutdown).await;
    if let Some(listening) = listening {
        listening.stop(shutdown.time_left().unwrap_or_default() + CLOSE_WITHIN).await;
    }
    kept
}

async fn listen(door: &Arc<Door>) -> Result<Option<Listening>, CliError> {
    let Some(address) = door.settings.listen else { return Ok(None) };
    let listening = Listening::start(address, door).await?;
    tracing::info!("listening on http://{}", listening.address);
    Ok(Some(listening))
}

impl From<ListenError> for CliError {
    fn from(error: ListenError) -> Self {
        incomplete("the daemon cannot start")
            .because(error)
            .money("nothing was charged")
            .hint("set server.listen to an address and port of this machine that is free, or to \"\" to listen nowhere")
    }
}

/// All jobs, until it is told to stop.
async fn keep(app: &Arc<App>, door: &Arc<Door>, systemd: Systemd, shutdown: &Shutdown) -> Result<(), CliError> {
    let Some((engine, dispatcher)) = connected(app, &systemd, shutdown).await? else { return Ok(()) };
    let (engine, charging) = (Arc::new(site::watched(engine, door)), Arc::new(Mutex::new(())));
    let (charge_soon, webhooks) = (Arc::<Notify>::default(), Arc::<Bell>::default());
    door.open(Site {
        engine: Arc::clone(&engine),
        zone: app.zone,
        charging: Arc::clone(&charging),
        charge_soon: Arc::clone(&charge_soon),
        work: http::Work::new(shutdown.clone(), app.config.server.request_timeout),
        pay: site::pay_page(app, &engine).await?,
        webhooks: site::webhooks(app, &engine, &webhooks)?,
    });
    let look_ahead = app::look_ahead(&app.config, jobs::RENEWALS, &app.actor);
    let (actor, shutdown_too) = (app.actor.clone(), shutdown.clone());
    let soon = Arc::clone(&charge_soon);
    let work = Arc::new(Work { engine, dispatcher, look_ahead, actor, charge_soon, shutdown: shutdown_too });
    let lines = lines(app)?;
    let (mut rungs, mut keepers) = start(app, &work, &lines, (&charging, &webhooks));
    rungs.soon = soon;
    ring_for_what_was_missed(app, &work, &lines, &rungs.by_line).await;
    let sleeper = Arc::new(Notify::new());
    let each: Vec<&Line> = lines.iter().map(|(_, line)| line).collect();
    let wakes = Wakes::start(&each, &sleeper)
        .await
        .map_err(|err| incomplete("the daemon cannot start").because(err).money("nothing was charged"))?;
    let next = told_next(app, &lines);
    tracing::info!("the daemon is up; next in {}: {next}", app.zone.name());
    systemd.ready(&next);
    let ended = watch(app, (door, &systemd, shutdown), &sleeper, &mut rungs, &mut keepers).await;
    systemd.stopping(shutdown.time_left().unwrap_or_default() + CLOSE_WITHIN);
    // Whatever ended it: no keeper starts anything more.
    shutdown.request();
    wakes.stop().await;
    let left = shutdown.time_left().unwrap_or_default() + CLOSE_WITHIN;
    tokio::join!(stop(&mut keepers, shutdown), door.end(left));
    ended
}

/// A keeper for each line, and one each for events and webhooks, which have none: they go on all the time.
fn start(
    app: &App,
    work: &Arc<Work>,
    lines: &[(Job, Line)],
    (charging, webhooks): (&Arc<Mutex<()>>, &Arc<Bell>),
) -> (Rungs, JoinSet<()>) {
    let (mut by_line, mut keepers, events) = (Vec::new(), JoinSet::new(), Arc::new(Bell::default()));
    let keeper = |name, bell: &Arc<Bell>, then| Keeper {
        name,
        bell: Arc::clone(bell),
        lane: Arc::default(),
        waits: Waits::default(),
        then,
        shutdown: work.shutdown.clone(),
    };
    for (job, line) in lines {
        let bell = Arc::new(Bell::default());
        let mut keeper = keeper(job.name(), &bell, Some(Arc::clone(&events)));
        if job.charges() {
            keeper.lane = Arc::clone(charging);
        }
        let (work, job) = (Arc::clone(work), *job);
        keepers.spawn(async move { keeper.keep(|| work.perform(job)).await });
        by_line.push(Rung { job, ticks: Ticks::from(line.clone(), app.clock.now()), bell });
    }
    let (hearing, hears) = (keeper("webhooks", webhooks, Some(Arc::clone(&events))), Arc::clone(work));
    keepers.spawn(async move { hearing.keep(|| hears.hear()).await });
    let (keeper, work) = (keeper("events", &events, None), Arc::clone(work));
    keepers.spawn(async move { keeper.keep(|| work.deliver_events()).await });
    (Rungs { by_line, events, webhooks: Arc::clone(webhooks), soon: Arc::default() }, keepers)
}

/// The engine, and who tells of what it does, as soon as there is a database; `None` when it was told to stop before.
async fn connected(
    app: &App,
    systemd: &Systemd,
    shutdown: &Shutdown,
) -> Result<Option<(Engine, Dispatcher)>, CliError> {
    let (mut waits, mut was_away) = (Waits::default(), false);
    loop {
        let connected = tokio::select! {
            biased;
            () = shutdown.wait() => return Ok(None),
            connected = connect(app) => connected,
        };
        let error = match connected {
            Ok(connected) => {
                if was_away {
                    tracing::info!("the database is back");
                }
                return Ok(Some(connected));
            }
            Err(error) => error,
        };
        let Some(away) = error.downcast_ref::<StoreError>().filter(|error| jobs::passes(error)) else {
            return Err(error.into());
        };
        was_away = true;
        let wait = waits.next();
        tracing::warn!("{away}; nothing is charged meanwhile: {}; trying again in {} s", away.todo(), wait.as_secs());
        systemd.still_starting(wait + LOOK_EVERY, "waiting for the database");
        tokio::select! {
            biased;
            () = shutdown.wait() => return Ok(None),
            () = app.clock.sleep(wait) => {}
        }
    }
}

async fn connect(app: &App) -> anyhow::Result<(Engine, Dispatcher)> {
    let store = app.store().await?;
    // First of all: a sink that is set up wrongly is found before anything is charged.
    let dispatcher = app.dispatcher(Arc::clone(&store)).await?;
    Ok((app.engine(store, Arc::new(Silent)).await?, dispatcher))
}

/// Each job's line; read once before, when the settings were.
fn lines(app: &App) -> Result<Vec<(Job, Line)>, CliError> {
    let of = |job: Job| {
        let (key, text) = job.setting(&app.config.schedule);
        let line = Line::parse(text, app.zone).map_err(|bad| app.config.provenance.refuse(key, bad.to_string()))?;
        Ok((job, line))
    };
    Job::ALL.into_iter().map(of).collect()
}

/// What the tables do not show as done today is done now; where they cannot be read, everything is.
async fn ring_for_what_was_missed(app: &App, work: &Work, lines: &[(Job, Line)], rungs: &[Rung]) {
    let runs = work.engine.store.runs(jobs::RUNS_READ).await.unwrap_or_default();
    for ((job, line), rung) in lines.iter().zip(rungs) {
        match job.done_by(&runs) {
            // A look that finds nothing costs nothing.
            None => rung.bell.ring(),
            Some(done) => {
                if let Some(missed) = line.missed(app.clock.now(), &done) {
                    tracing::warn!("{} of {} were missed: they start now", job.name(), local(missed, app.zone));
                    rung.bell.ring();
                }
            }
        }
    }
}

fn told_next(app: &App, lines: &[(Job, Line)]) -> String {
    let next = |(job, line): &(Job, Line)| {
        let at = line.next(app.clock.now()).map_or_else(|| "never".to_owned(), |at| local(at, app.zone));
        format!("{} {at}", job.name())
    };
    lines.iter().map(next).collect::<Vec<_>>().join(", ")
}

/// Rings for every line that comes due, and tells the watchdog that tasks are still taken up.
///
/// # Errors
/// When a keeper ended, which none does before it is told to: whoever started the daemon starts it again.
async fn watch(
    app: &App,
    (door, systemd, shutdown): (&Door, &Systemd, &Shutdown),
    sleeper: &Notify,
    rungs: &mut Rungs,
    keepers: &mut JoinSet<()>,
) -> Result<(), CliError> {
    let soon = Arc::clone(&rungs.soon);
    let every = systemd.watchdog().map_or(LOOK_EVERY, |limit| LOOK_EVERY.min(limit / 3));
    let mut looks = tokio::time::interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.wait() => return Ok(()),
            Some(ended) = keepers.join_next() => return Err(lost(ended)),
            _ = looks.tick() => {}
            () = sleeper.notified() => {}
            () = soon.notified() => rungs.by_line.iter().filter(|rung| rung.job == Job::Retries).for_each(|rung| rung.bell.ring()),
        }
        let now = app.clock.now();
        for rung in &mut rungs.by_line {
            if rung.ticks.came_due(now) {
                rung.bell.ring();
            }
        }
        rungs.events.ring();
        rungs.webhooks.ring();
        door.pulse.beat(&*app.clock);
        // Through the workers and not past them: a daemon whose workers all hang must not look alive.
        if tokio::spawn(async {}).await.is_ok() {
            systemd.alive();
        }
    }
}

fn lost(ended: Result<(), tokio::task::JoinError>) -> CliError {
    let error = incomplete("a job of the daemon ended by itself")
        .money("what was charged and not recorded yet is looked up by the next run; nothing is charged twice")
        .hint("start the daemon again, and report this: it is a bug");
    match ended {
        Err(why) => error.because(why),
        Ok(()) => error,
    }
}

/// Waits for what is under way, for a bounded time. A claim that is left keeps its lease, and the next run looks up what
/// became of it.
async fn stop(keepers: &mut JoinSet<()>, shutdown: &Shutdown) {
    let limit = shutdown.time_left().unwrap_or_default() + CLOSE_WITHIN;
    let all_ended = async { while keepers.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, all_ended).await.is_err() {
        tracing::error!(
            "{} job(s) did not end in time and are left: what they claimed is looked up after its lease",
            keepers.len()
        );
        keepers.abort_all();
        return;
    }
    tracing::info!("the daemon has stopped; nothing is under way");
}
