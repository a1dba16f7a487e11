//! Values that cannot be printed by accident.
//!
//! `Debug` and `Display` of everything here say `***`. Reading one needs a call named `expose`, so that a search for
//! that word finds every place where a secret leaves.

use std::fmt;

use data_encoding::HEXLOWER_PERMISSIVE;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use serde::de::{Deserialize, Deserializer, Error as _};

/// What is shown in place of a secret.
pub const MASK: &str = "***";

/// A secret text: an API secret, a signing secret. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Wraps `text`; the caller lets go of its own copy.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    /// Accepts what can be put in an HTTP header: printable ASCII. A stray newline or quote mark of another alphabet is
    /// a copying mistake, and would otherwise come back as a puzzling "unauthorized".
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.chars().all(|c| c.is_ascii_graphic()) {
            Ok(Self::new(text))
        } else {
            Err(D::Error::custom("expected printable ASCII without spaces or line breaks"))
        }
    }
}

/// The key that payment ids are derived with: 32 bytes, written as 64 hex digits.
pub struct IdKey(SecretBox<[u8; Self::BYTES]>);

impl IdKey {
    /// Length of the key.
    pub const BYTES: usize = 32;

    /// Reads 64 hex digits, of either case. `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        let bytes: [u8; Self::BYTES] = bytes.try_into().ok()?;
        Some(Self(SecretBox::new(Box::new(bytes))))
    }

    /// The key itself, for the derivation.
    pub fn expose(&self) -> &[u8; Self::BYTES] {
        self.0.expose_secret()
    }
}

impl Clone for IdKey {
    fn clone(&self) -> Self {
        Self(SecretBox::new(Box::new(*self.expose())))
    }
}

impl fmt::Debug for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for IdKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| D::Error::custom("expected 64 hex digits (32 bytes), or nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars_and_is_read_by_expose() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn an_id_key_is_32_bytes_in_hex_of_either_case() {
        let key = IdKey::from_hex(&"0aF".repeat(22)[..64]).unwrap();
        assert_eq!(key.expose()[..3], [0x0a, 0xf0, 0xaf]);
        assert_eq!(format!("{key:?} {:?}", key.clone()), "*** ***");
        assert_eq!(key.clone().expose(), key.expose());
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
            assert!(IdKey::from_hex(wrong).is_none(), "{wrong}");
        }
    }
}
