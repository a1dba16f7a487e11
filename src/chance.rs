//! Chance as a port: ids and jitter come from one injected source, so that a simulation can replay them.

use chrono::{DateTime, Utc};
use std::sync::{Mutex, PoisonError};
use uuid::Uuid;

/// Makes ids and jitter.
pub trait Chance: Send + Sync {
    /// A UUIDv7 for `now`: ids made later sort later, so that indexes grow at one end.
    fn id(&self, now: DateTime<Utc>) -> Uuid;

    /// A number in `[0, 1)`.
    fn unit(&self) -> f64;
}

/// The seeded source; production seeds it from the machine.
pub struct Seeded(Mutex<State>);

struct State {
    random: fastrand::Rng,
    /// Ids of one millisecond sort in the order they were made.
    last: (u64, u16),
}

impl Seeded {
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(State { random: fastrand::Rng::with_seed(seed), last: (0, 0) }))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that takes chance from the machine")]
    pub fn from_machine() -> Self {
        Self::new(fastrand::u64(..))
    }
}

impl Chance for Seeded {
    fn id(&self, now: DateTime<Utc>) -> Uuid {
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes: [u8; 10] = std::array::from_fn(|_| state.random.u8(..));
        // The twelve bits after the time count up within a millisecond.
        let (last_millis, count) = state.last;
        let (millis, count) = match (millis > last_millis, count < 0x0fff) {
            (true, _) => (millis, 0),
            (false, true) => (last_millis, count + 1),
            (false, false) => (last_millis + 1, 0),
        };
        state.last = (millis, count);
        bytes[..2].copy_from_slice(&count.to_be_bytes());
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }

    fn unit(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).random.f64()
    }
}
