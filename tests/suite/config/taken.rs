//! What is taken, from where, and what wins.

use std::time::Duration;

use renewd::config::{ChannelType, DatabaseKind, Flag, LogFormat};

use super::*;

#[test]
fn the_defaults_are_a_whole_configuration() {
    let config = Config::load(&Layers::default()).unwrap();
    assert_eq!(config.business.zone, renewd::domain::date::Zone::parse("Asia/Seoul").unwrap());
    assert_eq!(config.business.renew_before_days, 1);
    assert_eq!(config.database.url.kind(), DatabaseKind::Sqlite);
    assert_eq!(config.gateway.base_url.as_str(), "https://api.portone.io");
    assert_eq!(config.gateway.call_timeout, Duration::from_secs(75));
    assert_eq!(config.gateway.channel_type, ChannelType::Live);
    assert!(config.gateway.payment_id_key.is_none() && config.gateway.locale.is_none());
    assert_eq!(config.charge.window.to_string(), "09:00-21:00");
    assert_eq!(config.charge.settle_linger, Duration::from_millis(20));
    assert!(config.charge.channels.is_empty());
    assert_eq!(config.dunning.soft_days, [1, 3, 5, 7]);
    assert_eq!(config.dunning.transient_after.len(), 3);
    assert_eq!(config.log.format, LogFormat::Auto);
}

#[test]
fn every_default_has_a_line_that_explains_it() {
    let text = include_str!("../../../config/renewd.toml");
    let mut before = "";
    let mut keys = 0;
    for line in text.lines() {
        if !line.starts_with('#') && line.contains('=') {
            assert!(before.starts_with("# "), "no line of explanation above {line}");
            keys += 1;
        }
        before = line;
    }
    let config = Config::load(&Layers::default()).unwrap();
    assert_eq!(keys, config.provenance.iter().count());
}

#[test]
fn every_variable_that_the_defaults_name_is_one() {
    let words = include_str!("../../../config/renewd.toml").split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    let names: Vec<&str> = words
        .filter(|w| w.starts_with("PORTONE_") || w.starts_with("DATABASE_") || w.starts_with("RENEWD_P"))
        .collect();
    assert_eq!(names.len(), 11, "{names:?}");
    for name in names {
        // A text that no key accepts; whoever reads the variable must complain about it or take it over.
        match with_environment(&[(name, "\u{7}nowhere")]) {
            Err(error) => assert!(error.to_string().contains(name), "{error}"),
            Ok(config) => {
                assert!(config.provenance.iter().any(|(_, given)| given.origin.to_string() == name), "{name}")
            }
        }
    }
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
    let file = file("[charge]\nconcurrency = 1\nclaim_rows_max = 1\nsettle_rows_max = 1\n");
    let mut layers = Layers { file: Some(file.path().to_owned()), ..Layers::default() };
    layers.environment =
        [("RENEWD_CHARGE__CONCURRENCY", "2"), ("RENEWD_CHARGE__CLAIM_ROWS_MAX", "2")].into_iter().collect();
    layers.flags = vec![Flag { name: "--concurrency", key: "charge.concurrency", value: "3".to_owned() }];
    let config = Config::load(&layers).unwrap();
    let charge = &config.charge;
    let got = [charge.concurrency, charge.claim_rows_max, charge.settle_rows_max, charge.repeats_max];
    assert_eq!(got, [3, 2, 1, 5]);
    let origin = |key: &str| config.provenance.iter().find(|(k, _)| *k == key).unwrap().1.origin.to_string();
    assert_eq!(origin("charge.concurrency"), "--concurrency");
    assert_eq!(origin("charge.claim_rows_max"), "RENEWD_CHARGE__CLAIM_ROWS_MAX");
    assert_eq!(origin("charge.settle_rows_max"), file.path().display().to_string());
    assert_eq!(origin("charge.repeats_max"), "the default");
}

#[test]
fn the_names_that_portones_users_have_are_taken() {
    let config = with_environment(&[
        ("DATABASE_URL", "postgres://u:p@h/db"),
        ("PORTONE_API_BASE", "http://127.0.0.1:9/"),
        ("PORTONE_API_SECRET", SECRET),
        ("PORTONE_STORE_ID", "store-1"),
        ("PORTONE_CHANNEL_KEY", "channel-key-1"),
        ("PORTONE_WEBHOOK_SECRET", "whsec_1"),
        ("RENEWD_PAYMENT_ID_KEY", &"ab".repeat(32)),
        ("PORTONE_SOMETHING_ELSE", "is not ours"),
    ])
    .unwrap();
    assert_eq!(config.database.url.kind(), DatabaseKind::Postgres);
    assert_eq!(config.gateway.base_url.as_str(), "http://127.0.0.1:9");
    let credentials = config.gateway.require().unwrap();
    assert_eq!((credentials.api_secret.expose(), credentials.store_id), (SECRET, "store-1"));
    assert_eq!(config.gateway.channel_key.as_deref(), Some("channel-key-1"));
    assert_eq!(config.gateway.webhook_secret.as_ref().unwrap().expose(), "whsec_1");
    assert_eq!(config.gateway.payment_id_key.as_ref().unwrap().expose(), &[0xab; 32]);
}

