//! How far the plan has come, for whoever charges what is planned already.

use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Shared by who plans and who charges.
#[derive(Default)]
pub(super) struct Planning {
    so_far: Mutex<SoFar>,
    changed: Notify,
}

/// What was planned at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SoFar {
    pages: u64,
    /// Nothing more comes.
    pub is_over: bool,
}

/// Says that the plan is over when it is dropped.
pub(super) struct UntilDropped<'a>(&'a Planning);

impl Drop for UntilDropped<'_> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_one();
    }
}

impl Planning {
    pub fn so_far(&self) -> SoFar {
        *self.lock()
    }

    /// A page more is planned.
    pub fn one_more(&self) {
        self.lock().pages += 1;
        self.changed.notify_one();
    }

    pub fn until_dropped(&self) -> UntilDropped<'_> {
        UntilDropped(self)
    }

    /// Waits until more is planned than `seen`, or nothing more comes. One waits at a time.
    pub async fn more_than(&self, seen: SoFar) {
        while self.so_far() == seen {
            // A change that came before this is kept for it.
            self.changed.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn whoever_waits_hears_of_the_next_page_and_of_the_end() {
        let planning = Planning::default();
        let seen = planning.so_far();
        assert_eq!(planning.more_than(seen).now_or_never(), None);
        planning.one_more();
        assert_eq!(planning.more_than(seen).now_or_never(), Some(()));
        let seen = planning.so_far();
        assert!(!seen.is_over);
        // A plan that fails ends too.
        let failing = || -> Result<(), ()> {
            let _over = planning.until_dropped();
            Err(())
        };
        assert_eq!(failing(), Err(()));
        assert_eq!(planning.more_than(seen).now_or_never(), Some(()));
        assert!(planning.so_far().is_over);
    }
}
