//! `renewd demo`: the main job with nothing set up. The engine, the client and the database are the real ones; only the
//! gateway behind the HTTP and the clock are not.

mod world;

use super::error::{CliError, incomplete};
use super::figures::{run_rows, sum, thousands};
use super::output::{Mode, Output};
use super::progress::Bar;
use crate::app::App;
use crate::chance::Seeded;
use crate::clock::{Clock, SettableClock};
use crate::config::{Config, Flag, Layers};
use crate::engine::Engine;
use crate::engine::import::{self, ImportSettings};
use crate::engine::report::RunReport;
use crate::engine::run::RunRequest;
use crate::gateway::simulator::{ModelSettings, Simulator, SimulatorSettings};
use crate::shutdown::Shutdown;
use crate::store::Store;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The week of the demo: eight business days, and a run in the morning and in the afternoon of each.
const FIRST_DAY: (i32, u32, u32) = (2026, 1, 29);
const DAYS: u64 = 10;
const RUN_HOURS: [u32; 2] = [10, 14];
/// The new card comes on the third day.
const NEW_CARD_DAY: u64 = 3;
/// How long the simulated gateway takes for a charge.
const LATENCY: Duration = Duration::from_millis(20);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the demo's database is left behind; an earlier demo's is replaced.
    #[arg(long, value_name = "FILE", default_value = "renewd-demo.db")]
    database: PathBuf,
}

/// Everything that the demo runs on.
struct Demo {
    app: App,
    clock: SettableClock,
    store: Arc<dyn Store>,
    engine: Engine,
    simulator: Simulator,
    bar: Arc<Bar>,
}

pub async fn run(args: Args, output: &Output, shutdown: &Shutdown) -> Result<(), CliError> {
    replace(&args.database)?;
    let demo = set_up(&args.database, output).await?;
    let mut reports = Vec::new();
    for day in 0..DAYS {
        if day == NEW_CARD_DAY {
            demo.import(&world::new_card()).await?;
        }
        for hour in RUN_HOURS {
            if shutdown.requested() {
                return Err(incomplete("the demo was stopped"));
            }
            demo.clock.set(demo.instant(day, hour)?);
            let request =
                RunRequest { trigger: "demo".to_owned(), actor: demo.app.actor.clone(), ..RunRequest::default() };
            reports.push(demo.engine.run(&request, shutdown).await?);
        }
    }
    demo.bar.finish();
    let charges = demo.simulator.model().ledger().charges().len();
    let doubles = demo.doubles();
    demo.simulator.stop().await;
    if doubles > 0 {
        return Err(incomplete(format!("{doubles} payment(s) were charged twice: this must never happen")));
    }
    if output.mode == Mode::Json {
        return output.json(&reports);
    }
    show(&reports, charges, &args.database, output)
}

async fn set_up(database: &Path, output: &Output) -> Result<Demo, CliError> {
    let clock = SettableClock::at(DateTime::UNIX_EPOCH);
    let mut settings = SimulatorSettings::new(Arc::new(clock.clone()) as Arc<dyn Clock>);
    settings.model = ModelSettings { latency: LATENCY, ..ModelSettings::default() };
    let store_id = settings.model.store_id.clone();
    let simulator = Simulator::start(settings)
        .await
        .map_err(|err| incomplete("the built-in PortOne cannot listen on this machine").because(err))?;
    let config = config(database, &simulator.base_url(), &store_id)?;
    let app = App {
        zone: config.business.zone,
        config,
        clock: Arc::new(clock.clone()),
        chance: Arc::new(Seeded::new(1)),
        actor: "demo".to_owned(),
    };
    let store = app.database().await?;
    app.migrate(&*store).await?;
    let bar = Arc::new(Bar::new(output, "charging"));
    let mut engine = app.engine(Arc::clone(&store), Arc::clone(&bar) as _).await?;
    // The demo has no patience: what is unknown is looked up by the next run.
    engine.limits.sends_max = 2;
    let demo = Demo { app, clock, store, engine, simulator, bar };
    demo.clock.set(demo.instant(0, 9)?);
    demo.import(&world::lines()).await?;
    Ok(demo)
}

