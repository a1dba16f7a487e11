//! `[notify]`: who is told of events, and how patiently.

use super::{HookUrl, Secret, text};
use serde::Deserialize;
use std::time::Duration;

/// `[notify]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// In messages to people.
    #[serde(deserialize_with = "text::non_empty")]
    pub installation: String,
    /// The API service's.
    #[serde(deserialize_with = "text::optional")]
    pub webhook_url: Option<HookUrl>,
    /// One, or two with a comma between.
    #[serde(deserialize_with = "text::optional")]
    pub webhook_secret: Option<Secret>,
    #[serde(deserialize_with = "text::optional")]
    pub slack_url: Option<HookUrl>,
    #[serde(deserialize_with = "text::optional")]
    pub pagerduty_key: Option<Secret>,
    pub pagerduty_url: HookUrl,
    #[serde(deserialize_with = "text::duration")]
    pub send_timeout: Duration,
    /// Per sink.
    pub messages_at_once: u32,
    pub tries_max: u32,
    #[serde(deserialize_with = "text::duration")]
    pub retry_first: Duration,
    #[serde(deserialize_with = "text::duration")]
    pub retry_longest: Duration,
    /// By `run`, after it closed; nothing for not at all.
    #[serde(deserialize_with = "text::duration")]
    pub deliver_within: Duration,
    /// Per sink for people.
    pub messages_per_hour_max: u32,
    pub decline_percent_max: u32,
    pub decline_charges_min: u32,
}
