//! How the simulated gateway charges: from a request's arrival to its approval, which may be a while later.

use super::behaviour::{Route, Stage, Subject, Trouble};
use super::declines;
use super::keys::Opened;
use super::model::{GatewayModel, Later, failure};
use super::record::{PgFailure, Record, Status, time};
use super::reply::Reply;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;

/// A charge request as it arrives.
#[derive(Clone, Copy, Debug)]
pub struct ChargeCall<'a> {
    pub payment_id: &'a str,
    /// The header as it was sent, quotes included.
    pub idempotency_key: Option<&'a str>,
    pub body: &'a [u8],
}

/// What a charge request comes to at once.
#[derive(Debug)]
pub enum Step {
    Answered(Reply),
    /// The payment gateway is asked: [`GatewayModel::approve`] this after the wait, whether or not the caller is still
    /// there. PortOne cancels nothing when a client hangs up.
    Approving {
        ticket: Box<Ticket>,
        wait: Duration,
    },
}

/// A charge that waits for its approval.
#[derive(Debug)]
pub struct Ticket {
    payment_id: String,
    order: ChargeOrder,
    outcome: Option<Trouble>,
    subject: Subject,
    idempotency_key: Option<String>,
    arrived: DateTime<Utc>,
}

/// The body of a charge, as far as the simulator minds it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChargeOrder {
    store_id: Option<String>,
    billing_key: String,
    channel_key: Option<String>,
    order_name: String,
    #[serde(default)]
    customer: Customer,
    custom_data: Option<String>,
    amount: Amount,
    currency: String,
}

#[derive(Debug, Default, Deserialize)]
struct Customer {
    id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Amount {
    total: i64,
    #[serde(default)]
    tax_free: i64,
}

impl ChargeOrder {
    fn read(body: &[u8]) -> Result<Self, String> {
        let order: Self = serde_json::from_slice(body).map_err(|err| err.to_string())?;
        let currency = order.currency.len() == 3 && order.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        match (order.amount.total > 0, currency) {
            (true, true) => Ok(order),
            (false, _) => Err("amount.total must be positive".to_owned()),
            (_, false) => Err("currency must be an ISO 4217 code".to_owned()),
        }
    }

    /// The subscription that renewd names in its custom data.
    fn subscription(&self) -> Option<String> {
        let data: serde_json::Value = serde_json::from_str(self.custom_data.as_deref()?).ok()?;
        data.get("subscription")?.as_str().map(str::to_owned)
    }
}

impl GatewayModel {
    /// A charge request arrives.
    pub fn charge(&mut self, now: DateTime<Utc>, call: &ChargeCall<'_>) -> Step {
        self.advance(now);
        self.ledger.count(Route::Charge);
        self.ledger.count_send(call.payment_id);
        let order = ChargeOrder::read(call.body);
        let subject = Subject {
            payment_id: Some(call.payment_id.to_owned()),
            subscription: order.as_ref().ok().and_then(ChargeOrder::subscription),
            billing_key: order.as_ref().ok().map(|order| order.billing_key.clone()),
        };
        if let Some(reply) = self.at_the_door(Route::Charge, &subject) {
            return Step::Answered(reply);
        }
        let idempotency_key = match self.idempotency.open(now, call.idempotency_key, (call.payment_id, call.body)) {
            Opened::New(key) => key,
            Opened::Replay(reply) => return Step::Answered(self.on_its_way(Route::Charge, &subject, reply)),
            Opened::Refused(reply) => return Step::Answered(reply),
        };
        let payment_id = call.payment_id.to_owned();
        let outcome = self.take(Route::Charge, Stage::Outcome, &subject);
        let order = match order {
            Ok(order) => order,
            Err(why) => {
                let reply = Reply::error(400, "INVALID_REQUEST", &why);
                return Step::Answered(self.answer(&subject, idempotency_key.as_deref(), reply));
            }
        };
        let ticket = Ticket { payment_id, order, outcome, subject, idempotency_key, arrived: now };
        if let Some(reply) = self.refusal(now, &ticket) {
            return Step::Answered(self.answer(&ticket.subject, ticket.idempotency_key.as_deref(), reply));
        }
        match self.settings.latency + self.slowness(&ticket.subject) {
            Duration::ZERO => Step::Answered(self.approve(now, ticket)),
            wait => Step::Approving { ticket: Box::new(ticket), wait },
        }
    }

