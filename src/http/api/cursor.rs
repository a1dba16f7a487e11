//! Cursors: the key of a page's last row, in a form that nobody is tempted to take apart.

use super::super::Problem;
use crate::domain::ids::{RenewalId, RunId};
use crate::store::read::{RenewalRow, RunRow};
use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

/// Rows of a page, unless asked for otherwise; and the most.
pub(super) const LIMIT: u32 = 50;
pub(super) const LIMIT_MAX: u32 = 200;

const MICROS_BYTES: usize = 8;

/// The first character of a run's cursor stands for the six bits above these, which are never set.
const MICROS_BITS: u32 = 58;

/// The last moment of the year 9999: the last that both databases can hold.
const MICROS_MAX: i64 = 253_402_300_799_999_999;

/// What cursors look like: whatever does is taken for a key, and other keys than ours find nothing amiss.
pub(super) const RENEWALS: &str = "^[A-Za-z0-9_-]{21}[AQgw]$";
pub(super) const RUNS: &str = "^A[A-Za-z0-9_-]{31}$";

/// How many rows of a page somebody wants.
///
/// # Errors
/// A 400 for none, and for more than there are of a page.
pub(super) fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(LIMIT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad_request(format!("limit must be from 1 to {LIMIT_MAX}")))
}

/// Where the next page starts; `None` where this one was the last.
pub(super) fn next<T>(rows: &mut Vec<T>, limit: u32, cursor: impl Fn(&T) -> Option<String>) -> Option<String> {
    let limit = limit as usize;
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    rows.last().filter(|_| is_more).and_then(cursor)
}

pub(super) fn of_renewal(row: &RenewalRow) -> Option<String> {
    Uuid::parse_str(&row.id).ok().map(|id| BASE64URL_NOPAD.encode(id.as_bytes()))
}

pub(super) fn of_run(row: &RunRow) -> Option<String> {
    let id = Uuid::parse_str(&row.id).ok()?;
    let micros = row.started_at.timestamp_micros().to_be_bytes();
    Some(BASE64URL_NOPAD.encode(&[&micros[..], id.as_bytes()].concat()))
}

/// # Errors
/// A 400 for what is no cursor of renewals.
pub(super) fn renewal(cursor: Option<&str>) -> Result<Option<RenewalId>, Problem> {
    let read = |text: &str| Uuid::from_slice(&bytes(text)?).ok().map(RenewalId);
    cursor.map(|text| read(text).ok_or_else(bad)).transpose()
}

/// # Errors
/// A 400 for what is no cursor of runs.
pub(super) fn run(cursor: Option<&str>) -> Result<Option<(DateTime<Utc>, RunId)>, Problem> {
    cursor.map(|text| read_run(text).ok_or_else(bad)).transpose()
}

fn read_run(text: &str) -> Option<(DateTime<Utc>, RunId)> {
    let bytes = bytes(text)?;
    let (micros, id) = bytes.split_at_checked(MICROS_BYTES)?;
    let micros = i64::from_be_bytes(micros.try_into().ok()?);
    let is_ours = (0..1 << MICROS_BITS).contains(&micros);
    let at = DateTime::from_timestamp_micros(micros.min(MICROS_MAX)).filter(|_| is_ours)?;
    Some((at, RunId(Uuid::from_slice(id).ok()?)))
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).ok()
}

fn bad() -> Problem {
    Problem::bad_request("the cursor is none of this list's: take it from next_cursor, or leave it out")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_row(id: &str, at: &str) -> RunRow {
        RunRow {
            id: id.to_owned(),
            trigger: "api".to_owned(),
            business_date: chrono::NaiveDate::MIN,
            zone: "UTC".to_owned(),
            status: "running".to_owned(),
            actor: "haneul".to_owned(),
            figures: serde_json::json!({}),
            error: None,
            started_at: at.parse().unwrap(),
            finished_at: None,
        }
    }

    #[test]
    fn a_cursor_comes_back_as_the_key_that_it_was() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let cursor = of_run(&run_row(id, "2026-01-30T01:00:00.123456Z")).unwrap();
        let (at, read) = run(Some(&cursor)).unwrap().unwrap();
        assert_eq!((at.to_rfc3339(), read.to_string()), ("2026-01-30T01:00:00.123456+00:00".to_owned(), id.to_owned()));
        assert!(renewal(Some(&cursor)).is_err(), "it is a run's");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let far = BASE64URL_NOPAD.encode(&[[0x7f; 8].as_slice(), &[1; 16]].concat());
        for bad in ["", "x", "!!!!", "AAAA", &"A".repeat(5_000), &far] {
            assert!(run(Some(bad)).is_err() && renewal(Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(run(None).unwrap(), None);
    }

    #[test]
    fn a_page_says_where_the_next_one_starts_only_if_there_is_one() {
        let cursor = |row: &i32| Some(row.to_string());
        let (mut more, mut last) = (vec![1, 2, 3], vec![1, 2]);
        assert_eq!((next(&mut more, 2, cursor), more), (Some("2".to_owned()), vec![1, 2]));
        assert_eq!((next(&mut last, 2, cursor), last), (None, vec![1, 2]));
        assert_eq!(next(&mut Vec::new(), 2, cursor), None);
    }

    #[test]
    fn a_limit_has_limits() {
        assert_eq!(limit(None).unwrap(), LIMIT);
        assert_eq!(limit(Some(LIMIT_MAX)).unwrap(), LIMIT_MAX);
        assert!(limit(Some(0)).is_err() && limit(Some(LIMIT_MAX + 1)).is_err());
    }
}
