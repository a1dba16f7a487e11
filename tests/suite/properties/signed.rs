//! A second opinion on which messages were signed, for the property tests here and the fuzz targets in `fuzz/`.

use chrono::DateTime;
use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use renewd::webhook::signature::{Refusal, Secrets, verify};
use sha2::Sha256;

/// When every message arrives, in seconds since 1970.
pub const NOW: i64 = 1_714_039_200;
/// The two live secrets, as bytes.
pub const SECRETS: [&[u8]; 2] = [b"the old secret of the tests", b"the next secret of the tests"];

/// Asks whether the message is believed, and panics where it is believed without a signature; answers with its id.
pub fn check(headers: &[(&str, Vec<u8>)], body: &[u8]) -> Result<String, Refusal> {
    let text = SECRETS.map(|secret| format!("whsec_{}", BASE64.encode(secret))).join(",");
    let secrets = Secrets::parse(&text).expect("two secrets");
    let now = DateTime::from_timestamp(NOW, 0).expect("a time");
    let headers = || headers.iter().map(|(name, value)| (*name, &value[..]));
    let believed = verify(&secrets, headers(), body, now)?;
    let only = |name: &str| {
        let mut values = headers().filter(|(found, _)| found.to_lowercase() == name).map(|(_, value)| value);
        let value = values.next().expect("each header is there");
        assert!(values.next().is_none(), "{name} came twice and was believed");
        value
    };
    let timestamp = only("webhook-timestamp");
    let seconds: i64 = String::from_utf8_lossy(timestamp).parse().expect("a number");
    assert!((NOW - 300..=NOW + 300).contains(&seconds), "believed at {seconds}");
    let signatures = String::from_utf8_lossy(only("webhook-signature"));
    let signed = [only("webhook-id"), b".", timestamp, b".", body].concat();
    let is_there = SECRETS.iter().any(|secret| {
        let mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key").chain_update(&signed);
        signatures.contains(&format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes())))
    });
    assert!(is_there, "believed without a signature: {signatures}");
    Ok(believed.id.to_owned())
}
