//! What waits for somebody's answer, and what is looked up by itself.

use super::frame::{Page, Tab};
use super::parts;
use super::shown::{count, fill, maybe_sum};
use super::visitor::Visitor;
use crate::http::Problem;
use crate::store::read::RenewalRow;
use axum::response::Response;
use maud::{Markup, html};

/// What is beyond is said to be there, and not counted out: it comes when these are answered.
const ROWS: usize = 200;

pub async fn page(visitor: Visitor) -> Response {
    let built = rows(&visitor).await.map(|rows| Page {
        tab: Tab::Review,
        title: visitor.words().needs_person.to_owned(),
        body: body(&visitor, rows),
    });
    visitor.answer(built)
}

/// One more than are shown, to know whether there are more.
async fn rows(visitor: &Visitor) -> Result<Vec<RenewalRow>, Problem> {
    let rows = u32::try_from(ROWS + 1).unwrap_or(u32::MAX);
    Ok(visitor.site.engine.store.needs_person(rows).await?)
}

fn body(visitor: &Visitor, mut rows: Vec<RenewalRow>) -> Markup {
    let words = visitor.words();
    let are_more = rows.len() > ROWS;
    rows.truncate(ROWS);
    let number = |rows: &[RenewalRow]| format!("{}{}", number(rows), if are_more { "+" } else { "" });
    let (unknown, waiting): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.state == "unknown");
    html! {
        div.head {
            div {
                h1 { (words.needs_person) " " span.muted { (number(&waiting)) } }
                @if !waiting.is_empty() { p.muted { (words.review_what) } }
                @if are_more { p.muted { (fill(words.plan_first_lines, &[&ROWS.to_string()])) } }
            }
        }
        section.card {
            @if waiting.is_empty() { (parts::empty(words.review_nobody)) }
            ul.wait { @for row in &waiting { (one(visitor, row)) } }
        }
        @if !unknown.is_empty() {
            section.card {
                h2 { (words.unknown_what) " " span.muted { (number(&unknown)) } }
                p.muted { (words.unknown_how) }
                (looked_up(visitor, &unknown))
            }
        }
    }
}

fn number(rows: &[RenewalRow]) -> String {
    count(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}

fn one(visitor: &Visitor, row: &RenewalRow) -> Markup {
    let words = visitor.words();
    html! {
        li {
            div {
                p {
                    (parts::subscription(&row.subscription_id)) " · "
                    strong.number { (maybe_sum(row.currency.as_deref(), row.amount)) }
                }
                p {
                    @match &row.review_reason {
                        Some(why) => (visitor.said(why)),
                        // Nothing but that brings a renewal here that is not under review.
                        None => (words.period_not_moved),
                    }
                }
                p.muted { (words.since) " " (visitor.moment(row.updated_at)) }
            }
            @if visitor.is_operator() && row.state == "review" {
                a.button href={ "/renewals/" (row.id) "/resolve" } {
                    (words.resolve) span.unseen { " " (row.subscription_id) }
                }
            }
        }
    }
}

fn looked_up(visitor: &Visitor, rows: &[RenewalRow]) -> Markup {
    let words = visitor.words();
    let columns = [
        parts::text(words.subscription),
        parts::text(words.since),
        parts::text(words.next_attempt),
        parts::number(words.amount),
    ];
    let rows = rows.iter().map(|row| {
        vec![
            parts::subscription(&row.subscription_id),
            visitor.moment(row.updated_at),
            visitor.maybe_moment(row.next_look_up_at),
            html! { (maybe_sum(row.currency.as_deref(), row.amount)) },
        ]
    });
    parts::table(words.unknown_what, &columns, rows)
}
