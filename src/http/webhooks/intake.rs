//! Takes messages in together: whoever sends one waits for a commit, and all who wait share the next one.

use crate::domain::notice::Notice;
use crate::store::Store;
use std::sync::Arc;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::sync::oneshot;

/// Called whenever new messages are kept.
pub type Ring = Box<dyn Fn() + Send + Sync>;

/// Messages that wait for a commit, at most; more are refused, and sent again by their sender.
const WAITING_MAX: usize = 4_096;

/// Messages of one commit, at most.
const TOGETHER_MAX: usize = 1_000;

/// Why a message was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// Too many wait already.
    Full,
    /// The database did not take it.
    Failed,
}

struct Waiting {
    notice: Notice,
    kept: oneshot::Sender<bool>,
}

/// The place where messages are handed in.
pub struct Intake(Sender<Waiting>);

impl Intake {
    /// Goes on until it is dropped.
    pub fn start(store: Arc<dyn Store>, ring: Ring) -> Self {
        let (hand_in, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(keep_all(store, waiting, ring));
        Self(hand_in)
    }

    /// Returns when the message is on disk.
    ///
    /// # Errors
    /// [`NotKept`]: whoever sent it must send it again.
    pub async fn keep(&self, notice: Notice) -> Result<(), NotKept> {
        let (kept, answer) = oneshot::channel();
        self.0.try_send(Waiting { notice, kept }).map_err(|_| NotKept::Full)?;
        match answer.await {
            Ok(true) => Ok(()),
            _ => Err(NotKept::Failed),
        }
    }
}

async fn keep_all(store: Arc<dyn Store>, mut waiting: Receiver<Waiting>, ring: Ring) {
    let mut together = Vec::with_capacity(TOGETHER_MAX);
    while waiting.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let (notices, senders): (Vec<Notice>, Vec<oneshot::Sender<bool>>) =
            together.drain(..).map(|one| (one.notice, one.kept)).unzip();
        let kept = store.keep_notices(&notices).await;
        match &kept {
            Ok(new) if new.is_empty() => {}
            Ok(_) => ring(),
            Err(error) => {
                tracing::warn!("{} webhooks could not be kept, and will be sent again: {error}", notices.len());
            }
        }
        for sender in senders {
            // Whoever hung up has its message kept all the same.
            let _ = sender.send(kept.is_ok());
        }
    }
}
