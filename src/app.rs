//! The composition root: the one file that names adapters, and turns settings into what the engine understands.

use crate::chance::{Chance, Seeded};
use crate::clock::{Clock, SystemClock, TestClock};
use crate::config::{self, Config, ConfigError};
use crate::domain::brakes::{BrakeLimits, DeclineLimit, GrowthLimit};
use crate::domain::date::Zone;
use crate::domain::decline::{DeclineTables, Overlay};
use crate::domain::delivery::{Patience, Routing};
use crate::domain::dunning::DunningPolicy;
use crate::domain::pay_link::PayLinks;
use crate::domain::payment::ChannelType;
use crate::domain::payment_id::PaymentIdKey;
use crate::domain::policy::Policy;
use crate::engine::deliver::{DeliverLimits, Dispatcher};
use crate::engine::limits::{ChannelLimit, Limits};
use crate::engine::look_ahead::LookAheadRequest;
use crate::engine::meter::Unwatched;
use crate::engine::{Engine, Progress};
use crate::gateway::Gateway;
pub use crate::gateway::portone::install_tls;
use crate::gateway::portone::{PortOne, Settings};
use crate::notify::log::LogSink;
use crate::notify::pagerduty::PagerDutySink;
use crate::notify::slack::SlackSink;
use crate::notify::webhook::WebhookSink;
use crate::notify::{HttpLimits, Sink};
use crate::schedule::Line;
use crate::store::{Installation, Pinned, SchemaProblem, Store, StoreError, sql};
use crate::webhook::signature::Secrets;
use anyhow::{Context, Result, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The program with its settings and its clock; connects to nothing before it is asked.
pub struct App {
    pub config: Config,
    pub zone: Zone,
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    /// Who started it: recorded with every run.
    pub actor: String,
}

/// This set-up must not run: a person must change something.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("--clock is a test clock, and {host} is a real gateway: real money is charged by the real time only")]
    TestClock { host: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "this database belongs to store {} with {} channels, the settings say {} and {}: a test set-up must never meet live data",
        pinned.store_id, pinned.channel_type, wanted.store_id, wanted.channel_type
    )]
    OtherStore { pinned: Pinned, wanted: Pinned },
    #[error(
        "gateway.payment_id_key is not the key that this database was made with: under other payment ids the gateway could not refuse a second charge"
    )]
    OtherKey,
}

impl App {
    /// Checks what no single setting can check.
    ///
    /// # Errors
    /// [`SetupError`]: nothing was connected to.
    pub fn new(config: Config, test_clock: Option<DateTime<Utc>>, actor: String) -> Result<Self, SetupError> {
        let zone = config.business.zone;
        for (key, line) in config.schedule.lines() {
            Line::parse(line, zone).map_err(|bad| config.provenance.refuse(key, bad.to_string()))?;
        }
        let clock: Arc<dyn Clock> = match test_clock {
            Some(_) if config.gateway.is_real_gateway() => {
                return Err(SetupError::TestClock { host: config.gateway.base_url.as_str().to_owned() });
            }
            Some(start) => Arc::new(TestClock::starting_at(start)),
            None => Arc::new(SystemClock),
        };
        Ok(Self { config, zone, clock, chance: Arc::new(Seeded::from_machine()), actor })
    }

    /// Connects to the database, whatever its schema.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] above all.
    pub async fn database(&self) -> Result<Arc<dyn Store>, StoreError> {
        let database = &self.config.database;
        let url = secrecy::SecretString::from(database.url.expose().to_owned());
        Ok(Arc::new(sql::connect(&url, database.pool_connections_max, Arc::clone(&self.clock)).await?))
    }