/// The defaults, whatever else is set on this machine.
fn config(database: &Path, base_url: &str, store_id: &str) -> Result<Config, CliError> {
    let flag = |key, value: String| Flag { name: "demo", key, value };
    let flags = vec![
        flag("database.url", format!("sqlite://{}", database.display())),
        flag("gateway.base_url", base_url.to_owned()),
        flag("gateway.store_id", store_id.to_owned()),
        flag("gateway.api_secret", "simulator-secret".to_owned()),
    ];
    Ok(Config::load(&Layers { flags, ..Layers::default() })?)
}

impl Demo {
    async fn import(&self, lines: &str) -> Result<(), CliError> {
        let settings = ImportSettings { zone: self.app.zone };
        let parsed =
            import::lines(lines, &settings).map_err(|bad| incomplete("the demo's own data is bad").because(bad))?;
        import::write(&*self.store, parsed)
            .await
            .map_err(|err| incomplete("the demo's own data is bad").because(err))?;
        Ok(())
    }

    fn instant(&self, day: u64, hour: u32) -> Result<DateTime<Utc>, CliError> {
        let (year, month, first) = FIRST_DAY;
        let date = NaiveDate::from_ymd_opt(year, month, first).and_then(|date| date.checked_add_days(Days::new(day)));
        let time = NaiveTime::from_hms_opt(hour, 0, 0);
        let (date, time) = date.zip(time).ok_or_else(|| incomplete("the demo's calendar ends here"))?;
        Ok(self.app.zone.at(date, time))
    }

    /// Payments that the gateway's own ledger holds more than once.
    fn doubles(&self) -> usize {
        let model = self.simulator.model();
        let ledger = model.ledger();
        ledger.charges().iter().filter(|charge| ledger.successes(&charge.payment_id) > 1).count()
    }
}

/// Takes away what an earlier demo left.
fn replace(database: &Path) -> Result<(), CliError> {
    for ending in ["", "-wal", "-shm"] {
        let path = PathBuf::from(format!("{}{ending}", database.display()));
        match std::fs::remove_file(&path) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => {
                return Err(incomplete(format!("{} cannot be replaced", path.display())).because(err));
            }
            _ => {}
        }
    }
    Ok(())
}

fn show(reports: &[RunReport], charges: usize, database: &Path, output: &Output) -> Result<(), CliError> {
    output.heading(&format!("{} subscriptions, {DAYS} business days, two runs a day", world::SUBSCRIPTIONS))?;
    let collected = |report: &RunReport| {
        let sums = report.amounts.iter().map(|(currency, minor)| sum(currency, *minor));
        sums.collect::<Vec<_>>().join(", ")
    };
    let busy = reports.iter().filter(|report| report.due + report.canceled + report.lapsed + report.downgraded > 0);
    let rows = busy.map(|report| {
        [
            report.started_at.with_timezone(&chrono_tz::Asia::Seoul).format("%m-%d %H:%M").to_string(),
            thousands(report.due),
            thousands(report.paid),
            collected(report),
            thousands(report.declined + report.failed),
            thousands(report.unknown),
            thousands(report.review),
            thousands(report.downgraded),
        ]
    });
    output.table(&["run", "due", "paid", "collected", "declined", "unknown", "review", "downgraded"], rows)?;
    output.heading("all runs")?;
    output.table(&["", "renewals"], run_rows(&RunReport::total(reports)))?;
    output.line(&format!(
        "\nThe gateway's own ledger holds {} charges, none of them twice.",
        thousands(charges as u64)
    ))?;
    let file = database.display();
    output.line(&format!("The database is left in {file}. Look into it:"))?;
    output.line(&format!("  DATABASE_URL=sqlite://{file} renewd status"))?;
    output.line(&format!("  DATABASE_URL=sqlite://{file} renewd show sub_{}", world::NEW_CARD))
}
