//! The port to whoever is told: one message at a time, and a plain answer whether it was taken.
//!
//! What does not live here: no retry, no order, no choice of who is told. `domain::delivery` decides that, and
//! `engine::deliver` keeps it.
//!
//! | file | whom it tells |
//! | --- | --- |
//! | `log.rs` | whoever reads the logs; always on |
//! | `webhook.rs` | the API service, by the Standard Webhooks convention |
//! | `slack.rs` | operations |
//! | `pagerduty.rs` | whoever is on call |
//! | `words.rs` | what people are told: what happened, how much money, what to do; pure |
//! | `http.rs` | one POST within its limits |

mod http;
pub mod log;
pub mod pagerduty;
pub mod slack;
pub mod webhook;
mod words;

use crate::domain::delivery::{Reply, Severity, SinkName, Told};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub use http::{HttpLimits, SetupError};

/// An event on its way to one sink.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub event: &'a Told,
    pub severity: Severity,
    /// When it is sent: now.
    pub at: DateTime<Utc>,
}

/// Somebody who is told of events.
#[async_trait]
pub trait Sink: Send + Sync {
    fn name(&self) -> SinkName;

    /// Sends one message once, within a bounded time. The same message may come again, under the same id.
    async fn send(&self, message: &Message<'_>) -> Reply;
}
