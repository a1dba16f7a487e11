//! The first page: what was collected today, what is at risk, what needs a person, and how the last month went.

use super::chart::chart;
use super::figures::{Days, Provider, Reason, Risk, providers, reasons};
use super::frame::{Page, Tab};
use super::parts::{self, Tone};
use super::runs;
use super::shown::{count, fill, percent, sum};
use super::visitor::Visitor;
use super::words::of;
use crate::engine::coverage::coverage;
use crate::http::Problem;
use crate::store::Paused;
use crate::store::read::{ActionRow, AtRisk, Backlog, DueSum, RenewalRow, RunRow, Taking};
use axum::extract::Query;
use axum::response::Response;
use chrono::{Days as CalendarDays, NaiveDate};
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How far the chart goes back.
const SPAN_DAYS: u64 = 30;
/// Rows of each list; the whole lists have pages of their own.
const ROWS: u32 = 6;
/// More than this many that need a person are not counted out.
const NEED_A_PERSON_MAX: u32 = 99;
const REASONS_MAX: usize = 8;

/// Everything that the page tells.
struct Today {
    from: NaiveDate,
    paused: Option<Paused>,
    missed: Vec<NaiveDate>,
    takings: Vec<Taking>,
    at_risk: Vec<AtRisk>,
    due: Vec<DueSum>,
    backlog: Backlog,
    needs_person: Vec<RenewalRow>,
    runs: Vec<RunRow>,
    actions: Vec<ActionRow>,
}

#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// The switch was just turned.
    done: Option<String>,
}

pub async fn page(visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let built = read(&visitor).await.map(|today| Page {
        tab: Tab::Today,
        title: visitor.words().tab_today.to_owned(),
        body: body(&visitor, &today, asked.done.is_some()),
    });
    visitor.answer(built)
}

async fn read(visitor: &Visitor) -> Result<Today, Problem> {
    let (store, zone) = (&*visitor.site.engine.store, visitor.site.zone);
    let from = visitor.today() - CalendarDays::new(SPAN_DAYS - 1);
    Ok(Today {
        from,
        paused: store.switch().await?.paused,
        missed: coverage(store, zone).await?.missed,
        takings: store.takings(from, zone.start_of(from)).await?,
        at_risk: store.at_risk().await?,
        due: store.due_now(None).await?,
        backlog: store.backlog().await?,
        needs_person: store.needs_person(NEED_A_PERSON_MAX + 1).await?,
        runs: store.runs(ROWS).await?,
        actions: store.actions(ROWS).await?,
    })
}

fn body(visitor: &Visitor, today: &Today, turned: bool) -> Markup {
    let words = visitor.words();
    let all = Days::of(&today.takings, today.from, visitor.today());
    html! {
        div.head {
            h1 { (words.tab_today) " " span.muted { (visitor.look.language.day(visitor.today())) } }
            @if visitor.is_operator() { (buttons(visitor, today)) }
        }
        @if turned && today.paused.is_none() { (told(visitor)) }
        // What changes while somebody looks is asked for again; without scripts it is as it was when the page was made.
        div #now hx-get="/" hx-trigger="every 30s" hx-select="#now" hx-swap="outerHTML" {
            (banners(visitor, today))
            (tiles(visitor, today, &all))
        }
        section.card aria-labelledby="month" {
            h2 #month { (words.last_30_days) }
            @for days in &all { (chart(visitor, days)) }
            @if all.is_empty() { (parts::empty(words.no_charges)) }
        }
        div.columns {
            section.card aria-labelledby="reasons" {
                h2 #reasons { (words.refused_by_reason) " " span.muted { (words.in_30_days) } }
                (by_reason(visitor, &reasons(&today.takings)))
            }
            section.card aria-labelledby="gateways" {
                h2 #gateways { (words.by_gateway) " " span.muted { (words.in_30_days) } }
                (by_provider(visitor, &providers(&today.takings)))
            }
        }
        section.card aria-labelledby="latest" {
            h2 #latest { (words.recent_runs) a.more href="/runs" { (words.all_runs) } }
            (runs::table(visitor, &today.runs))
        }
        @if !today.actions.is_empty() {
            section.card aria-labelledby="by-hand" {
                h2 #by-hand { (words.by_hand) }
                (actions(visitor, &today.actions))
            }
        }
    }
}

