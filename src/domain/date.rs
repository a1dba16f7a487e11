//! Business dates: calendar dates and times of day in one zone, and the windows in which charges may start.

use chrono::{DateTime, Days, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use std::fmt;

/// Why a zone or a window cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    #[error("{0:?} is not a time zone: expected an IANA name such as Asia/Seoul")]
    Zone(String),
    #[error("{0:?} is not a window: expected two times of day such as 09:00-21:00")]
    Window(String),
}

/// The zone that business dates are meant in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Tz);

impl Zone {
    /// Reads an IANA name.
    ///
    /// # Errors
    /// [`DateError::Zone`] for a name that is not in the zone database.
    pub fn parse(name: &str) -> Result<Self, DateError> {
        name.parse().map(Self).map_err(|_| DateError::Zone(name.chars().take(64).collect()))
    }

    pub fn from_tz(tz: Tz) -> Self {
        Self(tz)
    }

    pub fn tz(self) -> Tz {
        self.0
    }

    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// The calendar date of an instant.
    pub fn date_of(&self, instant: DateTime<Utc>) -> NaiveDate {
        instant.with_timezone(&self.0).date_naive()
    }

    /// The time of day of an instant.
    pub fn time_of(&self, instant: DateTime<Utc>) -> NaiveTime {
        instant.with_timezone(&self.0).time()
    }

    /// The first instant of a date: midnight, or the first instant after it where a clock change skips midnight.
    pub fn start_of(&self, date: NaiveDate) -> DateTime<Utc> {
        self.at(date, NaiveTime::MIN)
    }

    /// The instant of a time of day: the earlier one where the clocks go back over it, the first one after the gap
    /// where they skip it.
    pub fn at(&self, date: NaiveDate, time: NaiveTime) -> DateTime<Utc> {
        let local = date.and_time(time);
        match self.0.from_local_datetime(&local) {
            LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant.to_utc(),
            LocalResult::None => self.after_gap(local),
        }
    }

    /// The first instant whose local time is at or after `local`, which does not exist.
    fn after_gap(&self, local: NaiveDateTime) -> DateTime<Utc> {
        // No zone is further than a day from UTC, and no gap is longer than a day.
        let near = Utc.from_utc_datetime(&local);
        self.shift_between(near - TimeDelta::hours(26), near + TimeDelta::hours(26)).unwrap_or(near)
    }

    /// The instant in `(before, after]` from which on the zone's clocks show something else; clocks change on whole
    /// seconds, and at most once in so short a time.
    fn shift_between(&self, before: DateTime<Utc>, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let offset =
            |secs| Some(self.0.offset_from_utc_datetime(&DateTime::from_timestamp(secs, 0)?.naive_utc()).fix());
        let (mut before, mut after) = (before.timestamp(), after.timestamp());
        let old = offset(before)?;
        if offset(after)? == old {
            return None;
        }
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if offset(middle)? == old { before = middle } else { after = middle }
        }
        DateTime::from_timestamp(after, 0)
    }

    /// The second instant of a time of day that the clocks go back over.
    fn again_at(&self, date: NaiveDate, time: NaiveTime) -> Option<DateTime<Utc>> {
        match self.0.from_local_datetime(&date.and_time(time)) {
            LocalResult::Ambiguous(_, again) => Some(again.to_utc()),
            LocalResult::Single(_) | LocalResult::None => None,
        }
    }
}

/// A part of every day, from a time of day until another, the end not included; it may pass midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindow {
    from: NaiveTime,
    /// `None` is the end of the day.
    until: Option<NaiveTime>,
}

impl TimeWindow {
    /// The whole day.
    pub const ALWAYS: Self = Self { from: NaiveTime::MIN, until: None };

    /// From one time of day until another.
    pub const fn between(from: NaiveTime, until: NaiveTime) -> Self {
        Self { from, until: Some(until) }
    }

    /// Reads `09:00-21:00`; `24:00` is the end of the day.
    ///
    /// # Errors
    /// [`DateError::Window`] for anything else, and for a window without any time in it.
    pub fn parse(text: &str) -> Result<Self, DateError> {
        let bad = || DateError::Window(text.chars().take(32).collect());
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").map_err(|_| bad());
        let (from, until) = text.split_once('-').ok_or_else(bad)?;
        let from = time(from)?;
        let until = if until == "24:00" { None } else { Some(time(until)?) };
        if until == Some(from) { Err(bad()) } else { Ok(Self { from, until }) }
    }

