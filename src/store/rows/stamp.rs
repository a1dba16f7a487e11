//! Times inside JSON.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serializer;

/// A time as both databases take it inside JSON, and as SQLite keeps it: fixed width, so that it sorts.
pub fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// For `#[serde(serialize_with)]` on rows that travel in bulk.
pub fn as_stamp<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&stamp(*time))
}

/// The same for a time that may be missing.
pub fn as_stamp_opt<S: Serializer>(time: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => as_stamp(time, to),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_one_width_and_sort_as_the_times_do() {
        let second = chrono::DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let later = second + chrono::TimeDelta::microseconds(1);
        assert_eq!(stamp(second), "2025-10-09T08:53:20.000000Z");
        assert!(stamp(second) < stamp(later));
    }
}
