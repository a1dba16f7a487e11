//! What the gateway's answer to a charge means for the next step. The answer never says "paid": only a look-up does.

use std::time::Duration;

/// The answer to a charge, in our words. As many variants as there are next steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200 with a `payment`.
    Accepted,
    /// 409 `ALREADY_PAID`: a hint of success, from this attempt or an earlier one.
    AlreadyPaid,
    /// 502 `PG_PROVIDER`: an ordinary decline as well as a broken payment gateway.
    PgError { pg_code: Option<String>, pg_message: Option<String> },
    /// 404 `BILLING_KEY_NOT_FOUND`, 409 `BILLING_KEY_ALREADY_DELETED`.
    BillingKeyGone { kind: String },
    /// 400 `MAX_TRANSACTION_COUNT_REACHED`: this payment id is used up.
    TransactionCountReached,
    /// Our request or configuration is at fault (`INVALID_REQUEST`, an existing schedule, sums, promotions).
    Refused { kind: String, message: String },
    /// 401, 403: nothing can be charged with these credentials.
    Unauthorized { kind: String },
    /// 404 `CHANNEL_NOT_FOUND`.
    ChannelNotFound,
    /// 409 `IDEMPOTENCY_OUTSTANDING_REQUEST`: the same request is still being worked on.
    Outstanding,
    /// 429. `retry_after` as the gateway asked, not yet bounded.
    RateLimited { retry_after: Option<Duration> },
    /// No connection was made, so nothing can have arrived.
    NotSent { why: String },
    /// Time-out, reset, an answer that is not PortOne's: the charge may have happened.
    Unclear { why: String },
}

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// The verdict comes from a look-up alone.
    LookUp,
    /// Look up once; unless that shows another outcome, this conclusion holds.
    LookUpThen(Conclusion),
    /// Nothing can have been charged: the claim is given back, and this much stops.
    NotCharged(Stop),
    /// Wait, then send the same attempt again.
    RepeatSame,
    /// Wait as long as the gateway asked, then send the same attempt again; the channel slows down.
    SlowDown { wait: Duration },
}

/// What an answer proves when it is the only one that this attempt had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Declined for good with this billing key.
    BillingKeyGone,
    /// The payment id is used up.
    SeriesUsedUp,
    /// Refused for a reason that is not the customer's: a person must look.
    Refused { reason: String },
}

/// How much of the run stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The credentials were refused: all charging stops.
    Run { why: String },
    /// This channel cannot charge: its renewals stay due.
    Channel { why: String },
    /// The gateway could not be reached.
    Unreachable { why: String },
}

/// The shortest and longest wait that a 429 may ask for.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// The step after `answer`.
///
/// `only_send` says that no earlier send of this attempt can have arrived. Without it a refusal of the *repeat* proves
/// nothing about the first send, and every conclusion waits for a look-up that shows an outcome.
pub fn next(answer: &Answer, only_send: bool) -> NextStep {
    match answer {
        Answer::Accepted | Answer::AlreadyPaid | Answer::PgError { .. } => NextStep::LookUp,
        Answer::Outstanding | Answer::Unclear { .. } => NextStep::RepeatSame,
        Answer::RateLimited { retry_after } => NextStep::SlowDown { wait: bounded_wait(*retry_after) },
        // Moves on by what a look-up shows, so an earlier send does not matter.
        Answer::TransactionCountReached => NextStep::LookUpThen(Conclusion::SeriesUsedUp),
        _ if !only_send => NextStep::LookUp,
        Answer::BillingKeyGone { .. } => NextStep::LookUpThen(Conclusion::BillingKeyGone),
        Answer::Refused { kind, message } => {
            NextStep::LookUpThen(Conclusion::Refused { reason: refusal(kind, message) })
        }
        Answer::Unauthorized { kind } => NextStep::NotCharged(Stop::Run { why: kind.clone() }),
        Answer::ChannelNotFound => NextStep::NotCharged(Stop::Channel { why: "CHANNEL_NOT_FOUND".to_owned() }),
        Answer::NotSent { why } => NextStep::NotCharged(Stop::Unreachable { why: why.clone() }),
    }
}

fn refusal(kind: &str, message: &str) -> String {
    if message.is_empty() { kind.to_owned() } else { format!("{kind}: {message}") }
}

fn bounded_wait(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(RETRY_AFTER_MIN).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_a_repeat_proves_nothing_about_the_first_send() {
        let text = || "x".to_owned();
        for answer in [
            Answer::BillingKeyGone { kind: text() },
            Answer::Refused { kind: text(), message: text() },
            Answer::Unauthorized { kind: text() },
            Answer::ChannelNotFound,
            Answer::NotSent { why: text() },
        ] {
            assert_ne!(next(&answer, true), NextStep::LookUp, "{answer:?}");
            assert_eq!(next(&answer, false), NextStep::LookUp, "{answer:?}");
        }
        for only_send in [true, false] {
            let step = next(&Answer::TransactionCountReached, only_send);
            assert_eq!(step, NextStep::LookUpThen(Conclusion::SeriesUsedUp), "decided by what the look-up shows");
        }
    }

    #[test]
    fn a_retry_after_is_bounded() {
        for (asked, wait) in [(None, 1), (Some(0), 1), (Some(30), 30), (Some(u64::MAX), 3600)] {
            let answer = Answer::RateLimited { retry_after: asked.map(Duration::from_secs) };
            assert_eq!(next(&answer, true), NextStep::SlowDown { wait: Duration::from_secs(wait) });
        }
    }
}
