//! What the gateway, or whoever answers in its place, can say: bytes to a verdict, held against [`super::oracle`].

use super::oracle::{check_charge, check_look_up, failed, paid};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use renewd::domain::answer::Answer;
use renewd::domain::verdict::Verdict;
use serde_json::{Map, Value, json};

const STATUSES: [u16; 16] = [100, 200, 201, 204, 301, 400, 401, 403, 404, 409, 429, 451, 500, 502, 503, 599];

/// Words that mean something to somebody.
const WORDS: [&str; 24] = [
    "PAID",
    "paid",
    " PAID",
    "FAILED",
    "READY",
    "PENDING",
    "CANCELLED",
    "PARTIAL_CANCELLED",
    "LIVE",
    "TEST",
    "KRW",
    "krw",
    "USD",
    "store-1",
    "store-2",
    "sub_1",
    "ALREADY_PAID",
    "PG_PROVIDER",
    "PAYMENT_NOT_FOUND",
    "INVALID_REQUEST",
    "BILLING_KEY_NOT_FOUND",
    "MAX_TRANSACTION_COUNT_REACHED",
    "IDEMPOTENCY_OUTSTANDING_REQUEST",
    "CHANNEL_NOT_FOUND",
];

fn any_status() -> impl Strategy<Value = u16> {
    prop_oneof![3 => Just(200), 3 => select(STATUSES.to_vec()), 1 => 100_u16..600]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec![55_000, 0, 1, -55_000, 55_001]).prop_map(Value::from),
        select(WORDS.to_vec()).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(select(MEMBERS.to_vec()), inner, 0..4).prop_map(|members| {
                let members: Map<String, Value> =
                    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                Value::from(members)
            }),
        ]
    })
}

const MEMBERS: [&str; 20] = [
    "id",
    "status",
    "type",
    "payment",
    "amount",
    "total",
    "cancelled",
    "currency",
    "billingKey",
    "customData",
    "storeId",
    "channel",
    "key",
    "transactionId",
    "failure",
    "pgCode",
    "pgMessage",
    "failedAt",
    "message",
    "cancellations",
];

/// One change to a real answer.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, Value),
    Remove(Index),
    Rename(Index, &'static str),
    /// The member once more at the end, with another value: readers differ in which of the two counts.
    Repeat(Index, Value),
    /// An object as the list of its values, which some readers take for the same.
    AsList(Index),
    Byte(Index, u8),
    Cut(Index),
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (any::<Index>(), any_json()).prop_map(|(at, value)| Change::Set(at, value)),
        2 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), select(MEMBERS.to_vec())).prop_map(|(at, name)| Change::Rename(at, name)),
        2 => (any::<Index>(), any_json()).prop_map(|(at, value)| Change::Repeat(at, value)),
        1 => any::<Index>().prop_map(Change::AsList),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => any::<Index>().prop_map(Change::Cut),
    ]
}

/// The paths of all members, and the root's as the empty one.
fn paths(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    for (name, member) in value.as_object().into_iter().flatten() {
        paths(member, &format!("{here}/{name}"), found);
    }
}

fn changed(answer: &Value, changes: &[Change]) -> Vec<u8> {
    let mut answer = answer.clone();
    let mut repeats = String::new();
    let mut of_bytes = Vec::new();
    for change in changes {
        let mut found = Vec::new();
        paths(&answer, "", &mut found);
        let pick = |at: &Index| at.get(&found).clone();
        match change {
            Change::Set(at, value) => *answer.pointer_mut(&pick(at)).unwrap() = value.clone(),
            Change::Remove(at) => drop(take(&mut answer, &pick(at))),
            Change::Rename(at, to) => {
                let path = pick(at);
                if let Some(value) = take(&mut answer, &path) {
                    let parent = path.rsplit_once('/').unwrap().0;
                    answer.pointer_mut(parent).unwrap()[*to] = value;
                }
            }
            Change::Repeat(at, value) => {
                if let Some(name) = pick(at).split('/').nth(1) {
                    repeats.push_str(&format!(",{}:{value}", Value::from(name)));
                }
            }
            Change::AsList(at) => {
                let place = answer.pointer_mut(&pick(at)).unwrap();
                if let Value::Object(members) = place {
                    *place = members.values().cloned().collect();
                }
            }
            Change::Byte(..) | Change::Cut(_) => of_bytes.push(change),
        }
    }
    let mut text = answer.to_string();
    if text.ends_with('}') && text.len() > 2 {
        text.insert_str(text.len() - 1, &repeats);
    }
    let mut bytes = text.into_bytes();
    for change in of_bytes {
        match change {
            _ if bytes.is_empty() => {}
            Change::Byte(at, byte) => *at.get_mut(&mut bytes) = *byte,
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            _ => unreachable!("not of bytes"),
        }
    }
    bytes
}

fn take(answer: &mut Value, path: &str) -> Option<Value> {
    let (parent, name) = path.rsplit_once('/')?;
    answer.pointer_mut(parent)?.as_object_mut()?.remove(name)
}