    /// Connects to a database whose schema this version can work with.
    ///
    /// # Errors
    /// As [`App::database`], and [`StoreError::Schema`].
    pub async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        // Opening would make the file: only `migrate` makes a database.
        if let Some(file) = self.sqlite_file().filter(|file| !file.exists()) {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string();
            return Err(StoreError::Schema(SchemaProblem::NoFile { file }));
        }
        let store = self.database().await?;
        store.check_schema().await?;
        Ok(store)
    }

    /// The file of a SQLite database, where its URL plainly says which.
    pub fn sqlite_file(&self) -> Option<&Path> {
        sqlite_file(self.config.database.url.expose())
    }

    /// Creates or upgrades the tables.
    ///
    /// # Errors
    /// As [`App::database`], and [`StoreError::Schema`] where the database is newer than this version.
    pub async fn migrate(&self, store: &dyn Store) -> Result<crate::store::Migrated, StoreError> {
        let given = self.config.gateway.payment_id_key.as_ref();
        let key = given.map(|key| data_encoding::HEXLOWER.encode(key.expose()).into());
        store.migrate(key).await
    }

    /// The engine over the real client. Pins the database to the configured store on its first use.
    ///
    /// # Errors
    /// [`ConfigError`] where credentials are missing, [`SetupError`] where the database belongs to another store.
    pub async fn engine(&self, store: Arc<dyn Store>, progress: Arc<dyn Progress>) -> Result<Engine> {
        store.pin(&self.wanted()?).await?;
        self.engine_for_preview(store, progress).await
    }

    /// The same engine, for looking only: a database that belongs to no store yet stays without one.
    ///
    /// # Errors
    /// As [`App::engine`].
    pub async fn engine_for_preview(&self, store: Arc<dyn Store>, progress: Arc<dyn Progress>) -> Result<Engine> {
        let credentials = self.config.gateway.require()?;
        let (installation, wanted) = (store.installation().await?, self.wanted()?);
        if let Some(pinned) = installation.pinned.clone().filter(|pinned| *pinned != wanted) {
            return Err(SetupError::OtherStore { pinned, wanted }.into());
        }
        if !self.has_key_of(&installation) {
            return Err(SetupError::OtherKey.into());
        }
        let gateway = self.gateway(&credentials)?;
        Ok(Engine {
            gateway,
            clock: Arc::clone(&self.clock),
            chance: Arc::clone(&self.chance),
            policy: Arc::new(policy(&self.config, &installation)?),
            limits: limits(&self.config),
            progress,
            meter: Arc::new(Unwatched),
            store,
        })
    }

    /// Whether payment ids are derived by the key that the database was made with; true where the settings give none.
    pub fn has_key_of(&self, installation: &Installation) -> bool {
        let given = self.config.gateway.payment_id_key.as_ref();
        given.is_none_or(|key| {
            data_encoding::HEXLOWER.encode(key.expose()) == installation.payment_id_key.expose_secret()
        })
    }

    /// Links by which customers give a new card; `None` where the settings name no address for them.
    ///
    /// # Errors
    /// When the database's id key cannot be read: links are signed with a key of its own that is derived from it.
    pub fn pay_links(&self, installation: &Installation) -> Result<Option<PayLinks>> {
        let pay = &self.config.pay;
        let Some(base_url) = &pay.base_url else { return Ok(None) };
        let key = payment_id_key(&self.config, installation)?;
        Ok(Some(PayLinks::new(&key, base_url.as_str(), delta(pay.link_valid))))
    }

    /// Delivers events to the sinks that the settings name. Needs no gateway. Keep it: it remembers which sinks rest.
    ///
    /// # Errors
    /// [`ConfigError`] for an address or a secret that a sink refuses; an HTTP client that cannot be built; a database
    /// that does not answer.
    pub async fn dispatcher(&self, store: Arc<dyn Store>) -> Result<Dispatcher> {
        let links = self.pay_links(&store.installation().await?)?;
        let world = (store, Arc::clone(&self.clock), Arc::clone(&self.chance));
        let notify = &self.config.notify;
        let routing = Routing {
            sinks: BTreeSet::new(), // those that are built below
            decline_percent_max: notify.decline_percent_max,
            decline_charges_min: u64::from(notify.decline_charges_min),
            messages_per_hour_max: notify.messages_per_hour_max,
        };
        let limits = DeliverLimits {
            concurrency: notify.messages_at_once,
            send_timeout: notify.send_timeout,
            patience: Patience {
                tries_max: notify.tries_max,
                first: notify.retry_first,
                longest: notify.retry_longest,
            },
        };
        Ok(Dispatcher::new(world, self.sinks(links)?, routing, limits))
    }

    fn sinks(&self, links: Option<PayLinks>) -> Result<Vec<Arc<dyn Sink>>> {
        let notify = &self.config.notify;
        let limits = HttpLimits { timeout: notify.send_timeout };
        let secret = |text: &str| secrecy::SecretString::from(text.to_owned());
        let refuse = |key: &'static str| {
            move |err: crate::notify::SetupError| self.config.provenance.refuse(key, err.to_string())
        };
        let mut sinks: Vec<Arc<dyn Sink>> = vec![Arc::new(LogSink)];
        if let (Some(url), Some(secrets)) = (&notify.webhook_url, &notify.webhook_secret) {
            let sink = WebhookSink::new(&secret(url.expose()), &secret(secrets.expose()), links, limits);
            sinks.push(Arc::new(sink.map_err(refuse("notify.webhook_secret"))?));
        }
        if let Some(url) = &notify.slack_url {
            let sink = SlackSink::new(&secret(url.expose()), &notify.installation, limits);
            sinks.push(Arc::new(sink.map_err(refuse("notify.slack_url"))?));
        }
        if let Some(key) = &notify.pagerduty_key {
            let (url, named) = (secret(notify.pagerduty_url.expose()), (notify.installation.as_str(), self.zone));
            let sink = PagerDutySink::new(&url, secret(key.expose()), named, limits);
            sinks.push(Arc::new(sink.map_err(refuse("notify.pagerduty_url"))?));
        }
        Ok(sinks)
    }

    /// What PortOne signs its messages with; `None` where they are not taken.
    ///
    /// # Errors
    /// [`ConfigError`] for a text that holds no secret.
    pub fn webhook_secrets(&self) -> Result<Option<Secrets>, ConfigError> {
        let Some(text) = &self.config.gateway.webhook_secret else { return Ok(None) };
        let secrets = Secrets::parse(text.expose());
        secrets.map(Some).map_err(|why| self.config.provenance.refuse("gateway.webhook_secret", why.to_string()))
    }

    /// Whose database the settings say that this is.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without credentials.
    pub fn wanted(&self) -> Result<Pinned, ConfigError> {
        Ok(Pinned {
            store_id: self.config.gateway.require()?.store_id.to_owned(),
            channel_type: channel_type(&self.config).as_str().to_owned(),
        })
    }

    /// Which channels may take money, by the settings.
    pub fn channel_type(&self) -> ChannelType {
        channel_type(&self.config)
    }

    /// What declines mean: built in, or from the files that are set.
    ///
    /// # Errors
    /// A file that cannot be read, or that is no such table.
    pub fn decline_tables(&self) -> Result<DeclineTables> {
        decline_tables(&self.config.declines)
    }

    /// The real client; nothing is connected to yet.
    ///
    /// # Errors
    /// When a setting is refused, or the machine has no root certificates.
    pub fn gateway(&self, credentials: &config::Credentials<'_>) -> Result<Arc<dyn Gateway>> {
        let gateway = &self.config.gateway;
        let settings = Settings {
            base_url: gateway.base_url.as_str().to_owned(),
            api_secret: credentials.api_secret.expose().to_owned().into(),
            store_id: credentials.store_id.to_owned(),
            product_type: gateway.product_type.map(|kind| kind.as_str().to_owned()),
            locale: gateway.locale.as_ref().map(|locale| locale.as_str().to_owned()),
            connect_timeout: gateway.connect_timeout,
            first_byte_timeout: gateway.first_byte_timeout,
            call_timeout: gateway.call_timeout,
            body_bytes_max: gateway.body_bytes_max,
        };
        let client = PortOne::new(settings, Arc::clone(&self.clock)).map_err(|err| anyhow!("gateway: {err}"))?;
        Ok(Arc::new(client))
    }
}

