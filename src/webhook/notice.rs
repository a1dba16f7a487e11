//! What a webhook's body tells, in both versions of it that PortOne sends: `2024-04-25` (JSON) and `2024-01-01` (JSON or a
//! form). Read only after its signature was checked; even then it says no more than what to look at.

use crate::domain::charge::BillingKey;
use crate::domain::ids::PaymentId;
use crate::domain::notice::{Notice, NoticeKind, Subject};
use crate::domain::payment_id;
use chrono::{DateTime, Datelike, Utc};
use serde::Deserialize;

/// Longest name that is taken, in bytes; PortOne's and ours have less than 100.
const NAME_BYTES_MAX: usize = 300;

/// What to do with a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Read {
    Notice(Notice),
    /// Nothing for us, for this reason: another product's, a type of another version, a payment that renewd did not make.
    Ignored(&'static str),
}

/// A body of the current version. Unknown members are passed over, as PortOne asks for.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    timestamp: Option<String>,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    payment_id: Option<String>,
    billing_key: Option<String>,
}

/// A body of the first version.
#[derive(Deserialize)]
struct FirstMessage {
    payment_id: String,
    status: String,
}

/// Reads a body.
pub fn read(id: &str, body: &[u8]) -> Read {
    if let Ok(message) = serde_json::from_slice::<Message>(body) {
        return message.read(id);
    }
    match serde_json::from_slice::<FirstMessage>(body).ok().or_else(|| from_form(body)) {
        Some(message) => message.read(id),
        None => Read::Ignored("its body is in no version that is known"),
    }
}

fn from_form(body: &[u8]) -> Option<FirstMessage> {
    let (mut payment_id, mut status) = (None, None);
    for (name, value) in form_urlencoded::parse(body) {
        match &*name {
            "payment_id" => payment_id = Some(value.into_owned()),
            "status" => status = Some(value.into_owned()),
            _ => {}
        }
    }
    Some(FirstMessage { payment_id: payment_id?, status: status? })
}

impl Message {
    fn read(self, id: &str) -> Read {
        let Some(kind) = kind_of(&self.kind) else { return Read::Ignored("its type is none that matters here") };
        let happened_at = self.timestamp.as_deref().and_then(time);
        let is_key = matches!(kind, NoticeKind::KeyIssued | NoticeKind::KeyDeleted);
        let subject = if is_key { self.data.billing_key.and_then(key) } else { self.data.payment_id.and_then(payment) };
        noticed(id, kind, subject, happened_at)
    }
}

impl FirstMessage {
    fn read(self, id: &str) -> Read {
        let kind = match self.status.as_str() {
            "Paid" | "PayPending" => NoticeKind::Paid,
            "Failed" => NoticeKind::Failed,
            "PartialCancelled" | "Cancelled" | "CancelPending" => NoticeKind::GivenBack,
            _ => return Read::Ignored("its status is none that matters here"),
        };
        noticed(id, kind, payment(self.payment_id), None)
    }
}

fn noticed(id: &str, kind: NoticeKind, subject: Option<Subject>, happened_at: Option<DateTime<Utc>>) -> Read {
    match subject {
        Some(subject) => Read::Notice(Notice { id: id.to_owned(), kind, subject, happened_at }),
        None => Read::Ignored("it is about nothing that renewd made"),
    }
}

fn kind_of(word: &str) -> Option<NoticeKind> {
    Some(match word {
        "Transaction.Paid" | "Transaction.PayPending" => NoticeKind::Paid,
        "Transaction.Failed" => NoticeKind::Failed,
        "Transaction.PartialCancelled" | "Transaction.Cancelled" | "Transaction.CancelPending" => NoticeKind::GivenBack,
        "Transaction.DisputeCreated" => NoticeKind::Disputed,
        "Transaction.DisputeResolved" => NoticeKind::DisputeResolved,
        "BillingKey.Issued" | "BillingKey.Updated" => NoticeKind::KeyIssued,
        "BillingKey.Deleted" => NoticeKind::KeyDeleted,
        _ => return None,
    })
}

/// The same store sells other things, under other names.
fn payment(id: String) -> Option<Subject> {
    let is_ours = id.starts_with(payment_id::PREFIX) && id.len() <= NAME_BYTES_MAX;
    (is_ours && id.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Subject::Payment(PaymentId(id)))
}

