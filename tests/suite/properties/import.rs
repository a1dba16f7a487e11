//! Import files as anybody can write them: all of a file is written, or nothing of it, and no key is repeated.

use chrono::DateTime;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use renewd::clock::SettableClock;
use renewd::domain::date::Zone;
use renewd::engine::import::{self, BadLines, ImportError, ImportSettings, Imported};
use renewd::store::Store;
use renewd::store::memory::MemoryStore;
use std::sync::Arc;

const TABLES: [&str; 4] = ["plans", "customers", "billing_keys", "subscriptions"];
const CANARY: &str = "billing-key-canary";

fn settings() -> ImportSettings {
    ImportSettings { zone: Zone::parse("Asia/Seoul").unwrap() }
}

/// What an import of `text` into an empty database led to, and the rows that are there now, by table.
fn imported(text: &str) -> (Result<Imported, BadLines>, [usize; 4]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = MemoryStore::new(Arc::new(SettableClock::at(DateTime::UNIX_EPOCH)));
        store.migrate(None).await.unwrap();
        let result = match import::lines(text, &settings()) {
            Ok(parsed) => import::write(&store, parsed).await,
            Err(bad) => Err(ImportError::from(bad)),
        };
        let result = result.map_err(|err| match err {
            ImportError::Lines(bad) => bad,
            ImportError::Store(err) => panic!("the database found what the lines' check did not: {err}"),
        });
        (result, TABLES.map(|table| store.rows(table).len()))
    })
}

