//! The engine's progress on a terminal.

use super::output::{self, Output};
use crate::engine::Progress;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bar that grows with what is claimed; nothing where nobody looks.
pub struct Bar {
    bar: output::Progress,
    claimed: AtomicU64,
}

impl Bar {
    pub fn new(output: &Output, label: &str) -> Self {
        Self { bar: output.progress(0, label), claimed: AtomicU64::new(0) }
    }

    pub fn finish(&self) {
        self.bar.finish();
    }
}

impl Progress for Bar {
    fn more(&self, renewals: u64) {
        let claimed = self.claimed.fetch_add(renewals, Ordering::Relaxed);
        self.bar.set_len(claimed + renewals);
    }

    fn done(&self, renewals: u64) {
        self.bar.inc(renewals);
    }
}
