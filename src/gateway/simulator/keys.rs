//! Idempotency keys as PortOne documents them: quoted, kept for three hours, answered again as they were.

use super::reply::Reply;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How long a key is remembered.
pub const KEPT: TimeDelta = TimeDelta::hours(3);
/// The documented length of a key, in characters, without its quotes.
const LENGTH: std::ops::RangeInclusive<usize> = 16..=256;

/// The request under a key, from its header to its answer.
#[derive(Debug)]
struct Known {
    request: u64,
    since: DateTime<Utc>,
    /// `None` while it is in process.
    reply: Option<Reply>,
}

/// What a header means for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// Not seen: go on, and [`IdempotencyKeys::close`] it. Without a header there is nothing to close.
    New(Option<String>),
    /// Seen and answered.
    Replay(Reply),
    /// In process, malformed, or used for something else.
    Refused(Reply),
}

/// All keys of the last three hours.
#[derive(Debug, Default)]
pub struct IdempotencyKeys {
    known: HashMap<String, Known>,
    /// Oldest first, to forget them by.
    order: VecDeque<(DateTime<Utc>, String)>,
}

impl IdempotencyKeys {
    /// Opens a request: `header` as it was sent, `what` it asks for, all of it.
    pub fn open(&mut self, now: DateTime<Utc>, header: Option<&str>, what: (&str, &[u8])) -> Opened {
        self.forget(now);
        let Some(header) = header else { return Opened::New(None) };
        let Some(key) = unquoted(header) else {
            let message = "Idempotency-Key must be 16 to 256 ASCII characters in double quotes";
            return Opened::Refused(Reply::error(400, "INVALID_REQUEST", message));
        };
        let request = fingerprint(what);
        match self.known.get(key) {
            None => {
                self.known.insert(key.to_owned(), Known { request, since: now, reply: None });
                self.order.push_back((now, key.to_owned()));
                Opened::New(Some(key.to_owned()))
            }
            Some(known) if known.request != request => {
                let message = "this Idempotency-Key was used for another request";
                Opened::Refused(Reply::error(422, "IDEMPOTENCY_KEY_REUSED", message))
            }
            Some(Known { reply: Some(reply), .. }) => Opened::Replay(reply.clone()),
            Some(_) => Opened::Refused(outstanding()),
        }
    }

    /// Keeps the answer for repeats.
    pub fn close(&mut self, key: Option<&str>, reply: &Reply) {
        if let Some(known) = key.and_then(|key| self.known.get_mut(key)) {
            known.reply = Some(reply.clone());
        }
    }

    /// A request that is still in process is kept however old its key is.
    fn forget(&mut self, now: DateTime<Utc>) {
        while let Some((since, _)) = self.order.front().filter(|(since, _)| now - *since >= KEPT) {
            let since = *since;
            let Some((_, key)) = self.order.pop_front() else { return };
            if self.known.get(&key).is_some_and(|known| known.since == since && known.reply.is_some()) {
                self.known.remove(&key);
            }
        }
    }
}

/// The answer to a repeat of a request that is in process.
pub fn outstanding() -> Reply {
    Reply::error(409, "IDEMPOTENCY_OUTSTANDING_REQUEST", "the request with this key is still in process")
}

fn unquoted(header: &str) -> Option<&str> {
    let key = header.strip_prefix('"')?.strip_suffix('"')?;
    let clean = key.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    (clean && LENGTH.contains(&key.len())).then_some(key)
}

fn fingerprint(what: (&str, &[u8])) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "\"rn0123456789abcdef-1\"";

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn kind(opened: Opened) -> String {
        match opened {
            Opened::New(_) => "new".to_owned(),
            Opened::Replay(reply) => reply.body,
            Opened::Refused(reply) => {
                let body: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
                format!("{} {}", reply.status, body["type"].as_str().unwrap())
            }
        }
    }

    #[test]
    fn a_key_lives_through_its_states() {
        let mut keys = IdempotencyKeys::default();
        assert_eq!(kind(keys.open(at(0), Some(KEY), ("/a", b"1"))), "new");
        assert_eq!(kind(keys.open(at(1), Some(KEY), ("/a", b"1"))), "409 IDEMPOTENCY_OUTSTANDING_REQUEST");
        keys.close(KEY.strip_prefix('"').and_then(|key| key.strip_suffix('"')), &Reply::html(502));
        assert_eq!(kind(keys.open(at(179), Some(KEY), ("/a", b"1"))), Reply::html(502).body);
        assert_eq!(kind(keys.open(at(179), Some(KEY), ("/a", b"2"))), "422 IDEMPOTENCY_KEY_REUSED");
        assert_eq!(kind(keys.open(at(179), Some(KEY), ("/b", b"1"))), "422 IDEMPOTENCY_KEY_REUSED");
        assert_eq!(kind(keys.open(at(180), Some(KEY), ("/a", b"2"))), "new");
    }

    #[test]
    fn only_quoted_keys_of_the_documented_length_count() {
        let mut keys = IdempotencyKeys::default();
        for bad in ["rn0123456789abcdef-1", "\"short\"", "\"rn0123456789 abcdef\"", "\"rn0123456789\u{e9}abcdef\"", ""]
        {
            assert_eq!(kind(keys.open(at(0), Some(bad), ("/a", b"1"))), "400 INVALID_REQUEST", "{bad}");
        }
        assert_eq!(kind(keys.open(at(0), None, ("/a", b"1"))), "new");
    }
}