/// The switch was turned on again; that it is off, the page says anyway.
fn told(visitor: &Visitor) -> Markup {
    parts::banner(Tone::Good, "", &html! { (visitor.words().charging_resumed) })
}

fn buttons(visitor: &Visitor, today: &Today) -> Markup {
    let words = visitor.words();
    html! {
        div.actions {
            @if today.paused.is_some() {
                a.button.primary href="/resume" { (words.resume) }
            } @else {
                a.button.primary href="/run" { (words.run_now) }
                a.button href="/pause" { (words.pause) }
            }
        }
    }
}

fn banners(visitor: &Visitor, today: &Today) -> Markup {
    let words = visitor.words();
    html! {
        @if let Some(paused) = &today.paused {
            (parts::banner(Tone::Bad, words.paused, &html! {
                (fill(words.paused_by, &[&paused.by])) ", " (visitor.moment(paused.at)) ": " (paused.reason)
            }))
        }
        @if let (Some(first), Some(last)) = (today.missed.first(), today.missed.last()) {
            (parts::banner(Tone::Warn, words.missed, &html! {
                (visitor.look.language.day(*first))
                @if last != first { " – " (visitor.look.language.day(*last)) }
                ". " (words.missed_what)
            }))
        }
        @if let Some(run) = runs::failed(&today.runs) {
            (parts::banner(Tone::Bad, words.run_failed, &html! {
                (visitor.said(run.error.as_deref().unwrap_or(words.no_reason))) ". " (words.run_failed_what) " "
                a href={ "/runs/" (run.id) } { (words.see_run) }
            }))
        }
    }
}

fn tiles(visitor: &Visitor, today: &Today, all: &[Days]) -> Markup {
    let words = visitor.words();
    let collected = all.iter().map(|days| (days.currency.clone(), days.last().collected.minor));
    let collected: BTreeMap<String, i64> = collected.filter(|(_, minor)| *minor > 0).collect();
    let counts = all.iter().map(Days::last);
    let (paid, refused) =
        counts.fold((0, 0), |(paid, refused), day| (paid + day.collected.count, refused + day.refused.count));
    let risk = Risk::of(&today.at_risk);
    let due: BTreeMap<String, i64> = today.due.iter().map(|sum| (sum.currency.clone(), sum.minor)).collect();
    let due_count: i64 = today.due.iter().map(|sum| sum.renewals).sum();
    html! {
        div.tiles {
            (tile(visitor, words.collected_today, if paid > 0 { Tone::Good } else { Tone::Calm }, &collected, &html! {
                (parts::so_many(&words.charges_paid, paid)) " · " (parts::so_many(&words.charges_refused, refused))
            }))
            (tile(visitor, words.at_risk, if risk.renewals() > 0 { Tone::Warn } else { Tone::Calm }, &risk.sums, &html! {
                (risk_words(visitor, &risk))
            }))
            (people(visitor, today))
            (tile(visitor, words.due_now, Tone::Calm, &due, &html! {
                @if due_count > 0 { (parts::so_many(&words.renewals, due_count)) }
                @else if let Some(next) = today.backlog.next_attempt_at { (words.next_attempt) " " (visitor.moment(next)) }
                @else { (words.nothing_planned) }
            }))
        }
    }
}

fn tile(visitor: &Visitor, title: &str, tone: Tone, sums: &BTreeMap<String, i64>, below: &Markup) -> Markup {
    html! {
        section.tile.(tone.class()) {
            h2 { (title) }
            p.figure {
                @for (currency, minor) in sums { span { (sum(currency, *minor)) } }
                @if sums.is_empty() { span.none { (visitor.words().nothing) } }
            }
            p.muted { (below) }
        }
    }
}

