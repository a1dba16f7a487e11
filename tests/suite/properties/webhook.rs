//! Signature headers as anybody can send them: never a panic, never believed unless signed.

use super::signed::{NOW, SECRETS, check};
use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use proptest::prelude::*;
use renewd::webhook::signature::{Refusal, Secrets};
use sha2::Sha256;

const NAMES: [&str; 7] =
    ["webhook-id", "webhook-timestamp", "webhook-signature", "Webhook-Id", "WEBHOOK-SIGNATURE", "svix-id", "host"];

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        "v1,[A-Za-z0-9+/]{43}=( v[12],[A-Za-z0-9+/=,]{0,50}){0,3}".prop_map(String::into_bytes),
        (-400_i64..400).prop_map(|age| (NOW - age).to_string().into_bytes()),
        "-?[0-9]{0,25}".prop_map(String::into_bytes),
    ]
}

fn tag(key: &[u8], id: &str, timestamp: &str, body: &[u8]) -> String {
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(signed);
    format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()))
}

/// Else the fuzzer would start from nothing that matters.
#[test]
fn the_fuzzers_seed_is_signed() {
    let (head, body) = include_str!("../../../fuzz/seeds/webhook_signature/signed").split_once("\n\n").unwrap();
    let header =
        |line: &'static str| line.split_once(": ").map(|(name, value)| (name, value.as_bytes().to_vec())).unwrap();
    let headers: Vec<_> = head.lines().map(header).collect();
    assert_eq!(check(&headers, body.as_bytes()), Ok("dummy-webhook-id".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_headers_hold_an_unsigned_message_is_refused(
        headers in prop::collection::vec((prop::sample::select(NAMES.to_vec()), any_value()), 0..7),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        prop_assert!(check(&headers, &body).is_err());
    }

    #[test]
    fn a_signed_message_is_believed_within_five_minutes_wherever_its_signature_stands(
        id in "[!-~]{1,40}",
        age in -400_i64..400,
        key in prop::sample::select(SECRETS.to_vec()),
        before in any_value(),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let timestamp = (NOW - age).to_string();
        let signatures = [&before[..], b" ", tag(key, &id, &timestamp, &body).as_bytes()].concat();
        let headers = [
            ("webhook-id", id.clone().into_bytes()),
            ("webhook-timestamp", timestamp.into_bytes()),
            ("webhook-signature", signatures),
        ];
        let expected = match age {
            -300..=300 => Ok(id),
            301.. => Err(Refusal::TooOld),
            _ => Err(Refusal::TooNew),
        };
        prop_assert_eq!(check(&headers, &body), expected);
    }

    #[test]
    fn a_message_signed_with_another_secret_is_refused(
        key in prop::collection::vec(any::<u8>(), 1..80),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let timestamp = NOW.to_string();
        let headers = [
            ("webhook-id", b"id".to_vec()),
            ("webhook-signature", tag(&key, "id", &timestamp, &body).into_bytes()),
            ("webhook-timestamp", timestamp.into_bytes()),
        ];
        prop_assert_eq!(check(&headers, &body), Err(Refusal::NoMatch));
    }

    #[test]
    fn any_text_is_a_secret_or_an_error_that_does_not_repeat_it(text in ".{0,40}|(whsec_)?canary[A-Za-z0-9+/=, ]{0,40}") {
        let said = match Secrets::parse(&text) {
            Ok(secrets) => format!("{secrets:?}"),
            Err(err) => format!("{err} {err:?}"),
        };
        prop_assert!(!said.contains("canary"), "{}", said);
    }
}
