//! What requests start and what goes on without them: a client that hangs up ends no charge.

use super::Problem;
use crate::shutdown::Shutdown;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

/// The tasks that requests started, owned by the daemon.
pub struct Work {
    tasks: TaskTracker,
    /// Held while a run is looked for and opened: the second of two requests under one key finds the first one's.
    pub(super) starting: Mutex<()>,
    pub(super) shutdown: Shutdown,
    /// For the answer; what is not done by then goes on, and whoever asked is told where to look.
    answer_within: Duration,
}

impl Work {
    /// `request_timeout` is that of the server: the answer comes a little before it.
    pub fn new(shutdown: Shutdown, request_timeout: Duration) -> Self {
        let answer_within = request_timeout.mul_f32(0.8);
        Self { tasks: TaskTracker::new(), starting: Mutex::default(), shutdown, answer_within }
    }

    /// Begins work that is told when to stop, and that goes on without whoever asked for it.
    pub(super) fn start<F, W>(&self, work: F) -> JoinHandle<W::Output>
    where
        F: FnOnce(Arc<Shutdown>) -> W,
        W: Future<Output: Send> + Send + 'static,
    {
        self.tasks.spawn(work(Arc::new(self.shutdown.clone())).in_current_span())
    }

    /// Waits for what is under way, for a bounded time. A claim that is left keeps its lease, and the next run looks up what
    /// became of it.
    pub async fn end(&self, within: Duration) {
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait()).await.is_err() {
            let left = self.tasks.len();
            tracing::error!("{left} request(s) did not end in time and are left: what they claimed is looked up later");
        }
    }

    /// Does `work` to its end, whatever becomes of the request, and answers with what it tells first; `None` where that
    /// takes longer than a request may. `work` may go on after it has told.
    ///
    /// # Errors
    /// What it tells, and [`Problem`] where it panicked, or where the daemon is about to stop.
    pub(super) async fn begin<T, F>(
        &self,
        what: String,
        work: impl FnOnce(oneshot::Sender<Result<T, Problem>>) -> F,
    ) -> Result<Option<T>, Problem>
    where
        T: Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        if self.shutdown.requested() {
            return Err(Problem::unavailable("the daemon is about to stop").money("nothing was done"));
        }
        tracing::info!("asked over HTTP: {what}");
        let (tell, told) = oneshot::channel();
        let task = self.tasks.spawn(work(tell).in_current_span());
        match tokio::time::timeout(self.answer_within, told).await {
            Ok(Ok(told)) => told.map(Some),
            Ok(Err(_)) => Err(match task.await {
                Err(panic) => Problem::internal(&panic),
                Ok(()) => Problem::internal(&format!("{what}: it ended without a word")),
            }),
            Err(_) => {
                tracing::warn!("{what}: takes longer than its request, and goes on");
                Ok(None)
            }
        }
    }

    /// The same for work that ends with what it tells.
    ///
    /// # Errors
    /// As [`Work::begin`].
    pub(super) async fn finish<T: Send + 'static>(
        &self,
        what: String,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<Option<T>, Problem> {
        let named = what.clone();
        self.begin(what, |tell| async move {
            let done = work.await;
            if let Err(problem) = &done {
                tracing::warn!("{named}: {}", problem.detail());
            }
            // Nobody may be there to hear it: it is done, and recorded.
            let _ = tell.send(done);
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[tokio::test]
    async fn what_was_begun_is_waited_for_though_nobody_listens() {
        let shutdown = Shutdown::new(Duration::from_secs(1));
        let (work, done) = (Work::new(shutdown.clone(), Duration::from_secs(1)), Arc::new(AtomicBool::new(false)));
        let told = Arc::clone(&done);
        drop(work.start(|shutdown| async move {
            shutdown.wait().await;
            told.store(true, Ordering::SeqCst);
        }));
        shutdown.request();
        work.end(Duration::from_secs(20)).await;
        assert!(done.load(Ordering::SeqCst));
    }
}
