//! The gateway's listing, page by page.

use crate::domain::ids::PaymentId;
use crate::domain::payment::{LookUp, Payment, PaymentStatus};
use crate::domain::reconcile::is_ours;
use crate::engine::Engine;
use crate::engine::backoff::Intervals;
use crate::gateway::{GatewayError, ListedBy, PaymentPage, PaymentRange};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt};
use std::time::Duration;

/// Payments asked for at once: a page of them stays well below the largest body that is read.
pub(in crate::engine) const PAGE_SIZE: u32 = 100;

/// The gateway lists no more payments of one range than this.
const LISTED_MAX: u32 = 60_000;

/// A range that holds more than can be listed is listed in halves, down to this.
const WINDOW_MIN: TimeDelta = TimeDelta::seconds(1);

/// Payments from then on, to then.
pub(in crate::engine) type Range = (DateTime<Utc>, DateTime<Utc>);

/// A range that can be listed whole, and its first page.
pub(in crate::engine) struct Window {
    pub range: Range,
    pub first: PaymentPage,
}

impl Window {
    pub fn pages(&self) -> u32 {
        // No more than LISTED_MAX payments.
        u32::try_from(self.first.total.div_ceil(u64::from(PAGE_SIZE))).unwrap_or(u32::MAX).max(1)
    }
}

/// A listing that gets no answer is asked for this often.
const TRIES_MAX: u32 = 4;

impl Engine {
    /// One page of the gateway's payments, asked for again where there is no answer.
    ///
    /// # Errors
    /// What the gateway said, or that it said nothing for [`TRIES_MAX`] times.
    pub(in crate::engine) async fn list(
        &self,
        by: ListedBy,
        (from, until): Range,
        page: u32,
    ) -> Result<PaymentPage, GatewayError> {
        let range = PaymentRange { by, from, until, page, page_size: PAGE_SIZE };
        let mut waits = Intervals::new(Duration::from_secs(1), Duration::from_secs(8));
        let mut tries = 1;
        loop {
            match self.gateway.payments(&range).await {
                Err(GatewayError::NoAnswer(why)) if tries < TRIES_MAX => {
                    tracing::warn!("the gateway did not list its payments ({why}): asking again");
                    self.clock.sleep(waits.next(&*self.chance)).await;
                    tries += 1;
                }
                answer => return answer,
            }
        }
    }

    /// The next of `ranges`, in halves where it holds more than can be listed: none is left out. The earlier half comes first,
    /// because a subscription's periods are settled in their order.
    ///
    /// # Errors
    /// What the gateway said, or that it has too many of one second.
    pub(in crate::engine) async fn next_window(
        &self,
        by: ListedBy,
        ranges: &mut Vec<Range>,
    ) -> Result<Option<Window>, GatewayError> {
        while let Some((from, until)) = ranges.pop() {
            let first = self.list(by, (from, until), 0).await?;
            if first.total <= u64::from(LISTED_MAX) {
                return Ok(Some(Window { range: (from, until), first }));
            }
            if until - from <= WINDOW_MIN {
                let told = format!("it tells of {} payments within one second of {from}", first.total);
                return Err(GatewayError::NoAnswer(told));
            }
            let middle = from + (until - from) / 2;
            ranges.extend([(middle, until), (from, middle)]);
        }
        Ok(None)
    }

    /// Those of a page that renewd made. One that its page does not show in words that are known here may hide money: it
    /// is looked up by its name, and stays as it was listed where that tells no more.
    pub(in crate::engine) async fn ours_among(&self, page: Vec<Payment>) -> Vec<Payment> {
        let looking = page.into_iter().filter(is_ours).map(|listed| async {
            if !matches!(listed.status, PaymentStatus::Other(_)) {
                return listed;
            }
            match self.gateway.payment(&PaymentId(listed.id.clone())).await {
                LookUp::Found(payment) if payment.id == listed.id => *payment,
                _ => listed,
            }
        });
        stream::iter(looking).buffered(self.limits.concurrency).collect().await
    }
}
