//! A person's answer to a renewal under review: said, looked at once more with its sum, and recorded.

use super::case::{self, Case};
use super::frame::{self, Page, Tab};
use super::hand::{self, Operator, Sent};
use super::parts;
use super::retry;
use super::shown::{encoded, fill, maybe_sum};
use super::visitor::Visitor;
use super::words::{Words, of};
use crate::domain::by_hand::resolve::{AGAINST_WORDS_MIN, Answer};
use crate::engine::by_hand::ResolveCommand;
use crate::http::Problem;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use std::sync::Arc;

const ANSWERS: [(&str, Answer); 4] = [
    ("paid", Answer::Paid),
    ("not_charged", Answer::NotCharged),
    ("refunded", Answer::Refunded),
    ("retry", Answer::Retry),
];

/// What was filled in until now.
#[derive(Clone, Copy, Debug, Default)]
struct Filled<'f> {
    answer: &'f str,
    evidence: &'f str,
    against: &'f str,
    reason: &'f str,
}

impl<'f> Filled<'f> {
    fn of(sent: &'f Sent) -> Self {
        Self {
            answer: sent.field("answer"),
            evidence: sent.field("evidence"),
            against: sent.field("against"),
            reason: sent.field("reason"),
        }
    }

    fn answer(&self) -> Option<Answer> {
        ANSWERS.into_iter().find(|(name, _)| *name == self.answer).map(|(_, answer)| answer)
    }

    /// What is still missing.
    fn problem(&self, words: &Words) -> Option<&'static str> {
        if self.answer().is_none() {
            return Some(words.answer_is_missing);
        }
        if self.evidence.is_empty() {
            return Some(words.evidence_is_empty);
        }
        if self.reason.is_empty() {
            return Some(words.reason_is_empty);
        }
        let is_short = !self.against.is_empty() && self.against.chars().count() < AGAINST_WORDS_MIN;
        is_short.then_some(words.against_is_short)
    }
}

/// The form.
pub async fn form(Operator(visitor): Operator, Path(id): Path<String>) -> Response {
    let built = case::read(&visitor, &id).await.map(|case| ask(&visitor, &case, &Filled::default(), None));
    visitor.answer(built)
}

/// Shows the answer once more; records it when it comes back confirmed.
pub async fn resolve(Path(id): Path<String>, sent: Sent) -> Response {
    match answer(&sent, &id).await {
        Ok(answer) => answer,
        Err(problem) => frame::problem(&sent.visitor, &problem),
    }
}

async fn answer(sent: &Sent, id: &str) -> Result<Response, Problem> {
    let (visitor, words, filled) = (&sent.visitor, sent.visitor.words(), Filled::of(sent));
    let case = case::read(visitor, id).await?;
    let is_new = !sent.field("seen").is_empty() && sent.field("seen") != case.seen();
    let problem = if is_new { Some(words.sum_changed) } else { filled.problem(words) };
    let (None, Some(answer)) = (problem, filled.answer()) else {
        return Ok(frame::whole(visitor, ask(visitor, &case, &filled, problem)));
    };
    if sent.field("seen").is_empty() {
        return Ok(frame::whole(visitor, sure(visitor, &case, &filled)));
    }
    let command = ResolveCommand {
        id: case.renewal.id.clone(),
        answer,
        against: (!filled.against.is_empty()).then(|| filled.against.to_owned()),
        hand: sent.hand().seeing(filled.evidence),
    };
    let engine = Arc::clone(&visitor.site.engine);
    let begun = visitor.site.work.start(|shutdown| async move { engine.resolve_by_hand(&command, &shutdown).await });
    match hand::outcome(visitor, begun).await? {
        Some(resolved) if resolved.retried.is_none() => {
            let to = format!("/subscriptions/{}?done=resolve", encoded(&case.renewal.subscription_id));
            Ok(Redirect::to(&to).into_response())
        }
        resolved => retry::told(&case, resolved.and_then(|resolved| resolved.retried).as_ref()),
    }
}

fn ask(visitor: &Visitor, case: &Case, filled: &Filled<'_>, problem: Option<&str>) -> Page {
    let words = visitor.words();
    let body = html! {
        section.card.narrow {
            h1 { (words.resolve_confirm) }
            @if let Some(problem) = problem { p.banner.bad role="alert" { (problem) } }
            (case::facts(visitor, case))
            p.muted { (words.resolve_what) }
            form.stack method="post" action=(action(case)) {
                (parts::form_key(visitor))
                (answers(visitor, case, filled))
                (hand::words_field("evidence", (words.evidence, words.evidence_how), filled.evidence, true))
                (hand::reason(visitor, filled.reason))
                (hand::words_field("against", (words.against, words.against_how), filled.against, false))
                (hand::buttons(visitor, words.check, "/review"))
            }
        }
    };
    Page { tab: Tab::Review, title: words.resolve_confirm.to_owned(), body }
}

fn answers(visitor: &Visitor, case: &Case, filled: &Filled<'_>) -> Markup {
    let words = visitor.words();
    html! {
        fieldset {
            legend { (words.answer) }
            @for (name, answer) in ANSWERS {
                label.choice {
                    input type="radio" name="answer" value=(name) required checked[filled.answer == name];
                    span { (of(words.terms().answers, name)) }
                    span.hint { (how(words, case, answer)) }
                }
            }
        }
    }
}

/// What an answer does.
fn how(words: &Words, case: &Case, answer: Answer) -> String {
    match answer {
        Answer::Paid => words.answer_paid_how.to_owned(),
        Answer::NotCharged => words.answer_not_charged_how.to_owned(),
        Answer::Refunded => words.answer_refunded_how.to_owned(),
        Answer::Retry => fill(words.answer_retry_how, &[&amount(case)]),
    }
}

fn sure(visitor: &Visitor, case: &Case, filled: &Filled<'_>) -> Page {
    let words = visitor.words();
    let charges = filled.answer() == Some(Answer::Retry);
    let go = if charges { fill(words.charge_sum, &[&amount(case)]) } else { words.record.to_owned() };
    let again = format!("/renewals/{}/resolve", case.renewal.id);
    let body = html! {
        section.card.narrow {
            h1 { (words.resolve_sure) }
            (case::facts(visitor, case))
            dl.sums {
                div { dt { (words.answer) } dd { strong { (of(words.terms().answers, filled.answer)) } } }
                @for (name, value) in [(words.evidence, filled.evidence), (words.reason, filled.reason), (words.against, filled.against)] {
                    @if !value.is_empty() { div { dt { (name) } dd { (value) } } }
                }
            }
            @if let Some(answer) = filled.answer() { p { (how(words, case, answer)) } }
            form.stack method="post" action=(action(case)) {
                (parts::form_key(visitor))
                input type="hidden" name="seen" value=(case.seen());
                @for (name, value) in fields(filled) { input type="hidden" name=(name) value=(value); }
                (hand::buttons(visitor, &go, &again))
            }
        }
    };
    Page { tab: Tab::Review, title: words.resolve_sure.to_owned(), body }
}

fn fields<'f>(filled: &Filled<'f>) -> [(&'static str, &'f str); 4] {
    [("answer", filled.answer), ("evidence", filled.evidence), ("against", filled.against), ("reason", filled.reason)]
}

fn action(case: &Case) -> String {
    format!("/renewals/{}/resolve", case.renewal.id)
}

fn amount(case: &Case) -> String {
    maybe_sum(case.renewal.currency.as_deref(), case.renewal.amount)
}
