//! Finding a subscription by its own id, its customer's, a renewal's or a payment's; and what is open now.

use super::frame::{Page, Tab};
use super::parts;
use super::shown::{encoded, fill, maybe_sum};
use super::visitor::Visitor;
use crate::domain::ids::CustomerId;
use crate::http::Problem;
use crate::store::read::{AccessRow, OpenRenewalRow};
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

const ROWS: u32 = 50;
/// Ids are shorter; what is longer is none.
const QUERY_CHARS_MAX: usize = 200;

#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    q: String,
}

/// What an id means.
enum Found {
    Nothing,
    One(String),
    /// A customer's.
    Several(Vec<AccessRow>),
}

pub async fn page(visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let wanted: String = asked.q.trim().chars().take(QUERY_CHARS_MAX).collect();
    match found(&visitor, &wanted).await {
        Ok(Found::One(id)) => Redirect::to(&format!("/subscriptions/{}", encoded(&id))).into_response(),
        Ok(found) => {
            let built = open(&visitor).await.map(|rows| Page {
                tab: Tab::Search,
                title: visitor.words().tab_search.to_owned(),
                body: body(&visitor, &wanted, &found, &rows),
            });
            visitor.answer(built)
        }
        Err(problem) => visitor.answer(Err(problem)),
    }
}

async fn found(visitor: &Visitor, wanted: &str) -> Result<Found, Problem> {
    if wanted.is_empty() {
        return Ok(Found::Nothing);
    }
    let store = &visitor.site.engine.store;
    if let Some(timeline) = store.timeline(wanted).await? {
        return Ok(Found::One(timeline.subscription.subscription_id));
    }
    let theirs = store.subscriptions_of(&CustomerId::from(wanted), ROWS).await?;
    Ok(match &theirs[..] {
        [] => Found::Nothing,
        [one] => Found::One(one.subscription_id.clone()),
        _ => Found::Several(theirs),
    })
}

async fn open(visitor: &Visitor) -> Result<Vec<OpenRenewalRow>, Problem> {
    Ok(visitor.site.engine.store.open_renewals(None, ROWS).await?)
}

fn body(visitor: &Visitor, wanted: &str, found: &Found, rows: &[OpenRenewalRow]) -> Markup {
    let words = visitor.words();
    html! {
        div.head { h1 { (words.tab_search) } }
        section.card {
            form.search method="get" action="/search" role="search" {
                div {
                    label for="q" { (words.search_label) }
                    input #q type="search" name="q" value=(wanted) required autocomplete="off" spellcheck="false"
                        autocapitalize="none";
                }
                button.primary type="submit" { (words.search_go) }
            }
        }
        @match found {
            Found::Several(theirs) => {
                section.card {
                    h2 { (fill(words.subscriptions_of, &[wanted])) }
                    (of_customer(visitor, theirs))
                }
            }
            _ => @if !wanted.is_empty() { p.banner.warn role="status" { (fill(words.search_nothing, &[wanted])) } }
        }
        section.card {
            h2 {
                (words.open_renewals)
                @if rows.len() >= ROWS as usize { span.muted { (fill(words.plan_first_lines, &[&ROWS.to_string()])) } }
            }
            @if rows.is_empty() { (parts::empty(words.no_open_renewals)) }
            @else { (table(visitor, rows)) }
        }
    }
}

fn of_customer(visitor: &Visitor, rows: &[AccessRow]) -> Markup {
    let words = visitor.words();
    let columns =
        [words.subscription, words.status, words.plan, words.period_ends, words.access_until].map(parts::text);
    let rows = rows.iter().map(|row| {
        vec![
            parts::subscription(&row.subscription_id),
            parts::standing(words, &row.status),
            html! { (row.plan_id) },
            visitor.moment(row.current_period_end),
            visitor.moment(row.access_until),
        ]
    });
    parts::table(words.subscription, &columns, rows)
}

fn table(visitor: &Visitor, rows: &[OpenRenewalRow]) -> Markup {
    let words = visitor.words();
    let columns = [
        parts::text(words.subscription),
        parts::text(words.customer),
        parts::text(words.state),
        parts::text(words.period),
        parts::text(words.next_attempt),
        parts::number(words.amount),
    ];
    let rows = rows.iter().map(|row| {
        vec![
            parts::subscription(&row.subscription_id),
            html! { span.id { (row.customer_id) } },
            parts::state(words, &row.state),
            parts::period(visitor, row.period_start, row.period_end),
            visitor.maybe_moment(row.next_attempt_at),
            html! { (maybe_sum(row.currency.as_deref(), row.amount)) },
        ]
    });
    parts::table(words.open_renewals, &columns, rows)
}
