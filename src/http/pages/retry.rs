//! One renewal charged by a person's word: its sum first, then the charge, by the steps of every run.

use super::case::{self, Case};
use super::frame::{self, Page, Tab};
use super::hand::{self, Operator, Sent};
use super::parts;
use super::shown::{encoded, fill, maybe_sum};
use super::visitor::Visitor;
use crate::engine::by_hand::{Retried, RetryCommand};
use crate::http::Problem;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use std::sync::Arc;

/// The sum, and the button for it.
pub async fn confirm(Operator(visitor): Operator, Path(id): Path<String>) -> Response {
    let built = case::read(&visitor, &id).await.map(|case| page(&visitor, &case, "", None));
    visitor.answer(built)
}

/// Charges it, if it is still what was shown.
pub async fn retry(Path(id): Path<String>, sent: Sent) -> Response {
    match charge(&sent, &id).await {
        Ok(answer) => answer,
        Err(problem) => frame::problem(&sent.visitor, &problem),
    }
}

async fn charge(sent: &Sent, id: &str) -> Result<Response, Problem> {
    let (visitor, words) = (&sent.visitor, sent.visitor.words());
    let case = case::read(visitor, id).await?;
    let again = |why| Ok(frame::whole(visitor, page(visitor, &case, sent.field("reason"), Some(why))));
    if sent.field("seen") != case.seen() {
        return again(words.sum_changed);
    }
    if sent.field("reason").is_empty() {
        return again(words.reason_is_empty);
    }
    let command = RetryCommand { id: case.renewal.id.clone(), new_key: None, hand: sent.hand() };
    let engine = Arc::clone(&visitor.site.engine);
    let begun = visitor.site.work.start(|shutdown| async move { engine.retry(&command, &shutdown).await });
    let done = hand::outcome(visitor, begun).await?;
    told(&case, done.as_ref())
}

/// Back to the subscription, which tells what came of it.
pub fn told(case: &Case, retried: Option<&Retried>) -> Result<Response, Problem> {
    if let Some(problem) = retried.and_then(|retried| retried.run.problem.clone()) {
        return Err(Problem::conflict(problem).money(
            "if it was charged, that is recorded or looked up; if not, it is still due: nobody is charged twice",
        ));
    }
    let done = if retried.is_some() { "retry" } else { "under_way" };
    let to = format!("/subscriptions/{}?done={done}", encoded(&case.renewal.subscription_id));
    Ok(Redirect::to(&to).into_response())
}

fn page(visitor: &Visitor, case: &Case, reason: &str, problem: Option<&str>) -> Page {
    let words = visitor.words();
    let amount = maybe_sum(case.renewal.currency.as_deref(), case.renewal.amount);
    let back = format!("/subscriptions/{}", encoded(&case.renewal.subscription_id));
    let body = html! {
        section.card.narrow {
            h1 { (words.retry_confirm) }
            @if let Some(problem) = problem { p.banner.warn role="alert" { (problem) } }
            (case::facts(visitor, case))
            p { (fill(words.retry_what, &[&case.timeline.subscription.customer_id])) }
            p.muted { (words.retry_safe) }
            form.stack method="post" action={ "/renewals/" (case.renewal.id) "/retry" } {
                (parts::form_key(visitor))
                input type="hidden" name="seen" value=(case.seen());
                (hand::reason(visitor, reason))
                (hand::buttons(visitor, &fill(words.charge_sum, &[&amount]), &back))
            }
        }
    };
    Page { tab: Tab::Search, title: words.retry_confirm.to_owned(), body }
}
