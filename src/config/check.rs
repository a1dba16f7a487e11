//! The rules between keys, and the limits of numbers: each says which value to change, and from where it came.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::tree::channel_key;
use super::{Config, ConfigError};

/// A key and what is wrong with it.
type Wrong = (Cow<'static, str>, String);

/// Checks what no value can know about itself.
///
/// # Errors
/// [`ConfigError::Bad`] for the first rule that does not hold.
pub(super) fn across(config: &Config) -> Result<(), ConfigError> {
    limits(config)
        .and_then(|()| channels(config))
        .and_then(|()| waits(config))
        .and_then(|()| times_of_day(config))
        .and_then(|()| ladder(config))
        .and_then(|()| notify(config))
        .and_then(|()| server(config))
        .and_then(|()| pay(config))
        .map_err(|(key, reason)| config.provenance.refuse(&key, reason))
}

/// Everything has a limit; the upper ones catch a slip of the finger.
fn limits(config: &Config) -> Result<(), Wrong> {
    let (charge, brakes, dunning) = (&config.charge, &config.brakes, &config.dunning);
    let numbers: [(&str, u32, RangeInclusive<u32>); 19] = [
        ("business.renew_before", config.business.renew_before_days, 0..=28),
        // One connection is kept for settling, the others must get by with the rest.
        ("database.pool_connections_max", config.database.pool_connections_max, 2..=1_000),
        ("charge.concurrency", charge.concurrency, 1..=10_000),
        ("charge.rate_per_second_max", charge.rate_per_second_max, 0..=100_000),
        ("charge.claim_rows_max", charge.claim_rows_max, 1..=10_000),
        ("charge.repeats_max", charge.repeats_max, 0..=100),
        ("charge.claims_unsettled_max", charge.claims_unsettled_max, 1..=100),
        ("charge.circuit_unknown_in_a_row", charge.circuit_unknown_in_a_row, 1..=10_000),
        ("charge.circuit_probes_max", charge.circuit_probes_max, 0..=1_440),
        ("charge.settle_rows_max", charge.settle_rows_max, 1..=10_000),
        ("brakes.growth_percent_max", brakes.growth_percent_max, 0..=100_000),
        ("brakes.declines_percent_max", brakes.declines_percent_max, 0..=99),
        ("brakes.declines_answers_min", brakes.declines_answers_min, 1..=1_000_000),
        ("dunning.transient_per_day_max", dunning.transient_per_day_max, 0..=24),
        ("dunning.attempts_max", dunning.attempts_max, 1..=100),
        ("dunning.attempts_days", dunning.attempts_days, 1..=366),
        ("lookahead.days", config.lookahead.days, 0..=28),
        ("lookahead.notice_days", config.lookahead.notice_days, 0..=60),
        (
            "gateway.body_bytes_max",
            u32::try_from(config.gateway.body_bytes_max).unwrap_or(u32::MAX),
            4_096..=67_108_864,
        ),
    ];
    for (key, value, range) in numbers {
        if !range.contains(&value) {
            return Err((key.into(), format!("expected a whole number from {} to {}", range.start(), range.end())));
        }
    }
    Ok(())
}

fn channels(config: &Config) -> Result<(), Wrong> {
    match config.charge.channels.iter().find(|(_, channel)| channel.concurrency == Some(0)) {
        Some((name, _)) => {
            let reason = "expected 1 or more: with 0 this channel would never charge".to_owned();
            Err((channel_key(name, "concurrency").into(), reason))
        }
        None => Ok(()),
    }
}

fn waits(config: &Config) -> Result<(), Wrong> {
    let (gateway, charge) = (&config.gateway, &config.charge);
    let positive = [
        ("gateway.connect_timeout", gateway.connect_timeout),
        ("gateway.first_byte_timeout", gateway.first_byte_timeout),
        ("gateway.call_timeout", gateway.call_timeout),
        ("gateway.clock_skew_max", gateway.clock_skew_max),
        ("charge.send_within", charge.send_within),
        ("charge.repeats_within", charge.repeats_within),
        ("charge.stop_within", charge.stop_within),
    ];
    if let Some((key, _)) = positive.iter().find(|(_, duration)| duration.is_zero()) {
        return Err(((*key).into(), "must be longer than nothing".to_owned()));
    }
    for (key, part) in [
        ("gateway.first_byte_timeout", gateway.first_byte_timeout),
        ("gateway.connect_timeout", gateway.connect_timeout),
    ] {
        if gateway.call_timeout < part {
            return Err(("gateway.call_timeout".into(), format!("must not be shorter than {key}, {}", text(part))));
        }
    }
    // Else another process would take over a claim whose request is still under way.
    let call_ends = gateway.call_timeout.saturating_add(charge.send_within);
    if charge.lease <= call_ends {
        let reason =
            format!("must be longer than gateway.call_timeout and charge.send_within together, {}", text(call_ends));
        return Err(("charge.lease".into(), reason));
    }
    if charge.settle_linger >= charge.stop_within {
        let reason = format!("must be shorter than charge.stop_within, {}", text(charge.stop_within));
        return Err(("charge.settle_linger".into(), reason));
    }
    Ok(())
}

fn times_of_day(config: &Config) -> Result<(), Wrong> {
    let (window, quiet) = (&config.charge.window, &config.charge.quiet);
    if !window.leaves_time_beside(quiet) {
        let reason = format!("lies inside charge.quiet, {:?}: nothing would ever be charged", quiet.to_string());
        return Err(("charge.window".into(), reason));
    }
    let retry = config.dunning.time_of_day;
    if !window.contains(retry) || quiet.contains(retry) {
        let reason = format!(
            "lies outside of charge.window, {:?}, or inside charge.quiet, {:?}: retries would miss their day",
            window.to_string(),
            quiet.to_string()
        );
        return Err(("dunning.time_of_day".into(), reason));
    }
    Ok(())
}

fn ladder(config: &Config) -> Result<(), Wrong> {
    let dunning = &config.dunning;
    let rising = dunning.soft_days.windows(2).all(|pair| pair[0] < pair[1]);
    if !rising || dunning.soft_days.first() == Some(&0) {
        return Err(("dunning.soft_days".into(), "expected rising numbers of days, 1 or more".to_owned()));
    }
    let is_day = |day: &u8| (1..=31).contains(day);
    if !dunning.pay_days.iter().all(is_day) || !dunning.pay_days.windows(2).all(|pair| pair[0] < pair[1]) {
        let reason = "expected rising days of the month from 1 to 31, or none; 31 is the last day of every month";
        return Err(("dunning.pay_days".into(), reason.to_owned()));
    }
    if dunning.transient_after.iter().any(Duration::is_zero) {
        return Err(("dunning.transient_after".into(), "expected durations longer than nothing".to_owned()));
    }
    if dunning.unknown_rungs as usize > dunning.soft_days.len() {
        let reason = format!("the ladder of dunning.soft_days has only {} rungs", dunning.soft_days.len());
        return Err(("dunning.unknown_rungs".into(), reason));
    }
    Ok(())
}

/// Signing is not optional: a receiver cannot tell an unsigned message from anybody's.
fn notify(config: &Config) -> Result<(), Wrong> {
    let notify = &config.notify;
    let numbers: [(&'static str, u32, RangeInclusive<u32>); 5] = [
        ("notify.messages_at_once", notify.messages_at_once, 1..=256),
        ("notify.tries_max", notify.tries_max, 1..=100),
        ("notify.messages_per_hour_max", notify.messages_per_hour_max, 0..=3_600),
        ("notify.decline_percent_max", notify.decline_percent_max, 0..=100),
        ("notify.decline_charges_min", notify.decline_charges_min, 0..=1_000_000),
    ];
    for (key, value, range) in numbers {
        if !range.contains(&value) {
            return Err((key.into(), format!("expected a whole number from {} to {}", range.start(), range.end())));
        }
    }
    let waits = [
        ("notify.send_timeout", notify.send_timeout, Duration::from_secs(120)),
        ("notify.retry_first", notify.retry_first, Duration::from_secs(24 * 60 * 60)),
        ("notify.retry_longest", notify.retry_longest, Duration::from_secs(7 * 24 * 60 * 60)),
    ];
    for (key, wait, longest) in waits {
        if wait.is_zero() || wait > longest {
            return Err((key.into(), format!("expected more than nothing, and at most {}", text(longest))));
        }
    }
    if notify.retry_longest < notify.retry_first {
        return Err(("notify.retry_longest".into(), "must not be shorter than notify.retry_first".to_owned()));
    }
    match &notify.webhook_secret {
        None if notify.webhook_url.is_some() => Err((
            "notify.webhook_secret".into(),
            "expected a secret, \"whsec_\" and base64, since notify.webhook_url is set: events are always signed"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

fn server(config: &Config) -> Result<(), Wrong> {
    let server = &config.server;
    for (key, value) in
        [("server.requests_max", server.requests_max), ("server.connections_max", server.connections_max)]
    {
        if !(1..=65_536).contains(&value) {
            return Err((key.into(), "expected a whole number from 1 to 65536".to_owned()));
        }
    }
    let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(300));
    if !(shortest..=longest).contains(&server.request_timeout) {
        let reason = format!("expected from {} to {}", text(shortest), text(longest));
        return Err(("server.request_timeout".into(), reason));
    }
    Ok(())
}

/// A page that could not issue a card would only tell its customers so.
fn pay(config: &Config) -> Result<(), Wrong> {
    let (pay, day) = (&config.pay, Duration::from_secs(24 * 60 * 60));
    if !(day / 24..=day * 366).contains(&pay.link_valid) {
        return Err(("pay.link_valid".into(), "expected from 1hour to 1year".to_owned()));
    }
    if pay.base_url.is_none() {
        return Ok(());
    }
    if pay.channel_key.is_none() && config.gateway.channel_key.is_none() {
        let reason = "expected a channel key, here or as gateway.channel_key, since pay.base_url is set";
        return Err(("pay.channel_key".into(), reason.to_owned()));
    }
    if pay.shop.trim().is_empty() {
        let reason = "expected the name that customers know you by, since pay.base_url is set";
        return Err(("pay.shop".into(), reason.to_owned()));
    }
    Ok(())
}

fn text(duration: Duration) -> String {
    format!("{:?}", humantime::format_duration(duration).to_string())
}
