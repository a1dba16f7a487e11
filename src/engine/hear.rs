//! Hearing: what the gateway told by itself is looked up, and settled by the same steps as everything else.
//!
//! A message proves nothing; the look-up does. Whatever is lost here is found by the next look-up of its renewal, or by the
//! reconciliation: nothing depends on a message, it only makes things known sooner.

use super::reconcile::report::ReconcileReport;
use super::run::{Run, RunRequest};
use super::{Engine, RunError, spans};
use crate::domain::event::NewEvent;
use crate::domain::ids::{EventId, PaymentId};
use crate::domain::notice::{self, Before, KEPT_FOR, Kept, KeptSubject, KeyHeard, KeyNow, NoticeKind, Outcome};
use crate::domain::payment::{LookUp, Payment};
use crate::domain::reconcile::{FoundPayment, KnownPayment, Standing, WantedPayment, compare};
use crate::domain::renewal::State;
use crate::gateway::{BillingKeyStatus, GatewayError};
use crate::shutdown::Shutdown;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tracing::Instrument;

/// Who saw it, for the observation; who asked, for the run's row.
const SEEN_BY: &str = "webhook";

/// How long one page of messages may take; another daemon looks into them then.
const LEASE: Duration = Duration::from_secs(300);

/// Messages that are forgotten at once.
const FORGOTTEN_AT_ONCE: u32 = 1_000;

/// What hearing led to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Messages that were looked into.
    pub messages: u64,
    /// Payments that the gateway was asked for.
    pub looked_up: u64,
    /// Paid there and not recorded here: settled now.
    pub adopted: u64,
    /// Billing keys that can be charged again.
    pub keys_back: u64,
}

/// What is known of the payments of one page of messages.
type Known = HashMap<String, KnownPayment>;

impl Engine {
    /// Looks into everything that the gateway told and that is due to be looked into.
    ///
    /// # Errors
    /// [`RunError`] when the database failed. What was claimed is looked into again when its claim ends.
    pub async fn hear(&self, actor: &str, shutdown: &Shutdown) -> Result<Heard, RunError> {
        let mut heard = Heard::default();
        while !shutdown.requested() {
            let page = self.store.claim_notices(self.limits.claim_rows_max, LEASE).await?;
            if page.is_empty() {
                let over = self.store.now().await? - KEPT_FOR;
                self.store.forget_notices(over, FORGOTTEN_AT_ONCE).await?;
                break;
            }
            heard.messages += page.len() as u64;
            let (payments, keys): (Vec<Kept>, Vec<Kept>) =
                page.into_iter().partition(|kept| matches!(kept.subject, KeptSubject::Payment(_)));
            let mut outcomes = self.hear_of_payments(payments, (actor, shutdown), &mut heard).await?;
            outcomes.extend(self.hear_of_keys(keys, &mut heard).await?);
            self.store.record_notices(&outcomes).await?;
        }
        Ok(heard)
    }

