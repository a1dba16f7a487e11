//! The kill switch: pausing, and going on.

use super::frame::{Page, Tab};
use super::hand::{self, Operator, Sent};
use super::parts;
use super::plan::totals;
use super::run_now;
use super::shown::{fill, sum};
use super::visitor::Visitor;
use crate::engine::control;
use crate::http::Problem;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use std::time::Duration;

const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Which way it is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Pause,
    Resume,
}

pub async fn confirm_pause(Operator(visitor): Operator) -> Response {
    confirm(&visitor, Turn::Pause).await
}

pub async fn confirm_resume(Operator(visitor): Operator) -> Response {
    confirm(&visitor, Turn::Resume).await
}

pub async fn pause(sent: Sent) -> Response {
    turn(sent, Turn::Pause).await
}

pub async fn resume(sent: Sent) -> Response {
    turn(sent, Turn::Resume).await
}

async fn confirm(visitor: &Visitor, turn: Turn) -> Response {
    visitor.answer(due(visitor).await.map(|due| page(visitor, turn, &due, None)))
}

async fn turn(sent: Sent, turn: Turn) -> Response {
    let visitor = &sent.visitor;
    if sent.field("reason").is_empty() {
        let again = |due: String| page(visitor, turn, &due, Some(visitor.words().reason_is_empty));
        return visitor.answer(due(visitor).await.map(again));
    }
    let (engine, hand) = (&visitor.site.engine, sent.hand());
    let new_id = || engine.chance.id(engine.clock.now());
    let turned = match turn {
        Turn::Pause => control::pause(&*engine.store, &new_id, &hand).await,
        Turn::Resume => control::resume(&*engine.store, &new_id, &hand).await,
    };
    match turned {
        Ok(_) => Redirect::to("/?done").into_response(),
        Err(error) => super::frame::problem(visitor, &Problem::from(error)),
    }
}

/// What the switch is about: the sums that a run would charge now. Where that takes long to find out, those that are
/// planned already: whoever pauses is in a hurry.
async fn due(visitor: &Visitor) -> Result<String, Problem> {
    let sums: Vec<String> = match visitor.within(LOOK_WITHIN, run_now::preview(visitor)).await {
        Some(preview) => totals(&preview?.charges).iter().map(|total| sum(&total.currency, total.minor)).collect(),
        None => {
            let due = visitor.site.engine.store.due_now(None).await?;
            due.iter().map(|row| sum(&row.currency, row.minor)).collect()
        }
    };
    Ok(if sums.is_empty() { visitor.words().nothing.to_owned() } else { sums.join(" + ") })
}

fn page(visitor: &Visitor, turn: Turn, due: &str, problem: Option<&str>) -> Page {
    let words = visitor.words();
    let (title, what, go, action) = match turn {
        Turn::Pause => (words.pause_confirm, words.pause_what, words.pause_go, "/pause"),
        Turn::Resume => (words.resume_confirm, words.resume_what, words.resume_go, "/resume"),
    };
    let body = html! {
        section.card.narrow {
            h1 { (title) }
            @if let Some(problem) = problem { p.banner.bad role="alert" { (problem) } }
            p { (fill(what, &[due])) }
            form.stack method="post" action=(action) {
                (parts::form_key(visitor))
                (hand::reason(visitor, ""))
                (hand::buttons(visitor, go, "/"))
            }
        }
    };
    Page { tab: Tab::Today, title: title.to_owned(), body }
}
