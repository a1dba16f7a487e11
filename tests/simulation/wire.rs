//! The gateway as a worker sees it: the simulated PortOne at the other end of a wire that delays, loses and garbles.
//! What is sent and how answers are read is the product's own code.

use super::bugs::{Bug, Mask};
use super::happening::{Happening, Request};
use super::office::{Machine, Office, Place};
use super::time::{MachineClock, SECOND};
use super::troubles;
use async_trait::async_trait;
use chrono::TimeDelta;
use futures_util::future::{Either, select};
use renewd::clock::Clock;
use renewd::domain::charge::{Attempt, BillingKey, FrozenRequest, Order};
use renewd::domain::ids::PaymentId;
use renewd::domain::payment::LookUp;
use renewd::gateway::portone::map::{self, Heard};
use renewd::gateway::portone::{PortOne, keys, request};
use renewd::gateway::simulator::{CancelCall, Delivery, Reply};
use renewd::gateway::{
    Answer, BillingKeyStatus, Cancellation, CancellationStatus, Gateway, GatewayError, IssuedKey, PaymentPage,
    PaymentRange, Schedule, ScheduleRange,
};
use renewd::store::Committed;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::oneshot;

pub const STORE_ID: &str = "store-simulator";

/// As the client's own.
const CALL_TIMEOUT: i64 = 75 * SECOND;

pub struct Wire {
    pub office: Arc<Office>,
    pub machine: Arc<Machine>,
    pub clock: MachineClock,
    /// Writes the requests' bodies; it never connects.
    pub client: Arc<PortOne>,
    pub mask: Arc<Mask>,
}

impl Wire {
    /// Sends a charge, and waits for its answer as long as the client would.
    async fn send(&self, attempt: &Attempt) -> Answer {
        let body = attempt.billing_key.as_ref().map(|key| request::charge_bytes(&attempt.request, key));
        let Some(Ok(body)) = body else {
            return Answer::Refused { kind: "CHANGED_REQUEST".to_owned(), message: String::new() };
        };
        let office = &self.office;
        office.travel(&self.machine, Place::Before("request")).await;
        if office.strikes(office.swarm.refused) {
            office.struck("connection refused".to_owned());
            return Answer::NotSent { why: "connection refused".to_owned() };
        }
        let (answer, answered) = oneshot::channel();
        let payment_id = self.mask.sent_as(attempt);
        let idempotency_key = format!("\"{}\"", self.mask.key(attempt, self.machine.number));
        office.note("sent", self.machine.number, || format!("{payment_id} {idempotency_key}"));
        self.machine.is_asking.store(true, Ordering::Relaxed);
        troubles::aim(office, self.machine.number, attempt.renewal.subscription_id.as_str());
        if office.strikes(office.swarm.request_lost) {
            office.struck("request lost".to_owned());
            drop(answer);
        } else {
            let slow = if office.strikes(office.swarm.slow) { office.between(0, office.swarm.slow_max) } else { 0 };
            let way = office.between(1_000, SECOND / 5) + slow;
            office.time.after(way, Happening::Arrives(Request { payment_id, idempotency_key, body, answer }));
        }
        let timeout = office.time.sleep(CALL_TIMEOUT);
        let answer = match select(pin!(answered), pin!(timeout)).await {
            Either::Left((Ok(reply), _)) => self.heard(&reply),
            Either::Left((Err(_), timeout)) => {
                // Some losses show at once, others as silence.
                if office.between(0, 1) == 0 {
                    timeout.await;
                }
                Answer::Unclear { why: "connection reset".to_owned() }
            }
            Either::Right(_) => {
                office.struck("time-out".to_owned());
                Answer::Unclear { why: "time-out".to_owned() }
            }
        };
        self.machine.is_asking.store(false, Ordering::Relaxed);
        office.travel(&self.machine, Place::After("answer")).await;
        answer
    }

    fn heard(&self, reply: &Reply) -> Answer {
        match arrived(reply) {
            Some(heard) => map::charge_answer(&heard, self.clock.now()),
            None => Answer::Unclear { why: "the answer broke off".to_owned() },
        }
    }

    /// Asks something that takes no time at the gateway.
    async fn ask(&self, name: &'static str, question: impl FnOnce(&Office) -> Reply) -> Option<Reply> {
        let office = &self.office;
        office.travel(&self.machine, Place::Before(name)).await;
        if office.strikes(office.swarm.look_up_lost) {
            office.struck(format!("{name} lost"));
            office.time.sleep(office.between(0, CALL_TIMEOUT)).await;
            return None;
        }
        let reply = question(office);
        office.struck(format!("{name}: {}", said(&reply)));
        office.travel(&self.machine, Place::After(name)).await;
        Some(reply)
    }
}

