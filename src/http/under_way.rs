//! What somebody asked for over HTTP, and what goes on when they have gone: a browser that is closed ends no charge, and
//! a daemon that stops waits for it.

use crate::shutdown::Shutdown;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

/// All of it. Clones share it.
#[derive(Clone, Debug)]
pub struct UnderWay {
    tracker: TaskTracker,
    shutdown: Shutdown,
}

impl UnderWay {
    pub fn new(shutdown: Shutdown) -> Self {
        Self { tracker: TaskTracker::new(), shutdown }
    }

    /// Begins work that is told when to stop.
    pub fn start<F, Work>(&self, work: F) -> JoinHandle<Work::Output>
    where
        F: FnOnce(Arc<Shutdown>) -> Work,
        Work: Future<Output: Send> + Send + 'static,
    {
        self.tracker.spawn(work(Arc::new(self.shutdown.clone())))
    }

    /// Waits until nothing is under way any more.
    pub async fn end(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn what_was_begun_is_waited_for_though_nobody_listens() {
        let shutdown = Shutdown::new(Duration::from_secs(1));
        let (under_way, done) = (UnderWay::new(shutdown.clone()), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&done);
        drop(under_way.start(|shutdown| async move {
            shutdown.wait().await;
            told.store(true, Ordering::SeqCst);
        }));
        shutdown.request();
        under_way.end().await;
        assert!(done.load(Ordering::SeqCst));
    }
}