    async fn hear_of_payments(
        &self,
        page: Vec<Kept>,
        asked: (&str, &Shutdown),
        heard: &mut Heard,
    ) -> Result<Vec<Outcome>, RunError> {
        if page.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.store.now().await?;
        let (to_ask, mut outcomes) = sort(&page, &self.known_by_name(&page).await?, now);
        let names: BTreeSet<PaymentId> = to_ask.iter().filter_map(|kept| payment_of(kept).cloned()).collect();
        heard.looked_up += names.len() as u64;
        let looking = names.into_iter().map(|id| async move {
            let look_up = self.gateway.payment(&id).instrument(spans::payment(&id)).await;
            (id, look_up)
        });
        let looked: BTreeMap<PaymentId, LookUp> =
            stream::iter(looking).buffered(self.limits.concurrency).collect().await;
        let found: Vec<Payment> = looked.iter().filter_map(|(id, look_up)| shown(id, look_up)).cloned().collect();
        let known = self.known(&found).await?;
        heard.adopted += self.settle_heard(found, &known, asked).await?;
        let mut events = Vec::new();
        for kept in to_ask {
            let Some((id, look_up)) = payment_of(kept).and_then(|id| looked.get_key_value(id)) else { continue };
            let payment = shown(id, look_up);
            if let Some((payment, known)) = payment.and_then(|payment| Some((payment, known.get(id.as_str())?))) {
                events.extend(notice::disputed(kept, payment, known, EventId(self.new_id()), now));
            }
            outcomes.push(match look_up {
                LookUp::Found(_) if payment.is_some() => kept.done("looked up"),
                LookUp::Found(_) => kept.again("the gateway answered with another payment", now),
                LookUp::NotFound => kept.done("the gateway knows no such payment"),
                LookUp::Failed(why) | LookUp::Unauthorized(why) => kept.again(format!("not looked up: {why}"), now),
            });
        }
        self.store.tell(&events).await?;
        Ok(outcomes)
    }

    /// What is recorded of the payments that are named: by the name alone, nobody has been asked yet.
    async fn known_by_name(&self, page: &[Kept]) -> Result<Known, RunError> {
        let names: BTreeSet<&PaymentId> = page.iter().filter_map(payment_of).collect();
        let wanted = |id: &PaymentId| WantedPayment {
            payment_id: id.clone(),
            subscription_id: None,
            period_start: None,
            attempt: None,
        };
        let wanted: Vec<WantedPayment> = names.into_iter().map(wanted).collect();
        let known = self.store.known_payments(&wanted).await?;
        Ok(known.into_iter().map(|known| (known.payment_id.0.clone(), known)).collect())
    }

    /// Settles what differs from what is recorded, in a run of its own; answers how many were settled as paid.
    async fn settle_heard(
        &self,
        found: Vec<Payment>,
        known: &Known,
        (actor, shutdown): (&str, &Shutdown),
    ) -> Result<u64, RunError> {
        let differs = |payment: &Payment| {
            let known = known.get(payment.id.as_str());
            known.is_some_and(|known| compare(Some(payment), known, &self.policy) != Standing::Agreed)
        };
        let (to_settle, rest): (Vec<Payment>, Vec<Payment>) = found.into_iter().partition(differs);
        let waited_for: Vec<(&Payment, &KnownPayment)> = rest
            .iter()
            .filter_map(|payment| Some((payment, known.get(payment.id.as_str())?)))
            .filter(ends_it)
            .collect();
        if to_settle.is_empty() && waited_for.is_empty() {
            return Ok(0);
        }
        let (trigger, actor) = (SEEN_BY.to_owned(), actor.to_owned());
        let mut run = self.open(&RunRequest { trigger, actor, ..RunRequest::default() }, shutdown).await?;
        run.looks_only = true;
        let started = self.started(&run);
        let mut report = ReconcileReport::new(&run, (started, started), started);
        report.listed = (to_settle.len() + waited_for.len()) as u64;
        report.ours = report.listed;
        let settling = async {
            let ended = match self.end_unknown(&run, &waited_for).await {
                Ok(()) => self.settle_listed(&run, to_settle, &mut report).await,
                failed => failed,
            };
            report.close(&run, ended.as_ref().err(), self.now(&run));
            self.close_looked(&run, report.looked(), ended).await
        };
        settling.instrument(spans::run(run.id)).await?;
        Ok(report.adopted)
    }

    /// Brings forward the look-ups of renewals without an outcome, whose payments have one now.
    async fn end_unknown(&self, run: &Run, waited_for: &[(&Payment, &KnownPayment)]) -> Result<(), RunError> {
        if waited_for.is_empty() {
            return Ok(());
        }
        let now = self.now(run);
        let found: Vec<FoundPayment> =
            waited_for.iter().filter_map(|(payment, known)| self.found(payment, known, None, now)).collect();
        self.store.wake(run.id, &found, SEEN_BY).await?;
        self.resolve(run).await
    }

