//! A run by a person's hand: the plan with its sum first, then the run, in the daemon's own lane.

use super::frame::{self, Page, Tab};
use super::hand::{Operator, Sent, buttons};
use super::parts::{self, Tone};
use super::plan::{Total, totals};
use super::shown::{count, sum};
use super::visitor::{Patience, Visitor};
use super::words::of;
use crate::engine::preview::Preview;
use crate::engine::report::RunReport;
use crate::engine::run::RunRequest;
use crate::http::Problem;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use std::sync::Arc;
use std::time::Duration;

/// Who asked for it, as the run's row says it.
const TRIGGER: &str = "page";

/// A look of the daemon's that finds nothing is over by then; a run that charges is not.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// What would be charged, and the button for it.
pub async fn confirm(Operator(visitor): Operator) -> Response {
    let built = preview(&visitor).await.map(|preview| page(&visitor, &preview, None));
    visitor.answer(built)
}

/// Runs, if what is due is still what was shown.
pub async fn run(sent: Sent) -> Response {
    let visitor = &sent.visitor;
    match begin(&sent).await {
        Ok(answer) => answer,
        Err(problem) => frame::problem(visitor, &problem),
    }
}

async fn begin(sent: &Sent) -> Result<Response, Problem> {
    let visitor = &sent.visitor;
    let words = visitor.words();
    let now = preview(visitor).await?;
    if sent.field("seen") != seen(&now) {
        return Ok(frame::whole(visitor, page(visitor, &now, Some(words.plan_changed))));
    }
    let turn = Arc::clone(&visitor.site.charging).lock_owned();
    let Some(turn) = visitor.within(TURN_WITHIN, turn).await else {
        let problem = Problem::conflict(words.run_under_way).money(words.nothing_was_charged);
        return Err(problem);
    };
    let (site, actor) = (Arc::clone(&visitor.site), visitor.session.caller.name.clone());
    // No more than were in the sum. Who cancels between the look and the run may leave a place to somebody who became due.
    let charges_max = Some(now.charges.iter().map(|group| group.renewals).sum());
    let begun = visitor.site.work.start(move |shutdown| async move {
        let request = RunRequest { trigger: TRIGGER.to_owned(), actor, charges_max, ..RunRequest::default() };
        let report = site.engine.run(&request, &shutdown).await;
        drop(turn);
        log(&site.zone, &report);
        report
    });
    match visitor.wait_for(begun).await {
        Patience::Over => Ok(Redirect::to("/runs").into_response()),
        Patience::Ended(Ok(Ok(report))) => Ok(Redirect::to(&format!("/runs/{}", report.run_id)).into_response()),
        Patience::Ended(Ok(Err(error))) => Err(error.into()),
        Patience::Ended(Err(lost)) => Err(Problem::internal(&lost)),
    }
}

/// As the daemon's other runs are logged: whoever reads its log learns of this one, too.
fn log(zone: &crate::domain::date::Zone, report: &Result<RunReport, crate::engine::RunError>) {
    match report {
        Ok(report) => {
            report.log_what_is_open(*zone);
            if let Some(problem) = &report.problem {
                tracing::error!(run.id = %report.run_id, by = report.trigger, "a run could not do all its work: {problem}");
            }
        }
        Err(error) => tracing::error!("a run of the page could not be done: {error}"),
    }
}

/// What a run would do now.
///
/// # Errors
/// What whoever asked is told.
pub async fn preview(visitor: &Visitor) -> Result<Preview, Problem> {
    Ok(visitor.site.engine.preview(&RunRequest::default(), &mut |_| {}).await?)
}

/// What somebody looked at before they said yes.
fn seen(preview: &Preview) -> String {
    let totals = totals(&preview.charges).into_iter();
    let parts: Vec<String> =
        totals.map(|total| format!("{} {} {}", total.renewals, total.minor, total.currency)).collect();
    parts.join(", ")
}

fn page(visitor: &Visitor, preview: &Preview, changed: Option<&str>) -> Page {
    let words = visitor.words();
    let body = html! {
        section.card.narrow {
            h1 { (words.run_confirm) }
            @if let Some(changed) = changed { p.banner.warn role="alert" { (changed) } }
            (what(visitor, preview))
            form.stack method="post" action="/run" {
                (parts::form_key(visitor))
                input type="hidden" name="seen" value=(seen(preview));
                (buttons(visitor, &go(visitor, preview), "/"))
            }
        }
    };
    Page { tab: Tab::Today, title: words.run_confirm.to_owned(), body }
}

/// The button says what it does.
fn go(visitor: &Visitor, preview: &Preview) -> String {
    let words = visitor.words();
    let sums: Vec<String> = totals(&preview.charges).iter().map(|total| sum(&total.currency, total.minor)).collect();
    if sums.is_empty() || preview.paused.is_some() || !preview.brakes.is_empty() {
        return words.run_without_charge.to_owned();
    }
    super::shown::fill(words.charge_sum, &[&sums.join(" + ")])
}

fn what(visitor: &Visitor, preview: &Preview) -> Markup {
    let words = visitor.words();
    let totals = totals(&preview.charges);
    html! {
        @if preview.paused.is_some() { (parts::banner(Tone::Warn, "", &html! { (words.run_paused) })) }
        @for tripped in &preview.brakes {
            (parts::banner(Tone::Bad, words.plan_brake, &html! {
                (of(words.terms().brakes, tripped.brake.as_str())) " (" (visitor.said(&tripped.why)) "). " (words.run_braked)
            }))
        }
        @if totals.is_empty() { p { (words.run_none) } }
        @else {
            p { (words.run_confirm_what) }
            (sums(visitor, preview, &totals))
        }
    }
}

fn sums(visitor: &Visitor, preview: &Preview, totals: &[Total]) -> Markup {
    let words = visitor.words();
    html! {
        dl.sums.big {
            @for group in &preview.charges {
                div {
                    dt { (group.plan_id) " · " (of(words.terms().plan_reasons, group.reason)) " · "
                        (parts::so_many(&words.renewals, i64::try_from(group.renewals).unwrap_or(i64::MAX))) }
                    dd.number { (sum(&group.currency, group.minor)) }
                }
            }
            @for total in totals {
                div.whole {
                    dt { (words.in_all) " (" (count(total.renewals)) ")" }
                    dd.number { (sum(&total.currency, total.minor)) }
                }
            }
        }
    }
}
