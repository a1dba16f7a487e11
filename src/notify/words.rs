//! What people are told of an event: what happened, how much money, what to do, and the command to type.

use crate::domain::delivery::{Told, declines};
use crate::domain::event::EventKind;
use crate::domain::money::{Currency, format_minor, thousands};
use serde_json::Value;

/// Reasons of declines that are named; the others are summed up.
const REASONS_MAX: usize = 6;
/// Longest text of an event that is repeated, in characters.
const TEXT_CHARS_MAX: usize = 700;

/// An event in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub title: String,
    pub lines: Vec<String>,
    pub todo: Option<String>,
    pub command: Option<String>,
}

pub(super) fn words(event: &Told) -> Words {
    match event.known_kind() {
        Some(EventKind::RunCompleted | EventKind::RunFailed) => of_run(event),
        _ => of_one(event),
    }
}

fn of_one(event: &Told) -> Words {
    let payload = &event.payload;
    let subject = event.subscription_id.as_ref().map(|id| id.as_str()).or_else(|| payload["payment_id"].as_str());
    let subject = subject.unwrap_or_default();
    let show = Some(format!("renewd show {subject}")).filter(|_| !subject.is_empty());
    let (title, todo, command) = match event.known_kind() {
        Some(EventKind::GatewayUnauthorized) => (
            "PortOne refuses our credentials: nothing is charged".to_owned(),
            Some(
                "put the right API secret in place, then run it again: what is due stays due, and nobody is charged twice",
            ),
            Some("renewd run".to_owned()),
        ),
        Some(EventKind::RestoreSuspected) => (
            "the database seems to be put back from a backup: charging is held".to_owned(),
            Some("enter the cancellations again that were made since the backup, then resume"),
            Some("renewd status".to_owned()),
        ),
        Some(EventKind::ChargingPaused) => (
            format!("charging was paused by {}", said(payload, "by")),
            Some("nothing new is charged anywhere until it is resumed"),
            Some("renewd resume --reason \"…\"".to_owned()),
        ),
        Some(EventKind::BrakeTripped) => {
            let (brake, channel) = (said(payload, "brake"), said(payload, "channel"));
            let held = if channel.is_empty() { "charging" } else { &channel };
            (
                format!("brake {brake} holds {held}"),
                Some("what is due stays due; look at it, and go on with --override-brake if it is right as it is"),
                Some(said(payload, "next")).filter(|next| !next.is_empty()),
            )
        }
        Some(EventKind::BrakeOverridden) => (format!("{} lets brakes go for a run", said(payload, "by")), None, None),
        Some(EventKind::ChargingResumed) => (format!("charging was resumed by {}", said(payload, "by")), None, None),
        Some(EventKind::PaymentUnknown) => (
            format!("money at the gateway that is nobody's here: {}", said(payload, "payment_id")),
            Some("find out whose it is; renewd touches nothing that it does not know"),
            Some("renewd reconcile".to_owned()),
        ),
        Some(EventKind::PaymentDisputed) => (
            format!("{subject}: the customer disputes a payment"),
            Some("answer it in PortOne's console in time; the subscription goes on until somebody ends it"),
            show,
        ),
        Some(EventKind::PaymentDisputeResolved) => {
            (format!("{subject}: the dispute about a payment is over"), Some("see PortOne's console for how"), show)
        }
        Some(EventKind::RenewalReview) => {
            (format!("{subject} needs a person"), Some("nothing more is charged for it until somebody decides"), show)
        }
        _ => (format!("{} {subject}", event.kind).trim_end().to_owned(), None, show),
    };
    Words { title, lines: facts(payload), todo: todo.map(str::to_owned), command }
}

/// The amount and the reasons of an event about one thing.
fn facts(payload: &Value) -> Vec<String> {
    let amount = payload["amount"].as_i64().zip(payload["currency"].as_str()).map(|(minor, code)| sum(code, minor));
    let reasons =
        ["reason", "review_reason", "decline_reason", "pg_code", "pg_message"].map(|name| said(payload, name));
    let mut lines: Vec<String> = amount.into_iter().collect();
    for reason in reasons.into_iter().filter(|reason| !reason.is_empty()) {
        if !lines.contains(&reason) {
            lines.push(reason);
        }
    }
    lines
}

fn of_run(event: &Told) -> Words {
    let figures = &event.payload;
    let count = |name: &str| figures[name].as_u64().unwrap_or(0);
    let (date, status) = (said(figures, "business_date"), said(figures, "status"));
    let mut lines = Vec::new();
    lines.extend(Some(said(figures, "problem")).filter(|problem| !problem.is_empty()));
    lines.push(format!(
        "{} of {} paid, {}",
        thousands(count("paid")),
        thousands(count("due")),
        sums(&figures["amounts"])
    ));
    lines.extend(declined(figures));
    let rest = [
        ("failed", "failed for good"),
        ("no_billing_key", "wait for a billing key"),
        ("refunded", "given back"),
        ("lapsed", "ended too long ago, not charged"),
        ("canceled", "cancelled, not charged"),
        ("past_due", "now past due"),
        ("downgraded", "downgraded"),
        ("left_unknown", "with an unknown outcome, looked up later"),
        ("left_unsettled", "claims not settled, taken over by the next run"),
        ("left_due", "left due, not charged"),
    ];
    let told = rest.into_iter().filter(|(name, _)| count(name) > 0);
    lines.extend(told.map(|(name, what)| format!("{} {what}", thousands(count(name)))));
    let stopped = figures["stopped_channels"].as_object().into_iter().flatten();
    lines.extend(stopped.map(|(channel, why)| format!("{channel} stopped: {}", why.as_str().unwrap_or_default())));
    let review = count("review");
    if review > 0 {
        lines.push(format!("{} need a person", thousands(review)));
    }
    let (todo, command) = if event.known_kind() == Some(EventKind::RunFailed) {
        let todo = "mend the cause, then run it again: what is due stays due, and nobody is charged twice";
        (Some(todo.to_owned()), "renewd run".to_owned())
    } else if review > 0 {
        (Some("see what needs a person".to_owned()), "renewd status".to_owned())
    } else {
        (None, format!("renewd status --run {}", said(figures, "run_id")))
    };
    Words { title: format!("run of {date} {status}"), lines, todo, command: Some(command) }
}

