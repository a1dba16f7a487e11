//! What is around every page: its head, the way to the others, who is signed in; and pages that say what went wrong.

use super::assets;
use super::language::{self, Language};
use super::parts;
use super::visitor::{Look, Visitor};
use crate::http::Problem;
use crate::http::problem::Told;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

/// What htmx is allowed: no evaluation, no styles of its own, no other host, and no pages kept in the browser.
const HTMX: &str = r#"{"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyCacheSize":0,"allowScriptTags":false}"#;

/// The pages that the header leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Today,
    Review,
    Runs,
    Search,
    Plan,
}

impl Tab {
    const ALL: [Self; 5] = [Self::Today, Self::Review, Self::Runs, Self::Search, Self::Plan];

    fn path(self) -> &'static str {
        match self {
            Self::Today => "/",
            Self::Review => "/review",
            Self::Runs => "/runs",
            Self::Search => "/search",
            Self::Plan => "/plan",
        }
    }

    fn name(self, look: &Look) -> &'static str {
        let words = look.words;
        match self {
            Self::Today => words.tab_today,
            Self::Review => words.tab_review,
            Self::Runs => words.tab_runs,
            Self::Search => words.tab_search,
            Self::Plan => words.tab_plan,
        }
    }
}

/// One page.
pub struct Page {
    pub tab: Tab,
    pub title: String,
    pub body: Markup,
}

/// A page for somebody who is signed in.
pub fn whole(visitor: &Visitor, page: Page) -> Response {
    Html(framed(visitor, Some(page.tab), &page.title, &page.body).into_string()).into_response()
}

/// What went wrong, for somebody who is signed in.
pub fn problem(visitor: &Visitor, problem: &Problem) -> Response {
    let (told, look) = (problem.told(), &visitor.look);
    let title = problem_title(look, told.status);
    let page = framed(visitor, None, title, &problem_body(look, &told)).into_string();
    (told.status, Html(page)).into_response()
}

/// The same for anybody.
pub fn problem_alone(look: &Look, told: &Told<'_>) -> String {
    alone(look, problem_title(look, told.status), &problem_body(look, told)).into_string()
}

fn problem_title(look: &Look, status: StatusCode) -> &'static str {
    let words = look.words;
    match status {
        StatusCode::NOT_FOUND => words.problem_not_found,
        StatusCode::FORBIDDEN => words.problem_forbidden,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::REQUEST_TIMEOUT => words.problem_unavailable,
        StatusCode::CONFLICT => words.problem_conflict,
        status if status.is_client_error() => words.problem_bad_request,
        _ => words.problem_internal,
    }
}

fn problem_body(look: &Look, told: &Told<'_>) -> Markup {
    let words = look.words;
    html! {
        section.card.problem {
            h1 { (problem_title(look, told.status)) }
            p.lead.said { (look.said(told.detail)) }
            @if let Some(money) = told.money { dl.meaning { dt { (words.money) } dd.said { (look.said(money)) } } }
            @if !told.hints.is_empty() {
                ul { @for hint in told.hints { li.said { (look.said(hint)) } } }
            }
            p.actions { a.button href="/" { (words.back_to_today) } }
        }
    }
}

/// Before there is a database.
pub fn not_yet(look: &Look) -> Response {
    let words = look.words;
    let body = html! {
        section.card.narrow {
            h1 { (words.problem_unavailable) }
            p { (words.waits_for_database) }
        }
    };
    let page = alone(look, words.problem_unavailable, &body).into_string();
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], Html(page)).into_response()
}

/// A page without the way to the others: nobody is signed in.
pub fn alone(look: &Look, title: &str, body: &Markup) -> Markup {
    document(
        look,
        title,
        &html! {
            header.top {
                span.brand { (logo()) "renewd" }
                div.who { (languages(look)) }
            }
            main #main.alone tabindex="-1" { (body) }
        },
    )
}

fn framed(visitor: &Visitor, tab: Option<Tab>, title: &str, body: &Markup) -> Markup {
    let (look, words, caller) = (&visitor.look, visitor.words(), &visitor.session.caller);
    let role = if visitor.is_operator() { words.role_operator } else { words.role_viewer };
    document(
        look,
        title,
        &html! {
            header.top {
                a.brand href="/" { (logo()) "renewd" }
                nav.tabs aria-label=(words.navigation) {
                    @for each in Tab::ALL {
                        a href=(each.path()) aria-current=[(tab == Some(each)).then_some("page")] { (each.name(look)) }
                    }
                }
                div.who {
                    (languages(look))
                    span.name { (caller.name) " " span.role { (role) } }
                    form method="post" action="/logout" {
                        (parts::form_key(visitor))
                        button.quiet type="submit" { (words.sign_out) }
                    }
                }
            }
            main #main tabindex="-1" { (body) }
            footer.foot {
                p { (words.zone) ": " (visitor.site.zone.name()) " · " (visitor.moment(visitor.now)) }
            }
        },
    )
}

fn logo() -> Markup {
    html! { img src=(assets::path("icon.svg")) alt="" width="24" height="24"; }
}

fn languages(look: &Look) -> Markup {
    let others = Language::ALL.into_iter().filter(|language| *language != look.language);
    html! {
        @for other in others {
            a.quiet href=(language::link(&look.here, other)) lang=(other.code()) hreflang=(other.code()) {
                (other.words().language)
            }
        }
    }
}

fn document(look: &Look, title: &str, inside: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(look.language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                meta name="htmx-config" content=(HTMX);
                title { (title) " · renewd" }
                link rel="icon" type="image/svg+xml" href=(assets::path("icon.svg"));
                link rel="stylesheet" href=(assets::path("page.css"));
                script src=(assets::path("htmx.js")) defer {}
            }
            body {
                a.skip href="#main" { (look.words.skip) }
                (inside)
            }
        }
    }
}
