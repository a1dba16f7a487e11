//! The gateway at the other end of a line: seldom something is lost, and while a charge is on its way the world goes on.
//! What is sent and how answers are read is the product's own code.

use super::super::population::purpose;
use super::super::time::{SECOND, Time};
use super::super::wire::STORE_ID;
use super::client;
use super::people::People;
use async_trait::async_trait;
use chrono::TimeDelta;
use renewd::domain::charge::{Attempt, BillingKey, FrozenRequest, Order};
use renewd::domain::ids::PaymentId;
use renewd::domain::payment::LookUp;
use renewd::gateway::portone::map::{self, Heard};
use renewd::gateway::portone::{keys, request};
use renewd::gateway::simulator::{CancelCall, ChargeCall, GatewayModel, Reply, Rule, Step, Trouble, When};
use renewd::gateway::{
    Answer, BillingKeyStatus, Cancellation, CancellationStatus, Gateway, GatewayError, IssuedKey, PaymentPage,
    PaymentRange, Schedule, ScheduleRange,
};
use renewd::store::Committed;
use std::sync::{Arc, Mutex};

pub struct Line {
    time: Time,
    model: Arc<Mutex<GatewayModel>>,
    people: Arc<Mutex<People>>,
    random: Mutex<fastrand::Rng>,
}

impl Line {
    pub fn new(time: Time, model: Arc<Mutex<GatewayModel>>, people: Arc<Mutex<People>>, seed: u64) -> Self {
        Self { time, model, people, random: Mutex::new(fastrand::Rng::with_seed(seed ^ 0x11)) }
    }

    fn strikes(&self, chance: f64) -> bool {
        self.random.lock().unwrap().f64() < chance
    }

    /// A way takes a moment, and in a moment somebody may do something.
    async fn travel(&self) {
        let way = self.random.lock().unwrap().i64(SECOND / 50..SECOND / 2);
        self.time.sleep(way).await;
        self.people.lock().unwrap().meanwhile();
    }

    async fn send(&self, attempt: &Attempt) -> Answer {
        let unclear = || Answer::Unclear { why: "connection reset".to_owned() };
        let Some(key) = &attempt.billing_key else { return unclear() };
        let Ok(body) = request::charge_bytes(&attempt.request, key) else { return unclear() };
        if self.people.lock().unwrap().gateway_is_away() {
            return Answer::NotSent { why: "connection refused".to_owned() };
        }
        self.travel().await;
        if self.strikes(0.001) {
            return unclear();
        }
        let idempotency_key = format!("\"{}\"", attempt.idempotency_key);
        let reply = {
            let mut model = self.model.lock().unwrap();
            model.clear_rules();
            if let Some(name) = self.people.lock().unwrap().card_says(key.expose(), self.time.micros()) {
                model.add_rule(Rule::new(When::Always, Trouble::Decline { name: name.to_owned() }));
            }
            let payment_id = attempt.renewal.payment_id.as_str();
            let call = ChargeCall { payment_id, idempotency_key: Some(&idempotency_key), body: &body };
            match model.charge(self.time.now(), &call) {
                Step::Answered(reply) => reply,
                Step::Approving { ticket, .. } => model.approve(self.time.now(), *ticket),
            }
        };
        if ["BILLING_KEY_NOT_FOUND", "BILLING_KEY_ALREADY_DELETED"].iter().any(|word| reply.body.contains(word)) {
            let sent: serde_json::Value = serde_json::from_slice(&body).unwrap();
            self.people.lock().unwrap().refuse(sent["customData"].as_str().and_then(purpose));
        }
        self.travel().await;
        if self.strikes(0.002) { unclear() } else { map::charge_answer(&heard(&reply), self.time.now()) }
    }

    async fn ask(&self, question: impl FnOnce(&mut GatewayModel) -> Reply) -> Option<Reply> {
        if self.people.lock().unwrap().gateway_is_away() || self.strikes(0.001) {
            return None;
        }
        self.travel().await;
        Some(question(&mut self.model.lock().unwrap()))
    }
}

#[async_trait]
impl Gateway for Line {
    fn freeze(&self, order: &Order) -> FrozenRequest {
        client().freeze(order)
    }

    async fn charge(&self, attempt: &Committed<Attempt>) -> Answer {
        self.send(attempt.get()).await
    }

    async fn payment(&self, id: &PaymentId) -> LookUp {
        let now = self.time.now();
        match self.ask(|model| model.payment(now, id.as_str(), Some(STORE_ID))).await {
            Some(reply) => map::look_up(id.as_str(), &heard(&reply)),
            None => LookUp::Failed("no answer".to_owned()),
        }
    }

    async fn payments(&self, range: &PaymentRange) -> Result<PaymentPage, GatewayError> {
        let (now, body) = (self.time.now(), request::list_body(range, STORE_ID));
        let reply = self.ask(|model| model.payments(now, Some(&body))).await;
        map::page(&heard(reply.as_ref().ok_or_else(no_answer)?))
    }

    async fn cancel(&self, cancellation: &Cancellation) -> Result<CancellationStatus, GatewayError> {
        let (now, body) = (self.time.now(), request::cancel_body(cancellation, STORE_ID));
        let key = format!("\"{}\"", cancellation.idempotency_key);
        let payment_id = cancellation.payment_id.as_str();
        let reply = self.ask(|model| {
            let call = CancelCall { payment_id, idempotency_key: Some(&key), body: body.as_bytes() };
            model.cancel(now, &call)
        });
        map::cancellation(&heard(reply.await.as_ref().ok_or_else(no_answer)?))
    }

    async fn billing_key(&self, key: &BillingKey) -> Result<BillingKeyStatus, GatewayError> {
        let now = self.time.now();
        let reply = self.ask(|model| model.billing_key(now, key.expose(), Some(STORE_ID))).await;
        keys::key_status(&heard(reply.as_ref().ok_or_else(no_answer)?))
    }

    async fn issued_key(&self, key: &BillingKey) -> Result<Option<IssuedKey>, GatewayError> {
        let now = self.time.now();
        let reply = self.ask(|model| model.billing_key(now, key.expose(), Some(STORE_ID))).await;
        keys::issued_key(&heard(reply.as_ref().ok_or_else(no_answer)?))
    }

    async fn schedules(&self, range: &ScheduleRange) -> Result<Vec<Schedule>, GatewayError> {
        let (now, body) = (self.time.now(), request::schedules_body(range, STORE_ID));
        let reply = self.ask(|model| model.schedules(now, Some(&body))).await;
        map::schedules(&heard(reply.as_ref().ok_or_else(no_answer)?))
    }

    fn clock_skew(&self) -> Option<TimeDelta> {
        None
    }
}

fn heard(reply: &Reply) -> Heard<'_> {
    Heard { status: reply.status, retry_after: None, body: reply.body.as_bytes(), hide: &[] }
}

fn no_answer() -> GatewayError {
    GatewayError::NoAnswer("no answer".to_owned())
}