#[test]
fn text_of_the_environment_is_read_as_what_the_key_is() {
    let config = with_environment(&[
        ("RENEWD_CHARGE__REFUND_LATE", "true"),
        ("RENEWD_DUNNING__SOFT_DAYS", "2, 4"),
        ("RENEWD_DUNNING__TRANSIENT_AFTER", "1h,2h"),
        ("RENEWD_BUSINESS__DOWNGRADE", "at_run"),
        ("RENEWD_DECLINES__CODES_FILE", "/etc/codes.csv"),
    ])
    .unwrap();
    assert!(config.charge.refund_late);
    assert_eq!(config.dunning.soft_days, [2, 4]);
    assert_eq!(config.dunning.transient_after, [3600, 7200].map(Duration::from_secs));
    assert_eq!(config.declines.codes_file.unwrap().to_str(), Some("/etc/codes.csv"));
}

#[test]
fn brakes_that_depend_on_the_business_are_off_until_they_are_set() {
    use renewd::app::limits;
    use renewd::domain::brakes::{BrakeLimits, GrowthLimit};
    let defaults = limits(&Config::load(&Layers::default()).unwrap()).brakes;
    assert_eq!(defaults, BrakeLimits::default(), "the file and the code say the same");
    assert!(defaults.charges_max.is_none() && defaults.sums_max.is_empty());
    let set = with_environment(&[
        ("RENEWD_BRAKES__CHARGES_MAX", "9000"),
        ("RENEWD_BRAKES__SUMS_MAX", "50000000 KRW, 2000000 USD"),
        ("RENEWD_BRAKES__GROWTH_FLOOR", "7"),
        ("RENEWD_BRAKES__DECLINES_PERCENT_MAX", "0"),
    ]);
    let set = limits(&set.unwrap()).brakes;
    assert_eq!((set.charges_max, set.sums_max.len(), set.declines), (Some(9_000), 2, None));
    assert_eq!(set.growth, Some(GrowthLimit { percent_max: 300, floor: 7 }));
    let off = with_environment(&[("RENEWD_BRAKES__GROWTH_PERCENT_MAX", "0")]).unwrap();
    assert_eq!(limits(&off).brakes.growth, None);
    assert!(with_environment(&[("RENEWD_BRAKES__DECLINES_PERCENT_MAX", "100")]).is_err(), "it would never trip");
    let said = with_environment(&[("RENEWD_BRAKES__SUMS_MAX", "50000000")]).unwrap_err().to_string();
    assert!(said.contains("minor units") && said.contains("RENEWD_BRAKES__SUMS_MAX"), "{said}");
}

#[test]
fn the_variables_that_kubernetes_sets_for_a_service_called_renewd_are_left_alone() {
    let names = [
        "RENEWD_SERVICE_HOST",
        "RENEWD_SERVICE_PORT",
        "RENEWD_SERVICE_PORT_HTTP",
        "RENEWD_PORT",
        "RENEWD_PORT_8080_TCP",
    ];
    assert!(with_environment(&names.map(|name| (name, "tcp://10.0.0.1:8080"))).is_ok());
    assert!(with_environment(&[("RENEWD_SERVICE", "1")]).is_err());
}

#[test]
fn a_channel_has_limits_of_its_own() {
    let config = with_file("[charge.channels.\"channel-key-1\"]\nconcurrency = 4\n").unwrap();
    let channel = config.charge.channels["channel-key-1"];
    assert_eq!((channel.concurrency, channel.rate_per_second_max), (Some(4), None));
    assert_eq!(
        said_of_file("[charge.channels.\"channel-key-1\"]\nconcurrency = 0\n"),
        "charge.channels.\"channel-key-1\".concurrency = 0 (from FILE): expected 1 or more: with 0 this channel would never charge"
    );
    assert!(said_of_file("[charge.channels.c]\nconcurrency = \"4\"\n").contains("expected a whole number"));
}
