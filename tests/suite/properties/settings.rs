//! Settings as anybody can write them: valid or an error, never a panic, and never a secret in either.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use renewd::config::{Config, ConfigError, Environment, Layers};
use std::io::Write;

const DEFAULTS: &str = include_str!("../../../config/renewd.toml");
const CANARY: &str = "canary0123456789";

fn of_file(text: &[u8]) -> Result<Config, ConfigError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    Config::load(&Layers { file: Some(file.path().to_owned()), ..Layers::default() })
}

/// What is valid holds the rules that keep a lease longer than a call, whoever wrote it.
fn assert_sound(loaded: &Result<Config, ConfigError>) {
    match loaded {
        Ok(config) => {
            let call_ends = config.gateway.call_timeout + config.charge.send_within;
            assert!(config.charge.lease > call_ends, "a lease that ends before its call");
            assert!((1..=10_000).contains(&config.charge.concurrency));
            assert!(!format!("{config:?}").contains(CANARY));
        }
        Err(error) => {
            let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            assert!(!format!("{error} {error:?} {cause}").contains(CANARY), "{error}");
        }
    }
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,30}".prop_map(|digits| digits),
        "\"[0-9]{1,30}(ms|s|min|h|days|months|years)\"",
        "\"[0-9]{2}:[0-9]{2}(-[0-9]{2}:[0-9]{2})?\"",
        select(vec![
            "true",
            "-1",
            "1.5",
            "nan",
            "[]",
            "{}",
            "\"\"",
            "[\"1day\", \"0s\"]",
            "1979-05-27",
            "\"Asia/Seoul\""
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,20}",
        "\".{0,20}\"",
    ]
}

/// The defaults, with the values of some keys replaced.
fn rewritten(changes: &[(Index, String)]) -> String {
    let mut lines: Vec<String> = DEFAULTS.lines().map(str::to_owned).collect();
    let keys: Vec<usize> = (0..lines.len()).filter(|at| is_key(&lines[*at])).collect();
    for (at, value) in changes {
        let line = &mut lines[*at.get(&keys)];
        let key = line.split('=').next().unwrap().to_owned();
        *line = format!("{key}= {value}");
    }
    lines.join("\n")
}

fn is_key(line: &str) -> bool {
    line.contains('=') && !line.starts_with('#')
}

#[test]
fn the_defaults_are_rewritten_key_by_key() {
    assert!(DEFAULTS.lines().filter(|line| is_key(line)).count() > 40, "the keys are not where this test looks");
    assert_sound(&of_file(rewritten(&[]).as_bytes()));
    assert!(of_file(rewritten(&[]).as_bytes()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_settings_or_an_error(text in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_sound(&of_file(&text));
    }

    #[test]
    fn any_value_of_any_key_is_valid_or_an_error(
        changes in prop::collection::vec((any::<Index>(), any_value()), 1..4),
    ) {
        assert_sound(&of_file(rewritten(&changes).as_bytes()));
    }

    #[test]
    fn any_variable_is_valid_or_an_error(
        name in "RENEWD_(GATEWAY|CHARGE|DUNNING|BUSINESS)__[A-Z_]{1,20}|RENEWD_CHARGE__(LEASE|CONCURRENCY|SEND_WITHIN)",
        value in "[0-9]{1,25}(ms|s|min|h|days|years)?|.{0,20}",
    ) {
        let environment: Environment = [(name.as_str(), value.as_str())].into_iter().collect();
        assert_sound(&Config::load(&Layers { environment, ..Layers::default() }));
    }

    #[test]
    fn a_secret_beside_anything_wrong_is_not_shown(
        key in select(vec!["api_secret", "webhook_secret", "payment_id_key"]),
        before in "[^a-z\n]{0,6}",
        after in "[^a-z]{0,12}",
    ) {
        let text = format!("[gateway]\n{key} = {before}\"{CANARY}\"{after}\n");
        assert_sound(&of_file(text.as_bytes()));
    }
}
