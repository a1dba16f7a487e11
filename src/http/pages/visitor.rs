//! Who looks at a page, and how they see it.

use super::frame::{self, Page};
use super::language::{self, Language};
use super::parts;
use super::session::{self, Session};
use super::shown::encoded;
use super::words::{Words, said};
use crate::clock::Clock;
use crate::config::Role;
use crate::http::{Door, Problem, Site};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, NaiveDate, Utc};
use maud::{Markup, html};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle};

/// Sent by htmx: whoever is signed out meanwhile is taken to the sign-in, and not a part of the page.
const BY_HTMX: &str = "hx-request";
const GO_TO: &str = "hx-redirect";

/// In which words a page is told, and where it is.
#[derive(Clone)]
pub struct Look {
    pub language: Language,
    pub words: &'static Words,
    pub here: Uri,
}

impl Look {
    pub fn of(parts: &Parts) -> Self {
        let language = Language::of(&parts.uri, &parts.headers);
        Self { language, words: language.words(), here: parts.uri.clone() }
    }

    /// A sentence of the engine's, in this language where it is known; else as it is, and said to be English.
    pub fn said(&self, sentence: &str) -> Markup {
        match self.language {
            Language::English => html! { (sentence) },
            Language::Korean => match said::korean(sentence) {
                Some(korean) => html! { (korean) },
                None => html! { span lang="en" { (sentence) } },
            },
        }
    }
}

impl FromRequestParts<Arc<Door>> for Look {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Door>) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts))
    }
}

/// The part of a request's time, from when its visitor is known, in which what it began is waited for; the rest is for the answer.
const PATIENCE: f32 = 0.6;

/// What came of waiting.
pub enum Patience<T> {
    Ended(Result<T, JoinError>),
    /// It goes on, and nobody waits for it.
    Over,
}

/// Somebody who is signed in.
pub struct Visitor {
    clock: Arc<dyn Clock>,
    /// The uptime until which what this request begins is waited for.
    patient_until: Duration,
    pub site: Arc<Site>,
    pub session: Session,
    pub look: Look,
    pub now: DateTime<Utc>,
}

impl FromRequestParts<Arc<Door>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Response> {
        let look = Look::of(parts);
        let Some(site) = door.site().cloned() else { return Err(frame::not_yet(&look)) };
        let now = door.clock.now();
        let shown = language::cookie(&parts.headers, session::COOKIE);
        let key = &site.engine.policy.payment_id_key;
        let session = shown.and_then(|shown| session::read(key, &door.settings.tokens, shown, now));
        match session {
            Some(session) => Ok(Self {
                clock: Arc::clone(&door.clock),
                patient_until: door.clock.uptime() + door.settings.request_timeout.mul_f32(PATIENCE),
                site,
                session,
                look,
                now,
            }),
            None => Err(to_sign_in(parts)),
        }
    }
}

fn to_sign_in(parts: &Parts) -> Response {
    let back = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let login = match parts.method {
        Method::GET if back != "/" => format!("/login?to={}", encoded(back)),
        _ => "/login".to_owned(),
    };
    if parts.headers.contains_key(BY_HTMX) {
        return (StatusCode::UNAUTHORIZED, [(GO_TO, login)]).into_response();
    }
    Redirect::to(&login).into_response()
}

impl Visitor {
    pub fn words(&self) -> &'static Words {
        self.look.words
    }

    /// May change things: sees the buttons.
    pub fn is_operator(&self) -> bool {
        self.session.caller.role >= Role::Operator
    }

    /// Today in the business zone.
    pub fn today(&self) -> NaiveDate {
        self.site.zone.date_of(self.now)
    }

    /// A moment by the clock of the business, with the exact one for machines.
    pub fn moment(&self, at: DateTime<Utc>) -> Markup {
        let (date, time) = language::local(at, self.site.zone);
        let exact = at.with_timezone(&self.site.zone.tz()).to_rfc3339();
        html! { time datetime=(exact) { (self.look.language.moment(date, time, self.today())) } }
    }

    /// A moment that may not be planned.
    pub fn maybe_moment(&self, at: Option<DateTime<Utc>>) -> Markup {
        at.map_or_else(parts::none, |at| self.moment(at))
    }

    /// A moment within a sentence.
    pub fn told(&self, at: DateTime<Utc>) -> String {
        let (date, time) = language::local(at, self.site.zone);
        self.look.language.moment(date, time, self.today())
    }

    /// A sentence of the engine's.
    pub fn said(&self, sentence: &str) -> Markup {
        self.look.said(sentence)
    }

    /// Waits for work that was begun, and no longer than a request may take. What it took before the work was begun
    /// counts: else a slow database would turn the answer into a time-out, and whoever asked would think nothing was done.
    pub async fn wait_for<T>(&self, begun: JoinHandle<T>) -> Patience<T> {
        let left = self.patient_until.saturating_sub(self.clock.uptime());
        self.within(left, begun).await.map_or(Patience::Over, Patience::Ended)
    }

    /// What comes of something that may take so long; `None` where it takes longer.
    pub async fn within<T>(&self, limit: Duration, what: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            ended = what => Some(ended),
            () = self.clock.sleep(limit) => None,
        }
    }

    /// The page, or what went wrong, as a page too.
    pub fn answer(&self, built: Result<Page, Problem>) -> Response {
        match built {
            Ok(page) => frame::whole(self, page),
            Err(problem) => frame::problem(self, &problem),
        }
    }
}

/// Whether a browser sent this from one of our own pages. Whoever is no browser says nothing, and has no session of one.
pub fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let host = text("x-forwarded-host").or_else(|| text(header::HOST.as_str()));
    let Some(origin) = text(header::ORIGIN.as_str()) else { return true };
    origin.split_once("://").map(|(_, place)| place) == host
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn from_here(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        is_from_here(&headers.collect())
    }

    #[test]
    fn only_our_own_pages_send_forms() {
        assert!(from_here(&[("sec-fetch-site", "same-origin"), ("host", "ops")]));
        assert!(from_here(&[("host", "ops:8080"), ("origin", "http://ops:8080")]));
        assert!(from_here(&[("host", "inside"), ("x-forwarded-host", "ops"), ("origin", "https://ops")]));
        assert!(from_here(&[("host", "ops")]));
        for other in ["cross-site", "same-site", "none"] {
            assert!(!from_here(&[("sec-fetch-site", other), ("host", "ops"), ("origin", "https://ops")]), "{other}");
        }
        for other in ["null", "https://evil", "https://ops.evil", "https://ops:1"] {
            assert!(!from_here(&[("host", "ops"), ("origin", other)]), "{other}");
        }
    }
}
