//! What is counted over all runs, for whoever watches from outside. Counting decides nothing, and may be lost.

/// One outcome that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted<'a> {
    /// The channel's key, or `default`.
    pub channel: &'a str,
    /// The renewal's state after it; `declined` where it stays due after a decline.
    pub result: &'static str,
    /// What was taken: minor units, and their currency.
    pub taken: Option<(i64, &'a str)>,
}

/// Hears what happened.
pub trait Meter: Send + Sync {
    /// An outcome was recorded.
    fn settled(&self, counted: &Counted<'_>);
    /// Claims of processes that are gone were taken over.
    fn taken_over(&self, claims: u64);
    /// A brake held charging, or a channel.
    fn braked(&self, brake: &'static str);
}

/// Nobody watches.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Meter for Unwatched {
    fn settled(&self, _: &Counted<'_>) {}
    fn taken_over(&self, _: u64) {}
    fn braked(&self, _: &'static str) {}
}
