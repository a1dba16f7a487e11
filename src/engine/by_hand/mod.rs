//! What people type: looked up, decided by the domain, and written with who and why in one transaction; what is charged or
//! asked for after that goes through the steps of every run.

mod refund;
mod resolve;
mod retry;

pub use refund::{RefundCommand, Refunded};
pub use resolve::{ResolveCommand, Resolved};
pub use retry::{NewKey, Retried, RetryCommand};

use super::{Engine, RunError};
use crate::domain::by_hand::Refusal;
use crate::domain::ids::{PaymentId, RenewalId, SubscriptionId};
use crate::domain::renewal::State;
use crate::store::act::{Mark, Seen};
use crate::store::read::{RenewalRow, Timeline};
use crate::store::{Store, StoreError};
use uuid::Uuid;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum ByHandError {
    /// Something stands against it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No such subscription, renewal or payment.
    #[error("there is no subscription, renewal or payment {0:?}")]
    NotFound(String),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<StoreError> for ByHandError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

/// One renewal, as the person who types looks at it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub id: RenewalId,
    pub subscription_id: SubscriptionId,
    pub payment_id: PaymentId,
    pub state: State,
    pub renewal: RenewalRow,
    pub timeline: Timeline,
}

impl Case {
    /// What must still be so when the command is written.
    pub fn mark(&self) -> Mark {
        Mark { renewal_id: self.id, seen: Seen::of(&self.renewal, &self.timeline) }
    }

    /// The subscription still ends where the renewal's period starts.
    pub fn is_next(&self) -> bool {
        self.timeline.subscription.current_period_end == self.renewal.period_start
    }
}

/// The renewal of that id, of that payment id, or the latest of that subscription.
pub(super) async fn case(store: &dyn Store, id: &str) -> Result<Case, ByHandError> {
    let found = store.timeline(id).await?;
    let timeline = found.ok_or_else(|| ByHandError::NotFound(id.chars().take(64).collect()))?;
    let Some(renewal) = chosen(&timeline, id).cloned() else {
        let refusal = Refusal::new(
            format!("subscription {id} has no renewal yet"),
            "nothing was charged: no period is charged before it is due",
        );
        return Err(refusal.hint(format!("see when it is: renewd show {id}")).into());
    };
    let odd = |problem: String| StoreError::Row { table: "renewals", key: renewal.id.clone(), problem };
    let uuid = Uuid::parse_str(&renewal.id).map_err(|_| odd("its id is no UUID".to_owned()))?;
    let state = State::parse(&renewal.state).ok_or_else(|| odd(format!("its state is \"{}\"", renewal.state)))?;
    Ok(Case {
        id: RenewalId(uuid),
        subscription_id: SubscriptionId(renewal.subscription_id.clone()),
        payment_id: PaymentId(renewal.payment_id.clone()),
        state,
        renewal,
        timeline,
    })
}

fn chosen<'t>(timeline: &'t Timeline, id: &str) -> Option<&'t RenewalRow> {
    let attempts = timeline.attempts.iter().filter(|row| row.payment_id == id).map(|row| Some(row.renewal_id.as_str()));
    let payments = timeline.payments.iter().filter(|row| row.payment_id == id).map(|row| row.renewal_id.as_deref());
    let of_money = attempts.chain(payments).flatten().next();
    let is_meant = |row: &&RenewalRow| {
        row.id.eq_ignore_ascii_case(id) || row.payment_id == id || Some(row.id.as_str()) == of_money
    };
    let latest = || timeline.renewals.last().filter(|_| timeline.subscription.subscription_id == id);
    timeline.renewals.iter().find(is_meant).or_else(latest)
}

/// Somebody was faster: what was decided is void.
fn overtaken(case: &Case) -> Refusal {
    Refusal::new(
        format!("renewal {} changed while this was decided", case.id),
        "nothing was done: what was decided was decided from how it stood before",
    )
    .hint(format!("see how it stands: renewd show {}", case.id))
    .for_now()
}

impl Engine {
    /// How a case stands now.
    async fn again(&self, case: &Case) -> Result<Case, ByHandError> {
        self::case(&*self.store, &case.id.to_string()).await
    }
}
