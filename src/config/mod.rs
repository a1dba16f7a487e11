//! The settings: one struct a section, read once, before anything connects.
//!
//! `config/renewd.toml` is compiled in as the first layer, so it is the complete list of keys and cannot be wrong.
//! `layers` puts the file, the environment and flags over it and remembers where each value came from; `check`
//! holds the rules between keys. What does **not** live here: what a setting means for a renewal (`domain::Policy`),
//! and adapters; `app.rs` turns these values into theirs.

mod check;
mod environment;
mod error;
mod layers;
mod nearest;
mod notify;
mod pay;
mod secret;
mod server;
mod task;
mod text;
mod tree;
mod url;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::date::{TimeWindow, Zone};
use crate::domain::money::Currency;
use chrono::NaiveTime;
use serde::Deserialize;

pub use environment::Environment;
pub use error::{ConfigError, Origin};
pub use layers::{Flag, Given, Layers, Provenance};
pub use notify::Notify;
pub use pay::{IssueMethod, Pay};
pub use secret::{IdKey, MASK, Secret};
pub use server::{Role, Server, Token, Tokens};
pub use task::Task;
pub use url::{BaseUrl, CollectorUrl, DatabaseKind, DatabaseUrl, HookUrl};

/// Every setting, each valid by itself and beside the others. Safe to print with `Debug`: secrets are masked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub business: Business,
    pub database: Database,
    pub gateway: Gateway,
    pub charge: Charge,
    pub brakes: Brakes,
    pub dunning: Dunning,
    pub declines: Declines,
    pub lookahead: LookAhead,
    pub schedule: Schedule,
    pub notify: Notify,
    pub server: Server,
    pub pay: Pay,
    pub log: Log,
    /// Where each value came from, for people.
    #[serde(skip)]
    pub provenance: Provenance,
}

/// `[business]`: dates, and what happens at a period's end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Business {
    /// Business dates, anchor days and windows are meant in this zone.
    #[serde(deserialize_with = "text::zone")]
    pub zone: Zone,
    /// How many days before its period ends a subscription is charged.
    #[serde(rename = "renew_before", deserialize_with = "text::whole_days")]
    pub renew_before_days: u32,
    /// Ended longer ago than this: recorded as lapsed.
    #[serde(deserialize_with = "text::duration")]
    pub max_overdue: Duration,
    pub downgrade: Downgrade,
}

/// When a cancelled subscription falls to its fallback tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Downgrade {
    /// When what was paid for is over.
    AtPeriodEnd,
    /// At the next run, as soon as the cancellation is seen.
    AtRun,
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: DatabaseUrl,
    /// At least 2: settling has a connection of its own.
    pub pool_connections_max: u32,
}

/// `[gateway]`: PortOne.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub base_url: BaseUrl,
    /// Needed by the commands that call the gateway: see [`Gateway::require`].
    #[serde(deserialize_with = "text::optional")]
    pub api_secret: Option<Secret>,
    /// Needed by the commands that call the gateway: see [`Gateway::require`].
    #[serde(deserialize_with = "text::optional")]
    pub store_id: Option<String>,
    /// For billing keys that name no channel.
    #[serde(deserialize_with = "text::optional")]
    pub channel_key: Option<String>,
    #[serde(deserialize_with = "text::optional")]
    pub webhook_secret: Option<Secret>,
    /// Payments through a channel of the other type go to review.
    pub channel_type: ChannelType,
    /// `None`: made at migrate and kept in the database.
    #[serde(deserialize_with = "text::optional")]
    pub payment_id_key: Option<IdKey>,
    #[serde(deserialize_with = "text::duration")]
    pub connect_timeout: Duration,
    #[serde(deserialize_with = "text::duration")]
    pub first_byte_timeout: Duration,
    #[serde(deserialize_with = "text::duration")]
    pub call_timeout: Duration,
    pub body_bytes_max: usize,
    /// What KSNET wants to know.
    #[serde(deserialize_with = "text::optional")]
    pub product_type: Option<ProductType>,
    /// What Eximbay wants to know.
    #[serde(deserialize_with = "text::optional")]
    pub locale: Option<Locale>,
    /// Further from the gateway's clock than this, all charging is held.
    #[serde(deserialize_with = "text::duration")]
    pub clock_skew_max: Duration,
}

/// What the commands that call the gateway cannot do without.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    pub api_secret: &'a Secret,
    pub store_id: &'a str,
}

impl Gateway {
    /// The credentials, for the commands that call the gateway.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] with every key that was not given, and the names to give it by.
    pub fn require(&self) -> Result<Credentials<'_>, ConfigError> {
        match (&self.api_secret, &self.store_id) {
            (Some(api_secret), Some(store_id)) => Ok(Credentials { api_secret, store_id }),
            (secret, store) => {
                let missing = [("gateway.api_secret", secret.is_none()), ("gateway.store_id", store.is_none())];
                let keys = missing.iter().filter(|(_, is)| *is).map(|(key, _)| *key).collect();
                Err(ConfigError::Missing { keys })
            }
        }
    }

    /// Whether real money could move: true for every host that is not this machine. A test clock is refused then.
    pub fn is_real_gateway(&self) -> bool {
        !self.base_url.is_loopback()
    }
}

/// Which of a store's channels may take money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChannelType {
    Live,
    Test,
}

/// What is sold, in PortOne's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ProductType {
    Physical,
    Digital,
}

impl ProductType {
    /// PortOne's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Physical => "PHYSICAL",
            Self::Digital => "DIGITAL",
        }
    }
}

/// A language that PortOne knows.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Locale(String);

impl Locale {
    const KNOWN: [&str; 8] = ["KO_KR", "EN_US", "ZH_CN", "ZH_TW", "JA_JP", "RU_RU", "TH_TH", "VI_VN"];

