//! Periods: the next one starts where the last one ended, never at "now", and months keep their anchor day.

use super::date::Zone;
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, Utc};
use std::fmt;

/// How long a period is: calendar days, or calendar months.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interval {
    Days(u32),
    Months(u32),
}

/// The longest interval: ten years.
const DAYS_MAX: u32 = 3660;
const MONTHS_MAX: u32 = 120;

/// Why an interval or a period makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeriodError {
    #[error("{0:?} is not an interval: expected an ISO 8601 duration such as P1M, P1Y or P30D, at most ten years")]
    Interval(String),
    #[error("the period after {0} is out of the calendar's range")]
    Range(DateTime<Utc>),
}

impl Interval {
    /// Reads `P30D`, `P2W`, `P1M`, `P1Y`: one unit, more than none of it.
    ///
    /// # Errors
    /// [`PeriodError::Interval`] for anything else.
    pub fn parse(text: &str) -> Result<Self, PeriodError> {
        Self::read(text).ok_or_else(|| PeriodError::Interval(text.chars().take(32).collect()))
    }

    fn read(text: &str) -> Option<Self> {
        let body = text.strip_prefix('P')?;
        let unit = body.chars().next_back()?;
        let digits = body.strip_suffix(unit)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let count: u32 = digits.parse().ok()?;
        let interval = match unit {
            'D' => Self::Days(count),
            'W' => Self::Days(count.checked_mul(7)?),
            'M' => Self::Months(count),
            'Y' => Self::Months(count.checked_mul(12)?),
            _ => return None,
        };
        let is_sound = match interval {
            Self::Days(days) => (1..=DAYS_MAX).contains(&days),
            Self::Months(months) => (1..=MONTHS_MAX).contains(&months),
        };
        is_sound.then_some(interval)
    }

    /// The end of the period that starts at `start`.
    ///
    /// Days are calendar days of the zone. Months keep `anchor_day` (1 to 31), or the last day of a month that is
    /// shorter. Both keep the time of day of `start` in the zone; a period that starts with its day, at whatever time
    /// the clocks let that day begin, ends with the start of a day.
    ///
    /// # Errors
    /// [`PeriodError::Range`] beyond the calendar.
    pub fn next_end(self, start: DateTime<Utc>, anchor_day: u8, zone: Zone) -> Result<DateTime<Utc>, PeriodError> {
        let date = zone.date_of(start);
        let end = match self {
            Self::Days(days) => date.checked_add_days(Days::new(u64::from(days))),
            Self::Months(months) => {
                first_of_month(date).checked_add_months(Months::new(months)).map(|month| anchored(month, anchor_day))
            }
        };
        let end = end.ok_or(PeriodError::Range(start))?;
        // Where a clock change skips midnight a day begins at 01:00; keeping that would shift every later period. It
        // cannot be told from a period that always ends at 01:00, which moves to midnight: far fewer are sold like that.
        let time = if zone.start_of(date) == start { NaiveTime::MIN } else { zone.time_of(start) };
        Ok(zone.at(end, time))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Days(days) => write!(f, "P{days}D"),
            Self::Months(months) if months.is_multiple_of(12) => write!(f, "P{}Y", months / 12),
            Self::Months(months) => write!(f, "P{months}M"),
        }
    }
}

/// The anchor day where none is given: the day of the period's end, or of its start where that is later in its month
/// (28 February after 31 January is anchored at 31).
pub fn default_anchor_day(
    period_start: DateTime<Utc>,
    period_end: DateTime<Utc>,
    interval: Interval,
    zone: Zone,
) -> u8 {
    let (start, end) = (zone.date_of(period_start), zone.date_of(period_end));
    let end_is_clamped =
        matches!(interval, Interval::Months(_)) && end.day() == last_day(end) && start.day() > end.day();
    let day = if end_is_clamped { start.day() } else { end.day() };
    u8::try_from(day).unwrap_or(1)
}

fn first_of_month(date: NaiveDate) -> NaiveDate {
    date.with_day(1).unwrap_or(date)
}

fn anchored(month: NaiveDate, anchor_day: u8) -> NaiveDate {
    let day = u32::from(anchor_day).clamp(1, last_day(month));
    month.with_day(day).unwrap_or(month)
}

