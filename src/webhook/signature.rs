//! Signatures of webhooks, as Standard Webhooks has them and PortOne V2 sends them: HMAC-SHA256 over
//! `<webhook-id>.<webhook-timestamp>.<body>`, the body as the raw bytes that came.

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

/// What is kept under a longer id than the table takes would refuse all that is kept with it.
const ID_BYTES_MAX: usize = 300;

/// How far a message's time may be from ours, in seconds, either way; PortOne's own libraries allow as much.
pub const TOLERANCE_SECONDS: u64 = 300;

/// The headers, by name.
pub const ID: &str = "webhook-id";
pub const TIMESTAMP: &str = "webhook-timestamp";
pub const SIGNATURE: &str = "webhook-signature";

/// Stands before a secret in PortOne's console; not part of the key.
const SECRET_PREFIX: &str = "whsec_";
/// The one scheme that is known; others in the list are passed over.
const SCHEME: &str = "v1";

/// The secrets that a message may be signed with: one, and while it is being replaced the next one too.
#[derive(Clone)]
pub struct Secrets(Vec<Hmac<Sha256>>);

/// A text that holds no usable secret. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    #[error("a webhook secret is empty: expected whsec_ and base64, or two of them with a comma between")]
    Empty,
    #[error("a webhook secret is not base64 after whsec_: was it copied whole, with its = at the end?")]
    NotBase64,
}

impl Secrets {
    /// Reads secrets as the console shows them, separated by commas; the prefix `whsec_` may be left out.
    ///
    /// # Errors
    /// When any of them is empty or not base64: a missing secret would refuse every message in the middle of a
    /// rotation.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        text.split(',').map(|one| keyed(one.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// The signature header of a message of ours: one signature of each secret, so that a receiver that knows only the
    /// old or only the new one believes it.
    pub fn sign(&self, id: &str, at: DateTime<Utc>, body: &[u8]) -> String {
        let timestamp = at.timestamp().to_string();
        let tag = |keyed: &Hmac<Sha256>| mac(keyed, id, timestamp.as_bytes(), body).finalize().into_bytes();
        let signatures: Vec<String> =
            self.0.iter().map(|keyed| format!("{SCHEME},{}", BASE64.encode(&tag(keyed)))).collect();
        signatures.join(" ")
    }
}

fn keyed(text: &str) -> Result<Hmac<Sha256>, BadSecret> {
    let base64 = text.strip_prefix(SECRET_PREFIX).unwrap_or(text);
    let key = BASE64.decode(base64.as_bytes()).map_err(|_| BadSecret::NotBase64)?;
    if key.is_empty() {
        return Err(BadSecret::Empty);
    }
    Hmac::new_from_slice(&key).map_err(|_| BadSecret::NotBase64)
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} of them)", self.0.len())
    }
}

/// Why a message is not believed. Holds nothing of the message: anybody can send one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    #[error("a signature header is missing")]
    MissingHeader,
    #[error("a signature header came twice")]
    RepeatedHeader,
    #[error("the message's id is empty, too long or not printable ASCII")]
    BadId,
    #[error("the message's time is not a number of seconds")]
    BadTimestamp,
    #[error("the message is too old: a replay, or this machine's clock is ahead")]
    TooOld,
    #[error("the message is from the future: this machine's clock is behind")]
    TooNew,
    #[error("no signature of the message is ours: another secret, another sender, or a changed body")]
    NoMatch,
}

impl Refusal {
    /// The name under which refusals of this kind are counted.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::RepeatedHeader => "repeated_header",
            Self::BadId => "bad_id",
            Self::BadTimestamp => "bad_timestamp",
            Self::TooOld => "too_old",
            Self::TooNew => "too_new",
            Self::NoMatch => "no_match",
        }
    }
}

/// A message whose signature was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// The same on every delivery of one message: what repeats are told by.
    pub id: &'a str,
    /// When this delivery was signed.
    pub at: DateTime<Utc>,
}