fn declined(figures: &Value) -> Option<String> {
    let (declined, answered) = declines(figures);
    if declined == 0 {
        return None;
    }
    let by_reason = figures["declined_by_reason"].as_object()?;
    let mut reasons: Vec<(u64, &str)> =
        by_reason.iter().map(|(name, count)| (count.as_u64().unwrap_or(0), name.as_str())).collect();
    reasons.sort_by(|one, other| other.cmp(one));
    let more = reasons.len().saturating_sub(REASONS_MAX);
    reasons.truncate(REASONS_MAX);
    let mut named: Vec<String> =
        reasons.iter().map(|(count, name)| format!("{} {}", thousands(*count), name.replace('_', " "))).collect();
    if more > 0 {
        named.push(format!("{more} other reasons"));
    }
    let percent = declined.saturating_mul(100) / answered.max(1);
    let at_risk = figures["declined_amounts"].as_object().filter(|sums| !sums.is_empty());
    let money = at_risk.map(|_| format!(", {}", sums(&figures["declined_amounts"]))).unwrap_or_default();
    Some(format!("{} declined ({percent} %{money}): {}", thousands(declined), named.join(", ")))
}

/// Sums by currency.
fn sums(amounts: &Value) -> String {
    let sums: Vec<String> = amounts
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(code, minor)| minor.as_i64().map(|minor| sum(code, minor)))
        .collect();
    if sums.is_empty() { "nothing collected".to_owned() } else { sums.join(" and ") }
}

fn sum(code: &str, minor: i64) -> String {
    Currency::parse(code).map_or_else(|_| format!("{minor} {code}"), |currency| format_minor(minor, currency))
}

/// A text of the payload, on one line and not too long; empty if there is none.
fn said(payload: &Value, name: &str) -> String {
    let text = payload[name].as_str().unwrap_or_default();
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{EventId, SubscriptionId};
    use serde_json::json;

    fn told(kind: &str, payload: Value) -> Told {
        let subscription_id = kind.starts_with("renewal.").then(|| SubscriptionId::from("sub_1"));
        let created_at = "2026-01-30T01:00:00Z".parse().unwrap();
        Told {
            id: EventId(uuid::Uuid::nil()),
            kind: kind.to_owned(),
            subscription_id,
            renewal_id: None,
            payload,
            created_at,
        }
    }

    #[test]
    fn a_run_is_one_message_with_its_sums_and_what_needs_a_person() {
        let figures = json!({
            "run_id": "r-1", "business_date": "2026-01-30", "status": "completed", "due": 1003, "paid": 900,
            "amounts": {"KRW": 49_500_000, "USD": 4_900}, "declined_amounts": {"KRW": 550_000},
            "declined_by_reason": {"insufficient_funds": 70, "lost_or_stolen": 30}, "no_billing_key": 3, "review": 2,
        });
        let words = words(&told("run.completed", figures));
        assert_eq!(words.title, "run of 2026-01-30 completed");
        assert_eq!(
            words.lines,
            [
                "900 of 1,003 paid, 49,500,000 KRW and 49.00 USD",
                "100 declined (10 %, 550,000 KRW): 70 insufficient funds, 30 lost or stolen",
                "3 wait for a billing key",
                "2 need a person",
            ]
        );
        assert_eq!(words.command.as_deref(), Some("renewd status"));
    }

    #[test]
    fn a_failed_run_says_why_first_and_what_to_do() {
        let figures =
            json!({"business_date": "2026-01-30", "status": "failed", "problem": "no\ngateway", "left_due": 7});
        let words = words(&told("run.failed", figures));
        assert_eq!(words.lines, ["no gateway", "0 of 0 paid, nothing collected", "7 left due, not charged"]);
        assert_eq!(words.command.as_deref(), Some("renewd run"));
        assert!(words.todo.unwrap().contains("nobody is charged twice"));
    }

    #[test]
    fn a_review_says_whose_how_much_and_why() {
        let payload =
            json!({"amount": 55_000, "currency": "KRW", "reason": "x", "review_reason": "x", "pg_code": null});
        let words = words(&told("renewal.review", payload));
        assert_eq!(
            (words.title.as_str(), words.lines),
            ("sub_1 needs a person", vec!["55,000 KRW".to_owned(), "x".to_owned()])
        );
        assert_eq!(words.command.as_deref(), Some("renewd show sub_1"));
    }

    #[test]
    fn a_brake_says_what_it_holds_and_where_to_look() {
        let all = json!({"brake": "growth", "channel": null, "reason": "9 are due", "next": "renewd run --dry-run"});
        let said = words(&told("brake.tripped", all));
        assert_eq!((said.title.as_str(), said.lines), ("brake growth holds charging", vec!["9 are due".to_owned()]));
        assert_eq!(said.command.as_deref(), Some("renewd run --dry-run"));
        let one = words(&told("brake.tripped", json!({"brake": "declines", "channel": "channel-1"})));
        assert_eq!(one.title, "brake declines holds channel-1");
    }

    #[test]
    fn every_kind_has_a_title() {
        for kind in EventKind::ALL {
            assert!(!words(&told(kind.as_str(), json!({}))).title.is_empty(), "{}", kind.as_str());
        }
    }
}