    pub fn contains(&self, time: NaiveTime) -> bool {
        match self.until {
            None => time >= self.from,
            Some(until) if self.from < until => self.from <= time && time < until,
            Some(until) => time >= self.from || time < until,
        }
    }
}

impl TimeWindow {
    /// Whether any minute of this window is outside of `other`.
    pub fn leaves_time_beside(&self, other: &Self) -> bool {
        (0..24 * 60)
            .filter_map(|minute| NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0))
            .any(|time| self.contains(time) && !other.contains(time))
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = self.until.map_or_else(|| "24:00".to_owned(), |until| until.format("%H:%M").to_string());
        write!(f, "{}-{until}", self.from.format("%H:%M"))
    }
}

/// The first instant at or after `instant` that is inside `window` and outside `quiet`; `None` where they leave no time.
pub fn first_allowed(
    instant: DateTime<Utc>,
    zone: Zone,
    window: &TimeWindow,
    quiet: &TimeWindow,
) -> Option<DateTime<Utc>> {
    let is_allowed = |at: DateTime<Utc>| {
        let time = zone.time_of(at);
        window.contains(time) && !quiet.contains(time)
    };
    if is_allowed(instant) {
        return Some(instant);
    }
    // Charging can only become allowed when the window opens, the quiet time ends, or the clocks change.
    let openings = [Some(window.from), quiet.until, Some(NaiveTime::MIN)];
    let today = zone.date_of(instant);
    (0..=2)
        .filter_map(|days| today.checked_add_days(Days::new(days)))
        .flat_map(|date| openings.into_iter().flatten().map(move |time| (date, time)))
        .flat_map(|(date, time)| [Some(zone.at(date, time)), zone.again_at(date, time)])
        .chain([zone.shift_between(instant, instant + TimeDelta::days(2))])
        .flatten()
        .filter(|at| *at > instant && is_allowed(*at))
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seoul() -> Zone {
        Zone::parse("Asia/Seoul").unwrap()
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn time(text: &str) -> NaiveTime {
        NaiveTime::parse_from_str(text, "%H:%M").unwrap()
    }

    fn window(text: &str) -> TimeWindow {
        TimeWindow::parse(text).unwrap()
    }

    #[test]
    fn tomorrow_begins_at_korean_midnight() {
        assert_eq!(seoul().date_of(utc("2026-01-30T15:00:00Z")), "2026-01-31".parse().unwrap());
        assert_eq!(seoul().date_of(utc("2026-01-30T14:59:59Z")), "2026-01-30".parse().unwrap());
        assert_eq!(seoul().start_of("2026-01-31".parse().unwrap()), utc("2026-01-30T15:00:00Z"));
    }

    #[test]
    fn a_time_that_clocks_skip_is_the_first_one_after_and_one_they_repeat_is_the_earlier() {
        let new_york = Zone::parse("America/New_York").unwrap();
        let skipped = new_york.at("2026-03-08".parse().unwrap(), time("02:30"));
        assert_eq!(skipped, utc("2026-03-08T07:00:00Z"));
        let repeated = new_york.at("2026-11-01".parse().unwrap(), time("01:30"));
        assert_eq!(repeated, utc("2026-11-01T05:30:00Z"));
        // Midnight itself is skipped here.
        let santiago = Zone::parse("America/Santiago").unwrap();
        assert_eq!(santiago.start_of("2026-09-06".parse().unwrap()), utc("2026-09-06T04:00:00Z"));
        // A whole day is skipped here.
        let apia = Zone::parse("Pacific/Apia").unwrap();
        assert_eq!(apia.start_of("2011-12-30".parse().unwrap()), utc("2011-12-30T10:00:00Z"));
    }

    #[test]
    fn windows_pass_midnight_and_exclude_their_end() {
        let night = window("23:00-01:00");
        assert!(night.contains(time("23:00")) && night.contains(time("00:59")));
        assert!(!night.contains(time("01:00")) && !night.contains(time("22:59")));
        assert!(window("00:00-24:00").contains(time("23:59")) && window("00:00-24:00").contains(time("00:00")));
        assert_eq!(window("23:00-01:00").to_string(), "23:00-01:00");
        assert_eq!(window("00:00-24:00"), TimeWindow::ALWAYS);
        for bad in ["", "09:00", "21", "09:00-09:00", "9-10", "25:00-26:00", "09:00-21:00-22:00", "24:00-01:00"] {
            assert!(TimeWindow::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_window_covered_by_another_leaves_no_time() {
        assert!(window("09:00-21:00").leaves_time_beside(&window("23:00-01:00")));
        assert!(window("23:00-01:01").leaves_time_beside(&window("23:00-01:00")));
        assert!(!window("23:30-00:30").leaves_time_beside(&window("23:00-01:00")));
    }

    #[test]
    fn what_is_not_allowed_now_waits_for_the_opening() {
        let (day, quiet) = (window("09:00-21:00"), window("23:00-01:00"));
        let first = |at| first_allowed(utc(at), seoul(), &day, &quiet).unwrap();
        assert_eq!(first("2026-01-30T01:00:00Z"), utc("2026-01-30T01:00:00Z"), "10:00 in Seoul is inside");
        assert_eq!(first("2026-01-30T12:00:00Z"), utc("2026-01-31T00:00:00Z"), "21:00 waits for 09:00");
        assert_eq!(first("2026-01-29T23:59:59Z"), utc("2026-01-30T00:00:00Z"));
        let always = TimeWindow::ALWAYS;
        let after_quiet = first_allowed(utc("2026-01-30T14:30:00Z"), seoul(), &always, &quiet);
        assert_eq!(after_quiet, Some(utc("2026-01-30T16:00:00Z")), "23:30 waits for 01:00");
        assert_eq!(first_allowed(utc("2026-01-30T14:30:00Z"), seoul(), &quiet, &quiet), None);
    }

    #[test]
    fn an_hour_that_comes_twice_opens_twice() {
        let new_york = Zone::parse("America/New_York").unwrap();
        // On 1 November 2026 the hour from 01:00 comes twice, from 05:00 and from 06:00 UTC.
        let first = |at, day| first_allowed(utc(at), new_york, &window(day), &window("12:00-13:00")).unwrap();
        assert_eq!(first("2026-11-01T06:10:00Z", "01:30-01:45"), utc("2026-11-01T06:30:00Z"));
        assert_eq!(first("2026-11-01T05:45:00Z", "00:30-01:45"), utc("2026-11-01T06:00:00Z"), "by the clocks alone");
        // On 8 March 2026 the hour from 02:00 never comes.
        assert_eq!(first("2026-03-08T05:00:00Z", "02:30-04:00"), utc("2026-03-08T07:00:00Z"));
        assert_eq!(first("2026-03-08T05:00:00Z", "02:15-02:45"), utc("2026-03-09T06:15:00Z"));
    }

    proptest! {
        #[test]
        fn the_first_allowed_instant_is_allowed_and_none_before_it_is(
            change in prop::sample::select(vec![
                ("Asia/Seoul", "2026-03-08T07:00:00Z"),
                ("America/New_York", "2026-03-08T07:00:00Z"),
                ("America/New_York", "2026-11-01T06:00:00Z"),
                ("Europe/Berlin", "2026-10-25T01:00:00Z"),
                ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
                ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
                ("America/Santiago", "2026-04-05T03:00:00Z"),
                ("America/Santiago", "2026-09-06T04:00:00Z"),
            ]),
            minutes in -2000_i64..1000, from in 0_u32..96, length in 1_u32..96, quiet_from in 0_u32..96,
            quiet_length in 1_u32..24,
        ) {
            let (zone, changes_at) = (Zone::parse(change.0).unwrap(), utc(change.1));
            let quarter = |count: u32| NaiveTime::from_num_seconds_from_midnight_opt(count % 96 * 900, 0).unwrap();
            let quarters = |from: u32, length: u32| TimeWindow::between(quarter(from), quarter(from + length));
            let (day, quiet) = (quarters(from, length), quarters(quiet_from, quiet_length));
            let start = changes_at + TimeDelta::minutes(minutes);
            let is_allowed = |at| day.contains(zone.time_of(at)) && !quiet.contains(zone.time_of(at));
            let first = first_allowed(start, zone, &day, &quiet);
            prop_assert!(first.is_none_or(|first| first >= start && is_allowed(first)));
            let end = first.unwrap_or(start + TimeDelta::days(2));
            let mut at = start;
            while at < end {
                prop_assert!(!is_allowed(at), "{at} was allowed already");
                at += TimeDelta::minutes(5);
            }
        }

        #[test]
        fn a_date_starts_within_itself(secs in 0_i64..4_000_000_000, zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec())) {
            let zone = Zone::from_tz(zone);
            let at = DateTime::from_timestamp(secs, 0).unwrap();
            let date = zone.date_of(at);
            let start = zone.start_of(date);
            prop_assert_eq!(zone.date_of(start), date);
            prop_assert!(start <= at);
            prop_assert!(zone.date_of(start - TimeDelta::seconds(1)) < date || zone.time_of(start) != NaiveTime::MIN);
        }
    }
}