/// Checks a message that arrived at `now` with these headers (names in any case) and exactly these bytes as its body.
///
/// # Errors
/// [`Refusal`] says why it is not believed.
pub fn verify<'a>(
    secrets: &Secrets,
    headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Signed<'a>, Refusal> {
    let [id, timestamp, signatures] = the_three(headers)?;
    let id = printable(id).ok_or(Refusal::BadId)?;
    let at = time(timestamp).ok_or(Refusal::BadTimestamp)?;
    let age = now.timestamp().saturating_sub(at.timestamp());
    if age.unsigned_abs() > TOLERANCE_SECONDS {
        return Err(if age > 0 { Refusal::TooOld } else { Refusal::TooNew });
    }
    // The timestamp as it was sent: a number printed anew may have lost a zero, and the signature with it.
    let expected = secrets.0.iter().map(|keyed| mac(keyed, id, timestamp, body));
    let given: Vec<Vec<u8>> = signatures.split(|byte| *byte == b' ').filter_map(signature).collect();
    let is_ours = |mac: Hmac<Sha256>| given.iter().any(|tag| mac.clone().verify_slice(tag).is_ok());
    if expected.into_iter().any(is_ours) { Ok(Signed { id, at }) } else { Err(Refusal::NoMatch) }
}

/// What is signed.
fn mac(keyed: &Hmac<Sha256>, id: &str, timestamp: &[u8], body: &[u8]) -> Hmac<Sha256> {
    let parts: [&[u8]; 5] = [id.as_bytes(), b".", timestamp, b".", body];
    parts.into_iter().fold(keyed.clone(), |mac, part| mac.chain_update(part))
}

/// Id, timestamp and signatures, each of which came once.
fn the_three<'a>(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<[&'a [u8]; 3], Refusal> {
    let mut found = [None; 3];
    for (name, value) in headers {
        let Some(place) = [ID, TIMESTAMP, SIGNATURE].iter().position(|one| name.eq_ignore_ascii_case(one)) else {
            continue;
        };
        if found[place].replace(value).is_some() {
            return Err(Refusal::RepeatedHeader);
        }
    }
    match found {
        [Some(id), Some(timestamp), Some(signatures)] => Ok([id, timestamp, signatures]),
        _ => Err(Refusal::MissingHeader),
    }
}