    async fn hear_of_keys(&self, page: Vec<Kept>, heard: &mut Heard) -> Result<Vec<Outcome>, RunError> {
        if page.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.store.now().await?;
        let asking = page.into_iter().map(|kept| async move {
            let KeptSubject::Key(id, key) = &kept.subject else { return (kept.done("about no key"), None) };
            key_now(&kept, self.gateway.billing_key(key).await, now, |found| KeyHeard { id: id.clone(), found })
        });
        let (outcomes, found): (Vec<Outcome>, Vec<Option<KeyHeard>>) =
            stream::iter(asking).buffered(self.limits.concurrency).unzip().await;
        let found: Vec<KeyHeard> = found.into_iter().flatten().collect();
        let keys = self.store.hear_keys(&found).await?;
        let missing = |keyless: &notice::Keyless| notice::missing(keyless, &self.policy, EventId(self.new_id()), now);
        let events: Vec<NewEvent> = keys.keyless.iter().map(missing).collect();
        self.store.tell(&events).await?;
        heard.keys_back += keys.back.len() as u64;
        Ok(outcomes)
    }
}

/// Those whose payments are asked for, and what becomes of the others.
fn sort<'k>(page: &'k [Kept], known: &Known, now: DateTime<Utc>) -> (Vec<&'k Kept>, Vec<Outcome>) {
    let (mut to_ask, mut outcomes) = (Vec::new(), Vec::new());
    for kept in page {
        let known = payment_of(kept).and_then(|id| known.get(id.as_str()));
        match known.map_or(Before::Ask, |known| notice::before_asking(kept.kind, known)) {
            Before::Ask => to_ask.push(kept),
            Before::NoNews(why) => outcomes.push(kept.done(why)),
            Before::UnderWay => outcomes.push(kept.again("our own charge was under way", now)),
        }
    }
    (to_ask, outcomes)
}

fn payment_of(kept: &Kept) -> Option<&PaymentId> {
    match &kept.subject {
        KeptSubject::Payment(id) => Some(id),
        KeptSubject::Key(..) => None,
    }
}

/// The payment that was asked for, and no other.
fn shown<'l>(id: &PaymentId, look_up: &'l LookUp) -> Option<&'l Payment> {
    match look_up {
        LookUp::Found(payment) if payment.id == id.as_str() => Some(payment),
        _ => None,
    }
}

/// No money, for a renewal whose outcome is unknown: its look-up need not wait.
fn ends_it((payment, known): &(&Payment, &KnownPayment)) -> bool {
    let renewal = known.renewal.as_ref();
    renewal.is_some_and(|renewal| renewal.state == State::Unknown && renewal.payment_id.as_str() == payment.id)
}

/// What the gateway's answer says of a key. That it knows none is believed only of one that is said to be deleted: another
/// store's secret knows none either.
fn key_now(
    kept: &Kept,
    answer: Result<BillingKeyStatus, GatewayError>,
    now: DateTime<Utc>,
    heard: impl Fn(KeyNow) -> KeyHeard,
) -> (Outcome, Option<KeyHeard>) {
    match (answer, kept.kind, kept.happened_at) {
        (Ok(BillingKeyStatus::Deleted), ..) | (Ok(BillingKeyStatus::NotFound), NoticeKind::KeyDeleted, _) => {
            (kept.done("the key is gone"), Some(heard(KeyNow::Gone)))
        }
        (Ok(BillingKeyStatus::Issued), NoticeKind::KeyIssued, Some(at)) => {
            (kept.done("the key is issued"), Some(heard(KeyNow::IssuedAt(at))))
        }
        (Ok(_), ..) => (kept.done("the gateway does not show it so"), None),
        (Err(why), ..) => (kept.again(format!("not asked: {why}"), now), None),
    }
}
