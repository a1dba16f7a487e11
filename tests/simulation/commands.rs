//! What people type into a worker's machine: commands about whatever subscription, sensible or not. The product must not
//! do harm whatever they ask for.

use super::office::Office;
use renewd::domain::action::Hand;
use renewd::domain::by_hand::resolve::Answer;
use renewd::engine::Engine;
use renewd::engine::by_hand::{ByHandError, ResolveCommand, RetryCommand};
use renewd::shutdown::Shutdown;
use std::time::Duration;

const ANSWERS: [Answer; 4] = [Answer::Paid, Answer::NotCharged, Answer::Refunded, Answer::Retry];

/// One command, of a person who knows nothing better than the number of a subscription.
pub async fn type_one(office: &Office, engine: &Engine, number: usize) {
    let last = i64::try_from(office.swarm.subscriptions).unwrap() - 1;
    let id = format!("subscription-{}", office.between(0, last));
    let hand = Hand {
        actor: format!("person-{number}"),
        reason: Some("the customer called".to_owned()),
        evidence: Some("they said so".to_owned()),
    };
    let shutdown = Shutdown::new(Duration::from_secs(8));
    let (kind, ended) = if office.between(0, 1) == 0 {
        let command = RetryCommand { id, new_key: None, hand };
        ("retry", engine.retry(&command, &shutdown).await.map(drop))
    } else {
        let answer = ANSWERS[usize::try_from(office.between(0, 3)).unwrap()];
        let command = ResolveCommand { id, answer, against: None, hand };
        ("resolve", engine.resolve_by_hand(&command, &shutdown).await.map(drop))
    };
    let became = match &ended {
        Ok(()) => "done",
        Err(ByHandError::Refused(_)) => "refused",
        Err(ByHandError::NotFound(_)) => "not found",
        Err(ByHandError::Run(_)) => "failed",
    };
    office.struck(format!("typed {kind}: {became}"));
    office.note("typed", number, || format!("{kind}: {ended:?}"));
}
