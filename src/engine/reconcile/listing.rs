//! The gateway's listing, page by page.

use crate::domain::ids::PaymentId;
use crate::domain::payment::{LookUp, Payment, PaymentStatus};
use crate::domain::reconcile::is_ours;
use crate::engine::Engine;
use crate::engine::backoff::Intervals;
use crate::gateway::{GatewayError, ListedBy, PaymentPage, PaymentRange};
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt};
use std::time::Duration;

/// Payments asked for at once: a page of them stays well below the largest body that is read.
pub(in crate::engine) const PAGE_SIZE: u32 = 100;

/// The gateway lists no more payments of one range than this.
pub(in crate::engine) const LISTED_MAX: u32 = 60_000;

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
        (from, until): (DateTime<Utc>, DateTime<Utc>),
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
