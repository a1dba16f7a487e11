//! Finding a subscription by its own id, or by a renewal's or a payment's; and what is open now.

use super::frame::{Page, Tab};
use super::parts;
use super::shown::{encoded, fill, maybe_sum};
use super::visitor::Visitor;
use crate::http::Problem;
use crate::store::read::OpenRenewalRow;
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

pub async fn page(visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let wanted: String = asked.q.trim().chars().take(QUERY_CHARS_MAX).collect();
    match found(&visitor, &wanted).await {
        Ok(Some(id)) => Redirect::to(&format!("/subscriptions/{}", encoded(&id))).into_response(),
        Ok(None) => {
            let built = open(&visitor).await.map(|rows| Page {
                tab: Tab::Search,
                title: visitor.words().tab_search.to_owned(),
                body: body(&visitor, &wanted, &rows),
            });
            visitor.answer(built)
        }
        Err(problem) => visitor.answer(Err(problem)),
    }
}

async fn found(visitor: &Visitor, wanted: &str) -> Result<Option<String>, Problem> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let timeline = visitor.site.engine.store.timeline(wanted).await?;
    Ok(timeline.map(|timeline| timeline.subscription.subscription_id))
}

async fn open(visitor: &Visitor) -> Result<Vec<OpenRenewalRow>, Problem> {
    Ok(visitor.site.engine.store.open_renewals(None, ROWS).await?)
}

fn body(visitor: &Visitor, wanted: &str, rows: &[OpenRenewalRow]) -> Markup {
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
        @if !wanted.is_empty() { p.banner.warn role="status" { (fill(words.search_nothing, &[wanted])) } }
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
