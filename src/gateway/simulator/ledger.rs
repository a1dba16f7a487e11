//! What really happened to the money: the truth that tests and rehearsals hold renewd's records against.

use super::behaviour::Route;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Money that was taken from a billing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Charge {
    pub payment_id: String,
    pub transaction_id: String,
    /// Minor units, as really charged.
    pub amount: i64,
    pub currency: String,
    pub billing_key: String,
    /// As the request's `customData` named it.
    pub subscription: Option<String>,
    pub at: DateTime<Utc>,
}

/// Money that was given back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GivenBack {
    pub payment_id: String,
    pub cancellation_id: String,
    pub amount: i64,
    pub at: DateTime<Utc>,
}

/// A payment gateway's no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Declined {
    pub payment_id: String,
    pub transaction_id: String,
    pub pg_code: String,
    pub at: DateTime<Utc>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Line<'a> {
    Charge(&'a Charge),
    GivenBack(&'a GivenBack),
    Declined(&'a Declined),
}

/// Append-only lists, in the order in which things happened, and counts of requests.
#[derive(Debug, Default, Serialize)]
pub struct Ledger {
    charges: Vec<Charge>,
    given_back: Vec<GivenBack>,
    declined: Vec<Declined>,
    requests: BTreeMap<Route, u64>,
    #[serde(skip)]
    successes: HashMap<String, u32>,
    #[serde(skip)]
    sends: HashMap<String, u32>,
    #[serde(skip)]
    file: Option<File>,
}

impl Ledger {
    /// A ledger that also appends to a file, one JSON object a line, each on disk before the gateway answers. That
    /// costs a disk flush per charge: for tests of several processes, not for measurements.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn with_file(path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(|path| OpenOptions::new().create(true).append(true).open(path)).transpose()?;
        Ok(Self { file, ..Self::default() })
    }

    /// Every charge, oldest first.
    pub fn charges(&self) -> &[Charge] {
        &self.charges
    }

    pub fn given_back(&self) -> &[GivenBack] {
        &self.given_back
    }

    pub fn declined(&self) -> &[Declined] {
        &self.declined
    }

    /// How often this payment took money: never more than once, by PortOne's promise.
    pub fn successes(&self, payment_id: &str) -> u32 {
        self.successes.get(payment_id).copied().unwrap_or(0)
    }

    /// How many requests of this kind came in, whatever became of them.
    pub fn requests(&self, route: Route) -> u64 {
        self.requests.get(&route).copied().unwrap_or(0)
    }

    /// How many charge requests came in for this payment.
    pub fn sends(&self, payment_id: &str) -> u32 {
        self.sends.get(payment_id).copied().unwrap_or(0)
    }

    pub(super) fn count(&mut self, route: Route) {
        *self.requests.entry(route).or_default() += 1;
    }

    pub(super) fn count_send(&mut self, payment_id: &str) {
        *self.sends.entry(payment_id.to_owned()).or_default() += 1;
    }

    pub(super) fn charge(&mut self, charge: Charge) {
        self.write(&Line::Charge(&charge));
        *self.successes.entry(charge.payment_id.clone()).or_default() += 1;
        self.charges.push(charge);
    }

    pub(super) fn give_back(&mut self, given: GivenBack) {
        self.write(&Line::GivenBack(&given));
        self.given_back.push(given);
    }

    pub(super) fn decline(&mut self, declined: Declined) {
        self.write(&Line::Declined(&declined));
        self.declined.push(declined);
    }

    /// Forgets what happened, but not the file: it is append-only.
    pub(super) fn reset(&mut self) {
        *self = Self { file: self.file.take(), ..Self::default() };
    }

    fn write(&mut self, line: &Line<'_>) {
        let Some(file) = &mut self.file else { return };
        let mut text = serde_json::to_vec(line).unwrap_or_default();
        text.push(b'\n');
        if let Err(err) = file.write_all(&text).and_then(|()| file.sync_data()) {
            tracing::error!(error = %err, "the simulator's ledger file is incomplete: do not judge by it");
        }
    }
}