fn key(key: String) -> Option<Subject> {
    let is_name = !key.is_empty() && key.len() <= NAME_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
    is_name.then(|| Subject::Key(BillingKey::new(key)))
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text).ok()?.with_timezone(&Utc);
    // A year of five digits is no time that a table takes.
    (0..10_000).contains(&at.year()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(body: &str) -> Option<(NoticeKind, String)> {
        match read("wh_1", body.as_bytes()) {
            Read::Notice(Notice { kind, subject: Subject::Payment(id), .. }) => Some((kind, id.0)),
            Read::Notice(Notice { kind, subject: Subject::Key(key), .. }) => Some((kind, key.expose().to_owned())),
            Read::Ignored(_) => None,
        }
    }

    fn of_type(kind: &str) -> Option<NoticeKind> {
        let body = format!(
            r#"{{"type":"{kind}","timestamp":"2024-04-25T10:00:00.000Z","data":{{"storeId":"store-1","paymentId":"rn1x",
            "transactionId":"t","billingKey":"bk-1","new":{{}}}},"more":1}}"#
        );
        told(&body).map(|(kind, _)| kind)
    }

    #[test]
    fn each_type_is_what_it_says_and_the_others_are_ignored() {
        use NoticeKind as Kind;
        for (word, kind) in [
            ("Transaction.Paid", Kind::Paid),
            ("Transaction.PayPending", Kind::Paid),
            ("Transaction.Failed", Kind::Failed),
            ("Transaction.Cancelled", Kind::GivenBack),
            ("Transaction.PartialCancelled", Kind::GivenBack),
            ("Transaction.CancelPending", Kind::GivenBack),
            ("Transaction.DisputeCreated", Kind::Disputed),
            ("Transaction.DisputeResolved", Kind::DisputeResolved),
            ("BillingKey.Issued", Kind::KeyIssued),
            ("BillingKey.Updated", Kind::KeyIssued),
            ("BillingKey.Deleted", Kind::KeyDeleted),
        ] {
            assert_eq!(of_type(word), Some(kind), "{word}");
        }
        for word in ["Transaction.Ready", "BillingKey.Ready", "BillingKey.Failed", "TaxInvoice.Issued", "", "paid"] {
            assert_eq!(of_type(word), None, "{word}");
        }
    }

    #[test]
    fn the_first_version_is_read_as_json_and_as_a_form() {
        let json = r#"{"payment_id":"rn1x","tx_id":"t","status":"Paid"}"#;
        assert_eq!(told(json), Some((NoticeKind::Paid, "rn1x".to_owned())));
        let form = "tx_id=t&status=PartialCancelled&payment_id=rn1x";
        assert_eq!(told(form), Some((NoticeKind::GivenBack, "rn1x".to_owned())));
        for status in ["Ready", "VirtualAccountIssued", "paid"] {
            assert_eq!(told(&json.replace("Paid", status)), None, "{status}");
        }
    }

    #[test]
    fn payments_that_renewd_did_not_make_are_not_looked_at() {
        for id in ["order-1", "", "RN1", &format!("rn{}", "1".repeat(300)), "rn1 x", "rn1\u{e9}"] {
            let body = serde_json::json!({ "type": "Transaction.Paid", "data": { "paymentId": id } }).to_string();
            assert_eq!(told(&body), None, "{id}");
        }
        for body in [r#"{"type":"Transaction.Paid"}"#, r#"{"type":"BillingKey.Deleted","data":{}}"#, "[]", "", "hello"]
        {
            assert_eq!(told(body), None, "{body}");
        }
    }

    #[test]
    fn the_time_of_what_happened_is_kept_where_it_can_be_read() {
        let at = |timestamp: &str| {
            let body = serde_json::json!({ "type": "BillingKey.Issued", "timestamp": timestamp, "data": { "billingKey": "bk" } });
            match read("wh_1", body.to_string().as_bytes()) {
                Read::Notice(notice) => notice.happened_at,
                Read::Ignored(why) => panic!("{why}"),
            }
        };
        assert_eq!(at("2024-04-25T19:00:00.000+09:00"), "2024-04-25T10:00:00Z".parse().ok());
        assert_eq!(at("yesterday"), None);
        assert_eq!(at("9999-12-31T23:00:00-09:00"), None, "the year 10000");
    }

    proptest! {
        #[test]
        fn no_body_is_too_odd_to_be_read(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read("wh_1", &body);
        }
    }
}
