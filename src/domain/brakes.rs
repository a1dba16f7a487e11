//! Brakes: bounds on what one run may do. A fault elsewhere (an import that makes everybody due today, a price with two
//! zeros too many, a payment gateway that declines everybody) is looked at by a person before it becomes money or blame.
//!
//! A brake only ever holds: what is due stays due, and nobody's card is blamed. Decided here, measured by the engine.

use super::money::{Currency, format_minor, thousands};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// What can hold charging, by the name that a person gives to go on without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Brake {
    /// More charges in one run than are allowed.
    Charges,
    /// A larger sum in one currency than is allowed.
    Sum,
    /// Many more first charges than on comparable days.
    Growth,
    /// A channel declines too many of those who pay for the first time this period.
    Declines,
    /// The gateway cannot list what it took: nobody knows whether the database forgot any of it.
    Comparison,
}

impl Brake {
    pub const ALL: [Self; 5] = [Self::Charges, Self::Sum, Self::Growth, Self::Declines, Self::Comparison];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charges => "charges",
            Self::Sum => "sum",
            Self::Growth => "growth",
            Self::Declines => "declines",
            Self::Comparison => "comparison",
        }
    }
}

impl fmt::Display for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Brake {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL.into_iter().find(|brake| brake.as_str() == text).ok_or_else(|| format!("expected one of {}", names()))
    }
}

/// A person's word that a run may go on without some brakes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Override {
    pub brakes: BTreeSet<Brake>,
    /// Who takes it on themselves.
    pub by: String,
    pub reason: String,
}

/// Where each brake trips; what is `None`, or not named, holds nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrakeLimits {
    /// Charges of one run.
    pub charges_max: Option<u64>,
    /// Sums of one run, in minor units.
    pub sums_max: BTreeMap<Currency, i64>,
    pub growth: Option<GrowthLimit>,
    pub declines: Option<DeclineLimit>,
}

/// How much more than on comparable days is taken for ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrowthLimit {
    /// Over the busiest comparable day: 300 allows four times as much.
    pub percent_max: u32,
    /// So many first charges are never too many.
    pub floor: u64,
}

/// How many declines of a channel are taken for ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclineLimit {
    /// Of the first charges that were answered.
    pub percent_max: u32,
    /// Nothing is concluded from fewer answers.
    pub answers_min: u32,
}

impl Default for BrakeLimits {
    /// As the settings have it where nothing is said: no bound that depends on the size of the business.
    fn default() -> Self {
        Self {
            charges_max: None,
            sums_max: BTreeMap::new(),
            growth: Some(GrowthLimit { percent_max: 300, floor: 500 }),
            declines: Some(DeclineLimit { percent_max: 50, answers_min: 50 }),
        }
    }
}

impl BrakeLimits {
    /// Without the brakes that a person has let go.
    #[must_use]
    pub fn without(&self, let_go: &BTreeSet<Brake>) -> Self {
        let kept = |brake| !let_go.contains(&brake);
        Self {
            charges_max: self.charges_max.filter(|_| kept(Brake::Charges)),
            sums_max: if kept(Brake::Sum) { self.sums_max.clone() } else { BTreeMap::new() },
            growth: self.growth.filter(|_| kept(Brake::Growth)),
            declines: self.declines.filter(|_| kept(Brake::Declines)),
        }
    }
}

/// Charges that are to be made, or were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Charges {
    pub count: u64,
    /// Those among them whose renewal was never tried before.
    pub first: u64,
    /// In minor units.
    pub sums: BTreeMap<Currency, i64>,
}

impl Charges {
    pub fn add(&mut self, currency: Currency, minor: i64, is_first: bool) {
        self.count += 1;
        self.first += u64::from(is_first);
        let sum = self.sums.entry(currency).or_default();
        *sum = sum.saturating_add(minor);
    }

    /// Takes one back that was never sent.
    pub fn take_back(&mut self, currency: Currency, minor: i64, is_first: bool) {
        self.count = self.count.saturating_sub(1);
        self.first = self.first.saturating_sub(u64::from(is_first));
        let sum = self.sums.entry(currency).or_default();
        *sum = sum.saturating_sub(minor).max(0);
    }
}

/// What comparable days were like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// First charges planned on the busiest of them.
    pub busiest: u64,
    pub on: NaiveDate,
    /// Business dates that are to be charged at once: one, and those that were missed.
    pub dates: u32,
}

/// A brake that holds charging, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tripped {
    pub brake: Brake,
    /// The channel that it holds; `None` where it holds all charging.
    pub channel: Option<String>,
    /// What it was measured against, in words and figures.
    pub why: String,
}

impl Tripped {
    pub fn of_all(brake: Brake, why: String) -> Self {
        Self { brake, channel: None, why }
    }
}