fn printable(bytes: &[u8]) -> Option<&str> {
    let is_printable = (1..=ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(bytes).ok().filter(|_| is_printable)
}

/// Whole seconds since 1970, digits only.
fn time(bytes: &[u8]) -> Option<DateTime<Utc>> {
    let is_number = bytes.iter().all(u8::is_ascii_digit);
    let seconds = std::str::from_utf8(bytes).ok().filter(|_| is_number)?.parse().ok()?;
    DateTime::from_timestamp(seconds, 0)
}

/// The tag in `v1,<base64>` or `v1,<base64>,<anything>`; `None` for what is not one.
fn signature(item: &[u8]) -> Option<Vec<u8>> {
    let mut parts = item.split(|byte| *byte == b',');
    let scheme = parts.next()?;
    let base64 = parts.next()?;
    (scheme == SCHEME.as_bytes()).then(|| BASE64.decode(base64).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "pzQGE83cSIRKM4/WH5QY+g==";
    const OTHER_SECRET: &str = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGVzdHM=";
    const DECOY: &str = "v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc=";
    const WHEN: &str = "1714039200";
    const BODY: &str = r#"{"test":"test payload"}"#;
    const BODY_TAG: &str = "v1,AMuZERspSjUAnx8CvPtk1FoKRwbyI5Dg3Uj9585DiMQ=";
    const CANCELLED: &str = r#"{"type":"Transaction.Cancelled","timestamp":"2024-04-25T10:00:00.000Z","data":{"paymentId":"example-payment-id","storeId":"store-ae356798-3d20-4969-b739-14c6b0e1a667","transactionId":"55451513-9763-4a7a-bb43-78a4c65be843","cancellationId":"0cdd91e9-4e7c-44a3-a72e-1a6511826c2b"}}"#;
    const CANCELLED_TAG: &str = "v1,WcpSrH93A5Nq8FBp6WrpXA90yfYzfsbFptlaKixYHQ0=";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn noon() -> DateTime<Utc> {
        at(WHEN.parse().unwrap())
    }

    fn headers<'a>(timestamp: &'a str, signatures: &'a str) -> [(&'static str, &'a [u8]); 3] {
        [(ID, b"dummy-webhook-id"), (TIMESTAMP, timestamp.as_bytes()), (SIGNATURE, signatures.as_bytes())]
    }

    fn checked(signatures: &str, body: &str) -> Result<(), Refusal> {
        let secrets = Secrets::parse(SECRET).unwrap();
        verify(&secrets, headers(WHEN, signatures), body.as_bytes(), noon()).map(|_| ())
    }

    #[test]
    fn what_portone_signed_is_believed() {
        let secrets = Secrets::parse(&format!("whsec_{SECRET}")).unwrap();
        for (body, tag) in [(BODY, BODY_TAG), (CANCELLED, CANCELLED_TAG)] {
            let signed = verify(&secrets, headers(WHEN, tag), body.as_bytes(), noon());
            assert_eq!(signed, Ok(Signed { id: "dummy-webhook-id", at: noon() }));
        }
    }

    #[test]
    fn one_right_signature_among_others_is_enough() {
        assert_eq!(checked(&format!("{DECOY} v2,AAAA {BODY_TAG} {DECOY}"), BODY), Ok(()));
        assert_eq!(checked(&format!("{BODY_TAG},more"), BODY), Ok(()));
        let misplaced = BODY_TAG.replace("v1", "v2");
        for wrong in [DECOY, "v1,dawfeoifkpqwoekfpqoekf", &BODY_TAG[..8], "v1,", "v1", "", &misplaced, &BODY_TAG[3..]] {
            assert_eq!(checked(wrong, BODY), Err(Refusal::NoMatch), "{wrong:?}");
        }
    }

    #[test]
    fn a_changed_body_id_or_time_is_not_what_was_signed() {
        assert_eq!(checked(BODY_TAG, &format!("{BODY} ")), Err(Refusal::NoMatch), "white space is part of the body");
        let secrets = Secrets::parse(SECRET).unwrap();
        let changed = |id: &'static str, timestamp: &str| {
            let headers = [(ID, id.as_bytes()), (TIMESTAMP, timestamp.as_bytes()), (SIGNATURE, BODY_TAG.as_bytes())];
            verify(&secrets, headers, BODY.as_bytes(), noon()).map(|_| ())
        };
        assert_eq!(changed("dummy-webhook-id", WHEN), Ok(()));
        assert_eq!(changed("dummy-webhook-ie", WHEN), Err(Refusal::NoMatch));
        assert_eq!(changed("dummy-webhook-id", "1714039201"), Err(Refusal::NoMatch));
        assert_eq!(changed("dummy-webhook-id", "01714039200"), Err(Refusal::NoMatch), "as sent, not as understood");
    }

    #[test]
    fn while_a_secret_is_replaced_both_are_taken() {
        let of_both = Secrets::parse(&format!("{OTHER_SECRET}, {SECRET}")).unwrap();
        let of_other = Secrets::parse(OTHER_SECRET).unwrap();
        let seen = |secrets: &Secrets| verify(secrets, headers(WHEN, BODY_TAG), BODY.as_bytes(), noon()).map(|_| ());
        assert_eq!(seen(&of_both), Ok(()));
        assert_eq!(seen(&of_other), Err(Refusal::NoMatch));
    }

    #[test]
    fn what_is_signed_with_two_secrets_is_believed_by_who_knows_either() {
        assert_eq!(Secrets::parse(SECRET).unwrap().sign("dummy-webhook-id", noon(), BODY.as_bytes()), BODY_TAG);
        let both = Secrets::parse(&format!("{OTHER_SECRET},{SECRET}")).unwrap();
        let signature = both.sign("dummy-webhook-id", noon(), BODY.as_bytes());
        for known in [SECRET, OTHER_SECRET] {
            let known = Secrets::parse(known).unwrap();
            assert!(verify(&known, headers(WHEN, &signature), BODY.as_bytes(), noon()).is_ok());
        }
    }

    #[test]
    fn five_minutes_are_near_enough_and_a_second_more_is_not() {
        let secrets = Secrets::parse(SECRET).unwrap();
        let signed_at = noon().timestamp();
        for (now, seen) in [
            (signed_at + 300, Ok(())),
            (signed_at - 300, Ok(())),
            (signed_at + 301, Err(Refusal::TooOld)),
            (signed_at - 301, Err(Refusal::TooNew)),
            (signed_at + 5000, Err(Refusal::TooOld)),
        ] {
            let found = verify(&secrets, headers(WHEN, BODY_TAG), BODY.as_bytes(), at(now)).map(|_| ());
            assert_eq!(found, seen, "{}", now - signed_at);
        }
    }

    #[test]
    fn headers_come_once_each_in_any_case_and_in_their_form() {
        let secrets = Secrets::parse(SECRET).unwrap();
        let seen = |headers: &[(&'static str, &'static [u8])]| {
            verify(&secrets, headers.iter().copied(), BODY.as_bytes(), noon()).map(|_| ())
        };
        let (id, time): (&[u8], &[u8]) = (b"dummy-webhook-id", WHEN.as_bytes());
        let all = [("Webhook-Id", id), ("WEBHOOK-TIMESTAMP", time), (SIGNATURE, BODY_TAG.as_bytes()), ("host", b"x")];
        assert_eq!(seen(&all), Ok(()));
        for missing in 0..3 {
            let rest: Vec<_> = (0..3).filter(|place| *place != missing).map(|place| all[place]).collect();
            assert_eq!(seen(&rest), Err(Refusal::MissingHeader));
            let twice: Vec<_> = all.iter().copied().chain([all[missing]]).collect();
            assert_eq!(seen(&twice), Err(Refusal::RepeatedHeader));
        }
        for wrong in ["", "hello", "-1714039200", "+1714039200", "1714039200.0", " 1714039200", "99999999999999999999"]
        {
            assert_eq!(seen(&[all[0], (TIMESTAMP, wrong.as_bytes()), all[2]]), Err(Refusal::BadTimestamp), "{wrong:?}");
        }
        for wrong in [&b""[..], b"a b", b"\xff", b"a\nb", &[b'x'; ID_BYTES_MAX + 1]] {
            assert_eq!(seen(&[(ID, wrong), all[1], all[2]]), Err(Refusal::BadId));
        }
    }

    #[test]
    fn a_secret_that_is_none_is_told_without_being_repeated() {
        for (text, why) in [
            ("", BadSecret::Empty),
            ("whsec_", BadSecret::Empty),
            (&format!("{SECRET},")[..], BadSecret::Empty),
            ("whsec_canary!", BadSecret::NotBase64),
            (&SECRET[..23], BadSecret::NotBase64),
        ] {
            let refused = Secrets::parse(text).map(|_| ()).unwrap_err();
            assert_eq!(refused, why);
            assert!(!format!("{refused} {refused:?}").contains("canary"));
        }
        assert_eq!(format!("{:?}", Secrets::parse(OTHER_SECRET).unwrap()), "Secrets(1 of them)");
    }

    proptest! {
        #[test]
        fn what_was_signed_is_believed_and_nothing_beside_it(
            id in "[!-~]{1,40}",
            body in proptest::collection::vec(any::<u8>(), 0..200),
            key in proptest::collection::vec(any::<u8>(), 1..80),
            age in -300_i64..=300,
            flip in any::<prop::sample::Index>(),
        ) {
            let signed_at = noon().timestamp() - age;
            let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            let signed = [id.as_bytes(), format!(".{signed_at}.").as_bytes(), &body].concat();
            let tag = mac.chain_update(&signed).finalize().into_bytes();
            let secrets = Secrets::parse(&BASE64.encode(&key)).unwrap();
            let (timestamp, header) = (signed_at.to_string(), format!("v1,{}", BASE64.encode(&tag)));
            let headers =
                [(ID, id.as_bytes()), (TIMESTAMP, timestamp.as_bytes()), (SIGNATURE, header.as_bytes())];
            prop_assert!(verify(&secrets, headers, &body, noon()).is_ok());

            let mut changed = signed;
            let place = flip.index(changed.len());
            changed[place] ^= 1;
            let tail = changed.len() - body.len();
            if place >= tail {
                prop_assert_eq!(verify(&secrets, headers, &changed[tail..], noon()), Err(Refusal::NoMatch));
            }
            let mut tag = tag.to_vec();
            let place = flip.index(tag.len());
            tag[place] ^= 1;
            let header = format!("v1,{}", BASE64.encode(&tag));
            let headers =
                [(ID, id.as_bytes()), (TIMESTAMP, timestamp.as_bytes()), (SIGNATURE, header.as_bytes())];
            prop_assert_eq!(verify(&secrets, headers, &body, noon()), Err(Refusal::NoMatch));
        }
    }
}
