//! `renewd show`: one subscription as a timeline that explains why it was charged or not.

use super::error::{CliError, usage};
use super::figures::{local, sum, words};
use super::output::{Mode, Output};
use crate::app::App;
use crate::store::read::{AttemptRow, RefundRow, RenewalRow, Timeline};
use chrono::{DateTime, Utc};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A subscription, a renewal or a payment id.
    id: String,
}

pub async fn run(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    let timeline = store.timeline(&args.id).await?.ok_or_else(|| {
        usage(format!("there is no subscription, renewal or payment {:?}", args.id))
            .hint("ids stand in the views: SELECT subscription_id, renewal_id, payment_id FROM renewal_results")
    })?;
    if output.mode == Mode::Json {
        return output.json(&timeline);
    }
    let subscription = &timeline.subscription;
    output.heading(&format!(
        "subscription {}: {} on plan {} (tier {})",
        subscription.subscription_id, subscription.status, subscription.plan_id, subscription.tier
    ))?;
    let rows = vec![
        vec!["customer".to_owned(), subscription.customer_id.clone()],
        vec!["period ends".to_owned(), local(subscription.current_period_end, app.zone)],
        vec!["access until".to_owned(), local(subscription.access_until, app.zone)],
        vec!["cancelled".to_owned(), if subscription.cancel_at_period_end { "yes" } else { "no" }.to_owned()],
        vec!["billing key".to_owned(), subscription.billing_key_state.clone()],
    ];
    output.table(&["", ""], rows)?;
    output.table(&["when", "what", "how"], lines(&timeline, app))
}

fn lines(timeline: &Timeline, app: &App) -> Vec<Vec<String>> {
    let mut lines: Vec<(DateTime<Utc>, u8, String, String)> = Vec::new();
    for renewal in &timeline.renewals {
        lines.push((renewal.created_at, 0, "renewal planned".to_owned(), planned(renewal, app)));
        lines.push((renewal.updated_at, 3, format!("now {}", renewal.state), standing(renewal, app)));
    }
    for attempt in &timeline.attempts {
        lines.push((attempt.started_at, 1, format!("attempt {}", attempt.number), attempt.payment_id.clone()));
        if let Some(settled) = attempt.settled_at {
            lines.push((settled, 2, words(&attempt.state), outcome(attempt)));
        }
    }
    for payment in &timeline.payments {
        let amount = sum(payment.currency.as_deref().unwrap_or(""), payment.amount.unwrap_or(0));
        lines.push((payment.recorded_at, 2, format!("payment {}", payment.status), amount));
    }
    for refund in &timeline.refunds {
        lines.push((refund.wanted_at, 2, "to be given back".to_owned(), given_back(refund)));
        if refund.tries > 0 {
            lines.push((refund.updated_at, 2, format!("refund {}", refund.state), asked(refund, app)));
        }
    }
    for event in &timeline.events {
        lines.push((event.created_at, 2, "told".to_owned(), event.kind.clone()));
    }
    lines.sort_by_key(|line| (line.0, line.1));
    lines.into_iter().map(|(at, _, what, how)| vec![local(at, app.zone), what, how]).collect()
}

fn planned(renewal: &RenewalRow, app: &App) -> String {
    let amount = renewal
        .amount
        .map_or_else(|| "amount unreadable".to_owned(), |minor| sum(renewal.currency.as_deref().unwrap_or(""), minor));
    let until = renewal.period_end.map(|end| format!(" until {}", local(end, app.zone))).unwrap_or_default();
    format!("{amount} for the period from {}{until}", local(renewal.period_start, app.zone))
}

fn standing(renewal: &RenewalRow, app: &App) -> String {
    let mut parts = Vec::new();
    parts.extend(renewal.review_reason.clone());
    parts.extend(renewal.next_attempt_at.map(|at| format!("next attempt {}", local(at, app.zone))));
    parts.extend(renewal.next_look_up_at.map(|at| format!("looked up {}", local(at, app.zone))));
    if renewal.waits_for_key {
        parts.push("waits for a new billing key".to_owned());
    }
    if renewal.canceled_during_charge {
        parts.push("cancelled while it was charged".to_owned());
    }
    parts.join("; ")
}

fn given_back(refund: &RefundRow) -> String {
    format!("{} of {}: {}", sum(&refund.currency, refund.amount), refund.payment_id, words(&refund.reason))
}

fn asked(refund: &RefundRow, app: &App) -> String {
    let next = refund.next_try_at.map(|at| format!("asked for again {}", local(at, app.zone)));
    let tries = format!("asked for {} time(s)", refund.tries);
    [refund.note.clone(), Some(tries), next].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn outcome(attempt: &AttemptRow) -> String {
    let code = [attempt.pg_provider.as_deref(), attempt.pg_code.as_deref()].into_iter().flatten().collect::<Vec<_>>();
    let parts = [
        attempt.decline_reason.as_deref().map(words),
        attempt.decline_class.as_ref().map(|class| format!("({class})")),
        (!code.is_empty() && attempt.pg_code.is_some()).then(|| code.join(" ")),
        attempt.pg_message.clone(),
        attempt.note.clone(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