    /// The payment gateway's answer to a charge is there, and with it the money moves or does not.
    pub fn approve(&mut self, now: DateTime<Utc>, ticket: Ticket) -> Reply {
        self.advance(now);
        let reply = match self.taken(&ticket.payment_id) {
            // Another request was faster: this is where "at most once" is kept.
            Some(reply) if !self.raced(&ticket) => reply,
            _ => self.conclude(now, &ticket),
        };
        self.answer(&ticket.subject, ticket.idempotency_key.as_deref(), reply)
    }

    fn answer(&mut self, subject: &Subject, idempotency_key: Option<&str>, reply: Reply) -> Reply {
        self.idempotency.close(idempotency_key, &reply);
        self.on_its_way(Route::Charge, subject, reply)
    }

    fn slowness(&mut self, subject: &Subject) -> Duration {
        match self.take(Route::Charge, Stage::Approval, subject) {
            Some(Trouble::SlowApproval { millis }) => Duration::from_millis(millis),
            _ => Duration::ZERO,
        }
    }

    /// PortOne's own no, before any payment gateway is asked.
    fn refusal(&mut self, now: DateTime<Utc>, ticket: &Ticket) -> Option<Reply> {
        let order = &ticket.order;
        let no = |status, kind, message| Some(Reply::error(status, kind, message));
        if order.store_id.as_ref().is_some_and(|store| *store != self.settings.store_id) {
            return no(403, "FORBIDDEN", "not allowed for this store");
        }
        if order.amount.tax_free > order.amount.total {
            return no(409, "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT", "the parts exceed the total");
        }
        match &ticket.outcome {
            Some(Trouble::InvalidRequest) => return no(400, "INVALID_REQUEST", "a field that this channel needs"),
            Some(Trouble::SumOfParts) => {
                return no(409, "SUM_OF_PARTS_EXCEEDS_TOTAL_AMOUNT", "the parts exceed the total");
            }
            Some(Trouble::BillingKeyNotFound) => return no(404, "BILLING_KEY_NOT_FOUND", "no such billing key"),
            Some(Trouble::BillingKeyDeleted) => return no(409, "BILLING_KEY_ALREADY_DELETED", "deleted"),
            Some(Trouble::ChannelNotFound) => return no(404, "CHANNEL_NOT_FOUND", "no such channel"),
            Some(Trouble::ScheduleExists) => return no(409, "PAYMENT_SCHEDULE_ALREADY_EXISTS", "it is scheduled"),
            Some(Trouble::MaxTransactions) => return no(400, "MAX_TRANSACTION_COUNT_REACHED", "tried too often"),
            Some(Trouble::Squatted) => self.squat(now, ticket),
            _ => {}
        }
        if self.keys.get(&order.billing_key).is_some_and(|key| key.deleted) {
            return no(409, "BILLING_KEY_ALREADY_DELETED", "deleted");
        }
        if let Some(reply) = self.taken(&ticket.payment_id) {
            return Some(reply);
        }
        let transactions = self.payments.get(&ticket.payment_id).map_or(0, |payment| payment.transactions);
        if transactions >= self.settings.transactions_max {
            return no(400, "MAX_TRANSACTION_COUNT_REACHED", "tried too often");
        }
        None
    }

    /// Whether a gateway that races would take the money again: the other request ended after this one came in.
    fn raced(&self, ticket: &Ticket) -> bool {
        let ended_since = |record: &Record| record.status == Status::Paid && record.changed_at > ticket.arrived;
        self.settings.races && self.record(&ticket.payment_id).is_some_and(ended_since)
    }

    fn taken(&self, payment_id: &str) -> Option<Reply> {
        let taken = self.record(payment_id).is_some_and(|record| record.status.is_taken());
        taken.then(|| Reply::error(409, "ALREADY_PAID", "the payment is completed"))
    }

    /// Somebody pays 1 won in a browser, under an id that is not theirs.
    fn squat(&mut self, now: DateTime<Utc>, ticket: &Ticket) {
        if self.payments.contains_key(&ticket.payment_id) {
            return;
        }
        let mut record = self.new_record(now, ticket);
        record.total = 1;
        record.billing_key = None;
        record.custom_data = None;
        record.paid_at = Some(now);
        self.put(record, now);
    }

