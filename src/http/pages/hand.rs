//! What all forms of operators have in common: who may send them, what they must say, and how what came of it is told.

use super::frame;
use super::parts;
use super::visitor::{Patience, Visitor};
use crate::domain::action::Hand;
use crate::engine::by_hand::ByHandError;
use crate::http::{Door, Problem};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Somebody signed in who may change things; everybody else is told so.
pub struct Operator(pub Visitor);

impl FromRequestParts<Arc<Door>> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, door).await?;
        if visitor.is_operator() {
            return Ok(Self(visitor));
        }
        let words = visitor.words();
        let problem = Problem::new(StatusCode::FORBIDDEN, words.may_not).money(words.nothing_was_done);
        Err(frame::problem(&visitor, &problem))
    }
}

/// A form that an operator filled in on a page of this session.
pub struct Sent {
    pub visitor: Visitor,
    fields: HashMap<String, String>,
}

impl FromRequest<Arc<Door>> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, door: &Arc<Door>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Operator(visitor) = Operator::from_request_parts(&mut parts, door).await?;
        let headers = parts.headers.clone();
        let form = axum::Form::from_request(Request::from_parts(parts, body), door).await;
        let axum::Form(fields) = form.map_err(IntoResponse::into_response)?;
        match parts::is_own_form(&visitor, &headers, &fields) {
            Ok(()) => Ok(Self { visitor, fields }),
            Err(problem) => Err(frame::problem(&visitor, &problem)),
        }
    }
}

impl Sent {
    /// What was filled in, without the space around it.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.trim())
    }

    /// As it is recorded.
    pub fn hand(&self) -> Hand {
        Hand::of(&self.visitor.session.caller.name).because(self.field("reason"))
    }
}

/// The field for the reason, as it was filled in.
pub fn reason(visitor: &Visitor, value: &str) -> Markup {
    let words = visitor.words();
    words_field("reason", (words.reason, words.reason_how), value, true)
}

/// A field for words, with what belongs into it.
pub fn words_field(name: &str, (label, how): (&str, &str), value: &str, required: bool) -> Markup {
    html! {
        label for=(name) { (label) }
        p.hint id={ (name) "-how" } { (how) }
        textarea #(name) name=(name) rows="3" maxlength="1000" required[required] aria-describedby={ (name) "-how" } {
            (value)
        }
    }
}

/// The last buttons of a form: go, or go back.
pub fn buttons(visitor: &Visitor, go: &str, back: &str) -> Markup {
    html! {
        div.actions {
            button.primary type="submit" { (go) }
            a.button href=(back) { (visitor.words().cancel) }
        }
    }
}

/// What came of work that was begun; `None` while it goes on past anybody's patience.
///
/// # Errors
/// What whoever asked is told.
pub async fn outcome<T>(visitor: &Visitor, begun: JoinHandle<Result<T, ByHandError>>) -> Result<Option<T>, Problem> {
    match visitor.wait_for(begun).await {
        Patience::Over => Ok(None),
        Patience::Ended(Ok(Ok(done))) => Ok(Some(done)),
        Patience::Ended(Ok(Err(error))) => Err(error.into()),
        Patience::Ended(Err(lost)) => Err(Problem::internal(&lost)),
    }
}
