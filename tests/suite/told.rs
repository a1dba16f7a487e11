//! A real gateway whose answers are told otherwise on their way.

use async_trait::async_trait;
use chrono::TimeDelta;
use renewd::domain::answer::Answer;
use renewd::domain::charge::{Attempt, BillingKey, FrozenRequest, Order};
use renewd::domain::ids::PaymentId;
use renewd::domain::payment::{LookUp, Payment};
use renewd::gateway::{
    BillingKeyStatus, Cancellation, CancellationStatus, Gateway, GatewayError, IssuedKey, ListedBy, PaymentPage,
    PaymentRange, Schedule, ScheduleRange,
};
use renewd::store::Committed;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::watch;

pub struct Told {
    pub gateway: Arc<dyn Gateway>,
    /// Where charges go.
    pub charges: Arc<dyn Gateway>,
    /// How each payment is told, by look-ups and listings.
    pub payment: Box<dyn Fn(&mut Payment) + Send + Sync>,
    /// How a page of the listing is told.
    pub page: fn(&mut PaymentPage),
    /// What is said of every billing key, in place of how it is.
    pub key: Option<BillingKeyStatus>,
    /// Listings by this time that are refused.
    pub refused: Option<ListedBy>,
    /// Listings that are answered before none is any more.
    pub listings: AtomicU32,
    /// A listing of a longer time than this is said to hold more than can be listed.
    pub lists_at_most: TimeDelta,
    /// Answers to charges wait for it.
    pub charged: Option<Gate>,
    /// Answers to look-ups wait for it.
    pub looked_up: Option<Gate>,
}

/// Holds answers back until it is opened: what a test does meanwhile may take as long as it takes.
#[derive(Clone)]
pub struct Gate(watch::Sender<bool>);

impl Gate {
    pub fn closed() -> Self {
        Self(watch::Sender::new(false))
    }

    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn passed(gate: Option<&Self>) {
        if let Some(Self(gate)) = gate {
            gate.subscribe().wait_for(|is_open| *is_open).await.unwrap();
        }
    }
}

impl Told {
    /// As `gateway` tells it.
    pub fn by(gateway: &Arc<dyn Gateway>) -> Self {
        Self {
            gateway: Arc::clone(gateway),
            charges: Arc::clone(gateway),
            payment: Box::new(|_| {}),
            page: |_| {},
            key: None,
            refused: None,
            listings: AtomicU32::new(u32::MAX),
            lists_at_most: TimeDelta::MAX,
            charged: None,
            looked_up: None,
        }
    }
}

#[async_trait]
impl Gateway for Told {
    fn freeze(&self, order: &Order) -> FrozenRequest {
        self.gateway.freeze(order)
    }

    async fn charge(&self, attempt: &Committed<Attempt>) -> Answer {
        let answer = self.charges.charge(attempt).await;
        Gate::passed(self.charged.as_ref()).await;
        answer
    }

    async fn payment(&self, id: &PaymentId) -> LookUp {
        let mut found = self.gateway.payment(id).await;
        if let LookUp::Found(payment) = &mut found {
            (self.payment)(payment);
        }
        Gate::passed(self.looked_up.as_ref()).await;
        found
    }

    async fn payments(&self, range: &PaymentRange) -> Result<PaymentPage, GatewayError> {
        if self.refused == Some(range.by) {
            return Err(GatewayError::Refused {
                kind: "INVALID_REQUEST".to_owned(),
                message: "not by this".to_owned(),
            });
        }
        if self.listings.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(GatewayError::Unauthorized("no more".to_owned()));
        }
        let mut page = self.gateway.payments(range).await?;
        page.items.iter_mut().for_each(&self.payment);
        (self.page)(&mut page);
        if range.until - range.from > self.lists_at_most {
            page.total = 60_001;
            // Those of others come first.
            page.items.clear();
        }
        Ok(page)
    }

    async fn cancel(&self, cancellation: &Cancellation) -> Result<CancellationStatus, GatewayError> {
        self.gateway.cancel(cancellation).await
    }

    async fn billing_key(&self, key: &BillingKey) -> Result<BillingKeyStatus, GatewayError> {
        match self.key {
            Some(told) => Ok(told),
            None => self.gateway.billing_key(key).await,
        }
    }

    async fn issued_key(&self, key: &BillingKey) -> Result<Option<IssuedKey>, GatewayError> {
        self.gateway.issued_key(key).await
    }

    async fn schedules(&self, range: &ScheduleRange) -> Result<Vec<Schedule>, GatewayError> {
        self.gateway.schedules(range).await
    }

    fn clock_skew(&self) -> Option<chrono::Duration> {
        self.gateway.clock_skew()
    }
}
