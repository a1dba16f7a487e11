//! How figures read for people: one table for a run, whoever made it.

pub use crate::domain::money::thousands;
use crate::domain::money::{Currency, format_minor};
use crate::engine::report::RunReport;
use chrono::DateTime;
use std::collections::BTreeMap;

/// A row of a two-column table: what, and how much.
pub type Row = [String; 2];

/// A run as a manager reads it: due, paid, how much, declined and why, retried when, and what is left.
pub fn run_rows(report: &RunReport) -> Vec<Row> {
    let mut rows = vec![row("due", report.due), row("paid", report.paid)];
    rows.extend(report.amounts.iter().map(|(currency, minor)| ["  collected".to_owned(), sum(currency, *minor)]));
    if report.refunded > 0 {
        rows.push(row("given back", report.refunded));
        let back = &report.refunded_amounts;
        rows.extend(back.iter().map(|(currency, minor)| ["  sum".to_owned(), sum(currency, *minor)]));
    }
    rows.push(row("declined, will be retried or wait for a card", report.declined));
    rows.extend(report.declined_by_reason.iter().map(|(reason, count)| row(&format!("  {}", words(reason)), *count)));
    rows.extend(retries(&report.retries));
    let rest = [
        ("failed for good", report.failed),
        ("no billing key, waiting for one", report.no_billing_key),
        ("cancelled by the customer, not charged", report.canceled),
        ("ended too long ago, not charged", report.lapsed),
        ("outcome unknown, will be looked up", report.unknown),
        ("claims not settled, taken over by a later run", report.open.left_unsettled),
        ("needs a person", report.review),
        ("taken over from an earlier process", report.taken_over),
        ("now past due", report.past_due),
        ("downgraded", report.downgraded),
        ("left due, not charged", report.left_due),
    ];
    rows.extend(rest.into_iter().filter(|(_, count)| *count > 0).map(|(what, count)| row(what, count)));
    for date in &report.caught_up {
        rows.push(row(&format!("caught up: {}, a date without a run", date.business_date), date.planned));
        if date.lapsed > 0 {
            rows.push(row("  ended too long ago, not charged", date.lapsed));
        }
    }
    rows
}

fn retries(retries: &BTreeMap<String, u64>) -> impl Iterator<Item = Row> {
    retries.iter().map(|(at, count)| row(&format!("  next try on {at}"), *count))
}

fn row(what: &str, count: u64) -> Row {
    [what.to_owned(), thousands(count)]
}

/// A sum in minor units, as people write it.
pub fn sum(currency: &str, minor: i64) -> String {
    match Currency::parse(currency) {
        Ok(currency) => format_minor(minor, currency),
        Err(_) => format!("{minor} {currency}"),
    }
}

/// `insufficient_funds` → `insufficient funds`.
pub fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// An instant as people in the business zone read it.
pub fn local(at: DateTime<chrono::Utc>, zone: crate::domain::date::Zone) -> String {
    format!("{} {}", zone.date_of(at), zone.time_of(at).format("%H:%M"))
}