/// Which brakes a run would trip that charges all this. Asked before the first of it is claimed.
pub fn before(ahead: &Charges, usual: Option<&Usual>, limits: &BrakeLimits) -> Vec<Tripped> {
    let mut tripped = Vec::new();
    if let Some(max) = limits.charges_max.filter(|max| ahead.count > *max) {
        let why = format!("{} charges are due, and one run may make {}", thousands(ahead.count), thousands(max));
        tripped.push(Tripped::of_all(Brake::Charges, why));
    }
    for (currency, max) in &limits.sums_max {
        let sum = ahead.sums.get(currency).copied().unwrap_or(0);
        if sum > *max {
            let (sum, max) = (format_minor(sum, *currency), format_minor(*max, *currency));
            tripped.push(Tripped::of_all(Brake::Sum, format!("{sum} is due, and one run may take {max}")));
        }
    }
    tripped.extend(limits.growth.zip(usual).and_then(|(limit, usual)| grown(ahead.first, usual, limit)));
    tripped
}

/// So many charges trip nothing of [`before`], whatever they come to: `None` where any number is harmless.
pub fn harmless(usual: Option<&Usual>, limits: &BrakeLimits) -> Option<u64> {
    // What charges come to, nobody knows before they are planned.
    let sums = (!limits.sums_max.is_empty()).then_some(0);
    let growth = limits.growth.zip(usual).map(|(limit, usual)| ordinary(usual, limit));
    [sums, limits.charges_max, growth].into_iter().flatten().min()
}

/// First charges that are taken for ordinary.
fn ordinary(usual: &Usual, limit: GrowthLimit) -> u64 {
    let ordinary = u128::from(usual.busiest) * u128::from(usual.dates.max(1));
    let allowed = ordinary * (100 + u128::from(limit.percent_max)) / 100;
    u64::try_from(allowed).unwrap_or(u64::MAX).max(limit.floor)
}

fn grown(first: u64, usual: &Usual, limit: GrowthLimit) -> Option<Tripped> {
    let allowed = ordinary(usual, limit);
    (first > allowed).then(|| {
        let why = format!(
            "{} subscriptions are due for the first time, {} at most are taken for ordinary: the busiest comparable day, {}, had {}",
            thousands(first),
            thousands(allowed),
            usual.on,
            thousands(usual.busiest)
        );
        Tripped::of_all(Brake::Growth, why)
    })
}

/// How many more charges a run may claim that has made these; more can have become due since it planned, or another run may
/// have planned them.
///
/// # Errors
/// The brake that lets it claim none. A sum is kept to within one claim. `Growth` minds first charges only.
pub fn left(made: &Charges, usual: Option<&Usual>, limits: &BrakeLimits) -> Result<u64, Tripped> {
    for (currency, max) in &limits.sums_max {
        let sum = made.sums.get(currency).copied().unwrap_or(0);
        if sum >= *max {
            let (sum, max) = (format_minor(sum, *currency), format_minor(*max, *currency));
            return Err(Tripped::of_all(Brake::Sum, format!("{sum} was claimed of {max} that one run may take")));
        }
    }
    let charges = limits.charges_max.map(|max| max.saturating_sub(made.count));
    if let Some((0, max)) = charges.zip(limits.charges_max) {
        let why = format!("all {} charges are made that one run may make, and more became due", thousands(max));
        return Err(Tripped::of_all(Brake::Charges, why));
    }
    let ordinary = limits.growth.zip(usual).map(|(limit, usual)| ordinary(usual, limit));
    let first = ordinary.map(|ordinary| ordinary.saturating_sub(made.first));
    if let Some((0, ordinary)) = first.zip(ordinary) {
        let why = format!(
            "{} subscriptions were charged for the first time, which is all that is taken for ordinary, and more became due",
            thousands(ordinary)
        );
        return Err(Tripped::of_all(Brake::Growth, why));
    }
    Ok(charges.into_iter().chain(first).min().unwrap_or(u64::MAX))
}

/// What a channel said to first charges in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub paid: u32,
    pub declined: u32,
}

