//! Sessions without a table: a cookie that names a token, until when it holds, and a keyed hash of both that only this
//! installation can make. The hash covers the token's own hash and role, so that taking the token out of the settings, or
//! changing its role, ends its sessions.

use crate::config::{Token, Tokens};
use crate::domain::payment_id::PaymentIdKey;
use crate::http::auth::Caller;
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use subtle::ConstantTimeEq;

/// The cookie's name.
pub const COOKIE: &str = "renewd_session";

/// How long somebody stays signed in.
pub const LASTS: TimeDelta = TimeDelta::hours(12);

/// What the hashes are for; they never meet each other, or payment ids.
const SESSION: &str = "page session";
const FORM: &str = "page form";

/// Somebody who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub caller: Caller,
    /// Stands in every form of this session, and in no other's.
    pub form_key: String,
}

/// The cookie's value for somebody who showed this token.
pub fn begin(key: &PaymentIdKey, token: &Token, now: DateTime<Utc>) -> String {
    let until = (now + LASTS).timestamp().to_string();
    let mac = HEXLOWER.encode(&mac(key, token, &until));
    format!("{}.{until}.{mac}", BASE64URL_NOPAD.encode(token.name.as_bytes()))
}

/// Whose session the cookie's value is; `None` for one that is over, or that was not made here.
pub fn read(key: &PaymentIdKey, tokens: &Tokens, cookie: &str, now: DateTime<Utc>) -> Option<Session> {
    let mut parts = cookie.split('.');
    let (name, until, shown) = (parts.next()?, parts.next()?, parts.next()?);
    let name = BASE64URL_NOPAD.decode(name.as_bytes()).ok()?;
    let token = tokens.iter().find(|token| token.name.as_bytes() == name)?;
    let shown = HEXLOWER.decode(shown.as_bytes()).ok()?;
    let is_ours = bool::from(mac(key, token, until).as_slice().ct_eq(&shown));
    // Read only after it is known to be ours.
    let holds = is_ours && parts.next().is_none() && until.parse::<i64>().is_ok_and(|until| now.timestamp() < until);
    holds.then(|| Session {
        caller: Caller { name: token.name.clone(), role: token.role },
        form_key: HEXLOWER.encode(&key.mac(FORM, &[cookie])),
    })
}

/// Whether a form was made for this session.
pub fn is_form_of(session: &Session, shown: &str) -> bool {
    bool::from(session.form_key.as_bytes().ct_eq(shown.as_bytes()))
}

fn mac(key: &PaymentIdKey, token: &Token, until: &str) -> [u8; 32] {
    key.mac(SESSION, &[&token.name, token.role.as_str(), &HEXLOWER.encode(&token.hash), until])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Tokens {
        Tokens::try_from(text.to_owned()).unwrap()
    }

    fn now() -> DateTime<Utc> {
        "2026-01-30T01:00:00Z".parse().unwrap()
    }

    fn key() -> PaymentIdKey {
        PaymentIdKey::new([7; 32])
    }

    fn settings() -> String {
        format!("haneul operator {}, grafana viewer {}", "a".repeat(64), "b".repeat(64))
    }

    fn cookie() -> String {
        begin(&key(), tokens(&settings()).iter().next().unwrap(), now())
    }

    fn name(tokens_text: &str, cookie: &str, at: DateTime<Utc>) -> Option<String> {
        read(&key(), &tokens(tokens_text), cookie, at).map(|session| session.caller.name)
    }

    #[test]
    fn a_session_is_the_tokens_for_twelve_hours() {
        let (cookie, last) = (cookie(), now() + LASTS - TimeDelta::seconds(1));
        assert_eq!(name(&settings(), &cookie, now()), Some("haneul".to_owned()));
        assert_eq!(name(&settings(), &cookie, last), Some("haneul".to_owned()));
        assert_eq!(name(&settings(), &cookie, now() + LASTS), None);
    }

    #[test]
    fn a_token_that_is_taken_away_or_changed_ends_its_sessions() {
        let cookie = cookie();
        for changed in [
            format!("grafana viewer {}", "b".repeat(64)),
            format!("haneul operator {}", "c".repeat(64)),
            format!("haneul viewer {}", "a".repeat(64)),
            String::new(),
        ] {
            assert_eq!(name(&changed, &cookie, now()), None, "{changed}");
        }
    }

    #[test]
    fn what_was_not_made_here_opens_nothing() {
        let cookie = cookie();
        let parts: Vec<&str> = cookie.split('.').collect();
        let later = (now() + LASTS * 2).timestamp().to_string();
        let grafana = BASE64URL_NOPAD.encode(b"grafana");
        for forged in [
            String::new(),
            "..".to_owned(),
            [parts[0], &later, parts[2]].join("."),
            [&grafana, parts[1], parts[2]].join("."),
            [parts[0], parts[1], &"0".repeat(64)].join("."),
            [parts[0], parts[1], ""].join("."),
            format!("{cookie}.x"),
        ] {
            assert_eq!(name(&settings(), &forged, now()), None, "{forged}");
        }
        assert_eq!(read(&PaymentIdKey::new([8; 32]), &tokens(&settings()), &cookie, now()), None);
    }

    #[test]
    fn a_form_belongs_to_one_session() {
        let of = |cookie: &str| read(&key(), &tokens(&settings()), cookie, now()).unwrap();
        let one = of(&cookie());
        let other = of(&begin(&key(), tokens(&settings()).iter().next().unwrap(), now() - TimeDelta::seconds(1)));
        assert!(is_form_of(&one, &one.form_key));
        for wrong in [other.form_key.as_str(), "", &one.form_key[1..]] {
            assert!(!is_form_of(&one, wrong), "{wrong}");
        }
    }
}
