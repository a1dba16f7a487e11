//! What the simulated gateway answers, and how the answer fares on its way.

use serde_json::{Value, json};
use std::time::Duration;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub body: String,
    pub content_type: &'static str,
    /// `Retry-After` or `Location`, where there is one.
    pub header: Option<(&'static str, String)>,
    pub delivery: Delivery,
    /// How long the finished answer is held back.
    pub after: Duration,
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Whole,
    /// The connection is closed before the first byte.
    Lost,
    /// The connection is closed after so many bytes, head included.
    Cut {
        after_bytes: usize,
    },
    /// One byte, then a pause, then the next.
    Slow {
        pause: Duration,
    },
}

impl Reply {
    pub fn new(status: u16, body: String, content_type: &'static str) -> Self {
        Self { status, body, content_type, header: None, delivery: Delivery::Whole, after: Duration::ZERO }
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string(), "application/json")
    }

    /// An error in PortOne's form.
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        Self::json(status, &json!({ "type": kind, "message": message }))
    }

    /// A payment gateway's no.
    pub fn pg_provider(code: &str, message: &str) -> Self {
        let body = json!({ "type": "PG_PROVIDER", "message": message, "pgCode": code, "pgMessage": message });
        Self::json(502, &body)
    }

    /// What a proxy in front of the gateway says: a page, in nobody's protocol.
    pub fn html(status: u16) -> Self {
        let page = format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>");
        Self::new(status, page, "text/html")
    }

    /// No answer at all.
    pub fn lost() -> Self {
        Self { delivery: Delivery::Lost, ..Self::new(500, String::new(), "text/plain") }
    }

    pub fn with_header(self, name: &'static str, value: String) -> Self {
        Self { header: Some((name, value)), ..self }
    }
}
