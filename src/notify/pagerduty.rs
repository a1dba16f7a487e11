//! Whoever is on call, by PagerDuty's Events API v2.

use super::http::{Http, HttpLimits, SetupError, no_answer};
use super::words::words;
use super::{Message, Sink};
use crate::domain::date::Zone;
use crate::domain::delivery::{Reply, SinkName};
use async_trait::async_trait;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// 400: the event is wrong, or its routing key is; neither mends itself.
const FINAL: [u16; 1] = [400];
/// PagerDuty cuts or refuses what is longer: characters of a summary, bytes of details.
const SUMMARY_CHARS_MAX: usize = 1_000;
const DETAILS_BYTES_MAX: usize = 64 * 1_024;

/// Triggers incidents of one service.
pub struct PagerDutySink {
    http: Http,
    routing_key: SecretString,
    installation: String,
    /// Of the days that incidents are gathered by.
    zone: Zone,
}

impl PagerDutySink {
    /// # Errors
    /// [`SetupError`] for an address that is refused.
    pub fn new(
        url: &SecretString,
        routing_key: SecretString,
        (installation, zone): (&str, Zone),
        limits: HttpLimits,
    ) -> Result<Self, SetupError> {
        Ok(Self { http: Http::new(url, limits)?, routing_key, installation: installation.to_owned(), zone })
    }

    /// One incident per kind and business day: a hundred reviews, or a run that fails every quarter of an hour, wake
    /// somebody once; the day after, again.
    fn dedup_key(&self, message: &Message<'_>) -> String {
        format!("{}:{}:{}", self.installation, message.event.kind, self.zone.date_of(message.event.created_at))
    }

    fn body(&self, message: &Message<'_>) -> Value {
        let (event, words) = (message.event, words(message.event));
        let told = [Some(words.title), words.todo, words.command];
        let summary = told.into_iter().flatten().collect::<Vec<_>>().join(" → ");
        json!({
            "routing_key": self.routing_key.expose_secret(),
            "event_action": "trigger",
            "dedup_key": self.dedup_key(message),
            "client": "renewd",
            "payload": {
                "summary": summary.chars().take(SUMMARY_CHARS_MAX).collect::<String>(),
                "source": self.installation,
                // A run may be in order and its declines not.
                "severity": if event.kind == "run.completed" { "error" } else { message.severity.as_str() },
                "timestamp": event.created_at,
                "component": "renewd",
                "class": event.kind,
                "custom_details": details(&event.payload, &words.lines),
            },
        })
    }
}

fn details(payload: &Value, lines: &[String]) -> Value {
    if payload.to_string().len() > DETAILS_BYTES_MAX {
        json!({ "lines": lines })
    } else {
        json!({ "lines": lines, "event": payload })
    }
}

#[async_trait]
impl Sink for PagerDutySink {
    fn name(&self) -> SinkName {
        SinkName::Pagerduty
    }

    async fn send(&self, message: &Message<'_>) -> Reply {
        match self.http.post(HeaderMap::new(), self.body(message).to_string().into_bytes()).await {
            Ok(answer) => answer.reply_with_final(&FINAL),
            Err(why) => no_answer(why),
        }
    }
}
