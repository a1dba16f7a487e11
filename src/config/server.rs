//! `[server]`: where the daemon listens, and who may ask it what.

use super::text;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// `None`: the daemon does not listen.
    #[serde(deserialize_with = "text::optional")]
    pub listen: Option<SocketAddr>,
    pub tokens: Tokens,
    /// `/metrics` is told to anybody; otherwise to whoever has a token.
    pub metrics_open: bool,
    /// For one request, from its first byte to the answer's.
    #[serde(deserialize_with = "text::duration")]
    pub request_timeout: Duration,
    pub requests_max: u32,
    pub connections_max: u32,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Look at everything, change nothing.
    Viewer,
    /// What the command line can do.
    Operator,
}

impl Role {
    /// Both, the lesser first.
    pub const ALL: [Self; 2] = [Self::Viewer, Self::Operator];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }

    /// `None` for a word that is no role.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// One bearer token: who has it, and what it hashes to. The token itself is nowhere but with them.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Recorded as the actor of whatever is done with it.
    pub name: String,
    pub role: Role,
    /// SHA-256. No salt and no slow hash: a token has 256 random bits, which nobody tries through.
    pub hash: [u8; Token::HASH_BYTES],
}

impl Token {
    pub const HASH_BYTES: usize = 32;
    /// Longest name: it stands in every record of what was done.
    const NAME_CHARS_MAX: usize = 64;

    /// Reads `NAME ROLE HASH`.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (name, role, hash) = (words.next()?, Role::parse(words.next()?)?, words.next()?);
        let hash = data_encoding::HEXLOWER_PERMISSIVE.decode(hash.as_bytes()).ok()?.try_into().ok()?;
        let is_whole = words.next().is_none() && Self::is_name(name);
        is_whole.then(|| Self { name: name.to_owned(), role, hash })
    }

    /// Whether it can stand in the settings, and in a record.
    pub fn is_name(name: &str) -> bool {
        let plain = |c: char| c.is_alphanumeric() || ".-_@+".contains(c);
        !name.is_empty() && name.chars().count() <= Self::NAME_CHARS_MAX && name.chars().all(plain)
    }
}

impl fmt::Display for Token {
    /// As the settings take it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.role.as_str(), data_encoding::HEXLOWER.encode(&self.hash))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} …", self.name, self.role.as_str())
    }
}

/// All tokens: each name and each hash once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Tokens(Vec<Token>);

impl Tokens {
    pub fn iter(&self) -> impl Iterator<Item = &Token> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<String> for Tokens {
    type Error = &'static str;

    /// The text is never repeated: it may hold a token where its hash should be.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let tokens: Option<Vec<Token>> = parts.map(Token::parse).collect();
        let tokens = tokens.ok_or(
            "expected \"NAME ROLE HASH\", several with commas between, the role viewer or operator, the hash 64 hex digits: `renewd token` makes them",
        )?;
        let once = |each: BTreeSet<&[u8]>| each.len() == tokens.len();
        let is_once = once(tokens.iter().map(|token| token.name.as_bytes()).collect())
            && once(tokens.iter().map(|token| token.hash.as_slice()).collect());
        if is_once { Ok(Self(tokens)) } else { Err("a name or a hash stands there twice: each token needs its own") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digit: char) -> String {
        digit.to_string().repeat(64)
    }

    fn read(text: String) -> Result<Vec<(String, Role)>, &'static str> {
        Tokens::try_from(text).map(|tokens| tokens.iter().map(|token| (token.name.clone(), token.role)).collect())
    }

    #[test]
    fn tokens_are_names_roles_and_hashes() {
        let text = format!("haneul operator {}, grafana viewer {} ,", hash('a'), hash('B'));
        assert_eq!(read(text), Ok(vec![("haneul".to_owned(), Role::Operator), ("grafana".to_owned(), Role::Viewer)]));
        assert_eq!(read(String::new()), Ok(vec![]));
    }

    #[test]
    fn what_is_no_token_is_refused_without_being_repeated() {
        let long = "n".repeat(65);
        for bad in [
            format!("haneul admin {}", hash('a')),
            format!("haneul operator {}", &hash('a')[1..]),
            format!("haneul operator {} {}", hash('a'), hash('b')),
            format!("{long} operator {}", hash('a')),
            format!("a<b viewer {}", hash('a')),
            "haneul operator secret-token".to_owned(),
        ] {
            let said = read(bad.clone()).unwrap_err();
            assert!(said.starts_with("expected") && !said.contains("secret-token"), "{bad}: {said}");
        }
    }

    #[test]
    fn two_tokens_are_told_apart() {
        let twice = |second: &str| read(format!("a viewer {}, {second}", hash('a')));
        assert!(twice(&format!("a operator {}", hash('b'))).unwrap_err().contains("twice"));
        assert!(twice(&format!("b operator {}", hash('a'))).unwrap_err().contains("twice"));
        assert!(twice(&format!("b operator {}", hash('b'))).is_ok());
    }

    #[test]
    fn what_a_token_displays_is_what_the_settings_read_and_debug_hides_its_hash() {
        let token = Token { name: "haneul".to_owned(), role: Role::Viewer, hash: [0xab; 32] };
        assert_eq!(Tokens::try_from(token.to_string()).unwrap(), Tokens(vec![token.clone()]));
        assert!(!format!("{token:?}").contains("abab"));
    }
}
