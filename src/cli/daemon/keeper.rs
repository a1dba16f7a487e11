//! Keeping one job: never twice at once, one tick remembered while it works, tried again while the database is away,
//! and no panic of it ends the daemon.

use super::super::error::CliError;
use crate::shutdown::Shutdown;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// Starts a job. Rung while it works, it starts once more afterwards, however often it was rung.
#[derive(Debug, Default)]
pub(super) struct Bell(Notify);

impl Bell {
    pub(super) fn ring(&self) {
        self.0.notify_one();
    }
}

/// Why a job could not be done.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: CliError,
    /// Likely to be gone soon, such as a database that is started again.
    pub passes: bool,
}

/// How long to wait before each further try; doubles up to a minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    first: Duration,
    next: Duration,
}

impl Waits {
    const LONGEST: Duration = Duration::from_secs(60);

    fn starting_with(first: Duration) -> Self {
        Self { first, next: first }
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(Self::LONGEST);
        wait
    }

    fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self::starting_with(Duration::from_secs(2))
    }
}

/// One job's life.
pub(super) struct Keeper {
    pub name: &'static str,
    pub bell: Arc<Bell>,
    /// Held while the job works; jobs that share it wait for each other.
    pub lane: Arc<Mutex<()>>,
    pub waits: Waits,
    /// Rung whenever the job has worked: what it did is told at once.
    pub then: Option<Arc<Bell>>,
    pub shutdown: Shutdown,
}

impl Keeper {
    /// Does the job whenever its bell was rung, until it is told to stop.
    pub(super) async fn keep<F, Done>(mut self, perform: F)
    where
        F: Fn() -> Done + Send,
        Done: Future<Output = Result<(), Failure>> + Send,
    {
        let (mut again, mut has_failed) = (None, false);
        while self.called(again).await {
            let Some(done) = self.perform_once(&perform).await else { return };
            self.then.iter().for_each(|bell| bell.ring());
            again = match done {
                Ok(()) => {
                    if std::mem::take(&mut has_failed) {
                        tracing::info!(job = self.name, "{} could be done again", self.name);
                    }
                    self.waits.reset();
                    None
                }
                Err(failure) => {
                    has_failed = true;
                    self.tell(&failure)
                }
            };
        }
    }

    /// Waits for the bell, or until it is time for another try; `false` when it was told to stop.
    async fn called(&self, again: Option<Duration>) -> bool {
        tokio::select! {
            biased;
            () = self.shutdown.wait() => false,
            () = self.bell.0.notified() => true,
            () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => true,
        }
    }

    /// `None` when it was told to stop before its turn came.
    async fn perform_once<F, Done>(&self, perform: &F) -> Option<Result<(), Failure>>
    where
        F: Fn() -> Done + Send,
        Done: Future<Output = Result<(), Failure>> + Send,
    {
        let _turn = tokio::select! {
            biased;
            () = self.shutdown.wait() => return None,
            turn = self.lane.lock() => turn,
        };
        let done = AssertUnwindSafe(async { perform().await }).catch_unwind().await;
        Some(done.unwrap_or_else(|panic| Err(Failure::of_panic(&said(&*panic)))))
    }

    /// For whoever is woken by it at night; answers when to try again, if before the next tick.
    fn tell(&mut self, failure: &Failure) -> Option<Duration> {
        let again = failure.passes.then(|| self.waits.next());
        let when = again.map_or_else(|| "at the next tick".to_owned(), |wait| format!("in {} s", wait.as_secs()));
        let (error, hints) = (&failure.error, failure.error.hints.join("; "));
        tracing::error!(
            job = self.name,
            money = error.money.as_deref().unwrap_or_default(),
            hint = hints,
            "{} could not be done: {error}; tried again {when}",
            self.name
        );
        again
    }
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::super::error::incomplete;
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const SHORT: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(20);

