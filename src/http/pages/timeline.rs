//! Everything that happened to one subscription, the newest first, each with its how and why.

use super::parts::Tone;
use super::shown::{fill, maybe_sum, sum};
use super::visitor::Visitor;
use super::words::of;
use crate::store::read::{ActionRow, AttemptRow, EventRow, PaymentRow, RefundRow, RenewalRow, Timeline};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

/// The longest text of an event that is shown, in characters.
const TOLD_MAX: usize = 160;

/// One thing that happened.
struct Happened {
    at: DateTime<Utc>,
    /// Among what happened at once.
    rank: u8,
    tone: Tone,
    what: String,
    /// Told one behind the other.
    how: Vec<Markup>,
}

pub fn list(visitor: &Visitor, timeline: &Timeline) -> Markup {
    html! {
        ol.timeline reversed {
            @for one in happened(visitor, timeline) {
                li.(one.tone.class()) {
                    div.line { strong { (one.what) } (visitor.moment(one.at)) }
                    @if !one.how.is_empty() {
                        p { @for (at, part) in one.how.iter().enumerate() { @if at > 0 { " · " } (part) } }
                    }
                }
            }
        }
    }
}

fn happened(visitor: &Visitor, timeline: &Timeline) -> Vec<Happened> {
    let mut all = Vec::new();
    for row in &timeline.renewals {
        all.push(planned(visitor, row));
        all.push(standing(visitor, row));
    }
    timeline.attempts.iter().for_each(|row| all.extend(attempted(visitor, row)));
    timeline.payments.iter().for_each(|row| all.push(money(visitor, row)));
    timeline.refunds.iter().for_each(|row| all.extend(given_back(visitor, row)));
    timeline.events.iter().for_each(|row| all.push(told(visitor, row)));
    timeline.actions.iter().for_each(|row| all.push(by_hand(visitor, row)));
    all.sort_by_key(|one| std::cmp::Reverse((one.at, one.rank)));
    all
}

/// Words of ours.
fn ours(text: String) -> Markup {
    html! { (text) }
}

/// What a payment gateway or a person wrote.
fn theirs(text: &str) -> Markup {
    html! { span dir="auto" { (text) } }
}

fn planned(visitor: &Visitor, row: &RenewalRow) -> Happened {
    let words = visitor.words();
    let amount = row.amount.map_or_else(
        || words.amount_unreadable.to_owned(),
        |minor| sum(row.currency.as_deref().unwrap_or_default(), minor),
    );
    let how = fill(words.happened_planned_how, &[&amount, &visitor.told(row.period_start)]);
    Happened {
        at: row.created_at,
        rank: 0,
        tone: Tone::Calm,
        what: words.happened_planned.to_owned(),
        how: vec![ours(how)],
    }
}

fn standing(visitor: &Visitor, row: &RenewalRow) -> Happened {
    let words = visitor.words();
    let at = |text: &str, at: Option<DateTime<Utc>>| at.map(|at| ours(fill(text, &[&visitor.told(at)])));
    let parts = [
        row.review_reason.as_ref().map(|why| visitor.said(why)),
        at(words.next_attempt_at, row.next_attempt_at),
        at(words.looked_up_at, row.next_look_up_at),
        row.waits_for_key.then(|| ours(words.waits_for_card.to_owned())),
        row.canceled_during_charge.then(|| ours(words.cancelled_meanwhile.to_owned())),
    ];
    let tone = match row.state.as_str() {
        "paid" => Tone::Good,
        "failed" | "review" => Tone::Bad,
        "unknown" | "lapsed" => Tone::Warn,
        _ => Tone::Calm,
    };
    let what = fill(words.happened_now, &[of(words.terms().states, &row.state)]);
    Happened { at: row.updated_at, rank: 6, tone, what, how: parts.into_iter().flatten().collect() }
}

fn attempted(visitor: &Visitor, row: &AttemptRow) -> Vec<Happened> {
    let (words, number) = (visitor.words(), row.number.to_string());
    let started = Happened {
        at: row.started_at,
        rank: 2,
        tone: Tone::Calm,
        what: fill(words.happened_attempt, &[&number]),
        how: vec![html! { span.id { (row.payment_id) } }],
    };
    let tone = match row.state.as_str() {
        "paid" => Tone::Good,
        "declined" | "refused" => Tone::Bad,
        _ => Tone::Calm,
    };
    let what = fill(words.happened_outcome, &[&number, of(words.terms().attempts, &row.state)]);
    let settled = row.settled_at.map(|at| Happened { at, rank: 3, tone, what, how: outcome(visitor, row) });
    std::iter::once(started).chain(settled).collect()
}

