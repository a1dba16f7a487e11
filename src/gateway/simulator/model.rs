//! The gateway's state and what moves it: plain, synchronous, without a clock or a network of its own.
//!
//! [`super::Simulator`] puts it behind real HTTP; a simulation under a simulated clock drives the same struct by hand.
//! What it promises is what PortOne promises: a payment id takes money at most once, however often and however
//! concurrently it is tried.

use super::behaviour::{Behaviour, Route, Rule, Stage, Subject, Trouble};
use super::hints;
use super::keys::{IdempotencyKeys, outstanding};
use super::ledger::{Charge, Declined, GivenBack, Ledger};
use super::record::{CancelRecord, PgFailure, Record, Status};
use super::reply::{Delivery, Reply};
use super::schedules::Scheduled;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What the simulated gateway is like when nothing goes wrong.
#[derive(Clone, Debug)]
pub struct ModelSettings {
    /// The only store that the credentials reach.
    pub store_id: String,
    /// `LIVE` or `TEST`: what the channels say they are.
    pub channel_type: &'static str,
    /// From a charge's arrival to its approval.
    pub latency: Duration,
    /// What every request takes beside that: the way there and back.
    pub request_latency: Duration,
    /// How often one payment id can be tried; PortOne does not document its number.
    pub transactions_max: u32,
    /// Takes money from each of two requests that are under way at once under one payment id and two idempotency keys:
    /// PortOne's promise broken where nobody has tested it. What renewd does by itself must still hold.
    pub races: bool,
    /// Where chance comes from: the same seed and requests give the same answers.
    pub seed: u64,
    /// Appended to, one JSON object a line, each on disk before the answer.
    pub ledger_file: Option<PathBuf>,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            store_id: "store-simulator".to_owned(),
            channel_type: "LIVE",
            latency: Duration::ZERO,
            request_latency: Duration::ZERO,
            transactions_max: 20,
            races: false,
            seed: 0,
            ledger_file: None,
        }
    }
}

/// What is known about a billing key beyond its name. A key without an entry can be charged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyInfo {
    pub deleted: bool,
    /// Whose it is; none unless somebody said so.
    pub customer: Option<String>,
    pub pg_provider: Option<String>,
    pub channel_key: Option<String>,
}

/// A payment with what only the gateway knows of it.
#[derive(Debug)]
pub(super) struct Payment {
    pub(super) now: Record,
    /// As it was before its last change, for look-ups that are behind.
    pub(super) earlier: Option<Record>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) transactions: u32,
}

/// Something that happens by itself when its time has come.
#[derive(Debug)]
pub(super) enum Later {
    /// The payment's transaction comes to this end.
    End(Box<Record>),
    GiveBack {
        payment_id: String,
        amount: Option<i64>,
    },
}

/// The simulated gateway.
#[derive(Debug)]
pub struct GatewayModel {
    pub(super) settings: ModelSettings,
    pub(super) behaviour: Behaviour,
    pub(super) idempotency: IdempotencyKeys,
    pub(super) ledger: Ledger,
    pub(super) payments: HashMap<String, Payment>,
    /// Payment ids in the order of their creation.
    pub(super) created: Vec<String>,
    pub(super) keys: HashMap<String, KeyInfo>,
    pub(super) schedules: Vec<Scheduled>,
    later: BTreeMap<(DateTime<Utc>, u64), Later>,
    later_count: u64,
    random: fastrand::Rng,
}

impl GatewayModel {
    /// An empty gateway.
    ///
    /// # Errors
    /// When the ledger file cannot be opened.
    pub fn new(settings: ModelSettings) -> io::Result<Self> {
        Ok(Self {
            behaviour: Behaviour::new(settings.seed),
            idempotency: IdempotencyKeys::default(),
            ledger: Ledger::with_file(settings.ledger_file.as_deref())?,
            payments: HashMap::new(),
            created: Vec::new(),
            keys: HashMap::new(),
            schedules: Vec::new(),
            later: BTreeMap::new(),
            later_count: 0,
            random: fastrand::Rng::with_seed(settings.seed.wrapping_add(1)),
            settings,
        })
    }