    fn keeper(lane: &Arc<Mutex<()>>) -> Keeper {
        Keeper {
            name: "test",
            bell: Arc::default(),
            lane: Arc::clone(lane),
            waits: Waits::starting_with(SHORT),
            then: None,
            shutdown: Shutdown::new(SHORT),
        }
    }

    async fn until(count: &AtomicUsize, wanted: usize) {
        let come = async {
            while count.load(Ordering::SeqCst) < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LONG, come).await.expect("it never came");
    }

    fn failure(passes: bool) -> Failure {
        Failure { error: incomplete("no"), passes }
    }

    #[tokio::test]
    async fn rung_while_it_works_it_starts_once_more_and_never_beside_itself() {
        let keeper = keeper(&Arc::default());
        let (bell, shutdown) = (Arc::clone(&keeper.bell), keeper.shutdown.clone());
        let (started, at_once, gate) = (AtomicUsize::new(0), AtomicUsize::new(0), Notify::new());
        let job = keeper.keep(|| async {
            assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0, "twice at once");
            started.fetch_add(1, Ordering::SeqCst);
            gate.notified().await;
            at_once.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        });
        let story = async {
            bell.ring();
            until(&started, 1).await;
            (0..5).for_each(|_| bell.ring());
            gate.notify_one();
            until(&started, 2).await;
            gate.notify_one();
            tokio::time::sleep(10 * SHORT).await;
            shutdown.request();
        };
        tokio::join!(job, story);
        assert_eq!(started.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_panic_ends_this_time_only_and_waits_for_the_next_tick() {
        let keeper = keeper(&Arc::default());
        let (bell, shutdown) = (Arc::clone(&keeper.bell), keeper.shutdown.clone());
        let started = AtomicUsize::new(0);
        let job = keeper.keep(|| async {
            if started.fetch_add(1, Ordering::SeqCst) == 0 {
                panic!("a bug");
            }
            Ok(())
        });
        let story = async {
            bell.ring();
            until(&started, 1).await;
            tokio::time::sleep(10 * SHORT).await;
            assert_eq!(started.load(Ordering::SeqCst), 1, "nothing passes by itself");
            bell.ring();
            until(&started, 2).await;
            shutdown.request();
        };
        tokio::join!(job, story);
    }

    #[tokio::test]
    async fn what_passes_is_tried_again_until_it_has_passed_and_what_does_not_waits() {
        let keeper = keeper(&Arc::default());
        let (bell, shutdown) = (Arc::clone(&keeper.bell), keeper.shutdown.clone());
        let started = AtomicUsize::new(0);
        let job = keeper.keep(|| async {
            match started.fetch_add(1, Ordering::SeqCst) {
                0..3 => Err(failure(true)),
                3 => Ok(()),
                _ => Err(failure(false)),
            }
        });
        let story = async {
            bell.ring();
            until(&started, 4).await;
            bell.ring();
            until(&started, 5).await;
            tokio::time::sleep(20 * SHORT).await;
            shutdown.request();
        };
        tokio::join!(job, story);
        assert_eq!(started.load(Ordering::SeqCst), 5);
    }

    #[tokio::test]
    async fn jobs_of_one_lane_wait_for_each_other_and_not_longer_than_until_the_stop() {
        let lane = Arc::new(Mutex::new(()));
        let keeper = keeper(&lane);
        let (bell, shutdown) = (Arc::clone(&keeper.bell), keeper.shutdown.clone());
        let other = lane.lock().await;
        let started = AtomicUsize::new(0);
        let job = keeper.keep(|| async {
            started.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        let story = async {
            bell.ring();
            tokio::time::sleep(10 * SHORT).await;
            shutdown.request();
        };
        tokio::join!(job, story);
        drop(other);
        assert_eq!(started.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn waits_grow_up_to_a_minute_and_begin_anew() {
        let mut waits = Waits::default();
        let secs: Vec<u64> = (0..7).map(|_| waits.next().as_secs()).collect();
        assert_eq!(secs, [2, 4, 8, 16, 32, 60, 60]);
        waits.reset();
        assert_eq!(waits.next().as_secs(), 2);
    }
}