fn outcome(visitor: &Visitor, row: &AttemptRow) -> Vec<Markup> {
    let terms = visitor.words().terms();
    let why = row.decline_reason.as_deref().map(|reason| {
        let class = row.decline_class.as_deref().map(|class| of(terms.decline_classes, class));
        html! { (of(terms.decline_reasons, reason)) @if let Some(class) = class { " (" (class) ")" } }
    });
    let code = row.pg_code.as_deref().map(|code| {
        let name = row.pg_provider.as_deref().unwrap_or_default();
        html! { span.id { (name) " " (code) } }
    });
    let said = row.pg_message.as_deref().map(theirs);
    [why, code, said, row.note.as_deref().map(|note| visitor.said(note))].into_iter().flatten().collect()
}

fn money(visitor: &Visitor, row: &PaymentRow) -> Happened {
    let words = visitor.words();
    let text = if row.verified { words.payment_verified } else { words.payment_odd };
    let how = fill(text, &[&maybe_sum(row.currency.as_deref(), row.amount)]);
    Happened {
        at: row.recorded_at,
        rank: 4,
        tone: if row.verified { Tone::Good } else { Tone::Warn },
        what: fill(words.happened_payment, &[&row.status]),
        how: vec![ours(how), html! { span.id { (row.payment_id) } }],
    }
}

fn given_back(visitor: &Visitor, row: &RefundRow) -> Vec<Happened> {
    let words = visitor.words();
    let wanted = Happened {
        at: row.wanted_at,
        rank: 3,
        tone: Tone::Warn,
        what: fill(words.happened_refund, &[&sum(&row.currency, row.amount)]),
        how: vec![html! { span.id { (row.payment_id) } }],
    };
    let parts =
        [row.note.as_deref().map(|note| visitor.said(note)), Some(ours(fill(words.tries, &[&row.tries.to_string()])))];
    let asked = (row.tries > 0).then(|| Happened {
        at: row.updated_at,
        rank: 4,
        tone: if row.state == "failed" { Tone::Bad } else { Tone::Calm },
        what: fill(words.happened_refund_now, &[of(words.terms().refunds, &row.state)]),
        how: parts.into_iter().flatten().collect(),
    });
    std::iter::once(wanted).chain(asked).collect()
}

/// The decision that was told: why, and what comes next.
fn told(visitor: &Visitor, row: &EventRow) -> Happened {
    let words = visitor.words();
    let text = |name: &str| row.payload.get(name).and_then(|value| value.as_str());
    let at = |name: &str, told: &str| {
        let at = text(name)?.parse::<DateTime<Utc>>().ok()?;
        Some(ours(fill(told, &[&visitor.told(at)])))
    };
    let why = text("review_reason").or_else(|| text("reason")).or_else(|| text("decline_reason"));
    let parts = [
        why.map(|why| visitor.said(&of(words.terms().decline_reasons, why).chars().take(TOLD_MAX).collect::<String>())),
        at("next_attempt_at", words.next_attempt_at),
        at("access_until", words.access_until_at),
    ];
    Happened {
        at: row.created_at,
        rank: 5,
        tone: Tone::Calm,
        what: of(words.terms().events, &row.kind).to_owned(),
        how: parts.into_iter().flatten().collect(),
    }
}

fn by_hand(visitor: &Visitor, row: &ActionRow) -> Happened {
    let words = visitor.words();
    let text = |name: &str| row.details.get(name).and_then(|value| value.as_str());
    let quoted = |told: &str, text: &str| theirs(&fill(told, &[text]));
    let parts = [
        row.reason.as_deref().map(theirs),
        text("as").map(|answer| ours(of(words.terms().answers, answer).to_owned())),
        row.evidence.as_deref().map(|evidence| quoted(words.with_evidence, evidence)),
        text("against_gateway").map(|against| quoted(words.against_the_gateway, against)),
    ];
    Happened {
        at: row.created_at,
        rank: 1,
        tone: Tone::Calm,
        what: fill(words.by_whom, &[of(words.terms().actions, &row.kind), &row.actor]),
        how: parts.into_iter().flatten().collect(),
    }
}
