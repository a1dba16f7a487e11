//! Parts that pages are made of.

use super::login;
use super::session;
use super::shown::count;
use super::visitor::{Visitor, is_from_here};
use super::words::{Plural, Words, of};
use crate::http::Problem;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use std::collections::HashMap;

/// The field that ties a form to its session.
const FORM_KEY: &str = "form_key";

/// How good or bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Calm,
    Good,
    Warn,
    Bad,
}

impl Tone {
    pub fn class(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// Ties a form to the session that it was made for.
pub fn form_key(visitor: &Visitor) -> Markup {
    html! { input type="hidden" name=(FORM_KEY) value=(visitor.session.form_key); }
}

/// Whether a form came from a page of ours, made for this session.
///
/// # Errors
/// What whoever sent it is told.
pub fn is_own_form(visitor: &Visitor, headers: &HeaderMap, form: &HashMap<String, String>) -> Result<(), Problem> {
    let shown = form.get(FORM_KEY).map_or("", String::as_str);
    let is_own = is_from_here(headers) && session::is_form_of(&visitor.session, shown);
    if is_own { Ok(()) } else { Err(login::refused(visitor.words())) }
}

/// A word in its colour.
pub fn badge(tone: Tone, text: &str) -> Markup {
    html! { span.badge.(tone.class()) { (text) } }
}

/// Where a renewal stands.
pub fn state(words: &Words, state: &str) -> Markup {
    let tone = match state {
        "paid" => Tone::Good,
        "due" | "charging" | "canceled" | "refunded" => Tone::Calm,
        "unknown" | "lapsed" => Tone::Warn,
        _ => Tone::Bad,
    };
    badge(tone, of(words.terms().states, state))
}

/// Where a subscription stands.
pub fn standing(words: &Words, status: &str) -> Markup {
    let tone = match status {
        "active" => Tone::Good,
        "past_due" => Tone::Warn,
        _ => Tone::Bad,
    };
    badge(tone, of(words.terms().subscriptions, status))
}

/// How a run ended.
pub fn run_status(words: &Words, status: &str) -> Markup {
    let tone = match status {
        "completed" => Tone::Good,
        "running" => Tone::Calm,
        "interrupted" => Tone::Warn,
        _ => Tone::Bad,
    };
    badge(tone, of(words.terms().run_statuses, status))
}

/// Something that everybody should know before they read on.
pub fn banner(tone: Tone, title: &str, text: &Markup) -> Markup {
    html! {
        div.banner.(tone.class()) role="status" {
            @if !title.is_empty() { strong { (title) } " " }
            (text)
        }
    }
}

/// Nothing is there, and that is a thing to say.
pub fn empty(text: &str) -> Markup {
    html! { p.empty { (text) } }
}

/// So many of something.
pub fn so_many(plural: &Plural, number: i64) -> String {
    plural.of(number, &count(number))
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    name: &'static str,
    /// Stands under its heading's right end, digit under digit.
    is_number: bool,
}

pub fn text(name: &'static str) -> Column {
    Column { name, is_number: false }
}

pub fn number(name: &'static str) -> Column {
    Column { name, is_number: true }
}

/// A table that becomes a list of cards where there is no room for it. The roles stay what they are then, too.
pub fn table(caption: &str, columns: &[Column], rows: impl IntoIterator<Item = Vec<Markup>>) -> Markup {
    let class = |column: &Column| column.is_number.then_some("number");
    html! {
        table.rows role="table" {
            caption.unseen { (caption) }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in columns { th class=[class(column)] role="columnheader" scope="col" { (column.name) } }
                }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (column, cell) in columns.iter().zip(row) {
                            td class=[class(column)] role="cell" data-label=(column.name) { (cell) }
                        }
                    }
                }
            }
        }
    }
}

/// Nothing is to be told; where there is little room, it is left out.
pub fn none() -> Markup {
    html! { span.none { "–" } }
}

/// A number of which most are nothing: those step back.
pub fn number_of(number: i64) -> Markup {
    html! { span.none[number == 0] { (count(number)) } }
}

/// What may not be known.
pub fn maybe(text: Option<&str>) -> Markup {
    text.map_or_else(none, |text| html! { (text) })
}

/// From when until when, by date.
pub fn period(visitor: &Visitor, start: DateTime<Utc>, end: Option<DateTime<Utc>>) -> Markup {
    let date = |at| visitor.site.zone.date_of(at);
    html! { span.dates { (date(start)) " – " @if let Some(end) = end { (date(end)) } } }
}

/// A link to a subscription's page.
pub fn subscription(id: &str) -> Markup {
    html! { a.id href={ "/subscriptions/" (super::shown::encoded(id)) } { (id) } }
}
