//! What the store's sums say, arranged for people: by day, by reason, by payment gateway.

use crate::store::read::{AtRisk, Taking};
use chrono::NaiveDate;
use std::collections::BTreeMap;

/// How many, and how much in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: i64,
    pub minor: i64,
}

impl Sum {
    fn add(&mut self, count: i64, minor: i64) {
        self.count = self.count.saturating_add(count);
        self.minor = self.minor.saturating_add(minor);
    }
}

/// One business date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day {
    pub collected: Sum,
    pub refused: Sum,
}

/// Every date of a span, in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Days {
    pub currency: String,
    pub days: Vec<(NaiveDate, Day)>,
}

impl Days {
    /// Those that sold most come first.
    pub fn of(takings: &[Taking], from: NaiveDate, until: NaiveDate) -> Vec<Self> {
        let mut by_currency: BTreeMap<&str, BTreeMap<NaiveDate, Day>> = BTreeMap::new();
        for row in takings {
            let day = by_currency.entry(&row.currency).or_default().entry(row.business_date).or_default();
            let part = if row.state == "paid" { &mut day.collected } else { &mut day.refused };
            part.add(row.attempts, row.minor);
        }
        let dates = || from.iter_days().take_while(move |date| *date <= until);
        let whole = |(currency, days): (&str, BTreeMap<NaiveDate, Day>)| Self {
            currency: currency.to_owned(),
            days: dates().map(|date| (date, days.get(&date).copied().unwrap_or_default())).collect(),
        };
        let mut all: Vec<Self> = by_currency.into_iter().map(whole).collect();
        all.sort_by_key(|days| -days.total().collected.count);
        all
    }

    pub fn total(&self) -> Day {
        self.days.iter().fold(Day::default(), |mut total, (_, day)| {
            total.collected.add(day.collected.count, day.collected.minor);
            total.refused.add(day.refused.count, day.refused.minor);
            total
        })
    }

    pub fn last(&self) -> Day {
        self.days.last().map(|(_, day)| *day).unwrap_or_default()
    }
}

/// What was refused for one reason, by currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    pub reason: String,
    pub count: i64,
    pub sums: BTreeMap<String, i64>,
}

/// Why charges were refused, the most frequent first.
pub fn reasons(takings: &[Taking]) -> Vec<Reason> {
    let mut reasons: BTreeMap<&str, Reason> = BTreeMap::new();
    for row in takings.iter().filter(|row| row.state != "paid") {
        let name = row.decline_reason.as_deref().unwrap_or("unknown");
        let reason = reasons.entry(name).or_default();
        name.clone_into(&mut reason.reason);
        reason.count += row.attempts;
        *reason.sums.entry(row.currency.clone()).or_default() += row.minor;
    }
    let mut all: Vec<Reason> = reasons.into_values().collect();
    all.sort_by_key(|reason| -reason.count);
    all
}

/// What one payment gateway did with the charges that it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// `None`: nobody said which one it was.
    pub name: Option<String>,
    pub tried: i64,
    pub refused: i64,
}

/// By payment gateway, the busiest first.
pub fn providers(takings: &[Taking]) -> Vec<Provider> {
    let mut providers: BTreeMap<Option<&str>, (i64, i64)> = BTreeMap::new();
    for row in takings {
        let (tried, refused) = providers.entry(row.pg_provider.as_deref()).or_default();
        *tried += row.attempts;
        *refused += if row.state == "paid" { 0 } else { row.attempts };
    }
    let provider =
        |(name, (tried, refused)): (Option<&str>, _)| Provider { name: name.map(str::to_owned), tried, refused };
    let mut all: Vec<Provider> = providers.into_iter().map(provider).collect();
    all.sort_by_key(|provider| -provider.tried);
    all
}

/// What is expected and not there, by what it waits for; sums by currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Risk {
    pub sums: BTreeMap<String, i64>,
    pub retried: i64,
    pub without_card: i64,
    pub unknown: i64,
    pub review: i64,
}

