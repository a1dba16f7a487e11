//! What was typed becomes what is meant, once: durations, days, times of day, zones, and "empty means none".
//!
//! Each reader's error says what is accepted; where the value came from is added by the layers.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::date::{TimeWindow, Zone};
use crate::domain::money::{Currency, Money};
use chrono::{NaiveTime, Timelike};
use serde::de::{Deserialize, Deserializer, Error as _, IntoDeserializer};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `"09:00-21:00"`; `24:00` is the end of the day.
pub(super) fn window<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeWindow, D::Error> {
    TimeWindow::parse(&String::deserialize(deserializer)?)
        .map_err(|_| D::Error::custom("expected two different times of day such as \"09:00-21:00\""))
}

/// `HH:MM`, both with two digits.
fn minute_of_day(text: &str) -> Option<NaiveTime> {
    let time = NaiveTime::parse_from_str(text, "%H:%M").ok()?;
    (text.len() == 5 && time.second() == 0).then_some(time)
}

/// `"10:00"`.
pub(super) fn time_of_day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveTime, D::Error> {
    minute_of_day(&String::deserialize(deserializer)?)
        .ok_or_else(|| D::Error::custom("expected a time of day such as \"10:00\""))
}

/// `"65s"`.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    humantime::parse_duration(&String::deserialize(deserializer)?)
        .map_err(|_| D::Error::custom("expected a duration such as \"65s\""))
}

/// `["30min", "2h"]`.
pub(super) fn durations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Duration>, D::Error> {
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| humantime::parse_duration(text))
        .collect::<Result<_, _>>()
        .map_err(|_| D::Error::custom("expected a list of durations such as [\"30min\", \"2h\"]"))
}

/// `"50000000 KRW, 2000000 USD"`: minor units, each currency once.
pub(super) fn sums<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Currency, i64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let sum = |part: &str| {
        let (minor, currency) = part.trim().split_once(' ')?;
        let money = Money::new(minor.parse().ok()?, Currency::parse(currency.trim()).ok()?).ok()?;
        Some((money.currency(), money.minor()))
    };
    let parts: Vec<&str> = if text.trim().is_empty() { Vec::new() } else { text.split(',').collect() };
    let sums: Option<BTreeMap<Currency, i64>> = parts.iter().copied().map(sum).collect();
    sums.filter(|sums| sums.len() == parts.len()).ok_or_else(|| {
        D::Error::custom("expected sums in minor units, each currency once, such as \"50000000 KRW, 2000000 USD\"")
    })
}

/// `"1day"`: a number of whole days.
pub(super) fn whole_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let expected = || D::Error::custom("expected a number of whole days such as \"1day\"");
    let duration = humantime::parse_duration(&String::deserialize(deserializer)?).map_err(|_| expected())?;
    let days = duration.as_secs() / DAY.as_secs();
    let whole = duration == Duration::from_secs(days * DAY.as_secs());
    u32::try_from(days).ok().filter(|_| whole).ok_or_else(expected)
}

/// `"Asia/Seoul"`.
pub(super) fn zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zone, D::Error> {
    Zone::parse(&String::deserialize(deserializer)?)
        .map_err(|_| D::Error::custom("expected the name of an IANA time zone such as \"Asia/Seoul\""))
}

/// Any text but an empty one.
pub(super) fn non_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() { Err(D::Error::custom("expected some text")) } else { Ok(text) }
}

/// Empty text is `None`; anything else is read as `T`.
pub(super) fn optional<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Ok(None);
    }
    T::deserialize(text.into_deserializer()).map(Some)
}

/// A level, then levels of single modules: `info,renewd::engine=debug`.
///
/// Checked by hand, because the filter itself takes a misspelt level for the name of a module.
pub(super) fn log_level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
    let text = String::deserialize(deserializer)?;
    let mut parts = text.split(',');
    let of_module = |part: &str| {
        part.split_once('=').is_some_and(|(module, level)| {
            let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
            !module.is_empty() && module.chars().all(named) && LEVELS.contains(&level)
        })
    };
    if parts.next().is_some_and(|first| LEVELS.contains(&first)) && parts.all(of_module) {
        Ok(text)
    } else {
        Err(D::Error::custom(
            "expected error, warn, info, debug or trace, then modules such as \"info,renewd::engine=debug\"",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::value::{Error, StringDeserializer};

    fn read(text: &str) -> StringDeserializer<Error> {
        text.to_owned().into_deserializer()
    }

    #[test]
    fn days_are_whole() {
        assert_eq!(whole_days(read("1day")), Ok(1));
        assert_eq!(whole_days(read("48h")), Ok(2));
        assert_eq!(whole_days(read("0days")), Ok(0));
        for bad in ["1", "36h", "1day 1ns", "-1day", "9999999999999days"] {
            assert!(whole_days(read(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_misspelt_log_level_is_not_the_name_of_a_module() {
        for good in ["info", "info,renewd::engine=debug", "warn,sqlx=info,hyper=error"] {
            assert!(log_level(read(good)).is_ok(), "{good}");
        }
        for bad in ["", "infoo", "INFO", "renewd=debug", "info,debug", "info,renewd=loud", "info,[x]=debug"] {
            assert!(log_level(read(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn sums_have_a_currency_each() {
        let read_sums = |text: &str| {
            sums(read(text))
                .map(|sums| sums.into_iter().map(|(currency, minor)| (currency.to_string(), minor)).collect())
        };
        let won = || ("KRW".to_owned(), 50_000_000);
        assert_eq!(read_sums(""), Ok(vec![]));
        assert_eq!(read_sums("50000000 KRW"), Ok(vec![won()]));
        assert_eq!(read_sums("50000000 KRW, 1 USD "), Ok(vec![won(), ("USD".to_owned(), 1)]));
        for bad in
            ["50000000", "KRW 5", "5 WON", "0 KRW", "-5 KRW", "5 KRW,", "5 KRW, 6 KRW", "5 KRW 6 USD", "5,000 KRW"]
        {
            assert!(read_sums(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn empty_text_is_none() {
        assert_eq!(optional::<_, String>(read("")), Ok(None));
        assert_eq!(optional::<_, String>(read("x")), Ok(Some("x".to_owned())));
    }
}