fn risk_words(visitor: &Visitor, risk: &Risk) -> Markup {
    let words = visitor.words();
    let parts = [
        (risk.retried, &words.are_retried),
        (risk.without_card, &words.wait_for_card),
        (risk.unknown, &words.are_unknown),
        (risk.review, &words.are_in_review),
    ];
    let told: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, plural)| parts::so_many(plural, number))
        .collect();
    html! { @if told.is_empty() { (words.nothing_at_risk) } @else { (told.join(" · ")) } }
}

/// What is looked up by itself needs nobody yet.
fn people(visitor: &Visitor, today: &Today) -> Markup {
    let words = visitor.words();
    let waiting = today.needs_person.iter().filter(|row| row.state != "unknown").count();
    let unknown = today.needs_person.len() - waiting;
    let max = NEED_A_PERSON_MAX as usize;
    let number = if waiting > max { format!("{max}+") } else { waiting.to_string() };
    html! {
        section.tile.(if waiting > 0 { Tone::Bad } else { Tone::Calm }.class()) {
            h2 { (words.needs_person) }
            p.figure {
                @if waiting > 0 { a #waiting href="/review" { (number) } } @else { span.none { (words.nothing) } }
            }
            p.muted {
                @if waiting > 0 { a #what-to-do href="/review" { (words.see_what_to_do) } }
                @else if unknown > 0 { (parts::so_many(&words.are_unknown, i64::try_from(unknown).unwrap_or(0))) }
                @else { (words.nobody_waits) }
            }
        }
    }
}

fn by_reason(visitor: &Visitor, reasons: &[Reason]) -> Markup {
    let words = visitor.words();
    let most = reasons.first().map_or(1, |reason| reason.count.max(1));
    html! {
        @if reasons.is_empty() { (parts::empty(words.nothing_refused)) }
        ol.bars {
            @for reason in reasons.iter().take(REASONS_MAX) {
                li {
                    span.what { (of(words.terms().decline_reasons, &reason.reason)) }
                    span.number { (count(reason.count)) }
                    (bar(reason.count, most))
                    span.muted {
                        @for (at, (currency, minor)) in reason.sums.iter().enumerate() {
                            @if at > 0 { " · " } (sum(currency, *minor))
                        }
                    }
                }
            }
        }
    }
}

fn bar(part: i64, whole: i64) -> Markup {
    let width = part.saturating_mul(100) / whole.max(1);
    html! {
        svg.bar aria-hidden="true" viewBox="0 0 100 4" preserveAspectRatio="none" {
            rect.track width="100" height="4" {}
            rect.fill width=(width) height="4" {}
        }
    }
}

fn by_provider(visitor: &Visitor, providers: &[Provider]) -> Markup {
    let words = visitor.words();
    let rows = providers.iter().map(|row| {
        vec![
            html! { (row.name.as_deref().unwrap_or(words.not_told)) },
            html! { (count(row.tried)) },
            html! { (count(row.refused)) },
            html! { (percent(row.refused, row.tried).unwrap_or_default()) },
        ]
    });
    let heads = [
        parts::text(words.gateway),
        parts::number(words.charges),
        parts::number(words.refused),
        parts::number(words.share),
    ];
    html! {
        @if providers.is_empty() { (parts::empty(words.no_charges)) }
        @else { (parts::table(words.by_gateway, &heads, rows)) }
    }
}

fn actions(visitor: &Visitor, actions: &[ActionRow]) -> Markup {
    let words = visitor.words();
    let rows = actions.iter().map(|row| {
        vec![
            visitor.moment(row.created_at),
            html! { (row.actor) },
            html! { (of(words.terms().actions, &row.kind)) },
            html! {
                @if let Some(id) = &row.subscription_id { (parts::subscription(id)) }
                @else if let Some(id) = &row.run_id { a href={ "/runs/" (id) } { (words.run) } }
            },
            html! { (row.reason.as_deref().unwrap_or_default()) },
        ]
    });
    let heads = [words.when, words.who, words.what, words.about, words.why].map(parts::text);
    parts::table(words.by_hand, &heads, rows)
}
