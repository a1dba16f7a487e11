//! The timeline of one subscription: everything that happened to it, in order, each with its how and why.

use crate::cli::figures::{local, sum, words};
use crate::domain::date::Zone;
use crate::store::read::{ActionRow, AttemptRow, EventRow, PaymentRow, RefundRow, RenewalRow, Timeline};
use chrono::{DateTime, Utc};

/// One thing that happened: when, its rank among what happened at once, what, and how.
type Line = (DateTime<Utc>, u8, String, String);

/// The longest text of an event that is shown, in characters.
const TOLD_MAX: usize = 160;

/// When, what and how, oldest first.
pub fn lines(timeline: &Timeline, zone: Zone) -> Vec<Vec<String>> {
    let mut lines: Vec<Line> = Vec::new();
    for renewal in &timeline.renewals {
        lines.push((renewal.created_at, 0, "renewal planned".to_owned(), planned(renewal, zone)));
        lines.push((renewal.updated_at, 6, format!("now {}", renewal.state), standing(renewal, zone)));
    }
    timeline.attempts.iter().for_each(|row| lines.extend(attempted(row)));
    timeline.payments.iter().for_each(|row| lines.push(money(row)));
    timeline.refunds.iter().for_each(|row| lines.extend(given_back(row, zone)));
    timeline
        .events
        .iter()
        .for_each(|row| lines.push((row.created_at, 5, format!("told {}", row.kind), told(row, zone))));
    timeline.actions.iter().for_each(|row| lines.push(by_hand(row)));
    lines.sort_by_key(|line| (line.0, line.1));
    lines.into_iter().map(|(at, _, what, how)| vec![local(at, zone), what, how]).collect()
}

fn planned(renewal: &RenewalRow, zone: Zone) -> String {
    let amount = renewal
        .amount
        .map_or_else(|| "amount unreadable".to_owned(), |minor| sum(renewal.currency.as_deref().unwrap_or(""), minor));
    let until = renewal.period_end.map(|end| format!(" until {}", local(end, zone))).unwrap_or_default();
    format!("{amount} for the period from {}{until}, as {}", local(renewal.period_start, zone), renewal.payment_id)
}

/// Where it stands, and what the next decision waits for.
fn standing(renewal: &RenewalRow, zone: Zone) -> String {
    let mut parts = Vec::new();
    parts.extend(renewal.review_reason.clone());
    parts.extend(renewal.next_attempt_at.map(|at| format!("next attempt {}", local(at, zone))));
    parts.extend(renewal.next_look_up_at.map(|at| format!("looked up {}", local(at, zone))));
    if renewal.waits_for_key {
        parts.push("waits for a new billing key".to_owned());
    }
    if renewal.canceled_during_charge {
        parts.push("cancelled while it was charged".to_owned());
    }
    parts.join("; ")
}

fn attempted(row: &AttemptRow) -> Vec<Line> {
    let channel = row.channel_key.as_ref().map(|channel| format!(" on {channel}")).unwrap_or_default();
    let how = format!("{} with key {}{channel}", row.payment_id, row.billing_key_id);
    let started = (row.started_at, 2, format!("attempt {}", row.number), how);
    let settled =
        row.settled_at.map(|at| (at, 3, format!("attempt {} {}", row.number, words(&row.state)), outcome(row)));
    std::iter::once(started).chain(settled).collect()
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

/// What a look-up showed.
fn money(row: &PaymentRow) -> Line {
    let amount = sum(row.currency.as_deref().unwrap_or(""), row.amount.unwrap_or(0));
    let verified = if row.verified { "looked up, as ordered" } else { "looked up, not as ordered" };
    let how = format!("{amount} under {}: {verified}", row.payment_id);
    (row.recorded_at, 4, format!("payment {}", row.status), how)
}

fn given_back(row: &RefundRow, zone: Zone) -> Vec<Line> {
    let reference = if row.reference.is_empty() { String::new() } else { format!(" ({})", row.reference) };
    let how = format!("{} of {}: {}{reference}", sum(&row.currency, row.amount), row.payment_id, words(&row.reason));
    let wanted = (row.wanted_at, 3, "to be given back".to_owned(), how);
    let asked = (row.tries > 0).then(|| (row.updated_at, 4, format!("refund {}", row.state), asked(row, zone)));
    std::iter::once(wanted).chain(asked).collect()
}

fn asked(refund: &RefundRow, zone: Zone) -> String {
    let next = refund.next_try_at.map(|at| format!("asked for again {}", local(at, zone)));
    let tries = format!("asked for {} time(s)", refund.tries);
    [refund.note.clone(), Some(tries), next].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The decision that was told: why, and what comes next.
fn told(row: &EventRow, zone: Zone) -> String {
    let text = |name: &str| row.payload.get(name).and_then(|value| value.as_str());
    let at = |name: &str| text(name)?.parse::<DateTime<Utc>>().ok().map(|at| local(at, zone));
    let parts = [
        text("review_reason").or_else(|| text("reason")).or_else(|| text("decline_reason")).map(words),
        at("next_attempt_at").map(|at| format!("next attempt {at}")),
        at("access_until").map(|at| format!("access until {at}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ").chars().take(TOLD_MAX).collect()
}

fn by_hand(row: &ActionRow) -> Line {
    let text = |name: &str| row.details.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let parts = [
        row.reason.clone(),
        text("as").map(|answer| format!("as {}", words(&answer))),
        row.evidence.as_ref().map(|evidence| format!("evidence: {evidence}")),
        text("against_gateway").map(|words| format!("against the gateway: {words}")),
    ];
    let how = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    (row.created_at, 1, format!("{} by {}", words(&row.kind), row.actor), how)
}
