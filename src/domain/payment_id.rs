//! The name of a payment, derived from what it pays for. The gateway lets one name succeed at most once, so the same
//! period can be paid at most once, even when the database has forgotten that it was.
//!
//! The derivation is keyed: whoever knows the store's public id could otherwise guess a name and take it for one won.

use super::ids::{PaymentId, SubscriptionId};
use chrono::{DateTime, SecondsFormat, Utc};
use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// Tells renewd's payments from others at the gateway.
pub const PREFIX: &str = "rn";

/// Bytes of the keyed hash that are kept: 32 letters of base32.
const HASH_BYTES: usize = 20;

/// The key of the derivation; secret. A new key gives every open renewal a new name, so it is never changed.
#[derive(Clone)]
pub struct PaymentIdKey([u8; 32]);

/// A text that is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct BadKey;

impl PaymentIdKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`BadKey`], which does not repeat the text.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| BadKey)?;
        bytes.try_into().map(Self).map_err(|_| BadKey)
    }

    /// Another key for another purpose: who learns it learns nothing of this one, nor of those for other purposes.
    pub fn derived_for(&self, purpose: &str) -> [u8; 32] {
        hash(self, &["key", purpose])
    }
}

impl fmt::Debug for PaymentIdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaymentIdKey(***)")
    }
}

/// The payment id of one period of one subscription: 34 lower-case letters and digits, which every payment gateway
/// behind PortOne takes. `series` counts the names that were used up before.
pub fn derive(
    key: &PaymentIdKey,
    store_id: &str,
    subscription: &SubscriptionId,
    period_start: DateTime<Utc>,
    series: u32,
) -> PaymentId {
    let start = period_start.to_rfc3339_opts(SecondsFormat::Micros, true);
    let hash = hash(key, &[store_id, subscription.as_str(), &start, &series.to_string()]);
    PaymentId(format!("{PREFIX}{}", BASE32_NOPAD.encode(&hash[..HASH_BYTES]).to_ascii_lowercase()))
}

impl PaymentIdKey {
    /// A keyed hash for another purpose, by a key of that purpose's own: it tells nothing about payment ids, and no
    /// payment id's hash is one of these.
    pub fn mac(&self, purpose: &str, fields: &[&str]) -> [u8; 32] {
        hash(&Self(hash(self, &["purpose", purpose])), fields)
    }
}

fn hash(key: &PaymentIdKey, fields: &[&str]) -> [u8; 32] {
    // A key of a whole block cannot be refused; HMAC itself fills a shorter one with zeros.
    let mut block = [0; 64];
    block[..key.0.len()].copy_from_slice(&key.0);
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    for field in fields {
        // Lengths first: no two lists of fields give the same bytes.
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

/// Whether every payment gateway takes this text as a payment id.
pub fn is_well_formed(text: &str) -> bool {
    (6..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(store: &str, subscription: &str, start: &str, series: u32) -> PaymentId {
        derive(&PaymentIdKey::new([7; 32]), store, &subscription.into(), start.parse().unwrap(), series)
    }

    /// Checked against Python's hmac: a change of this value would charge every open period again.
    #[test]
    fn the_derivation_never_changes() {
        let derived = id("store-1", "sub_1", "2026-01-31T00:00:00Z", 0);
        assert_eq!(derived.as_str(), "rnfkeqwnap37vsdcio6r2fx6ewlsgbq2ni");
    }

    #[test]
    fn every_part_counts_and_none_runs_into_the_next() {
        let base = id("store-1", "sub_1", "2026-01-31T00:00:00Z", 0);
        for other in [
            id("store-2", "sub_1", "2026-01-31T00:00:00Z", 0),
            id("store-1", "sub_2", "2026-01-31T00:00:00Z", 0),
            id("store-1", "sub_1", "2026-01-31T00:00:00.000001Z", 0),
            id("store-1", "sub_1", "2026-01-31T00:00:00Z", 1),
            id("store-", "1sub_1", "2026-01-31T00:00:00Z", 0),
            derive(&PaymentIdKey::new([8; 32]), "store-1", &"sub_1".into(), "2026-01-31T00:00:00Z".parse().unwrap(), 0),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(base, id("store-1", "sub_1", "2026-01-31T09:00:00+09:00", 0), "the instant counts, not its zone");
    }

    #[test]
    fn a_hash_for_another_purpose_is_its_own() {
        let (key, fields) = (PaymentIdKey::new([7; 32]), ["store-1", "sub_1", "2026-01-31T00:00:00.000000Z", "0"]);
        let mac = key.mac("session", &fields);
        assert_ne!(mac, hash(&key, &fields), "no payment id");
        assert_ne!(mac, key.mac("form", &fields));
        assert_ne!(mac, key.mac("session", &fields[..3]));
        assert_ne!(mac, PaymentIdKey::new([8; 32]).mac("session", &fields));
    }

    #[test]
    fn a_key_is_64_hex_digits_and_is_not_printed() {
        let key = PaymentIdKey::from_hex(&"07".repeat(32)).unwrap();
        assert_eq!(format!("{key:?}"), "PaymentIdKey(***)");
        for bad in ["", "07", &"07".repeat(33), &"zz".repeat(32)] {
            assert!(PaymentIdKey::from_hex(bad).is_err());
        }
    }

    #[test]
    fn a_key_for_another_purpose_is_another_key() {
        let key = PaymentIdKey::new([7; 32]);
        assert_eq!(key.derived_for("a"), key.derived_for("a"));
        assert_ne!(key.derived_for("a"), key.derived_for("b"));
        assert_ne!(key.derived_for("a"), PaymentIdKey::new([8; 32]).derived_for("a"));
    }

    proptest! {
        #[test]
        fn every_payment_gateway_takes_it(store in ".*", subscription in ".*", secs in 0_i64..4_000_000_000, series in 0_u32..99) {
            let start = DateTime::from_timestamp(secs, 0).unwrap();
            let derived = derive(&PaymentIdKey::new([1; 32]), &store, &SubscriptionId(subscription), start, series);
            prop_assert_eq!(derived.as_str().len(), 34);
            prop_assert!(is_well_formed(derived.as_str()));
            prop_assert!(derived.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        }
    }
}
