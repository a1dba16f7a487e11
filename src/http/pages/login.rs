//! Signing in with a token of the settings, and signing out.

use super::frame;
use super::parts;
use super::session;
use super::visitor::{Look, Visitor, is_from_here};
use crate::config::Token;
use crate::http::auth;
use crate::http::{Door, Problem};
use axum::Form;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// So many wrong tokens may come at once, and one more after each of these.
const WRONG_MAX: u32 = 10;
const WRONG_EVERY: Duration = Duration::from_secs(3);
/// A wrong one is answered after this.
const WRONG_DELAY: Duration = Duration::from_millis(500);

/// Whoever tries tokens through has 256 random bits before them; this keeps them from filling the log and the seats. A
/// right token is never held up by other people's wrong ones.
#[derive(Debug, Default)]
pub struct Wrong(Mutex<(u32, Duration)>);

impl Wrong {
    /// Counts one; `false` where there were too many of late.
    fn may_wait(&self, uptime: Duration) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (level, since) = *bucket;
        let passed = uptime.saturating_sub(since).as_secs() / WRONG_EVERY.as_secs();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        let left = level.saturating_sub(passed);
        let since = if left == 0 { uptime } else { since + WRONG_EVERY * passed };
        *bucket = ((left + 1).min(WRONG_MAX), since);
        left < WRONG_MAX
    }
}

#[derive(Debug, Deserialize)]
pub struct SignIn {
    token: String,
    #[serde(default)]
    to: String,
}

/// The form.
pub async fn page(look: Look, Query(query): Query<HashMap<String, String>>) -> Response {
    form(&look, StatusCode::OK, query.get("to").map_or("", String::as_str), None)
}

/// A token that is known opens a session.
pub async fn sign_in(
    State(door): State<Arc<Door>>,
    Extension(wrong): Extension<Arc<Wrong>>,
    look: Look,
    headers: HeaderMap,
    Form(shown): Form<SignIn>,
) -> Response {
    let words = look.words;
    let Some(site) = door.site() else { return frame::not_yet(&look) };
    if !is_from_here(&headers) {
        return form(&look, StatusCode::FORBIDDEN, "", Some(words.form_from_elsewhere));
    }
    if let Some(token) = known(&door, shown.token.trim()) {
        let cookie = session::begin(&site.engine.policy.payment_id_key, token, door.clock.now());
        let lasts = session::LASTS.num_seconds();
        return with_cookie(&headers, &cookie, lasts, own_path(&shown.to));
    }
    if !wrong.may_wait(door.clock.uptime()) {
        return form(&look, StatusCode::TOO_MANY_REQUESTS, &shown.to, Some(words.sign_in_too_often));
    }
    door.clock.sleep(WRONG_DELAY).await;
    tracing::warn!("somebody tried to sign in to the page with a token that is not known");
    let why = if door.settings.tokens.is_empty() { words.sign_in_no_tokens } else { words.sign_in_wrong };
    form(&look, StatusCode::UNAUTHORIZED, &shown.to, Some(why))
}

/// Ends the session in this browser.
pub async fn sign_out(visitor: Visitor, headers: HeaderMap, Form(form): Form<HashMap<String, String>>) -> Response {
    match parts::is_own_form(&visitor, &headers, &form) {
        Ok(()) => with_cookie(&headers, "", 0, "/login"),
        Err(problem) => frame::problem(&visitor, &problem),
    }
}

fn known<'d>(door: &'d Door, shown: &str) -> Option<&'d Token> {
    let caller = auth::caller(&door.settings.tokens, shown)?;
    door.settings.tokens.iter().find(|token| token.name == caller.name)
}

fn with_cookie(headers: &HeaderMap, value: &str, lasts_secs: i64, to: &str) -> Response {
    // The first is what the browser speaks; proxies behind it add theirs.
    let proto = headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
    let behind_tls = proto.and_then(|all| all.split(',').next()).is_some_and(|first| first.trim() == "https");
    let secure = if behind_tls { "; Secure" } else { "" };
    let cookie =
        format!("{}={value}; Path=/; Max-Age={lasts_secs}; HttpOnly; SameSite=Strict{secure}", session::COOKIE);
    ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response()
}

/// Where somebody wanted to go, where that is a page of ours.
fn own_path(to: &str) -> &str {
    let is_own = to.starts_with('/') && !to[1..].starts_with(['/', '\\']) && !to.contains(char::is_control);
    if is_own { to } else { "/" }
}

fn form(look: &Look, status: StatusCode, to: &str, problem: Option<&str>) -> Response {
    let words = look.words;
    let body = html! {
        section.card.narrow {
            h1 { (words.sign_in) }
            p.muted { (words.sign_in_how) }
            @if let Some(problem) = problem { p.banner.bad role="alert" { (problem) } }
            form.stack method="post" action="/login" {
                input type="hidden" name="to" value=(to);
                // For password managers, which keep nothing without a name.
                input type="text" value="renewd" autocomplete="username" readonly hidden;
                label for="token" { (words.token) }
                input #token type="password" name="token" required autofocus autocomplete="current-password"
                    spellcheck="false" placeholder="rnw_…";
                button.primary type="submit" { (words.sign_in) }
            }
        }
    };
    (status, Html(frame::alone(look, words.sign_in, &body).into_string())).into_response()
}

impl Wrong {
    /// For the sign-in alone.
    pub fn layer() -> Extension<Arc<Self>> {
        Extension(Arc::new(Self::default()))
    }
}

/// What a form that was not made for this session is told.
pub fn refused(words: &super::words::Words) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, words.form_from_elsewhere).money(words.nothing_was_done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_tokens_are_waited_for_until_there_are_too_many() {
        let wrong = Wrong::default();
        let secs = Duration::from_secs;
        let waited = (0..20).filter(|_| wrong.may_wait(secs(100))).count();
        assert_eq!(waited, WRONG_MAX as usize);
        assert!(!wrong.may_wait(secs(102)));
        assert!(wrong.may_wait(secs(103)) && !wrong.may_wait(secs(103)));
        assert_eq!((0..20).filter(|_| wrong.may_wait(secs(1_000))).count(), WRONG_MAX as usize);
    }

    #[test]
    fn only_pages_of_our_own_are_gone_to() {
        assert_eq!(own_path("/runs?after=1"), "/runs?after=1");
        for foreign in ["", "//evil", "/\\evil", "https://evil", "/a\r\nset-cookie: b"] {
            assert_eq!(own_path(foreign), "/", "{foreign:?}");
        }
    }
}
