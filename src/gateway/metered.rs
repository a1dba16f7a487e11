//! How long the gateway takes to answer, measured around any gateway.

use super::{
    Answer, BillingKeyStatus, Cancellation, CancellationStatus, Gateway, GatewayError, IssuedKey, PaymentPage,
    PaymentRange, Schedule, ScheduleRange,
};
use crate::clock::Clock;
use crate::domain::charge::{Attempt, BillingKey, FrozenRequest, Order};
use crate::domain::ids::PaymentId;
use crate::domain::payment::LookUp;
use crate::store::Committed;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// Hears of each request, by what was asked and whether it was answered.
pub trait Stopwatch: Send + Sync {
    fn took(&self, operation: &'static str, outcome: &'static str, time: Duration);
}

/// A gateway under a stopwatch.
pub struct Metered {
    gateway: Arc<dyn Gateway>,
    clock: Arc<dyn Clock>,
    stopwatch: Arc<dyn Stopwatch>,
}

impl Metered {
    pub fn new(gateway: Arc<dyn Gateway>, clock: Arc<dyn Clock>, stopwatch: Arc<dyn Stopwatch>) -> Self {
        Self { gateway, clock, stopwatch }
    }

    async fn time<T>(
        &self,
        operation: &'static str,
        asked: impl Future<Output = T>,
        outcome: impl FnOnce(&T) -> &'static str,
    ) -> T {
        let started = self.clock.uptime();
        let answer = asked.await;
        let time = self.clock.uptime().saturating_sub(started);
        self.stopwatch.took(operation, outcome(&answer), time);
        answer
    }
}

fn of_result<T>(answer: &Result<T, GatewayError>) -> &'static str {
    match answer {
        Ok(_) => "answered",
        Err(GatewayError::Unauthorized(_)) => "unauthorized",
        Err(_) => "failed",
    }
}

fn of_look_up(answer: &LookUp) -> &'static str {
    match answer {
        LookUp::Found(_) | LookUp::NotFound => "answered",
        LookUp::Unauthorized(_) => "unauthorized",
        LookUp::Failed(_) => "failed",
    }
}

fn of_answer(answer: &Answer) -> &'static str {
    match answer {
        Answer::NotSent { .. } | Answer::Unclear { .. } => "failed",
        Answer::Unauthorized { .. } => "unauthorized",
        _ => "answered",
    }
}

#[async_trait]
impl Gateway for Metered {
    fn freeze(&self, order: &Order) -> FrozenRequest {
        self.gateway.freeze(order)
    }

    async fn charge(&self, attempt: &Committed<Attempt>) -> Answer {
        self.time("charge", self.gateway.charge(attempt), of_answer).await
    }

    async fn payment(&self, id: &PaymentId) -> LookUp {
        self.time("look_up", self.gateway.payment(id), of_look_up).await
    }

    async fn payments(&self, range: &PaymentRange) -> Result<PaymentPage, GatewayError> {
        self.time("list", self.gateway.payments(range), of_result).await
    }

    async fn cancel(&self, cancellation: &Cancellation) -> Result<CancellationStatus, GatewayError> {
        self.time("cancel", self.gateway.cancel(cancellation), of_result).await
    }

    async fn billing_key(&self, key: &BillingKey) -> Result<BillingKeyStatus, GatewayError> {
        self.time("billing_key", self.gateway.billing_key(key), of_result).await
    }

    async fn issued_key(&self, key: &BillingKey) -> Result<Option<IssuedKey>, GatewayError> {
        self.time("billing_key", self.gateway.issued_key(key), of_result).await
    }

    async fn schedules(&self, range: &ScheduleRange) -> Result<Vec<Schedule>, GatewayError> {
        self.time("schedules", self.gateway.schedules(range), of_result).await
    }

    fn clock_skew(&self) -> Option<chrono::Duration> {
        self.gateway.clock_skew()
    }
}
