//! What a run would do on some date: its sums, and each subscription with its reason.

use super::frame::{Page, Tab};
use super::parts::{self, Tone};
use super::shown::{count, fill, maybe_sum, sum};
use super::visitor::Visitor;
use super::words::of;
use crate::engine::preview::{Action, Group, PlanLine, Preview};
use crate::engine::run::RunRequest;
use crate::http::Problem;
use axum::extract::Query;
use axum::response::Response;
use chrono::{Days, NaiveDate};
use maud::{Markup, html};
use serde::Deserialize;

/// So many subscriptions are shown one by one; all of them are in the sums.
const LINES_MAX: usize = 200;
/// How far from today a plan can be looked at.
const DAYS_MAX: u64 = 366;

#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    date: String,
}

/// Renewals and their sum in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Total {
    pub currency: String,
    pub renewals: i64,
    /// Minor units.
    pub minor: i64,
}

/// By currency.
pub fn totals(groups: &[Group]) -> Vec<Total> {
    let mut totals: Vec<Total> = Vec::new();
    for group in groups {
        let renewals = i64::try_from(group.renewals).unwrap_or(i64::MAX);
        match totals.iter_mut().find(|total| total.currency == group.currency) {
            Some(total) => {
                total.renewals = total.renewals.saturating_add(renewals);
                total.minor = total.minor.saturating_add(group.minor);
            }
            None => totals.push(Total { currency: group.currency.clone(), renewals, minor: group.minor }),
        }
    }
    totals
}

pub async fn page(visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let built = build(&visitor, asked.date.trim()).await;
    visitor.answer(built)
}

async fn build(visitor: &Visitor, asked: &str) -> Result<Page, Problem> {
    let date = date(visitor, asked)?;
    let mut lines: Vec<PlanLine> = Vec::new();
    let request = RunRequest { business_date: Some(date), ..RunRequest::default() };
    let mut hear = |line: &PlanLine| {
        if lines.len() < LINES_MAX {
            lines.push(line.clone());
        }
    };
    let preview = visitor.site.engine.preview(&request, &mut hear).await?;
    let title = fill(visitor.words().plan_of, &[&visitor.look.language.day(preview.business_date)]);
    let body = body(visitor, &title, &preview, &lines);
    Ok(Page { tab: Tab::Plan, title, body })
}

/// Today, unless a date near it was asked for.
fn date(visitor: &Visitor, asked: &str) -> Result<NaiveDate, Problem> {
    let today = visitor.today();
    if asked.is_empty() {
        return Ok(today);
    }
    let (first, last) = (today - Days::new(DAYS_MAX), today + Days::new(DAYS_MAX));
    let read = asked.parse().ok().filter(|date| (first..=last).contains(date));
    read.ok_or_else(|| Problem::bad_request(visitor.words().date_unreadable))
}

fn body(visitor: &Visitor, title: &str, preview: &Preview, lines: &[PlanLine]) -> Markup {
    let words = visitor.words();
    let tomorrow = visitor.today() + Days::new(1);
    html! {
        div.head {
            div {
                h1 { (title) }
                p.muted { (fill(words.plan_what, &[&visitor.told(preview.at)])) }
            }
            form.search method="get" action="/plan" {
                div.short {
                    label for="date" { (words.plan_date) }
                    input #date type="date" name="date" value=(preview.business_date);
                }
                button type="submit" { (words.plan_show) }
                a.button href={ "/plan?date=" (tomorrow) } { (words.tomorrow) }
            }
        }
        @if preview.paused.is_some() { (parts::banner(Tone::Bad, words.paused, &html! { (words.run_paused) })) }
        @for tripped in &preview.brakes {
            (parts::banner(Tone::Bad, words.plan_brake, &html! {
                (of(words.terms().brakes, tripped.brake.as_str())) " (" (visitor.said(&tripped.why)) ")"
            }))
        }
        @if let (Some(first), Some(last)) = (preview.missed.first(), preview.missed.last()) {
            (parts::banner(Tone::Warn, words.missed, &html! {
                (visitor.look.language.day(*first))
                @if last != first { " – " (visitor.look.language.day(*last)) }
            }))
        }
        (part(visitor, words.would_charge, &preview.charges, true))
        @if !preview.waiting.is_empty() { (part(visitor, words.would_wait, &preview.waiting, false)) }
        @if !preview.skipped.is_empty() { (part(visitor, words.would_skip, &preview.skipped, false)) }
        @if !lines.is_empty() { (each(visitor, lines)) }
    }
}

fn part(visitor: &Visitor, title: &str, groups: &[Group], has_total: bool) -> Markup {
    let words = visitor.words();
    let columns = [
        parts::text(words.plan),
        parts::text(words.why),
        parts::text(words.channel),
        parts::number(words.renewals_head),
        parts::number(words.sum),
    ];
    let rows = groups.iter().map(|group| {
        let renewals = i64::try_from(group.renewals).unwrap_or(i64::MAX);
        let sum = if group.currency.is_empty() { "–".to_owned() } else { sum(&group.currency, group.minor) };
        vec![
            html! { (group.plan_id) },
            html! { (of(words.terms().plan_reasons, group.reason)) },
            parts::maybe(group.channel.as_deref()),
            html! { (count(renewals)) },
            html! { (sum) },
        ]
    });
    html! {
        section.card {
            h2 {
                (title)
                @if has_total {
                    @for total in totals(groups) {
                        span.muted { (parts::so_many(&words.renewals, total.renewals)) " · " (sum(&total.currency, total.minor)) }
                    }
                }
            }
            @if groups.is_empty() { (parts::empty(words.plan_nobody)) }
            @else { (parts::table(title, &columns, rows)) }
        }
    }
}

fn each(visitor: &Visitor, lines: &[PlanLine]) -> Markup {
    let words = visitor.words();
    let columns = [
        parts::text(words.subscription),
        parts::text(words.what),
        parts::text(words.why),
        parts::text(words.next_attempt),
        parts::number(words.amount),
    ];
    let rows = lines.iter().map(|line| {
        vec![
            parts::subscription(&line.subscription_id),
            action(visitor, line.action),
            html! { (of(words.terms().plan_reasons, line.reason)) },
            visitor.maybe_moment(line.next_attempt_at),
            html! { (maybe_sum(line.currency.as_deref(), line.amount)) },
        ]
    });
    html! {
        section.card {
            h2 {
                (words.plan_each)
                @if lines.len() >= LINES_MAX { span.muted { (fill(words.plan_first_lines, &[&LINES_MAX.to_string()])) } }
            }
            (parts::table(words.plan_each, &columns, rows))
        }
    }
}

fn action(visitor: &Visitor, action: Action) -> Markup {
    let words = visitor.words();
    match action {
        Action::Charge => parts::badge(Tone::Good, words.would_charge),
        Action::Wait => parts::badge(Tone::Calm, words.would_wait),
        Action::Skip => parts::badge(Tone::Warn, words.would_skip),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_never_added_up() {
        let group = |currency: &str, renewals, minor| Group {
            plan_id: "pro".to_owned(),
            channel: None,
            reason: "first charge",
            renewals,
            currency: currency.to_owned(),
            minor,
        };
        let total = |currency: &str, renewals, minor| Total { currency: currency.to_owned(), renewals, minor };
        let groups = [group("KRW", 2, 10), group("USD", 1, 5), group("KRW", 1, 7)];
        assert_eq!(totals(&groups), [total("KRW", 3, 17), total("USD", 1, 5)]);
    }
}
