//! Who asks: bearer tokens, whose hashes stand in the settings, each with a role.

use super::{Door, Problem};
use crate::config::{Role, Token, Tokens};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Longest token that is hashed, in bytes; ours have 50.
const TOKEN_BYTES_MAX: usize = 512;

/// Somebody who showed a token that the settings know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Recorded as the actor of whatever they do.
    pub name: String,
    pub role: Role,
}

/// A caller who may change things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator(pub Caller);

/// Whose token this is. Takes as long for a wrong one as for a right one, whichever it is.
pub fn caller(tokens: &Tokens, shown: &str) -> Option<Caller> {
    known(tokens, shown).map(|token| Caller { name: token.name.clone(), role: token.role })
}

fn known<'t>(tokens: &'t Tokens, shown: &str) -> Option<&'t Token> {
    if shown.is_empty() || shown.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let hash: [u8; Token::HASH_BYTES] = Sha256::digest(shown.as_bytes()).into();
    // Every one is compared: the time tells nobody which it was.
    tokens.iter().fold(None, |found, token| if bool::from(token.hash.ct_eq(&hash)) { Some(token) } else { found })
}

impl FromRequestParts<Arc<Door>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Problem> {
        let tokens = &door.settings.tokens;
        let shown = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown =
            shown.and_then(|shown| shown.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        let found = shown.and_then(|(_, token)| caller(tokens, token.trim()));
        found.ok_or_else(|| {
            let detail = match (tokens.is_empty(), shown) {
                (true, _) => "no token is set up here, so nobody may use the API",
                (false, None) => "this needs a token: Authorization: Bearer TOKEN",
                (false, Some(_)) => "this token is not known here",
            };
            Problem::unauthorized(detail)
                .hint("make a token with `renewd token NAME`, and put its hash into server.tokens")
        })
    }
}

impl FromRequestParts<Arc<Door>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Arc<Door>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, door).await?;
        if caller.role < Role::Operator {
            let detail = format!("{} may look and change nothing: this needs the role operator", caller.name);
            return Err(Problem::new(StatusCode::FORBIDDEN, detail).money("nothing was done"));
        }
        Ok(Self(caller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        let hash = |token: &str| data_encoding::HEXLOWER.encode(&Sha256::digest(token.as_bytes()));
        let text = format!("haneul operator {}, grafana viewer {}", hash("rnw_a"), hash("rnw_b"));
        Tokens::try_from(text).unwrap()
    }

    #[test]
    fn a_token_is_known_by_its_hash() {
        let name = |shown: &str| caller(&tokens(), shown).map(|caller| (caller.name, caller.role));
        assert_eq!(name("rnw_a"), Some(("haneul".to_owned(), Role::Operator)));
        assert_eq!(name("rnw_b"), Some(("grafana".to_owned(), Role::Viewer)));
        for wrong in ["", "rnw_", "rnw_a ", "RNW_A", &"a".repeat(600)] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_stands_in_the_settings_opens_nothing() {
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(b"rnw_a"));
        assert_eq!(caller(&tokens(), &hash), None);
    }
}
