//! One renewal that somebody is about to decide on.

use super::parts;
use super::shown::maybe_sum;
use super::visitor::Visitor;
use crate::http::Problem;
use crate::store::read::{RenewalRow, Timeline};
use maud::{Markup, html};

/// The renewal, with its subscription around it.
pub struct Case {
    pub renewal: RenewalRow,
    pub timeline: Timeline,
}

impl Case {
    /// What somebody looked at before they decided; whatever happens to the renewal changes it.
    pub fn seen(&self) -> String {
        let row = &self.renewal;
        let amount = maybe_sum(row.currency.as_deref(), row.amount);
        format!("{} {amount} {}", row.state, row.updated_at.timestamp_micros())
    }
}

/// # Errors
/// What whoever asked is told: there is no such renewal, or the database is away.
pub async fn read(visitor: &Visitor, id: &str) -> Result<Case, Problem> {
    let timeline = visitor.site.engine.store.timeline(id).await?;
    let found = timeline.and_then(|timeline| {
        let renewal = timeline.renewals.iter().find(|row| row.id.eq_ignore_ascii_case(id))?.clone();
        Some(Case { renewal, timeline })
    });
    found.ok_or_else(|| Problem::nothing_there(visitor.words().no_such_subscription))
}

/// What it is about: whose, for which period, how much.
pub fn facts(visitor: &Visitor, case: &Case) -> Markup {
    let (words, row) = (visitor.words(), &case.renewal);
    html! {
        dl.sums.big {
            div { dt { (words.subscription) } dd { (parts::subscription(&row.subscription_id)) } }
            div { dt { (words.period) } dd { (parts::period(visitor, row.period_start, row.period_end)) } }
            div { dt { (words.state) } dd { (parts::state(words, &row.state)) } }
            @if let Some(why) = &row.review_reason { div { dt { (words.why) } dd { (visitor.said(why)) } } }
            div.whole { dt { (words.amount) } dd.number { (maybe_sum(row.currency.as_deref(), row.amount)) } }
        }
    }
}
