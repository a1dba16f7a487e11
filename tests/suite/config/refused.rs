//! What is refused, and in which words.

use super::*;

#[test]
fn a_bad_value_is_named_with_its_source_and_what_is_accepted() {
    assert_eq!(
        said_of(&[("RENEWD_GATEWAY__CALL_TIMEOUT", "5")]),
        r#"gateway.call_timeout = "5" (from RENEWD_GATEWAY__CALL_TIMEOUT): expected a duration such as "65s""#
    );
    assert_eq!(
        said_of_file("[gateway]\ncall_timeout = 75\n"),
        "gateway.call_timeout = 75 (from FILE): expected text, in quotes"
    );
    for (name, value, expected) in [
        ("RENEWD_CHARGE__CONCURRENCY", "many", "expected a whole number, 0 or more"),
        ("RENEWD_CHARGE__CONCURRENCY", "-1", "expected a whole number, 0 or more"),
        ("RENEWD_CHARGE__REFUND_LATE", "yes", "expected true or false"),
        ("RENEWD_DUNNING__SOFT_DAYS", "1,x", "expected a list such as [1, 3, 5, 7]"),
        ("RENEWD_DUNNING__TRANSIENT_AFTER", "1,2", r#"expected a list such as ["30min", "2h", "4h"]"#),
        ("RENEWD_BUSINESS__ZONE", "Asia/Soul", "IANA time zone"),
        ("RENEWD_BUSINESS__RENEW_BEFORE", "36h", "whole days"),
        ("RENEWD_BUSINESS__DOWNGRADE", "now", "expected `at_period_end` or `at_run`"),
        ("RENEWD_GATEWAY__CHANNEL_TYPE", "live", "expected `LIVE` or `TEST`"),
        ("RENEWD_GATEWAY__LOCALE", "ko", "expected one of KO_KR, EN_US"),
        ("RENEWD_CHARGE__WINDOW", "9-21", "times of day"),
        ("RENEWD_DUNNING__TIME_OF_DAY", "10", "a time of day such as"),
        ("RENEWD_SCHEDULE__RENEWALS", " ", "expected some text"),
        ("RENEWD_NOTIFY__SLACK_URL", "http://hooks.slack.com/x", "http is refused"),
        ("RENEWD_NOTIFY__WEBHOOK_URL", "https://169.254.169.254/", "a cloud's own services"),
        ("RENEWD_NOTIFY__PAGERDUTY_URL", "", "expected an address"),
        ("RENEWD_NOTIFY__MESSAGES_AT_ONCE", "0", "from 1 to 256"),
        ("RENEWD_NOTIFY__TRIES_MAX", "0", "from 1 to 100"),
        ("RENEWD_NOTIFY__SEND_TIMEOUT", "0s", "more than nothing, and at most \"2m\""),
        ("RENEWD_NOTIFY__RETRY_LONGEST", "9s", "must not be shorter than notify.retry_first"),
        ("RENEWD_LOG__LEVEL", "loud", "expected error, warn, info"),
        ("DATABASE_URL", "", "begins with sqlite:// or postgres://"),
    ] {
        let said = said_of(&[(name, value)]);
        assert!(said.contains(expected) && said.contains(&format!("(from {name})")), "{said}");
    }
}

#[test]
fn an_unknown_key_is_named_with_its_source_and_the_nearest_known_one() {
    assert_eq!(
        said_of_file("[gateway]\ncal_timeout = \"75s\"\n"),
        "unknown key gateway.cal_timeout (from FILE): did you mean gateway.call_timeout?"
    );
    assert_eq!(
        said_of_file("[gateway]\nconcurrency = 3\n"),
        "unknown key gateway.concurrency (from FILE): did you mean charge.concurrency?"
    );
    assert_eq!(said_of_file("[smtp]\nhost = \"h\"\n"), "unknown key smtp (from FILE)");
    assert_eq!(said_of_file("gateway = 5\n"), "gateway = … (from FILE): expected a section, [gateway]");
    assert_eq!(
        said_of_file("[charge.channels.\"channel-key-1\"]\nconcurency = 3\n"),
        "unknown key charge.channels.\"channel-key-1\".concurency (from FILE): did you mean charge.channels.\"channel-key-1\".concurrency?"
    );
}

#[test]
fn an_unknown_variable_of_ours_is_named_with_the_nearest_known_one() {
    assert_eq!(
        said_of(&[("RENEWD_GATEWAY_CALL_TIMEOUT", "75s")]),
        "unknown environment variable RENEWD_GATEWAY_CALL_TIMEOUT: did you mean RENEWD_GATEWAY__CALL_TIMEOUT?"
    );
    assert_eq!(said_of(&[("RENEWD_X", "1")]), "unknown environment variable RENEWD_X");
    // Only secrets are read from files.
    assert!(said_of(&[("PORTONE_STORE_ID_FILE", "x"), ("RENEWD_GATEWAY__STORE_ID_FILE", "x")]).contains("unknown"));
}

#[test]
fn a_key_that_is_given_twice_is_not_guessed() {
    assert_eq!(
        said_of(&[("PORTONE_STORE_ID", "store-1"), ("RENEWD_GATEWAY__STORE_ID", "store-2")]),
        "gateway.store_id is given twice, by PORTONE_STORE_ID and by RENEWD_GATEWAY__STORE_ID: unset one of them"
    );
    assert!(said_of(&[("DATABASE_URL", "sqlite://a"), ("DATABASE_URL_FILE", "/b")]).contains("given twice"));
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_what_named_it() {
    let error = with_environment(&[("PORTONE_API_SECRET_FILE", "/nowhere/secret")]).unwrap_err();
    assert_eq!(error.to_string(), "cannot read /nowhere/secret, the file given by PORTONE_API_SECRET_FILE");
    assert!(all_words(&error).contains("No such file"));
    let empty = file("\n");
    let error = with_environment(&[("DATABASE_URL_FILE", &empty.path().display().to_string())]).unwrap_err();
    assert!(all_words(&error).contains("empty"));
    let long = file(&"#".repeat(1024 * 1024 + 1));
    let layers = Layers { file: Some(long.path().to_owned()), ..Layers::default() };
    let error = Config::load(&layers).unwrap_err();
    assert!(all_words(&error).contains("longer than 1 MiB") && error.to_string().ends_with("given by --config"));
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line_but_not_its_text() {
    let said = said_of_file("[gateway]\nstore_id = \"s\"\napi_secret = hunter2-hunter2\n");
    assert!(said.starts_with("FILE, line 3: ") && !said.contains("hunter2"), "{said}");
}

#[test]
fn missing_credentials_are_all_named_with_how_to_give_them() {
    let error = with_environment(&[]).unwrap().gateway.require().unwrap_err();
    assert_eq!(
        error.to_string(),
        "gateway.api_secret is not set: give PORTONE_API_SECRET or RENEWD_GATEWAY__API_SECRET or PORTONE_API_SECRET_FILE or \
         RENEWD_GATEWAY__API_SECRET_FILE, or api_secret under [gateway] in the --config file; \
         gateway.store_id is not set: give PORTONE_STORE_ID or RENEWD_GATEWAY__STORE_ID, or store_id under [gateway] in the --config file"
    );
    let half = with_environment(&[("PORTONE_STORE_ID", "store-1"), ("PORTONE_API_SECRET", "")]).unwrap();
    let said = half.gateway.require().unwrap_err().to_string();
    assert!(said.contains("api_secret") && !said.contains("store_id"), "{said}");
}

#[test]
fn keys_that_contradict_each_other_are_refused_with_both_values() {
    assert_eq!(
        said_of(&[("RENEWD_CHARGE__LEASE", "95s")]),
        r#"charge.lease = "95s" (from RENEWD_CHARGE__LEASE): must be longer than gateway.call_timeout and charge.send_within together, "1m 35s""#
    );
    assert!(with_environment(&[("RENEWD_CHARGE__LEASE", "96s")]).is_ok());
    for (name, value, expected) in [
        ("RENEWD_GATEWAY__CALL_TIMEOUT", "64s", "must not be shorter than gateway.first_byte_timeout"),
        ("RENEWD_GATEWAY__CONNECT_TIMEOUT", "76s", "must not be shorter than gateway.connect_timeout"),
        ("RENEWD_GATEWAY__CONNECT_TIMEOUT", "0s", "must be longer than nothing"),
        ("RENEWD_CHARGE__SETTLE_LINGER", "8s", "must be shorter than charge.stop_within"),
        ("RENEWD_CHARGE__WINDOW", "23:15-00:45", "nothing would ever be charged"),
        ("RENEWD_CHARGE__WINDOW", "12:00-18:00", "dunning.time_of_day"),
        ("RENEWD_CHARGE__QUIET", "09:30-10:30", "dunning.time_of_day"),
        ("RENEWD_DUNNING__SOFT_DAYS", "1,1", "rising"),
        ("RENEWD_DUNNING__SOFT_DAYS", "0,1", "rising"),
        ("RENEWD_DUNNING__SOFT_DAYS", "1", "only 1 rungs"),
        ("RENEWD_DUNNING__TRANSIENT_AFTER", "0s", "longer than nothing"),
        ("RENEWD_DATABASE__POOL_CONNECTIONS_MAX", "1", "from 2 to"),
        ("RENEWD_CHARGE__CONCURRENCY", "0", "from 1 to"),
        ("RENEWD_BUSINESS__RENEW_BEFORE", "29days", "from 0 to 28"),
    ] {
        let said = said_of(&[(name, value)]);
        assert!(said.contains(expected), "{name}={value}: {said}");
    }
}

#[test]
fn a_later_step_refuses_a_value_in_the_same_words() {
    let config = with_environment(&[("RENEWD_SCHEDULE__RETRIES", "often")]).unwrap();
    assert_eq!(
        config.provenance.refuse("schedule.retries", "expected six cron fields").to_string(),
        r#"schedule.retries = "often" (from RENEWD_SCHEDULE__RETRIES): expected six cron fields"#
    );
}