#[async_trait]
impl Gateway for Wire {
    fn freeze(&self, order: &Order) -> FrozenRequest {
        self.client.freeze(order)
    }

    async fn charge(&self, attempt: &Committed<Attempt>) -> Answer {
        let answer = self.send(attempt.get()).await;
        self.office.note("answered", self.machine.number, || format!("{} {answer:?}", attempt.get().idempotency_key));
        self.mask.answered(attempt.get(), &answer);
        answer
    }

    async fn payment(&self, id: &PaymentId) -> LookUp {
        let asked = self.mask.looked_up_as(id);
        let question = |office: &Office| office.model().payment(office.time.now(), &asked, Some(STORE_ID));
        let found = match self.ask("look-up", question).await.as_ref().and_then(arrived) {
            Some(heard) => map::look_up(&asked, &heard),
            None => LookUp::Failed("no answer".to_owned()),
        };
        let found = self.mask.found(id, found, self.office.time.now());
        self.office.note("looked up", self.machine.number, || format!("{id} {}", short(&found)));
        found
    }

    async fn payments(&self, range: &PaymentRange) -> Result<PaymentPage, GatewayError> {
        let body = request::list_body(range, STORE_ID);
        let reply = self.ask("list", |office| office.model().payments(office.time.now(), Some(&body))).await;
        map::page(&reply.as_ref().and_then(arrived).ok_or_else(no_answer)?)
    }

    async fn cancel(&self, cancellation: &Cancellation) -> Result<CancellationStatus, GatewayError> {
        let body = request::cancel_body(cancellation, STORE_ID);
        let key = format!("\"{}\"", cancellation.idempotency_key);
        let question = |office: &Office| {
            let call = CancelCall {
                payment_id: cancellation.payment_id.as_str(),
                idempotency_key: Some(&key),
                body: body.as_bytes(),
            };
            office.model().cancel(office.time.now(), &call)
        };
        map::cancellation(&self.ask("refund", question).await.as_ref().and_then(arrived).ok_or_else(no_answer)?)
    }

    async fn billing_key(&self, key: &BillingKey) -> Result<BillingKeyStatus, GatewayError> {
        let question = |office: &Office| office.model().billing_key(office.time.now(), key.expose(), Some(STORE_ID));
        keys::key_status(&self.ask("key", question).await.as_ref().and_then(arrived).ok_or_else(no_answer)?)
    }

    async fn issued_key(&self, key: &BillingKey) -> Result<Option<IssuedKey>, GatewayError> {
        let question = |office: &Office| office.model().billing_key(office.time.now(), key.expose(), Some(STORE_ID));
        keys::issued_key(&self.ask("key", question).await.as_ref().and_then(arrived).ok_or_else(no_answer)?)
    }

    async fn schedules(&self, range: &ScheduleRange) -> Result<Vec<Schedule>, GatewayError> {
        let body = request::schedules_body(range, STORE_ID);
        let reply = self.ask("schedules", |office| office.model().schedules(office.time.now(), Some(&body))).await;
        map::schedules(&reply.as_ref().and_then(arrived).ok_or_else(no_answer)?)
    }

    fn clock_skew(&self) -> Option<TimeDelta> {
        // A worker that decides by its own clock would find it out here, and hold: the bug leaves that out too.
        let checks = self.mask.bug != Some(Bug::WorkerClockDue);
        checks.then(|| self.office.time.now() - self.clock.now())
    }
}

/// The answer as bytes, unless it broke off on its way.
fn arrived(reply: &Reply) -> Option<Heard<'_>> {
    let retry_after = match &reply.header {
        Some(("retry-after", text)) => Some(text.as_str()),
        _ => None,
    };
    let whole = reply.delivery == Delivery::Whole;
    whole.then_some(Heard { status: reply.status, retry_after, body: reply.body.as_bytes(), hide: &[] })
}

/// What kind of answer it is: its status, with PortOne's word for an error.
pub fn said(reply: &Reply) -> String {
    let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap_or_default();
    let word = ["type", "status"].into_iter().find_map(|key| body.get(key)?.as_str());
    match reply.delivery {
        Delivery::Whole => format!("{} {}", reply.status, word.unwrap_or_default()).trim_end().to_owned(),
        _ => "broken off".to_owned(),
    }
}

fn no_answer() -> GatewayError {
    GatewayError::NoAnswer("no answer".to_owned())
}

fn short(found: &LookUp) -> String {
    match found {
        LookUp::Found(payment) => format!("{} {:?}", payment.status.as_str(), payment.transaction_id),
        other => format!("{other:?}"),
    }
}
