//! Links by which a customer gives a new card: signed, so that nobody can make one for somebody else, and good for a while.
//!
//! A link opens one thing: giving a card for one subscription. It shows no card and charges none, and whoever has it can do
//! no more than pay for somebody.

use super::ids::SubscriptionId;
use super::payment_id::PaymentIdKey;
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64URL_NOPAD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

const PURPOSE: &str = "links for new cards";
/// Of what a token is made of; another one would be read otherwise.
const VERSION: u8 = 1;
/// Bytes of the signature that are kept: 128 bits are not guessed.
const MAC_BYTES: usize = 16;
const TIME_BYTES: usize = size_of::<i64>();
const HEAD_BYTES: usize = 1 + TIME_BYTES + MAC_BYTES;
/// Longest token that is read; ids of subscriptions are shorter.
const TOKEN_CHARS_MAX: usize = 1_024;

/// Makes links and reads them. No `Debug` of its key.
#[derive(Clone)]
pub struct PayLinks {
    mac: Hmac<Sha256>,
    /// What stands before the token, without a slash at its end.
    base_url: String,
    /// How long a link is good.
    valid: TimeDelta,
}

/// Why a link opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// It was not made here, or not copied whole.
    #[error("this link was not made here, or was not copied whole")]
    Unknown,
    /// It was good once.
    #[error("this link is too old")]
    Expired,
}

impl PayLinks {
    pub fn new(key: &PaymentIdKey, base_url: &str, valid: TimeDelta) -> Self {
        // A key of a whole block cannot be refused; HMAC itself fills a shorter one with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&key.derived_for(PURPOSE));
        let mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        Self { mac, base_url: base_url.trim_end_matches('/').to_owned(), valid }
    }

    /// The link for a subscription, good from then on for as long as links are. The same for the same: a message that is
    /// sent twice says the same twice.
    pub fn url(&self, subscription: &SubscriptionId, from: DateTime<Utc>) -> String {
        let until = from.checked_add_signed(self.valid).unwrap_or(DateTime::<Utc>::MAX_UTC);
        format!("{}/pay/{}", self.base_url, self.token(subscription, until))
    }

    fn token(&self, subscription: &SubscriptionId, until: DateTime<Utc>) -> String {
        let until = until.timestamp().to_be_bytes();
        let mac = self.signed(&until, subscription.as_str()).finalize().into_bytes();
        let bytes = [&[VERSION], until.as_slice(), &mac[..MAC_BYTES], subscription.as_str().as_bytes()].concat();
        BASE64URL_NOPAD.encode(&bytes)
    }

    fn signed(&self, until: &[u8], subscription: &str) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&[VERSION]);
        mac.update(until);
        mac.update(subscription.as_bytes());
        mac
    }

    /// Whose link it is.
    ///
    /// # Errors
    /// [`BadLink`]; it says nothing about whether there is such a subscription.
    pub fn open(&self, token: &str, now: DateTime<Utc>) -> Result<SubscriptionId, BadLink> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(BadLink::Unknown);
        }
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| BadLink::Unknown)?;
        let (head, name) = bytes.split_at_checked(HEAD_BYTES).ok_or(BadLink::Unknown)?;
        let (until, mac) = head[1..].split_at(TIME_BYTES);
        let name = std::str::from_utf8(name).map_err(|_| BadLink::Unknown)?;
        if head[0] != VERSION || self.signed(until, name).verify_truncated_left(mac).is_err() {
            return Err(BadLink::Unknown);
        }
        let until = i64::from_be_bytes(until.try_into().map_err(|_| BadLink::Unknown)?);
        // Signed by us, so the time was one when it was made.
        if DateTime::from_timestamp(until, 0).is_none_or(|until| until < now) {
            return Err(BadLink::Expired);
        }
        Ok(SubscriptionId(name.to_owned()))
    }
}

impl fmt::Debug for PayLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PayLinks({})", self.base_url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixtures::now;
    use proptest::prelude::*;

    fn links(key: u8) -> PayLinks {
        PayLinks::new(&PaymentIdKey::new([key; 32]), "https://pay.example.com/", TimeDelta::days(14))
    }

    fn token_of(url: &str) -> String {
        url.strip_prefix("https://pay.example.com/pay/").unwrap().to_owned()
    }

    #[test]
    fn a_link_opens_its_own_subscription_for_as_long_as_it_is_good() {
        let token = token_of(&links(7).url(&"sub_김".into(), now()));
        assert_eq!(links(7).open(&token, now()), Ok("sub_김".into()));
        assert_eq!(links(7).open(&token, now() + TimeDelta::days(14) - TimeDelta::seconds(1)), Ok("sub_김".into()));
        assert_eq!(links(7).open(&token, now() + TimeDelta::days(14) + TimeDelta::seconds(1)), Err(BadLink::Expired));
    }

    #[test]
    fn another_installation_opens_nothing() {
        let token = token_of(&links(7).url(&"sub_1".into(), now()));
        assert_eq!(links(8).open(&token, now()), Err(BadLink::Unknown));
    }

    #[test]
    fn the_same_link_is_made_for_the_same_moment() {
        assert_eq!(links(7).url(&"sub_1".into(), now()), links(7).url(&"sub_1".into(), now()));
    }

    #[test]
    fn what_was_changed_anywhere_opens_nothing() {
        let token = token_of(&links(7).url(&"sub_1".into(), now()));
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(links(7).open(&BASE64URL_NOPAD.encode(&changed), now()), Err(BadLink::Unknown), "byte {at}");
        }
        let longer = BASE64URL_NOPAD.encode(&[bytes.as_slice(), b"0"].concat());
        assert_eq!(links(7).open(&longer, now()), Err(BadLink::Unknown));
    }

    #[test]
    fn the_key_is_not_printed() {
        assert_eq!(format!("{:?}", links(7)), "PayLinks(https://pay.example.com)");
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_refused(text in ".{0,80}") {
            prop_assert_eq!(links(7).open(&text, now()), Err(BadLink::Unknown));
        }

        #[test]
        fn every_subscription_has_its_link(id in ".{1,100}") {
            let token = token_of(&links(7).url(&SubscriptionId(id.clone()), now()));
            prop_assert_eq!(links(7).open(&token, now()), Ok(SubscriptionId(id)));
        }
    }
}