#[test]
fn a_real_answer_is_paid_and_a_real_failure_is_declined() {
    assert!(matches!(check_look_up(200, paid().to_string().as_bytes()), Verdict::Paid(_)));
    assert!(matches!(check_look_up(200, failed().to_string().as_bytes()), Verdict::Declined { .. }));
    for status in STATUSES.into_iter().filter(|status| *status != 200) {
        assert!(!matches!(check_look_up(status, paid().to_string().as_bytes()), Verdict::Paid(_)), "{status}");
    }
}

/// Else the fuzzer would start from nothing that matters.
#[test]
fn the_fuzzers_seeds_are_what_they_are_called() {
    let body = |seed: &'static str| seed.split_once('\n').unwrap().1.as_bytes();
    let [paid, failed] = [
        include_str!("../../../fuzz/seeds/gateway_answer/paid"),
        include_str!("../../../fuzz/seeds/gateway_answer/failed"),
    ];
    assert!(matches!(check_look_up(200, body(paid)), Verdict::Paid(_)));
    assert!(matches!(check_look_up(200, body(failed)), Verdict::Declined { .. }));
}

/// Found by the properties below: a list was read as the members of an object in their order.
#[test]
fn a_list_of_the_values_is_not_the_object() {
    let wire_order = json!([
        "rn0123456789abcdefghijklmnopqrstuv",
        "PAID",
        "0190-tx-1",
        "store-1",
        ["LIVE"],
        [55_000],
        "KRW",
        "billing-key-canary-1",
        paid()["customData"],
    ]);
    check_look_up(200, wire_order.to_string().as_bytes());
    check_charge(200, None, b"[{}]");
    for (member, list) in [("amount", json!([55_000])), ("channel", json!(["LIVE"]))] {
        let mut answer = paid();
        answer[member] = list;
        check_look_up(200, answer.to_string().as_bytes());
    }
    let mut answer = paid();
    answer["customData"] = json!(r#"["sub_1","2026-01-30T15:00:00Z",1]"#);
    assert!(matches!(check_look_up(200, answer.to_string().as_bytes()), Verdict::Mismatch { .. }));
}

/// Money that was taken is recorded although a text that nothing depends on is broken: a bank's own encoding, half an
/// emoji where somebody cut a name.
#[test]
fn what_is_broken_where_nobody_looks_hides_no_payment() {
    let answer = paid().to_string();
    for broken in [&b"\"Pro \xc7\xd1\""[..], br#""Pro \ud83d""#, b"1e999"] {
        let (before, after) = answer.split_once(r#""Pro""#).unwrap();
        let body = [before.as_bytes(), broken, after.as_bytes()].concat();
        assert!(matches!(check_look_up(200, &body), Verdict::Paid(_)), "{}", String::from_utf8_lossy(&body));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_are_never_more_than_they_say(
        status in any_status(),
        retry_after in proptest::option::of("[ -~]{0,40}|[0-9]{1,40}"),
        body in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        check_charge(status, retry_after.as_deref(), &body);
        check_look_up(status, &body);
    }

    #[test]
    fn json_is_never_more_than_it_says(status in any_status(), body in any_json()) {
        check_charge(status, None, body.to_string().as_bytes());
        check_look_up(status, body.to_string().as_bytes());
    }

    #[test]
    fn a_changed_answer_is_never_more_than_it_says(
        status in any_status(),
        answer in select(vec![paid(), failed(), json!({ "payment": paid() }), json!([paid()])]),
        changes in prop::collection::vec(any_change(), 1..4),
    ) {
        let body = changed(&answer, &changes);
        check_charge(status, None, &body);
        check_look_up(status, &body);
    }

    #[test]
    fn what_is_new_in_an_answer_changes_nothing(name in "new[A-Za-z]{0,8}", value in any_json()) {
        let mut answer = paid();
        for place in ["", "/amount", "/channel", "/method"] {
            answer.pointer_mut(place).unwrap()[&name] = value.clone();
        }
        prop_assert!(matches!(check_look_up(200, answer.to_string().as_bytes()), Verdict::Paid(_)));
    }

    #[test]
    fn an_error_quotes_no_secret(
        status in any_status(),
        kind in select(WORDS.to_vec()),
        before in ".{0,8}",
        after in ".{0,300}",
    ) {
        let text = format!("{before}billing-key-canary-1 api-secret-canary-1{after}");
        let body = json!({ "type": kind, "message": text, "pgCode": text, "pgMessage": text }).to_string();
        check_charge(status, None, body.as_bytes());
        let body = json!({ "type": text, "message": text }).to_string();
        check_charge(status, None, body.as_bytes());
    }

    #[test]
    fn any_retry_after_is_a_bounded_wait(
        header in prop_oneof![
            ".{0,60}",
            "[0-9]{1,60}",
            "(Mon|Tue|Foo), [0-9]{1,2} (Jan|Feb|Dec) [0-9]{1,6} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-][0-9]{4})",
        ],
    ) {
        let answer = check_charge(429, Some(&header), b"");
        prop_assert!(matches!(answer, Answer::RateLimited { .. }), "{:?}", answer);
    }
}