impl Risk {
    pub fn of(rows: &[AtRisk]) -> Self {
        let mut risk = Self::default();
        for row in rows {
            let kind = match (row.state.as_str(), row.waits_for_key) {
                ("review", _) => &mut risk.review,
                ("unknown", _) => &mut risk.unknown,
                (_, true) => &mut risk.without_card,
                (_, false) => &mut risk.retried,
            };
            *kind += row.renewals;
            if let Some(currency) = &row.currency {
                *risk.sums.entry(currency.clone()).or_default() += row.minor;
            }
        }
        risk
    }

    pub fn renewals(&self) -> i64 {
        self.retried + self.without_card + self.unknown + self.review
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taking(
        date: &str,
        currency: &str,
        state: &str,
        (reason, pg): (&str, &str),
        (attempts, minor): (i64, i64),
    ) -> Taking {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Taking {
            business_date: date.parse().unwrap(),
            currency: currency.to_owned(),
            state: state.to_owned(),
            decline_reason: some(reason),
            pg_provider: some(pg),
            attempts,
            minor,
        }
    }

    fn takings() -> Vec<Taking> {
        vec![
            taking("2026-01-28", "KRW", "paid", ("", "TOSS"), (3, 300)),
            taking("2026-01-30", "KRW", "paid", ("", "KCP"), (1, 100)),
            taking("2026-01-30", "KRW", "declined", ("over_limit", "TOSS"), (2, 200)),
            taking("2026-01-30", "KRW", "refused", ("contract", ""), (1, 100)),
            taking("2026-01-30", "USD", "declined", ("over_limit", "TOSS"), (5, 50)),
        ]
    }

    #[test]
    fn every_date_is_there_and_what_sells_most_comes_first() {
        let date = |text: &str| text.parse::<NaiveDate>().unwrap();
        let all = Days::of(&takings(), date("2026-01-27"), date("2026-01-30"));
        assert_eq!(
            all.iter().map(|days| (days.currency.as_str(), days.days.len())).collect::<Vec<_>>(),
            [("KRW", 4), ("USD", 4)]
        );
        let last = all[0].last();
        assert_eq!((last.collected, last.refused), (Sum { count: 1, minor: 100 }, Sum { count: 3, minor: 300 }));
        assert_eq!(all[0].total().collected, Sum { count: 4, minor: 400 });
        assert_eq!(all[0].days[0], (date("2026-01-27"), Day::default()));
    }

    #[test]
    fn refusals_are_told_by_reason_and_by_gateway() {
        let reasons = reasons(&takings());
        assert_eq!(
            reasons.iter().map(|row| (row.reason.as_str(), row.count)).collect::<Vec<_>>(),
            [("over_limit", 7), ("contract", 1)]
        );
        assert_eq!(reasons[0].sums, [("KRW".to_owned(), 200), ("USD".to_owned(), 50)].into());
        let providers = providers(&takings());
        let told: Vec<_> = providers.iter().map(|row| (row.name.as_deref(), row.tried, row.refused)).collect();
        assert_eq!(told, [(Some("TOSS"), 10, 7), (None, 1, 1), (Some("KCP"), 1, 0)]);
    }

    #[test]
    fn what_is_at_risk_is_told_by_what_it_waits_for() {
        let row = |state: &str, waits_for_key, currency: Option<&str>, minor| AtRisk {
            state: state.to_owned(),
            waits_for_key,
            currency: currency.map(str::to_owned),
            renewals: 2,
            minor,
        };
        let rows =
            [row("due", true, Some("KRW"), 10), row("due", false, Some("KRW"), 5), row("review", false, None, 0)];
        let risk = Risk::of(&rows);
        assert_eq!((risk.retried, risk.without_card, risk.review, risk.renewals()), (2, 2, 2, 6));
        assert_eq!(risk.sums, [("KRW".to_owned(), 15)].into());
    }
}