fn last_day(date: NaiveDate) -> u32 {
    let next = first_of_month(date).checked_add_months(Months::new(1));
    next.and_then(|next| next.pred_opt()).map_or(28, |last| last.day())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ZONES: [&str; 6] =
        ["Asia/Seoul", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "Pacific/Apia"];

    fn zone(name: &str) -> Zone {
        Zone::parse(name).unwrap()
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn intervals_are_one_unit_of_iso_8601() {
        for (text, interval) in [
            ("P30D", Interval::Days(30)),
            ("P2W", Interval::Days(14)),
            ("P1M", Interval::Months(1)),
            ("P3M", Interval::Months(3)),
            ("P1Y", Interval::Months(12)),
        ] {
            assert_eq!(Interval::parse(text), Ok(interval));
            assert_eq!(Interval::parse(&interval.to_string()), Ok(interval));
        }
        for bad in [
            "",
            "P",
            "PM",
            "1M",
            "P0M",
            "P-1M",
            "P+1M",
            "P1M2D",
            "PT1H",
            "P1.5M",
            "p1m",
            "P1H",
            "P99999999999M",
            "P11Y",
            "P1월",
        ] {
            assert!(Interval::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_thirty_first_stays_the_thirty_first_for_four_years() {
        let seoul = zone("Asia/Seoul");
        let mut end = seoul.start_of(date("2026-01-31"));
        let mut days = Vec::new();
        for _ in 0..48 {
            end = Interval::Months(1).next_end(end, 31, seoul).unwrap();
            days.push(seoul.date_of(end).day());
        }
        let year = [28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31];
        let leap = [29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31];
        assert_eq!(days, [year, year, leap, year].concat());
    }

    #[test]
    fn a_midnight_that_the_clocks_skip_does_not_shift_the_periods_after_it() {
        // On 6 September 2026 the day begins at 01:00 in Santiago.
        let santiago = zone("America/Santiago");
        let mut end = santiago.start_of(date("2026-08-31"));
        for (interval, days) in [(Interval::Days(1), 1..=10), (Interval::Days(7), 17..=17)] {
            for day in days {
                end = interval.next_end(end, 1, santiago).unwrap();
                assert_eq!(end, santiago.start_of(NaiveDate::from_ymd_opt(2026, 9, day).unwrap()));
            }
        }
        let monthly = Interval::Months(1).next_end(santiago.start_of(date("2026-08-06")), 6, santiago).unwrap();
        let after = Interval::Months(1).next_end(monthly, 6, santiago).unwrap();
        assert_eq!((monthly, after), (santiago.start_of(date("2026-09-06")), santiago.start_of(date("2026-10-06"))));
    }

    #[test]
    fn an_anchor_outside_the_calendar_is_the_nearest_day() {
        let seoul = zone("Asia/Seoul");
        let end = |anchor| Interval::Months(1).next_end(seoul.start_of(date("2026-01-15")), anchor, seoul).unwrap();
        assert_eq!(end(0), seoul.start_of(date("2026-02-01")));
        assert_eq!(end(u8::MAX), seoul.start_of(date("2026-02-28")));
    }

    #[test]
    fn a_leap_day_comes_back_in_a_leap_year() {
        let seoul = zone("Asia/Seoul");
        let mut end = seoul.start_of(date("2024-02-29"));
        let mut ends = Vec::new();
        for _ in 0..4 {
            end = Interval::Months(12).next_end(end, 29, seoul).unwrap();
            ends.push(seoul.date_of(end).to_string());
        }
        assert_eq!(ends, ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]);
    }

    #[test]
    fn the_anchor_is_the_end_unless_the_month_was_too_short_for_it() {
        let seoul = zone("Asia/Seoul");
        let anchor = |start: &str, end: &str, interval| {
            default_anchor_day(seoul.start_of(date(start)), seoul.start_of(date(end)), interval, seoul)
        };
        assert_eq!(anchor("2026-01-31", "2026-02-28", Interval::Months(1)), 31);
        assert_eq!(anchor("2026-02-15", "2026-03-15", Interval::Months(1)), 15);
        assert_eq!(anchor("2026-02-28", "2026-03-31", Interval::Months(1)), 31);
        assert_eq!(anchor("2026-01-20", "2026-02-19", Interval::Days(30)), 19);
        assert_eq!(anchor("2026-01-31", "2026-02-10", Interval::Months(1)), 10, "a shortened period is not clamped");
    }

    proptest! {
        #[test]
        fn months_in_steps_never_drift(
            year in 2000_i32..2100, month in 1_u32..=12, anchor in 1_u8..=31,
            hour in prop_oneof![Just(0_u32), 2_u32..24],
            steps in 1_u32..60, name in prop::sample::select(ZONES.to_vec()),
        ) {
            let zone = zone(name);
            let first = NaiveDate::from_ymd_opt(year, month, 1).unwrap();
            let time = NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
            let mut end = zone.at(anchored(first, anchor), time);
            for step in 1..=steps {
                let next = Interval::Months(1).next_end(end, anchor, zone).unwrap();
                prop_assert!(next > end, "the end is after the start");
                let expected = anchored(first.checked_add_months(Months::new(step)).unwrap(), anchor);
                // Where a clock change skips the time (or, in Apia, the day), the first instant after it counts.
                let time = if hour == 0 { NaiveTime::MIN } else { zone.time_of(end) };
                prop_assert_eq!(next, zone.at(expected, time));
                end = next;
            }
        }

        #[test]
        fn twelve_months_are_a_year(
            days in 0_u64..36_000, anchor in 1_u8..=31, name in prop::sample::select(ZONES.to_vec()),
        ) {
            let zone = zone(name);
            let noon = NaiveTime::from_hms_opt(12, 0, 0).unwrap();
            // Samoa left out 30 December 2011: no noon of that day can be kept.
            let start = date("2012-01-01").checked_add_days(Days::new(days)).unwrap();
            let start = zone.at(anchored(start, anchor), noon);
            let year = Interval::parse("P1Y").unwrap().next_end(start, anchor, zone).unwrap();
            let mut months = start;
            for _ in 0..12 {
                months = Interval::parse("P1M").unwrap().next_end(months, anchor, zone).unwrap();
            }
            prop_assert_eq!(months, year);
        }

        #[test]
        fn days_are_calendar_days_in_every_zone(
            secs in 1_000_000_000_i64..4_000_000_000, count in 1_u32..=366,
            name in prop::sample::select(ZONES[..5].to_vec()),
        ) {
            let zone = zone(name);
            let start = DateTime::from_timestamp(secs, 0).unwrap();
            let end = Interval::Days(count).next_end(start, 1, zone).unwrap();
            prop_assert!(end > start);
            prop_assert_eq!((zone.date_of(end) - zone.date_of(start)).num_days(), i64::from(count));
        }
    }
}
