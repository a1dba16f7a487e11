//! Periods over the whole calendar: from any first period there is one chain, without a gap, an overlap or a repeat.

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime};
use proptest::prelude::*;
use proptest::sample::select;
use renewd::domain::date::Zone;
use renewd::domain::payment_id::{self, PaymentIdKey};
use renewd::domain::period::Interval;
use std::collections::BTreeSet;

/// The months between two dates, days left aside.
fn months_between(from: NaiveDate, to: NaiveDate) -> i32 {
    let count = |date: NaiveDate| date.year() * 12 + i32::try_from(date.month()).unwrap();
    count(to) - count(from)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_of_months_has_every_month_once_in_every_zone(
        tz in select(chrono_tz::TZ_VARIANTS.to_vec()),
        (year, month, anchor) in (1990_i32..2060, 1_u32..=12, 1_u8..=31),
        minute in 0_u32..1440,
        step in select(vec![1_u32, 2, 3, 6, 12]),
    ) {
        let zone = Zone::from_tz(tz);
        let time = NaiveTime::from_hms_opt(minute / 60, minute % 60, 0).unwrap();
        // A day that every month has: where the chain begins does not have to be on its anchor.
        let first = zone.at(NaiveDate::from_ymd_opt(year, month, u32::from(anchor).min(28)).unwrap(), time);
        let mut start = first;
        let (mut ids, mut chain) = (BTreeSet::new(), 0);
        for _ in 0..40 {
            let id = payment_id::derive(&PaymentIdKey::new([7; 32]), "store-1", &"sub_1".into(), start, 0);
            prop_assert!(ids.insert(id.as_str().to_owned()), "two periods under one payment id");
            let end = Interval::Months(step).next_end(start, anchor, zone).unwrap();
            prop_assert!(end > start, "a period ends after it starts");
            chain += i32::try_from(step).unwrap();
            prop_assert_eq!(months_between(zone.date_of(first), zone.date_of(end)), chain, "{} {}", start, end);
            start = end;
        }
    }

    #[test]
    fn any_interval_from_any_instant_ends_later_or_is_an_error(
        tz in select(chrono_tz::TZ_VARIANTS.to_vec()),
        seconds in prop_oneof![any::<i64>(), 0_i64..4_000_000_000],
        text in "P[0-9]{1,5}[DWMY]",
        anchor in any::<u8>(),
    ) {
        let (Some(start), Ok(interval)) = (DateTime::from_timestamp(seconds, 0), Interval::parse(&text)) else {
            return Ok(());
        };
        if let Ok(end) = interval.next_end(start, anchor, Zone::from_tz(tz)) {
            prop_assert!(end > start, "{} {} {}", start, end, interval);
        }
    }

    #[test]
    fn any_text_is_an_interval_or_an_error(text in "P?[0-9]{0,30}[A-Z]?|.{0,20}") {
        if let Ok(interval) = Interval::parse(&text) {
            prop_assert_eq!(Interval::parse(&interval.to_string()), Ok(interval));
        }
    }
}
