//! The log: one structured line for each event, at the level of its severity. With nothing else set up, alerts on log
//! lines work.

use super::{Message, Sink};
use crate::domain::delivery::{Reply, Severity, SinkName};
use async_trait::async_trait;

/// Takes everything, at once.
pub struct LogSink;

/// One line, with the fields that every level has.
macro_rules! line {
    ($level:ident, $message:expr) => {{
        let event = $message.event;
        tracing::$level!(
            event.id = %event.id,
            event.kind = %event.kind,
            event.severity = $message.severity.as_str(),
            event.created_at = %event.created_at.to_rfc3339(),
            subscription.id = event.subscription_id.as_ref().map(|id| id.as_str()),
            renewal.id = event.renewal_id.map(|id| id.to_string()),
            payment.id = event.payment_id(),
            run.id = event.run_id(),
            payload = %event.payload,
            "{}{}", event.kind, about(event.subscription_id.as_ref().map(|id| id.as_str())),
        );
    }};
}

#[async_trait]
impl Sink for LogSink {
    fn name(&self) -> SinkName {
        SinkName::Log
    }

    async fn send(&self, message: &Message<'_>) -> Reply {
        match message.severity {
            Severity::Info => line!(info, message),
            Severity::Warning => line!(warn, message),
            Severity::Error | Severity::Critical => line!(error, message),
        }
        Reply::Taken
    }
}

fn about(subscription: Option<&str>) -> String {
    subscription.map(|id| format!(": {id}")).unwrap_or_default()
}
