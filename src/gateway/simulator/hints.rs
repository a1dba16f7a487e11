//! Trouble by name: what a billing key asks for by how it ends.
//!
//! `bk-1042` is charged. `bk-1042-insufficient` is declined each time, `bk-1042-insufficient-once` the first time
//! only; `-twice` and `-thrice` likewise. A word such as `kcp` anywhere between two dashes chooses the payment gateway
//! that speaks ([`super::declines::PG_WORDS`]): `bk-kcp-7-lost`.
//!
//! | ending | what happens |
//! | --- | --- |
//! | the name of a decline ([`super::declines`]): `insufficient`, `limit`, `expired`, `lost`, `suspended`, `invalid`, `dead-key`, `maintenance`, `issuer-down`, `pg-error`, `pg-timeout`, `refer`, `fraud`, `duplicate`, `contract`, `credentials`, `merchant-limit`, `declined`, `half-cancelled`, `unheard-of` | 502 `PG_PROVIDER` with the payment gateway's code |
//! | `deleted`, `unknown-key`, `no-channel`, `bad-request`, `scheduled`, `max-transactions` | PortOne's own refusal; `scheduled` shows a payment schedule too |
//! | `timeout` | charged, and the answer is lost |
//! | `request-lost` | the request is lost, nothing is charged |
//! | `slow` | charged, the answer takes three seconds |
//! | `slow-approval` | three seconds until it is charged |
//! | `garbage`, `html502`, `error`, `huge`, `cut` | charged, with an answer that says nothing |
//! | `error-before`, `rate-limited`, `outstanding` | not charged |
//! | `pending`, `pending-failed`, `ready` | PAY_PENDING or READY for an hour, then PAID or FAILED |
//! | `late` | FAILED, and PAID an hour later |
//! | `squatted`, `other-amount`, `other-currency`, `other-store`, `test-channel` | PAID, and something is wrong with it |
//! | `cancelled`, `partly-cancelled` | PAID, and given back at once, wholly or by 100 |
//! | `hidden`, `stale` | charged, and look-ups do not see it |

use super::behaviour::Trouble;
use super::declines::{self, DEFAULT_PG, PG_WORDS};

/// What a name asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    pub trouble: Trouble,
    /// How often; absent, always.
    pub times: Option<u32>,
}

const HOUR_SECS: u32 = 3600;
const SLOW_MILLIS: u64 = 3000;
const HUGE_BYTES: usize = 4 << 20;

/// What this billing key's name asks for.
pub fn read(key: &str) -> Option<Hint> {
    let counts = [("-once", 1), ("-twice", 2), ("-thrice", 3)];
    let counted = counts.iter().find_map(|(end, times)| Some((key.strip_suffix(end)?, Some(*times))));
    let (key, times) = counted.unwrap_or((key, None));
    // From the left, so that the longest ending wins: `dead-key` before `key`.
    let mut endings = key.match_indices('-').map(|(at, _)| &key[at + 1..]);
    endings.find_map(named).map(|trouble| Hint { trouble, times })
}

/// The payment gateway that this billing key's name chooses.
pub fn pg_provider(key: &str) -> &'static str {
    let named = key.split('-').find_map(|word| PG_WORDS.iter().find(|(name, _)| *name == word));
    named.map_or(DEFAULT_PG, |(_, pg)| pg)
}

fn named(ending: &str) -> Option<Trouble> {
    Some(match ending {
        "deleted" => Trouble::BillingKeyDeleted,
        "unknown-key" => Trouble::BillingKeyNotFound,
        "no-channel" => Trouble::ChannelNotFound,
        "bad-request" => Trouble::InvalidRequest,
        "scheduled" => Trouble::ScheduleExists,
        "max-transactions" => Trouble::MaxTransactions,
        "timeout" => Trouble::AnswerLost,
        "request-lost" => Trouble::RequestLost,
        "slow" => Trouble::Delay { millis: SLOW_MILLIS },
        "slow-approval" => Trouble::SlowApproval { millis: SLOW_MILLIS },
        "garbage" => Trouble::Garbage,
        "html502" => Trouble::Html { status: 502 },
        "error" => Trouble::Error { status: 500 },
        "huge" => Trouble::HugeBody { bytes: HUGE_BYTES },
        "cut" => Trouble::CutBody { after_bytes: 40 },
        "error-before" => Trouble::ErrorBefore { status: 500 },
        "rate-limited" => Trouble::RateLimited { retry_after: Some("1".to_owned()) },
        "outstanding" => Trouble::Outstanding,
        "pending" => Trouble::Pending { secs: HOUR_SECS, then_paid: true },
        "pending-failed" => Trouble::Pending { secs: HOUR_SECS, then_paid: false },
        "ready" => Trouble::Ready { secs: HOUR_SECS, then_paid: true },
        "late" => Trouble::LateApproval { secs: HOUR_SECS },
        "squatted" => Trouble::Squatted,
        "other-amount" => Trouble::OtherAmount { total: 1 },
        "other-currency" => Trouble::OtherCurrency { currency: "USD".to_owned() },
        "other-store" => Trouble::OtherStore { store_id: "store-of-somebody-else".to_owned() },
        "test-channel" => Trouble::TestChannel,
        "cancelled" => Trouble::Cancelled { secs: 0 },
        "partly-cancelled" => Trouble::PartlyCancelled { secs: 0, amount: 100 },
        "hidden" => Trouble::Hidden,
        "stale" => Trouble::Stale,
        name => {
            declines::said_by(DEFAULT_PG, name)?;
            Trouble::Decline { name: name.to_owned() }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The endings that the module's documentation promises.
    const PROMISED: &str = include_str!("hints.rs");

    #[test]
    fn every_documented_ending_is_understood() {
        let table = PROMISED.lines().filter(|line| line.starts_with("//! | ") && line.contains('`'));
        let cells = table.filter_map(|line| line.split('|').nth(1));
        let mut seen = 0;
        for ending in cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            if ending.contains("::") {
                continue;
            }
            assert!(read(&format!("bk-9-{ending}")).is_some(), "{ending}");
            seen += 1;
        }
        assert!(seen > 45, "{seen}");
        for name in declines::names() {
            assert!(PROMISED.contains(&format!("`{name}`")), "{name} is not documented");
        }
    }

    #[test]
    fn the_longest_ending_wins_and_ordinary_names_ask_for_nothing() {
        assert_eq!(read("bk-1-pending-failed").unwrap().trouble, named("pending-failed").unwrap());
        assert_eq!(read("bk-1-lost-twice").unwrap().times, Some(2));
        for ordinary in ["bk-1", "billing-key-0192f3", "lost", "bk-once", ""] {
            assert_eq!(read(ordinary), None, "{ordinary}");
        }
        assert_eq!(pg_provider("bk-kcp-7-lost"), "KCP_V2");
        assert_eq!(pg_provider("bk-kcpx-7"), DEFAULT_PG);
    }
}
