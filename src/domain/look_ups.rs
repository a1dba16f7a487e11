//! When a payment is looked up again: while its outcome is unknown, and after its renewal ended without money.

use chrono::{DateTime, TimeDelta, Utc};

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 86_400;

/// While the outcome is unknown: after the first time that it could not be told.
pub const UNKNOWN: [TimeDelta; 12] = seconds([
    MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    3 * DAY,
    4 * DAY,
    5 * DAY,
    6 * DAY,
]);

/// After this long an outcome that is still unknown is put before a person. It never becomes a failure by time.
pub const REVIEW_AFTER: TimeDelta = TimeDelta::seconds(7 * DAY);

/// After a renewal ended without money, or a payment id was given up: money can turn up late.
pub const LATE: [TimeDelta; 6] = seconds([HOUR, 6 * HOUR, DAY, 3 * DAY, 7 * DAY, 30 * DAY]);

/// A 404 proves nothing sooner after a request than this.
pub const NOT_RECEIVED_AFTER: TimeDelta = TimeDelta::seconds(10 * MINUTE);

/// A FAILED whose reason may hide a success counts as a decline only when it still stands after this long.
pub const UNCERTAIN_UNTIL: TimeDelta = TimeDelta::seconds(DAY);

const fn seconds<const N: usize>(from: [i64; N]) -> [TimeDelta; N] {
    let mut out = [TimeDelta::zero(); N];
    let mut i = 0;
    while i < N {
        out[i] = TimeDelta::seconds(from[i]);
        i += 1;
    }
    out
}

/// The next look-up of an unknown outcome that has been looked up at `now`, or `None` when a person must look.
pub fn next_unknown(since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if now - since >= REVIEW_AFTER {
        return None;
    }
    let next = UNKNOWN.iter().map(|after| since + *after).find(|at| *at > now);
    Some(next.unwrap_or(since + REVIEW_AFTER))
}

/// The next late look-up after `now`, or `None` when it was the last.
pub fn next_late(since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    LATE.iter().map(|after| since + *after).find(|at| *at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    #[test]
    fn an_unknown_outcome_is_looked_up_less_and_less_often_and_then_shown_to_a_person() {
        let mut now = at(0);
        let mut minutes = Vec::new();
        while let Some(next) = next_unknown(at(0), now) {
            minutes.push((next - at(0)).num_minutes());
            now = next;
        }
        assert_eq!(minutes, [1, 5, 15, 60, 360, 720, 1440, 2880, 4320, 5760, 7200, 8640, 10080]);
    }

    #[test]
    fn a_look_up_that_was_missed_does_not_make_up_for_it_by_hurrying() {
        assert_eq!(next_unknown(at(0), at(100)), Some(at(360)));
        assert_eq!(next_late(at(0), at(100)), Some(at(360)));
    }

    #[test]
    fn late_look_ups_end_after_thirty_days() {
        assert_eq!(next_late(at(0), at(29 * 1440)), Some(at(30 * 1440)));
        assert_eq!(next_late(at(0), at(30 * 1440)), None);
    }
}
