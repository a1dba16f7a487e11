//! The runs: all of them, and one with its figures.

use super::parts;
use super::shown::{count, sum};
use super::visitor::Visitor;
use super::words::of;
use crate::store::read::RunRow;
use maud::{Markup, html};

/// Started by a person for one renewal: what went wrong was told to them.
const BY_HAND: [&str; 3] = ["retry", "resolve", "refund"];

/// Why the newest run did not do its work, until one of its kind did.
pub fn failed(runs: &[RunRow]) -> Option<&RunRow> {
    let is_over = |newer: &[RunRow], run: &RunRow| {
        newer.iter().any(|other| other.trigger == run.trigger && other.status == "completed")
    };
    let is_open = |(at, run): &(usize, &RunRow)| {
        run.status == "failed" && !BY_HAND.contains(&run.trigger.as_str()) && !is_over(runs.split_at(*at).0, run)
    };
    runs.iter().enumerate().find(is_open).map(|(_, run)| run)
}

/// The runs in rows.
pub fn table(visitor: &Visitor, runs: &[RunRow]) -> Markup {
    let words = visitor.words();
    let figure = |run: &RunRow, name: &str| match run.figures.get(name).and_then(serde_json::Value::as_i64) {
        Some(number) => html! { (count(number)) },
        None => html! { "–" },
    };
    let rows = runs.iter().map(|run| {
        vec![
            html! { a href={ "/runs/" (run.id) } { (visitor.moment(run.started_at)) } },
            html! { (of(words.terms().triggers, &run.trigger)) },
            html! { (run.business_date) },
            parts::run_status(words, &run.status),
            html! { (collected(run)) },
            figure(run, "paid"),
            figure(run, "declined"),
            figure(run, "unknown"),
            figure(run, "review"),
        ]
    });
    let heads = [
        parts::text(words.started),
        parts::text(words.started_by),
        parts::text(words.business_date),
        parts::text(words.status),
        parts::number(words.collected),
        parts::number(words.paid),
        parts::number(words.declined),
        parts::number(words.unknown),
        parts::number(words.review),
    ];
    html! {
        @if runs.is_empty() { (parts::empty(words.no_runs)) }
        @else { (parts::table(words.recent_runs, &heads, rows)) }
    }
}

fn collected(run: &RunRow) -> String {
    let amounts = run.figures.get("amounts").and_then(serde_json::Value::as_object);
    let sums = amounts.into_iter().flatten();
    let sums: Vec<String> = sums.filter_map(|(currency, minor)| Some(sum(currency, minor.as_i64()?))).collect();
    if sums.is_empty() { "–".to_owned() } else { sums.join(" · ") }
}