/// The file of a SQLite URL; `None` where the URL does not plainly say which (memory, escapes) or is another database's.
fn sqlite_file(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path).split('?').next()?;
    (!path.is_empty() && !path.contains([':', '%'])).then(|| Path::new(path))
}

/// The settings that decisions read.
///
/// # Errors
/// A decline table that cannot be read, or an id key that is none.
pub fn policy(config: &Config, installation: &Installation) -> Result<Policy> {
    let gateway = &config.gateway;
    Ok(Policy {
        zone: config.business.zone,
        renew_before_days: config.business.renew_before_days,
        max_overdue: delta(config.business.max_overdue),
        grace: delta(config.dunning.grace),
        downgrade_at_run: config.business.downgrade == config::Downgrade::AtRun,
        window: config.charge.window,
        quiet: config.charge.quiet,
        dunning: dunning(config)?,
        declines: Arc::new(decline_tables(&config.declines)?),
        payment_id_key: payment_id_key(config, installation)?,
        store_id: gateway.store_id.clone().unwrap_or_default(),
        channel_type: channel_type(config),
        channel_key: gateway.channel_key.clone(),
        product_type: gateway.product_type.map(|kind| kind.as_str().to_owned()),
        locale: gateway.locale.as_ref().map(|locale| locale.as_str().to_owned()),
        refund_late: config.charge.refund_late,
        refund_late_cancel: config.charge.refund_late_cancel,
        claims_unsettled_max: config.charge.claims_unsettled_max,
    })
}

