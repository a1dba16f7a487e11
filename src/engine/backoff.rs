//! The only file that names `backoff`: it is the source of intervals. Attempts, deadlines, `Retry-After` and
//! cancellation are the caller's loop.

use crate::chance::Chance;
use ::backoff::ExponentialBackoff;
use ::backoff::backoff::Backoff;
use std::time::Duration;

/// Exponential intervals with full jitter: each wait is anything between nothing and the interval.
pub struct Intervals(ExponentialBackoff);

impl Intervals {
    /// Intervals that start at `first`, double, and stay at `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self(ExponentialBackoff {
            current_interval: first,
            initial_interval: first,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: longest,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// The interval after this many tries, without jitter: for repeats that outlive their process.
    pub fn nth(first: Duration, longest: Duration, tries: u32) -> Duration {
        let mut intervals = Self::new(first, longest);
        let mut interval = first;
        // Doubled from a nanosecond on, it is the longest there is long before that.
        for _ in 0..tries.clamp(1, 64) {
            interval = intervals.0.next_backoff().unwrap_or(longest);
        }
        interval.min(longest)
    }

    /// The next wait. The jitter comes from `chance`, so that a simulation can replay it.
    pub fn next(&mut self, chance: &dyn Chance) -> Duration {
        let interval = self.0.next_backoff().unwrap_or(self.0.max_interval);
        interval.mul_f64(chance.unit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Seeded;

    #[test]
    fn an_interval_is_found_by_its_number() {
        let nth = |tries| Intervals::nth(Duration::from_secs(10), Duration::from_secs(60), tries).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 5, u32::MAX].map(nth), [10, 10, 20, 40, 60, 60, 60]);
    }

    #[test]
    fn waits_grow_to_the_longest_and_are_jittered_over_the_whole_interval() {
        let chance = Seeded::new(7);
        let waits = |rounds: usize| -> Vec<Duration> {
            let mut intervals = Intervals::new(Duration::from_secs(1), Duration::from_secs(8));
            (0..rounds).map(|_| intervals.next(&chance)).collect()
        };
        let mut longest = [Duration::ZERO; 6];
        let mut shortest = [Duration::MAX; 6];
        for _ in 0..500 {
            for (i, wait) in waits(6).into_iter().enumerate() {
                longest[i] = longest[i].max(wait);
                shortest[i] = shortest[i].min(wait);
            }
        }
        for (i, bound) in [1.0, 2.0, 4.0, 8.0, 8.0, 8.0].into_iter().enumerate() {
            let secs = longest[i].as_secs_f64();
            assert!(secs <= bound && secs > bound * 0.9, "wait {i}: {secs} of {bound}");
            assert!(shortest[i].as_secs_f64() < bound * 0.1, "wait {i} is not jittered from zero");
        }
    }
}
