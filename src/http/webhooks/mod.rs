//! What PortOne tells by itself: believed to be PortOne's by its signature, kept, and answered. Looking into it is the
//! engine's, later.
//!
//! | answer | when | what PortOne does |
//! | --- | --- | --- |
//! | 200 | kept, a repeat, or nothing that matters here | nothing more |
//! | 400 | the signature is not right | sends it again, and gives up |
//! | 503 | it cannot be kept now | sends it again later |

mod intake;

use super::{Door, Problem, Ready};
use crate::webhook::notice::{Read, read};
use crate::webhook::signature::{Refusal, Secrets, verify};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use intake::{Intake, NotKept};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use intake::Ring;

/// What the handler needs.
pub struct Webhooks {
    secrets: Secrets,
    intake: Intake,
    refused: AtomicU64,
}

impl Webhooks {
    /// Starts to take messages in; `ring` is called whenever new ones are kept.
    pub fn start(secrets: Secrets, store: Arc<dyn crate::store::Store>, ring: Ring) -> Self {
        Self { secrets, intake: Intake::start(store, ring), refused: AtomicU64::new(0) }
    }

    /// Anybody may send rubbish, and much of it: the log tells the first one, the second, the fourth, and so on.
    fn refuse(&self, refusal: Refusal) -> Problem {
        let count = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            tracing::warn!(
                reason = refusal.as_str(),
                count,
                "a webhook was refused: {refusal}; {count} so far; if PortOne sent it: is gateway.webhook_secret the \
                 secret that its console shows?"
            );
        }
        Problem::bad_request(refusal.to_string()).money("nothing was read of it, and nothing depends on it")
    }
}

/// Takes one message.
pub(super) async fn receive(
    State(door): State<Arc<Door>>,
    Ready(site): Ready,
    headers: HeaderMap,
    body: Bytes,
) -> Result<&'static str, Problem> {
    let Some(webhooks) = &site.webhooks else {
        return Err(Problem::nothing_there("webhooks are not taken here").hint(
            "set gateway.webhook_secret to the secret that PortOne's console shows, and start the daemon again",
        ));
    };
    let given = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let count = |outcome| door.metrics.counters.webhook(outcome);
    let signed = verify(&webhooks.secrets, given, &body, door.clock.now()).map_err(|why| {
        count(why.as_str());
        webhooks.refuse(why)
    })?;
    match read(signed.id, &body) {
        Read::Ignored(why) => {
            count("ignored");
            tracing::debug!(webhook.id = signed.id, "a webhook is ignored: {why}");
            Ok("ignored\n")
        }
        Read::Notice(notice) => {
            let kept = webhooks.intake.keep(notice).await;
            count(if kept.is_ok() { "kept" } else { "not_kept" });
            match kept {
                Ok(()) => Ok("kept\n"),
                Err(NotKept::Full) => Err(Problem::unavailable("too many messages at once: send it again")),
                Err(NotKept::Failed) => Err(Problem::unavailable("it cannot be kept now: send it again")),
            }
        }
    }
}
