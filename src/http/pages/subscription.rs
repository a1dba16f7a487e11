//! One subscription: where it stands, what is next and why, and everything that happened to it.

use super::frame::{Page, Tab};
use super::parts::{self, Tone};
use super::shown::{count, fill, maybe_sum};
use super::timeline;
use super::visitor::Visitor;
use super::words::{of, said};
use crate::domain::outlook::Outlook;
use crate::engine::explain::explain;
use crate::http::Problem;
use crate::store::read::{RenewalRow, Timeline};
use axum::extract::{Path, Query};
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// What was just done to it by hand.
    done: Option<String>,
}

pub async fn page(visitor: Visitor, Path(id): Path<String>, Query(asked): Query<Asked>) -> Response {
    let built = build(&visitor, &id, asked.done.as_deref()).await;
    visitor.answer(built)
}

async fn build(visitor: &Visitor, id: &str, done: Option<&str>) -> Result<Page, Problem> {
    let (engine, words) = (&visitor.site.engine, visitor.words());
    let found = engine.store.timeline(id).await?;
    let timeline = found.ok_or_else(|| Problem::nothing_there(words.no_such_subscription).hint(words.search_label))?;
    let next = explain(&*engine.store, &engine.policy, &timeline).await?;
    let title = fill(words.subscription_of, &[&timeline.subscription.subscription_id]);
    let body = body(visitor, &timeline, &next, done);
    Ok(Page { tab: Tab::Search, title, body })
}

fn body(visitor: &Visitor, timeline: &Timeline, next: &Outlook, done: Option<&str>) -> Markup {
    let (words, subscription) = (visitor.words(), &timeline.subscription);
    html! {
        div.head {
            div {
                h1 { (subscription.subscription_id) }
                p.muted { (words.customer) " " span.id { (subscription.customer_id) } }
            }
            (buttons(visitor, timeline))
        }
        @if let Some(done) = done { (told(visitor, timeline, done)) }
        (outlook(visitor, next))
        section.card { (facts(visitor, timeline)) }
        @if !timeline.renewals.is_empty() {
            section.card {
                h2 { (words.renewals_of) }
                (renewals(visitor, &timeline.renewals))
            }
        }
        div.columns {
            section.card {
                h2 { (words.timeline) " " span.muted { (words.timeline_newest) } }
                (timeline::list(visitor, timeline))
            }
            section.card {
                h2 { (words.cards) }
                (cards(visitor, timeline))
            }
        }
    }
}

/// What an operator may do to the latest renewal. The engine decides; what it would refuse anyway is not offered.
fn buttons(visitor: &Visitor, timeline: &Timeline) -> Markup {
    let (words, subscription) = (visitor.words(), &timeline.subscription);
    let latest = timeline.renewals.last().filter(|_| visitor.is_operator());
    let may_pay = !subscription.cancel_at_period_end && subscription.billing_key_state == "usable";
    html! {
        @if let Some(row) = latest {
            div.actions {
                @if row.state == "review" {
                    a.button.primary href={ "/renewals/" (row.id) "/resolve" } { (words.resolve) }
                }
                @if may_pay && matches!(row.state.as_str(), "due" | "failed" | "lapsed") {
                    a.button.primary href={ "/renewals/" (row.id) "/retry" } { (words.retry) }
                }
            }
        }
    }
}

/// What came of what was just done: as it stands in the tables, whatever the address says.
fn told(visitor: &Visitor, timeline: &Timeline, done: &str) -> Markup {
    let dones = visitor.words().terms().dones;
    let Some(latest) = timeline.renewals.last() else { return html! {} };
    let last = timeline.attempts.iter().rev().find(|attempt| attempt.renewal_id == latest.id);
    let (tone, word) = match (done, latest.state.as_str(), last.map(|attempt| attempt.state.as_str())) {
        ("under_way", ..) => (Tone::Calm, "under_way"),
        ("resolve", ..) => (Tone::Good, "resolved"),
        (_, "paid", _) => (Tone::Good, "paid"),
        (_, "unknown" | "charging", _) => (Tone::Warn, "open"),
        (_, _, Some("declined" | "refused")) => (Tone::Warn, "declined"),
        _ => (Tone::Bad, "not_sent"),
    };
    parts::banner(tone, "", &html! { (of(dones, word)) })
}

fn outlook(visitor: &Visitor, next: &Outlook) -> Markup {
    let words = visitor.words();
    let at = next.at.map(|at| visitor.told(at));
    let will = match (next.will_be_charged, at) {
        (true, Some(at)) => fill(words.will_charge_at, &[&at]),
        (true, None) => words.will_charge.to_owned(),
        (false, Some(at)) => fill(words.will_not_until, &[&at]),
        (false, None) => words.will_not.to_owned(),
    };
    html! {
        section.card.outlook.(if next.will_be_charged { "good" } else { "calm" }) {
            h2 { (words.next_period) }
            p.lead { (will) }
            @for why in &next.why { p.muted.said { (visitor.said(said::plain(why))) } }
        }
    }
}

fn facts(visitor: &Visitor, timeline: &Timeline) -> Markup {
    let (words, row) = (visitor.words(), &timeline.subscription);
    let terms = words.terms();
    html! {
        dl.facts {
            div { dt { (words.status) } dd { (parts::standing(words, &row.status)) } }
            div { dt { (words.plan) } dd { (row.plan_id) " · " (words.tier) " " (row.tier) } }
            div { dt { (words.period_ends) } dd { (visitor.moment(row.current_period_end)) } }
            div { dt { (words.access_until) } dd { (visitor.moment(row.access_until)) } }
            div { dt { (words.cancelled_at_end) } dd { (if row.cancel_at_period_end { words.yes } else { words.no }) } }
            div { dt { (words.card) } dd { (of(terms.keys, &row.billing_key_state)) } }
        }
    }
}

fn renewals(visitor: &Visitor, rows: &[RenewalRow]) -> Markup {
    let words = visitor.words();
    let columns = [
        parts::text(words.period),
        parts::text(words.state),
        parts::text(words.next_attempt),
        parts::text(words.payment),
        parts::number(words.attempts),
        parts::number(words.amount),
    ];
    let rows = rows.iter().rev().map(|row| {
        vec![
            parts::period(visitor, row.period_start, row.period_end),
            parts::state(words, &row.state),
            visitor.maybe_moment(row.next_attempt_at),
            html! { span.id { (row.payment_id) } },
            html! { (count(row.attempt_count)) },
            html! { (maybe_sum(row.currency.as_deref(), row.amount)) },
        ]
    });
    parts::table(words.renewals_of, &columns, rows)
}

/// The rows of the customer's cards; the keys themselves are never read here.
fn cards(visitor: &Visitor, timeline: &Timeline) -> Markup {
    let words = visitor.words();
    let columns = [words.added, words.gateway, words.channel, words.state].map(parts::text);
    let rows = timeline.keys.iter().map(|row| {
        let tone = if row.state == "usable" { Tone::Good } else { Tone::Bad };
        vec![
            visitor.moment(row.created_at),
            parts::maybe(row.pg_provider.as_deref()),
            parts::maybe(row.channel_key.as_deref()),
            html! {
                (parts::badge(tone, of(words.terms().keys, &row.state)))
                @if let Some(why) = &row.unusable_reason {
                    " " span.muted { (of(words.terms().decline_reasons, why)) }
                }
            },
        ]
    });
    html! {
        @if timeline.keys.is_empty() { (parts::empty(words.no_cards)) }
        @else { (parts::table(words.cards, &columns, rows)) }
    }
}