    /// PortOne's word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Locale {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if Self::KNOWN.contains(&text.as_str()) {
            Ok(Self(text))
        } else {
            Err(format!("expected one of {}, or nothing", Self::KNOWN.join(", ")))
        }
    }
}

/// `[charge]`: how fast, when, and with which patience.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// Slots over all channels.
    pub concurrency: u32,
    /// Charges started a second over all channels; 0 is no limit.
    pub rate_per_second_max: u32,
    /// Limits of single channels, by channel key.
    pub channels: BTreeMap<String, Channel>,
    pub claim_rows_max: u32,
    #[serde(deserialize_with = "text::duration")]
    pub lease: Duration,
    /// From the claim, by a clock that counts suspended time.
    #[serde(deserialize_with = "text::duration")]
    pub send_within: Duration,
    /// Charges start only in these hours of the zone.
    #[serde(deserialize_with = "text::window")]
    pub window: TimeWindow,
    /// Nothing is sent in these hours of the zone.
    #[serde(deserialize_with = "text::window")]
    pub quiet: TimeWindow,
    pub repeats_max: u32,
    #[serde(deserialize_with = "text::duration")]
    pub repeats_within: Duration,
    pub claims_unsettled_max: u32,
    pub circuit_unknown_in_a_row: u32,
    /// Unanswered probes of an open circuit, a minute apart; 0 for none.
    pub circuit_probes_max: u32,
    /// From SIGTERM.
    #[serde(deserialize_with = "text::duration")]
    pub stop_within: Duration,
    pub settle_rows_max: u32,
    #[serde(deserialize_with = "text::duration")]
    pub settle_linger: Duration,
    pub refund_late_cancel: bool,
    pub refund_late: bool,
}

/// Limits of one channel; what is not given is only limited by `[charge]` itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    pub concurrency: Option<u32>,
    /// 0 is no limit.
    pub rate_per_second_max: Option<u32>,
}

/// `[brakes]`: what one run may do; 0 is off.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brakes {
    pub charges_max: u32,
    /// By currency, in minor units.
    #[serde(deserialize_with = "text::sums")]
    pub sums_max: BTreeMap<Currency, i64>,
    /// Over the busiest comparable day.
    pub growth_percent_max: u32,
    /// First charges that are never too many.
    pub growth_floor: u32,
    pub declines_percent_max: u32,
    pub declines_answers_min: u32,
}

/// `[dunning]`: the ladder after a decline.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dunning {
    /// Days after the first decline, rising.
    pub soft_days: Vec<u32>,
    #[serde(deserialize_with = "text::durations")]
    pub transient_after: Vec<Duration>,
    pub transient_per_day_max: u32,
    /// At most as many as `soft_days` has.
    pub unknown_rungs: u32,
    /// Days of the month on which money comes in; empty for none.
    pub pay_days: Vec<u8>,
    /// In the business zone.
    #[serde(deserialize_with = "text::time_of_day")]
    pub time_of_day: NaiveTime,
    #[serde(deserialize_with = "text::duration")]
    pub grace: Duration,
    /// Attempts of one renewal in `attempts_days`.
    pub attempts_max: u32,
    pub attempts_days: u32,
}

/// `[declines]`: tables in place of the built-in ones, and rows over them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declines {
    #[serde(deserialize_with = "text::optional")]
    pub codes_file: Option<PathBuf>,
    #[serde(deserialize_with = "text::optional")]
    pub messages_file: Option<PathBuf>,
    #[serde(deserialize_with = "text::optional")]
    pub aliases_file: Option<PathBuf>,
    #[serde(deserialize_with = "text::optional")]
    pub more_codes_file: Option<PathBuf>,
    #[serde(deserialize_with = "text::optional")]
    pub more_messages_file: Option<PathBuf>,
    #[serde(deserialize_with = "text::optional")]
    pub more_aliases_file: Option<PathBuf>,
}

/// `[lookahead]`: what is looked at, and told, before a period ends.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookAhead {
    /// Billing keys of subscriptions that end in so many business days; 0 asks about none.
    pub days: u32,
    /// Subscriptions that end in so many business days are told that they renew; 0 tells nobody.
    pub notice_days: u32,
    /// A payment schedule at the gateway for the same billing key sends the renewal to review.
    pub schedules: bool,
}

/// `[schedule]`: cron lines of the daemon, six fields each; `schedule.rs` reads them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    #[serde(deserialize_with = "text::non_empty")]
    pub renewals: String,
    #[serde(deserialize_with = "text::non_empty")]
    pub retries: String,
    #[serde(deserialize_with = "text::non_empty")]
    pub downgrades: String,
    #[serde(deserialize_with = "text::non_empty")]
    pub reconciliation: String,
    #[serde(deserialize_with = "text::non_empty")]
    pub look_ahead: String,
}

impl Schedule {
    /// Every line with the name of its setting.
    pub fn lines(&self) -> [(&'static str, &str); 5] {
        [
            ("schedule.renewals", &self.renewals),
            ("schedule.retries", &self.retries),
            ("schedule.downgrades", &self.downgrades),
            ("schedule.reconciliation", &self.reconciliation),
            ("schedule.look_ahead", &self.look_ahead),
        ]
    }
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A level, then levels of single modules.
    #[serde(deserialize_with = "text::log_level")]
    pub level: String,
    pub format: LogFormat,
    /// Where a request's trace is kept: without it, lines name the trace and not its place.
    #[serde(deserialize_with = "text::optional")]
    pub google_project: Option<String>,
    /// Who collects spans: without it, none are sent.
    #[serde(deserialize_with = "text::optional")]
    pub otlp_endpoint: Option<CollectorUrl>,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}