    /// What really happened.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The payment as it stands now, whatever look-ups may see.
    pub fn record(&self, payment_id: &str) -> Option<&Record> {
        self.payments.get(payment_id).map(|payment| &payment.now)
    }

    pub fn add_rule(&mut self, rule: Rule) {
        self.behaviour.add(rule);
    }

    /// Back to good behaviour, but for what billing keys' names ask for.
    pub fn clear_rules(&mut self) {
        self.behaviour.clear();
    }

    pub fn set_key(&mut self, billing_key: &str, info: KeyInfo) {
        self.keys.insert(billing_key.to_owned(), info);
    }

    /// Forgets payments, rules and keys; the ledger file is kept, it is append-only.
    pub fn reset(&mut self) {
        self.ledger.reset();
        self.payments.clear();
        self.created.clear();
        self.keys.clear();
        self.schedules.clear();
        self.later.clear();
        self.behaviour.clear();
        self.idempotency = IdempotencyKeys::default();
    }

    /// Lets everything happen whose time has come by `now`. Every request does this first.
    pub fn advance(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let at = entry.key().0;
            match entry.remove() {
                Later::End(record) => self.end_late(*record, at),
                Later::GiveBack { payment_id, amount } => {
                    self.give_back(&payment_id, amount, "at the gateway's console", at);
                }
            }
        }
    }

    /// When something next happens by itself, for who keeps a simulated clock.
    pub fn next_at(&self) -> Option<DateTime<Utc>> {
        self.later.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn schedule(&mut self, at: DateTime<Utc>, later: Later) {
        self.later_count += 1;
        self.later.insert((at, self.later_count), later);
    }

    /// A transaction that was left open ends. Another one may have been paid since: then this one failed.
    fn end_late(&mut self, mut record: Record, at: DateTime<Utc>) {
        let taken = self.payments.get(&record.id).is_some_and(|payment| {
            let now = &payment.now;
            now.transaction_id != record.transaction_id && now.status.is_taken()
        });
        if taken {
            return;
        }
        record.changed_at = at;
        if record.status == Status::Paid {
            record.paid_at = Some(at);
        }
        self.put(record, at);
    }

    /// Makes `record` what the payment is now, and writes down what that means for the money.
    pub(super) fn put(&mut self, record: Record, at: DateTime<Utc>) {
        match (record.status, &record.billing_key, &record.failure) {
            (Status::Paid, Some(billing_key), _) => self.ledger.charge(Charge {
                payment_id: record.id.clone(),
                transaction_id: record.transaction_id.clone(),
                amount: record.total,
                currency: record.currency.clone(),
                billing_key: billing_key.clone(),
                subscription: record.subscription.clone(),
                at,
            }),
            (Status::Failed, _, Some(failure)) => self.ledger.decline(Declined {
                payment_id: record.id.clone(),
                transaction_id: record.transaction_id.clone(),
                pg_code: failure.code.clone(),
                at,
            }),
            _ => {}
        }
        match self.payments.get_mut(&record.id) {
            Some(payment) => payment.earlier = Some(std::mem::replace(&mut payment.now, record)),
            None => {
                self.created.push(record.id.clone());
                let payment = Payment { now: record, earlier: None, created_at: at, transactions: 0 };
                self.payments.insert(payment.now.id.clone(), payment);
            }
        }
    }

    /// Gives back `amount`, or all that is left; `None` when there is nothing to give back.
    pub(super) fn give_back(
        &mut self,
        payment_id: &str,
        amount: Option<i64>,
        reason: &str,
        at: DateTime<Utc>,
    ) -> Option<CancelRecord> {
        let id = self.new_id();
        let payment = self.payments.get_mut(payment_id)?;
        let left = payment.now.cancellable();
        let amount = amount.unwrap_or(left);
        let paid = matches!(payment.now.status, Status::Paid | Status::PartialCancelled);
        if !paid || amount <= 0 || amount > left {
            return None;
        }
        payment.earlier = Some(payment.now.clone());
        let cancellation = CancelRecord { id, amount, reason: reason.to_owned(), at };
        payment.now.cancellations.push(cancellation.clone());
        payment.now.status = if amount == left { Status::Cancelled } else { Status::PartialCancelled };
        payment.now.changed_at = at;
        self.ledger.give_back(GivenBack {
            payment_id: payment_id.to_owned(),
            cancellation_id: cancellation.id.clone(),
            amount,
            at,
        });
        Some(cancellation)
    }

    pub(super) fn take(&mut self, route: Route, stage: Stage, subject: &Subject) -> Option<Trouble> {
        self.behaviour.take(route, stage, subject)
    }

    /// The trouble that meets a request before the gateway looks at it.
    pub(super) fn at_the_door(&mut self, route: Route, subject: &Subject) -> Option<Reply> {
        Some(match self.take(route, Stage::Door, subject)? {
            Trouble::RequestLost => Reply::lost(),
            Trouble::HtmlBefore { status } => Reply::html(status),
            Trouble::ErrorBefore { status } => internal_error(status),
            Trouble::RateLimited { retry_after } => {
                let reply = Reply::error(429, "TOO_MANY_REQUESTS", "slow down");
                retry_after.into_iter().fold(reply, |reply, wait| reply.with_header("retry-after", wait))
            }
            Trouble::Unauthorized => Reply::error(401, "UNAUTHORIZED", "the API secret is not valid"),
            Trouble::Forbidden => Reply::error(403, "FORBIDDEN", "not allowed for this store"),
            Trouble::Redirect { to } => Reply::html(307).with_header("location", to),
            _ => outstanding(),
        })
    }

    /// What becomes of a finished answer on its way.
    pub(super) fn on_its_way(&mut self, route: Route, subject: &Subject, reply: Reply) -> Reply {
        match self.take(route, Stage::Answer, subject) {
            None => reply,
            Some(Trouble::AnswerLost) => Reply::lost(),
            Some(Trouble::Delay { millis }) => Reply { after: Duration::from_millis(millis), ..reply },
            Some(Trouble::SlowBody { millis_a_byte }) => {
                Reply { delivery: Delivery::Slow { pause: Duration::from_millis(millis_a_byte) }, ..reply }
            }
            Some(Trouble::CutBody { after_bytes }) => Reply { delivery: Delivery::Cut { after_bytes }, ..reply },
            Some(Trouble::Html { status }) => Reply::html(status),
            Some(Trouble::Error { status }) => internal_error(status),
            Some(Trouble::HugeBody { bytes }) => Reply::new(200, " ".repeat(bytes), "application/json"),
            Some(_) => Reply::new(200, "{\"payment\": tru".to_owned(), "application/json"),
        }
    }

    /// The payment gateway and the channel that a billing key is charged on.
    pub(super) fn channel(&self, billing_key: &str, asked: Option<&str>) -> (String, String) {
        let info = self.keys.get(billing_key);
        let provider = info.and_then(|info| info.pg_provider.clone());
        let provider = provider.unwrap_or_else(|| hints::pg_provider(billing_key).to_owned());
        let key = asked.map(str::to_owned).or_else(|| info.and_then(|info| info.channel_key.clone()));
        let key = key.unwrap_or_else(|| format!("channel-key-{}", provider.to_lowercase()));
        (provider, key)
    }

    pub(super) fn new_id(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid().to_string()
    }
}

/// The gateway's own failure: JSON, but no word of the documented ones.
fn internal_error(status: u16) -> Reply {
    Reply::json(status, &serde_json::json!({ "message": "internal server error" }))
}

/// A failure by its own words.
pub(super) fn failure(code: &str, message: &str) -> PgFailure {
    PgFailure { code: code.to_owned(), message: message.to_owned() }
}