fn payment_id_key(config: &Config, installation: &Installation) -> Result<PaymentIdKey> {
    match &config.gateway.payment_id_key {
        Some(key) => Ok(PaymentIdKey::new(*key.expose())),
        None => PaymentIdKey::from_hex(installation.payment_id_key.expose_secret())
            .context("the database's id key cannot be read: restore the row of `installation` from a backup"),
    }
}

fn channel_type(config: &Config) -> ChannelType {
    match config.gateway.channel_type {
        config::ChannelType::Live => ChannelType::Live,
        config::ChannelType::Test => ChannelType::Test,
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

fn dunning(config: &Config) -> Result<DunningPolicy> {
    let dunning = &config.dunning;
    Ok(DunningPolicy {
        soft_days: dunning.soft_days.clone(),
        transient_after: dunning.transient_after.iter().map(|after| delta(*after)).collect(),
        transient_per_day_max: dunning.transient_per_day_max,
        unknown_rungs: dunning.unknown_rungs as usize,
        time_of_day: dunning.time_of_day,
        window: config.charge.window,
        quiet: config.charge.quiet,
        attempts_max: dunning.attempts_max,
        attempts_days: dunning.attempts_days,
        pay_days: dunning.pay_days.clone(),
    })
}

fn decline_tables(files: &config::Declines) -> Result<DeclineTables> {
    let read = |file: &Option<std::path::PathBuf>| file.as_deref().map(read_table).transpose();
    let whole = [read(&files.codes_file)?, read(&files.messages_file)?, read(&files.aliases_file)?];
    let tables = if whole.iter().all(Option::is_none) {
        DeclineTables::built_in()?
    } else {
        let [codes, messages, aliases] = &whole;
        DeclineTables::parse(
            codes.as_deref().unwrap_or(include_str!("../config/decline-codes.csv")),
            messages.as_deref().unwrap_or(include_str!("../config/decline-messages.csv")),
            aliases.as_deref().unwrap_or(include_str!("../config/decline-aliases.csv")),
        )?
    };
    let [codes, messages, aliases] =
        [read(&files.more_codes_file)?, read(&files.more_messages_file)?, read(&files.more_aliases_file)?];
    let overlay = Overlay { codes: codes.as_deref(), messages: messages.as_deref(), aliases: aliases.as_deref() };
    Ok(tables.overlaid(&overlay)?)
}

fn read_table(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("the decline table {} cannot be read", path.display()))
}

/// How far to look ahead, asked for by `trigger`.
pub fn look_ahead(config: &Config, trigger: &str, actor: &str) -> LookAheadRequest {
    let look_ahead = &config.lookahead;
    LookAheadRequest {
        trigger: trigger.to_owned(),
        actor: actor.to_owned(),
        days: look_ahead.days,
        notice_days: look_ahead.notice_days,
        schedules: look_ahead.schedules,
    }
}

/// The bounds of a run.
pub fn limits(config: &Config) -> Limits {
    let charge = &config.charge;
    let rate = |rate: u32| (rate > 0).then_some(rate);
    let channel = |limit: &config::Channel| ChannelLimit {
        concurrency: limit.concurrency.map(|slots| slots as usize),
        rate_per_second_max: limit.rate_per_second_max.and_then(rate),
    };
    Limits {
        concurrency: charge.concurrency as usize,
        rate_per_second_max: rate(charge.rate_per_second_max),
        channels: charge.channels.iter().map(|(name, limit)| (name.clone(), channel(limit))).collect(),
        claim_rows_max: charge.claim_rows_max,
        lease: charge.lease,
        send_within: charge.send_within,
        call_timeout: config.gateway.call_timeout,
        sends_max: charge.repeats_max,
        repeats_within: charge.repeats_within,
        settle_rows_max: charge.settle_rows_max as usize,
        settle_linger: charge.settle_linger,
        circuit_unknown_in_a_row: charge.circuit_unknown_in_a_row,
        circuit_probes_max: charge.circuit_probes_max,
        clock_skew_max: config.gateway.clock_skew_max,
        brakes: brakes(&config.brakes),
        ..Limits::default()
    }
}

fn brakes(settings: &config::Brakes) -> BrakeLimits {
    let growth = GrowthLimit { percent_max: settings.growth_percent_max, floor: u64::from(settings.growth_floor) };
    let declines =
        DeclineLimit { percent_max: settings.declines_percent_max, answers_min: settings.declines_answers_min };
    BrakeLimits {
        charges_max: (settings.charges_max > 0).then_some(u64::from(settings.charges_max)),
        sums_max: settings.sums_max.clone(),
        growth: (growth.percent_max > 0).then_some(growth),
        declines: (declines.percent_max > 0).then_some(declines),
    }
}