/// Whether a channel declines too many. Retries do not count: whoever was declined before mostly is again, and a ladder's
/// rung of nothing but poor cards is an ordinary morning.
pub fn declines(answers: Answers, channel: &str, limit: DeclineLimit) -> Option<Tripped> {
    let answered = u64::from(answers.paid) + u64::from(answers.declined);
    let declined = u64::from(answers.declined);
    let trips =
        answered >= u64::from(limit.answers_min.max(1)) && declined * 100 > answered * u64::from(limit.percent_max);
    trips.then(|| Tripped {
        brake: Brake::Declines,
        channel: Some(channel.to_owned()),
        why: format!(
            "{declined} of its first {answered} charges were declined, {} % at most are taken for ordinary",
            limit.percent_max
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn krw() -> Currency {
        Currency::parse("KRW").unwrap()
    }

    fn ahead(count: u64, first: u64, won: i64) -> Charges {
        Charges { count, first, sums: BTreeMap::from([(krw(), won)]) }
    }

    fn all_off() -> BrakeLimits {
        BrakeLimits { charges_max: None, sums_max: BTreeMap::new(), growth: None, declines: None }
    }

    fn names(tripped: &[Tripped]) -> Vec<Brake> {
        tripped.iter().map(|tripped| tripped.brake).collect()
    }

    fn usual(busiest: u64, dates: u32) -> Usual {
        Usual { busiest, on: "2026-01-23".parse().unwrap(), dates }
    }

    #[test]
    fn a_limit_is_what_may_be_done_and_one_more_is_too_many() {
        let charges = BrakeLimits { charges_max: Some(10), ..all_off() };
        assert_eq!(before(&ahead(10, 0, 0), None, &charges), []);
        assert_eq!(names(&before(&ahead(11, 0, 0), None, &charges)), [Brake::Charges]);
        let sum = BrakeLimits { sums_max: BTreeMap::from([(krw(), 1_000)]), ..all_off() };
        assert_eq!(before(&ahead(9, 9, 1_000), None, &sum), []);
        let tripped = before(&ahead(9, 9, 1_001), None, &sum);
        assert_eq!(tripped[0].why, "1,001 KRW is due, and one run may take 1,000 KRW");
        let dollars = Charges { sums: BTreeMap::from([(Currency::parse("USD").unwrap(), i64::MAX)]), ..ahead(1, 1, 0) };
        assert_eq!(before(&dollars, None, &sum), [], "a currency without a limit has none");
    }

    #[test]
    fn growth_is_measured_against_the_busiest_day_and_small_numbers_are_nothing() {
        let limits = BrakeLimits { growth: Some(GrowthLimit { percent_max: 300, floor: 500 }), ..all_off() };
        let trips = |first, usual: Option<Usual>| !before(&ahead(first, first, 0), usual.as_ref(), &limits).is_empty();
        assert!(!trips(4_000, Some(usual(1_000, 1))));
        assert!(trips(4_001, Some(usual(1_000, 1))));
        assert!(!trips(12_000, Some(usual(1_000, 3))), "three dates are charged at once");
        assert!(!trips(500, Some(usual(3, 1))) && trips(501, Some(usual(3, 1))), "the floor");
        assert!(!trips(1_000_000, None), "without comparable days nothing is unusual");
        assert!(before(&ahead(9_000, 500, 0), Some(&usual(0, 1)), &limits).is_empty(), "retries are no growth");
    }

    #[test]
    fn what_is_harmless_trips_nothing_and_one_more_may() {
        let growth = GrowthLimit { percent_max: 300, floor: 500 };
        let limits = |charges_max, growth| BrakeLimits { charges_max, growth, ..all_off() };
        assert_eq!(harmless(Some(&usual(9, 1)), &all_off()), None);
        assert_eq!(harmless(None, &limits(None, Some(growth))), None, "without comparable days nothing is unusual");
        for (limits, most) in [
            (limits(Some(7), None), 7),
            (limits(None, Some(growth)), 4_000),
            (limits(Some(5_000), Some(growth)), 4_000),
            (limits(Some(3_000), Some(growth)), 3_000),
        ] {
            let usual = usual(1_000, 1);
            assert_eq!(harmless(Some(&usual), &limits), Some(most));
            assert!(before(&ahead(most, most, i64::MAX), Some(&usual), &limits).is_empty());
            assert!(!before(&ahead(most + 1, most + 1, 0), Some(&usual), &limits).is_empty());
        }
        let sums = BrakeLimits { sums_max: BTreeMap::from([(krw(), 1)]), ..all_off() };
        assert_eq!(harmless(None, &sums), Some(0), "what they come to is known when they are planned");
    }

    #[test]
    fn a_run_may_claim_what_is_left_and_then_trips() {
        let limits = BrakeLimits {
            charges_max: Some(10),
            sums_max: BTreeMap::from([(krw(), 1_000)]),
            growth: None,
            declines: None,
        };
        assert_eq!(left(&ahead(0, 0, 0), None, &limits), Ok(10));
        assert_eq!(left(&ahead(7, 0, 999), None, &limits), Ok(3));
        assert_eq!(left(&ahead(10, 0, 0), None, &limits).unwrap_err().brake, Brake::Charges);
        assert_eq!(left(&ahead(1, 0, 1_000), None, &limits).unwrap_err().brake, Brake::Sum);
        assert_eq!(left(&ahead(u64::MAX, 0, i64::MAX), None, &all_off()), Ok(u64::MAX));
        let growth = BrakeLimits { growth: Some(GrowthLimit { percent_max: 100, floor: 1 }), ..limits };
        assert_eq!(left(&ahead(5, 5, 0), Some(&usual(3, 1)), &growth), Ok(1), "twice the busiest day is ordinary");
        assert_eq!(left(&ahead(6, 6, 0), Some(&usual(3, 1)), &growth).unwrap_err().brake, Brake::Growth);
        assert_eq!(left(&ahead(6, 6, 0), None, &growth), Ok(4), "nothing to compare with");
    }

    #[test]
    fn declines_count_after_enough_answers() {
        let limit = DeclineLimit { percent_max: 50, answers_min: 50 };
        let trips = |paid, declined| declines(Answers { paid, declined }, "c", limit).is_some();
        assert!(!trips(0, 49) && trips(0, 50));
        assert!(!trips(25, 25) && trips(25, 26), "half is not too many");
        assert!(!trips(1_000, 1_000) && trips(1_000, 1_001));
        let none = DeclineLimit { answers_min: 0, ..limit };
        assert!(declines(Answers::default(), "c", none).is_none(), "no answer is no decline");
    }

    #[test]
    fn a_brake_is_found_by_its_name_and_let_go_alone() {
        for brake in Brake::ALL {
            assert_eq!(brake.as_str().parse(), Ok(brake));
            assert_eq!(serde_json::to_value(brake).unwrap(), brake.as_str());
        }
        assert_eq!(
            "sums".parse::<Brake>(),
            Err("expected one of charges, sum, growth, declines, comparison".to_owned())
        );
        let limits =
            BrakeLimits { charges_max: Some(1), sums_max: BTreeMap::from([(krw(), 1)]), ..BrakeLimits::default() };
        let much = ahead(10_000, 10_000, 10_000);
        let all = [Brake::Charges, Brake::Sum, Brake::Growth];
        assert_eq!(names(&before(&much, Some(&usual(1, 1)), &limits)), all);
        for one in all {
            let rest: Vec<Brake> = all.into_iter().filter(|brake| *brake != one).collect();
            let limits = limits.without(&BTreeSet::from([one]));
            assert_eq!(names(&before(&much, Some(&usual(1, 1)), &limits)), rest);
            assert!(limits.declines.is_some());
        }
        assert_eq!(limits.without(&BTreeSet::from([Brake::Declines])).declines, None);
    }

    proptest! {
        /// What holds a plan holds a larger one too; and a brake that is off never trips.
        #[test]
        fn more_never_lets_go(
            count in 0_u64..5_000, first in 0_u64..5_000, won in 0_i64..1_000_000, more in 0_u64..5_000,
            busiest in 0_u64..1_000, dates in 0_u32..5, max in 1_u64..5_000, percent in 0_u32..1_000,
        ) {
            let limits = BrakeLimits {
                charges_max: Some(max),
                sums_max: BTreeMap::from([(krw(), i64::try_from(max).unwrap() * 100)]),
                growth: Some(GrowthLimit { percent_max: percent, floor: max }),
                declines: None,
            };
            let usual = usual(busiest, dates);
            let small = before(&ahead(count, first, won), Some(&usual), &limits);
            let large = ahead(count + more, first + more, won + i64::try_from(more).unwrap());
            let large = names(&before(&large, Some(&usual), &limits));
            prop_assert!(names(&small).iter().all(|brake| large.contains(brake)));
            prop_assert_eq!(before(&ahead(count, first, won), Some(&usual), &all_off()), vec![]);
        }

        /// A run that claims no more than what is left never makes more than it may.
        #[test]
        fn what_is_left_is_never_too_much(max in 1_u64..1_000, claims in prop::collection::vec(1_u64..200, 0..50)) {
            let limits = BrakeLimits { charges_max: Some(max), ..all_off() };
            let mut made = Charges::default();
            for wanted in claims {
                let granted = left(&made, None, &limits).map_or(0, |left| left.min(wanted));
                (0..granted).for_each(|_| made.add(krw(), 1, true));
                prop_assert!(made.count <= max);
                prop_assert_eq!(left(&made, None, &limits).is_err(), made.count == max);
            }
        }

        #[test]
        fn one_decline_more_never_lets_go(paid in 0_u32..500, declined in 0_u32..500, percent in 0_u32..100, min in 0_u32..100) {
            let limit = DeclineLimit { percent_max: percent, answers_min: min };
            let trips = |declined| declines(Answers { paid, declined }, "c", limit).is_some();
            prop_assert!(!trips(declined) || trips(declined + 1));
            prop_assert!(!trips(0));
        }
    }
}