    fn conclude(&mut self, now: DateTime<Utc>, ticket: &Ticket) -> Reply {
        let mut record = self.new_record(now, ticket);
        let id = record.id.clone();
        let reply = match self.decline_of(&record, ticket.outcome.as_ref()) {
            Some(declined) => {
                if let Some(Trouble::LateApproval { secs }) = ticket.outcome {
                    self.schedule(now + TimeDelta::seconds(secs.into()), Later::End(Box::new(record.clone())));
                }
                let reply = Reply::pg_provider(&declined.code, &declined.message);
                record.status = Status::Failed;
                record.failure = Some(declined);
                self.put(record, now);
                reply
            }
            None => self.accept(now, record, ticket.outcome.as_ref()),
        };
        if let Some(payment) = self.payments.get_mut(&id) {
            payment.transactions += 1;
        }
        reply
    }

    /// The payment is taken, or at least said to be on its way.
    fn accept(&mut self, now: DateTime<Utc>, mut record: Record, outcome: Option<&Trouble>) -> Reply {
        let id = record.id.clone();
        let body = json!({ "payment": { "pgTxId": format!("pg-{}", record.transaction_id), "paidAt": time(now) } });
        match outcome {
            Some(Trouble::OtherAmount { total }) => record.total = *total,
            Some(Trouble::OtherCurrency { currency }) => record.currency.clone_from(currency),
            Some(Trouble::OtherStore { store_id }) => record.store_id.clone_from(store_id),
            Some(Trouble::TestChannel) => record.channel_type = "TEST",
            Some(Trouble::Cancelled { secs }) => {
                let later = Later::GiveBack { payment_id: id, amount: None };
                self.schedule(now + TimeDelta::seconds((*secs).into()), later);
            }
            Some(Trouble::PartlyCancelled { secs, amount }) => {
                let later = Later::GiveBack { payment_id: id, amount: Some(*amount) };
                self.schedule(now + TimeDelta::seconds((*secs).into()), later);
            }
            _ => {}
        }
        let waiting = match outcome {
            Some(Trouble::Pending { secs, then_paid }) => Some((Status::PayPending, *secs, *then_paid)),
            Some(Trouble::Ready { secs, then_paid }) => Some((Status::Ready, *secs, *then_paid)),
            _ => None,
        };
        match waiting {
            Some((status, secs, then_paid)) => {
                let mut end = record.clone();
                if !then_paid {
                    end.status = Status::Failed;
                    end.failure = self.named_decline(&end.pg_provider, "declined");
                }
                self.schedule(now + TimeDelta::seconds(secs.into()), Later::End(Box::new(end)));
                record.status = status;
            }
            None => record.paid_at = Some(now),
        }
        self.put(record, now);
        self.advance(now);
        Reply::json(200, &body)
    }

    fn decline_of(&self, record: &Record, outcome: Option<&Trouble>) -> Option<PgFailure> {
        match outcome? {
            Trouble::Decline { name } => self.named_decline(&record.pg_provider, name),
            Trouble::DeclineWith { code, message } => Some(failure(code, message)),
            Trouble::LateApproval { .. } => self.named_decline(&record.pg_provider, "declined"),
            _ => None,
        }
    }

    /// A name that no table knows is its own code: the decline must not turn into a charge by a slip of the pen.
    fn named_decline(&self, pg_provider: &str, name: &str) -> Option<PgFailure> {
        let (code, message) = declines::said_by(pg_provider, name).unwrap_or((name, "승인 거절"));
        Some(failure(code, message))
    }

    fn new_record(&mut self, now: DateTime<Utc>, ticket: &Ticket) -> Record {
        let order = &ticket.order;
        let (pg_provider, channel_key) = self.channel(&order.billing_key, order.channel_key.as_deref());
        Record {
            id: ticket.payment_id.clone(),
            status: Status::Paid,
            transaction_id: self.new_id(),
            store_id: self.settings.store_id.clone(),
            channel_type: self.settings.channel_type,
            channel_key,
            pg_provider,
            order_name: order.order_name.clone(),
            total: order.amount.total,
            currency: order.currency.clone(),
            customer_id: order.customer.id.clone(),
            custom_data: order.custom_data.clone(),
            subscription: ticket.subject.subscription.clone(),
            billing_key: Some(order.billing_key.clone()),
            requested_at: ticket.arrived,
            changed_at: now,
            paid_at: None,
            failure: None,
            cancellations: Vec::new(),
        }
    }
}