/// A line whose parts refer to each other by small numbers, so that some references lead nowhere.
fn any_line() -> impl Strategy<Value = String> {
    let id = 0..4_u8;
    prop_oneof![
        id.clone().prop_map(|n| format!(
            r#"{{"type":"plan","id":"p{n}","name":"P","amount":1000,"currency":"KRW","interval":"P1M","tier":"t","fallback_tier":"f","order_name":"o"}}"#
        )),
        id.clone().prop_map(|n| format!(r#"{{"type":"customer","id":"c{n}"}}"#)),
        (id.clone(), 0..8_u8).prop_map(|(c, n)| format!(
            r#"{{"type":"billing_key","customer":"c{c}","billing_key":"{CANARY}-{n}"}}"#
        )),
        (id.clone(), id.clone(), id).prop_map(|(n, c, p)| format!(
            r#"{{"type":"subscription","id":"s{n}","customer":"c{c}","plan":"p{p}","current_period_start":"2026-01-01T00:00:00Z","current_period_end":"2026-02-01T00:00:00Z"}}"#
        )),
        Just(String::new()),
    ]
}

/// Plans and customers for every reference, so that many files are good.
fn complete(lines: &[String]) -> Vec<String> {
    let all = (0..4).flat_map(|n| {
        [
            format!(r#"{{"type":"customer","id":"c{n}"}}"#),
            format!(
                r#"{{"type":"plan","id":"p{n}","name":"P","amount":1,"currency":"KRW","interval":"P1M","tier":"t","fallback_tier":"f","order_name":"o"}}"#
            ),
        ]
    });
    let rest = lines.iter().filter(|line| !line.contains(r#""type":"plan""#) && !line.contains(r#""type":"customer""#));
    all.chain(rest.cloned()).collect()
}

fn assert_all_or_nothing(text: &str) -> Result<(), TestCaseError> {
    let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
    match imported(text) {
        (Ok(imported), rows) => {
            let told = [imported.plans, imported.customers, imported.billing_keys, imported.subscriptions];
            prop_assert_eq!(told, rows, "what is told is what is there");
            prop_assert_eq!(rows.iter().sum::<usize>(), lines, "every line became a row");
        }
        (Err(bad), rows) => {
            prop_assert_eq!(rows, [0; 4], "a bad line leaves nothing written");
            prop_assert!(!bad.0.is_empty());
            let are_there = bad.0.iter().all(|problem| (1..=text.lines().count()).contains(&problem.line));
            prop_assert!(are_there, "{}", bad);
            prop_assert!(!bad.to_string().contains(CANARY), "{}", bad);
        }
    }
    Ok(())
}

#[test]
fn a_complete_file_is_written_whole() {
    let (result, rows) = imported(&complete(&[]).join("\n"));
    assert!(result.is_ok());
    assert_eq!(rows, [4, 4, 0, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_rows_or_bad_lines(text in "(.|\n){0,200}", bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        for text in [text, String::from_utf8_lossy(&bytes).into_owned()] {
            assert_all_or_nothing(&text)?;
            let _ = import::documents(&text, Vec::new(), &settings());
        }
    }

    #[test]
    fn a_file_is_written_whole_or_not_at_all(lines in prop::collection::vec(any_line(), 0..12), whole in any::<bool>()) {
        let lines = if whole { complete(&lines) } else { lines };
        assert_all_or_nothing(&lines.join("\n"))?;
    }

    #[test]
    fn one_bad_line_is_named_and_stops_the_whole_file(
        lines in prop::collection::vec(any_line(), 0..8),
        bad in select(vec!["{", "[]", "null", "{\"type\":\"refund\"}", "{\"type\":\"customer\"}", "{\"type\":\"customer\",\"id\":\" \"}"]),
        at in any::<Index>(),
    ) {
        let mut lines = complete(&lines);
        let at = at.index(lines.len() + 1);
        lines.insert(at, bad.to_owned());
        let (result, rows) = imported(&lines.join("\n"));
        let named = result.map(|_| ()).unwrap_err();
        prop_assert!(named.0.iter().any(|problem| problem.line == at + 1), "{}", named);
        prop_assert_eq!(rows, [0; 4]);
    }

    #[test]
    fn a_spoilt_billing_key_line_is_not_repeated(
        before in "[^a-z]{0,6}",
        kind in select(vec!["billing_key", "customer", "plan", "subscription", "x"]),
        name in select(vec!["billing_key", "channel_key", "key", "amount"]),
        open in select(vec!["\"", "[\"", "{\"a\":\"", ""]),
        after in "[^a-z]{0,6}",
    ) {
        let line = format!(r#"{before}{{"type":"{kind}","customer":"u","{name}":{open}{CANARY}"{after}}}"#);
        let (result, rows) = imported(&line);
        if let Err(bad) = result {
            prop_assert!(!bad.to_string().contains(CANARY), "{}", bad);
            prop_assert_eq!(rows, [0; 4]);
        }
    }

    #[test]
    fn user_documents_are_rows_or_bad_lines(
        id in "[a-z]{0,3}",
        plan in select(vec!["\"p0\"", "\"p9\"", "null", "7"]),
        expires in prop_oneof![
            any::<i64>().prop_map(|n| format!(r#"{{"_seconds":{n}}}"#)),
            (0..4_000_000_000_i64, any::<u32>()).prop_map(|(n, m)| format!(r#"{{"seconds":{n},"nanoseconds":{m}}}"#)),
            "\"[0-9]{4,6}-[0-9]{2}-[0-9]{2}T00:00:00Z\"",
            Just("null".to_owned()),
        ],
    ) {
        let plans = import::lines(&complete(&[]).join("\n"), &settings()).unwrap().batch.plans;
        let line = format!(
            r#"{{"id":"{id}","subscription_plan":{plan},"subscription_expires_at":{expires},"billing_key":"{CANARY}"}}"#
        );
        match import::documents(&line, plans, &settings()) {
            Ok(parsed) => for row in parsed.batch.subscriptions {
                let is_sound = row.current_period_start < row.current_period_end && (1..=31).contains(&row.anchor_day);
                prop_assert!(is_sound, "{:?}", row);
            },
            Err(bad) => prop_assert!(!bad.to_string().contains(CANARY), "{}", bad),
        }
    }
}
