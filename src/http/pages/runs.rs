//! The runs: all of them, and one with its figures.

use super::frame::{Page, Tab};
use super::parts::{self, Tone};
use super::shown::{count, fill, sum};
use super::visitor::Visitor;
use super::words::of;
use crate::domain::ids::RunId;
use crate::http::Problem;
use crate::store::read::RunRow;
use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;
use uuid::Uuid;

/// Started by a person for one renewal: what went wrong was told to them.
const BY_HAND: [&str; 3] = ["retry", "resolve", "refund"];

const ROWS: u32 = 100;

/// The runs, the newest first.
pub async fn list(visitor: Visitor) -> Response {
    let built = read(&visitor).await.map(|rows| {
        let words = visitor.words();
        let body = html! {
            div.head { h1 { (words.tab_runs) } }
            section.card #runs hx-get=[is_open(&rows).then_some("/runs")] hx-trigger="every 5s" hx-select="#runs"
                hx-swap="outerHTML" {
                (table(&visitor, &rows))
                @if rows.len() >= ROWS as usize { p.muted { (fill(words.latest_of, &[&ROWS.to_string()])) } }
            }
        };
        Page { tab: Tab::Runs, title: words.tab_runs.to_owned(), body }
    });
    visitor.answer(built)
}

async fn read(visitor: &Visitor) -> Result<Vec<RunRow>, Problem> {
    Ok(visitor.site.engine.store.runs(ROWS).await?)
}

/// The newest ones are looked at again while one is under way.
fn is_open(rows: &[RunRow]) -> bool {
    rows.iter().take(3).any(|run| run.status == "running")
}

/// One of them.
pub async fn one(visitor: Visitor, Path(id): Path<String>) -> Response {
    let built = find(&visitor, &id).await.map(|run| {
        let title = fill(visitor.words().run_of, &[&visitor.look.language.day(run.business_date)]);
        Page { tab: Tab::Runs, body: figures(&visitor, &title, &run), title }
    });
    visitor.answer(built)
}

async fn find(visitor: &Visitor, id: &str) -> Result<RunRow, Problem> {
    let id = Uuid::parse_str(id).ok().map(RunId);
    let run = match id {
        Some(id) => visitor.site.engine.store.run(id).await?,
        None => None,
    };
    run.ok_or_else(|| Problem::nothing_there(visitor.words().no_such_run))
}

fn figures(visitor: &Visitor, title: &str, run: &RunRow) -> Markup {
    let words = visitor.words();
    let again = (run.status == "running").then(|| format!("/runs/{}", run.id));
    html! {
        div #run hx-get=[again.as_deref()] hx-trigger="every 3s" hx-select="#run" hx-swap="outerHTML" {
            div.head { h1 { (title) " " (parts::run_status(words, &run.status)) } }
            @if again.is_some() { (parts::banner(Tone::Calm, "", &html! { (words.run_goes_on) })) }
            (troubles(visitor, run))
            section.card {
                dl.facts {
                    div { dt { (words.started_by) } dd { (of(words.terms().triggers, &run.trigger)) " · " (run.actor) } }
                    div { dt { (words.business_date) } dd { (run.business_date) } }
                    div { dt { (words.started) } dd { (visitor.moment(run.started_at)) } }
                    div { dt { (words.ended) } dd { (visitor.maybe_moment(run.finished_at)) } }
                    div { dt { (words.collected) } dd { (collected(run)) } }
                }
            }
            div.columns {
                section.card {
                    h2 { (words.figures) }
                    (counts(visitor, run))
                }
                section.card {
                    h2 { (words.refused_by_reason) }
                    (declines(visitor, run))
                }
            }
        }
    }
}

/// What kept it from its work.
fn troubles(visitor: &Visitor, run: &RunRow) -> Markup {
    let words = visitor.words();
    let list = |name: &str| run.figures.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let stopped = run.figures.get("stopped_channels").and_then(Value::as_object);
    html! {
        @if let Some(error) = &run.error {
            (parts::banner(Tone::Bad, words.run_problem, &html! { (visitor.said(error)) ". " (words.run_failed_what) }))
        }
        @for brake in list("brakes") {
            (parts::banner(Tone::Bad, words.brake_holds, &html! {
                (of(words.terms().brakes, &text(&brake, "brake"))) ": " (visitor.said(&text(&brake, "why")))
            }))
        }
        @for (channel, why) in stopped.into_iter().flatten() {
            (parts::banner(Tone::Warn, words.channel_stopped, &html! { (channel) ": " (why.as_str().unwrap_or_default()) }))
        }
        @if let Some(let_go) = run.figures.get("let_go").filter(|row| row.is_object()) {
            (parts::banner(Tone::Warn, &fill(words.let_go_by, &[&text(let_go, "by")]), &html! { (text(let_go, "reason")) }))
        }
    }
}

fn counts(visitor: &Visitor, run: &RunRow) -> Markup {
    let words = visitor.words();
    let number = |name: &str| run.figures.get(name).and_then(Value::as_i64).unwrap_or(0);
    // The first three are told even where they are nothing.
    let always = [(words.due, "due"), (words.paid, "paid"), (words.declined, "declined")];
    let others = [
        (words.failed, "failed"),
        (words.no_billing_key, "no_billing_key"),
        (words.canceled, "canceled"),
        (words.lapsed, "lapsed"),
        (words.unknown, "unknown"),
        (words.review, "review"),
        (words.refunded, "refunded"),
        (words.taken_over, "taken_over"),
        (words.past_due, "past_due"),
        (words.downgraded, "downgraded"),
        (words.left_due, "left_due"),
    ];
    let others = others.into_iter().filter(|(_, name)| number(name) > 0);
    html! {
        dl.sums {
            @for (what, name) in always.into_iter().chain(others) {
                div { dt { (what) } dd { (count(number(name))) } }
            }
        }
    }
}

fn declines(visitor: &Visitor, run: &RunRow) -> Markup {
    let words = visitor.words();
    let table = |name: &str| run.figures.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let (reasons, retries) = (table("declined_by_reason"), table("retries"));
    html! {
        @if reasons.is_empty() { (parts::empty(words.nothing_refused)) }
        dl.sums {
            @for (reason, number) in &reasons {
                div { dt { (of(words.terms().decline_reasons, reason)) } dd { (count(number.as_i64().unwrap_or(0))) } }
            }
        }
        @if !retries.is_empty() {
            h3 { (words.retries_at) }
            dl.sums {
                @for (at, number) in &retries { div { dt { (at) } dd { (count(number.as_i64().unwrap_or(0))) } } }
            }
        }
    }
}

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
    let figure = |run: &RunRow, name: &str| match run.figures.get(name).and_then(Value::as_i64) {
        Some(number) => parts::number_of(number),
        None => parts::none(),
    };
    let rows = runs.iter().map(|run| {
        vec![
            html! { a href={ "/runs/" (run.id) } { (visitor.moment(run.started_at)) } },
            html! { (of(words.terms().triggers, &run.trigger)) },
            html! { (run.business_date) },
            parts::run_status(words, &run.status),
            collected(run),
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

fn collected(run: &RunRow) -> Markup {
    let amounts = run.figures.get("amounts").and_then(Value::as_object);
    let sums = amounts.into_iter().flatten();
    let sums: Vec<String> = sums.filter_map(|(currency, minor)| Some(sum(currency, minor.as_i64()?))).collect();
    if sums.is_empty() {
        parts::none()
    } else {
        html! { (sums.join(" · ")) }
    }
}
