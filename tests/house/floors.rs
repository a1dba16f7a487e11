//! What may name what. The floors are those of `src/lib.rs`.

use super::paths::{self, Named};
use super::source::Source;
use std::collections::BTreeSet;

/// A module names only modules of lower rank, and itself. The ports are apart although they share a floor.
const RANKS: &[(&str, u8)] = &[
    ("domain", 10),
    // Reads messages into the domain's words.
    ("webhook", 15),
    ("config", 20),
    // Names nobody, and everybody may say it.
    ("version", 5),
    ("telemetry", 25),
    ("shutdown", 25),
    ("systemd", 25),
    ("store", 30),
    ("gateway", 30),
    ("notify", 30),
    ("clock", 30),
    ("chance", 30),
    ("engine", 40),
    ("app", 45),
    // Its cron lines are checked before anything is built.
    ("schedule", 43),
    // Between the engine and the commands, one of which starts it.
    ("http", 48),
    ("cli", 50),
    ("main", 60),
];

/// Only the engine and what is above it logs a run or is told to stop.
const FROM_THE_ENGINE_UP: &[&str] = &["telemetry", "shutdown", "systemd"];

/// Crossings within the ports' floor: the proof that an attempt is on disk is the gateway's argument, and time is a port
/// that the other ports are handed.
const CROSSINGS: &[(&str, &str)] =
    &[("gateway", "crate::store::Committed"), ("gateway", "crate::clock"), ("store", "crate::clock")];

/// Lower, and still not to be named: `app` turns settings into the engine's limits.
const NOT_EVEN_BELOW: &[(&str, &str)] = &[("engine", "crate::config")];

/// Behind their ports. Only `src/app.rs` names them, and their own port's folder.
const ADAPTERS: &[&str] = &[
    "crate::store::postgres",
    "crate::store::sqlite",
    "crate::store::sql",
    "crate::store::memory",
    "crate::gateway::portone",
    "crate::gateway::simulator",
    "crate::notify::log",
    "crate::notify::webhook",
    "crate::notify::slack",
    "crate::notify::pagerduty",
];

/// The commands whose subject is the simulator.
const ADAPTERS_ALSO_NAMED: &[(&str, &str)] =
    &[("cli/demo", "crate::gateway::simulator"), ("cli/simulator", "crate::gateway::simulator")];

/// Other people's crates that stay in their rooms (files or folders of `src`, without `.rs`).
const CRATES: &[(&str, &[&str])] = &[
    ("tokio_cron_scheduler", &["schedule"]),
    ("croner", &["schedule"]),
    ("backoff", &["engine/backoff"]),
    // The settings know its Url, nothing of HTTP.
    ("reqwest", &["gateway/portone", "notify", "http/ask", "telemetry/otlp", "config/url"]),
    ("sqlx", &["store"]),
    ("axum", &["gateway/simulator", "http"]),
    ("form_urlencoded", &["webhook"]),
    ("prometheus_client", &["http/metrics"]),
    ("hyper", &["http"]),
    ("hyper_util", &["http"]),
    ("tower", &["http"]),
    ("tower_http", &["http"]),
    ("utoipa", &["http"]),
    ("maud", &["http"]),
    ("opentelemetry", &["telemetry/otlp"]),
    ("opentelemetry_sdk", &["telemetry/otlp"]),
    ("opentelemetry_otlp", &["telemetry/otlp"]),
    ("tracing_opentelemetry", &["telemetry/otlp"]),
    ("anyhow", &["cli", "app", "main"]),
];

/// The domain is pure: no runtime, no network, no files, no clock, no chance.
const NOT_IN_THE_DOMAIN: &[&str] = &[
    "tokio",
    "tokio_util",
    "async_trait",
    "tracing",
    "fastrand",
    "getrandom",
    "rustix",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

pub fn offences(sources: &[Source]) -> Vec<String> {
    let modules = paths::modules(sources);
    let mut offences = BTreeSet::new();
    // Tests that stand beside an adapter bring the other side with them.
    for source in sources.iter().filter(|source| !source.path.contains("/tests/")) {
        for named in paths::named(source, &modules) {
            if let Some(why) = offence(room(&source.path), &named) {
                offences.insert(format!("{}:{} names {}: {why}", source.path, named.line, named.path.join("::")));
            }
        }
        if within(room(&source.path), "domain") && (0..source.tokens.len()).any(|at| source.is_word(at, "async")) {
            offences.insert(format!("{} is async: the domain is pure", source.path));
        }
    }
    offences.into_iter().collect()
}

fn offence(room: &str, named: &Named) -> Option<String> {
    let path = named.path.join("::");
    if named.path[0] != "crate" {
        return foreign_offence(room, &path);
    }
    // `crate::*` and the crate's root itself: nothing is there but the modules.
    let target = named.path.get(1)?;
    let own = room.split('/').next()?;
    adapter_offence(room, &path).or_else(|| floor_offence(own, target, &path))
}

fn floor_offence(own: &str, target: &str, path: &str) -> Option<String> {
    if own == target || own == "lib" {
        return None;
    }
    if CROSSINGS.iter().any(|(from, to)| *from == own && leads_to(path, to)) {
        return None;
    }
    if NOT_EVEN_BELOW.iter().any(|(from, to)| *from == own && leads_to(path, to)) {
        return Some(format!("{own} never sees {target}; app hands in what it needs"));
    }
    let (Some(from), Some(to)) = (rank(own), rank(target)) else {
        return Some("one of the two has no floor: give it one in tests/house/floors.rs".to_owned());
    };
    if FROM_THE_ENGINE_UP.contains(&target) && from < 40 {
        return Some(format!("{target} is for the engine and the floors above it"));
    }
    (to >= from).then(|| format!("{target} is not below {own}"))
}

fn adapter_offence(room: &str, path: &str) -> Option<String> {
    let port_of = |adapter: &str| adapter.split("::").nth(1).unwrap_or_default().to_owned();
    let swept_in = |adapter: &str| path == format!("crate::{}::*", port_of(adapter));
    let adapter = ADAPTERS.iter().find(|adapter| leads_to(path, adapter) || swept_in(adapter))?;
    // A real client that knew of the simulator could treat it differently.
    let is_fake_in_real = within(room, "gateway/portone") && leads_to(path, "crate::gateway::simulator");
    let is_named_well = room == "app"
        || (within(room, &port_of(adapter)) && !is_fake_in_real)
        || ADAPTERS_ALSO_NAMED.iter().any(|(from, to)| within(room, from) && leads_to(path, to));
    (!is_named_well).then(|| "an adapter is named by app.rs only; others see its port".to_owned())
}

fn foreign_offence(room: &str, path: &str) -> Option<String> {
    if within(room, "domain") && NOT_IN_THE_DOMAIN.iter().any(|foreign| leads_to(path, foreign)) {
        return Some("the domain is pure".to_owned());
    }
    let (name, rooms) = CRATES.iter().find(|(name, _)| leads_to(path, name))?;
    let is_at_home = rooms.iter().any(|home| within(room, home));
    (!is_at_home).then(|| format!("{name} stays in {}", rooms.join(", ")))
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// `src/cli/demo.rs` is the room `cli/demo`.
fn room(path: &str) -> &str {
    path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs")
}

fn within(room: &str, home: &str) -> bool {
    room.strip_prefix(home).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn leads_to(path: &str, target: &str) -> bool {
    path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(path: &str, text: &str) -> bool {
        !offences(&[Source::new(path, text)]).is_empty()
    }

    #[test]
    fn a_floor_names_only_floors_below() {
        assert!(is_refused("src/domain/due.rs", "use crate::store::Store;"));
        assert!(is_refused("src/domain/due.rs", "fn f() { super::super::clock::now() }"));
        assert!(is_refused("src/store/postgres/claim.rs", "use crate::{domain::ids, engine::{Engine}};"));
        assert!(is_refused("src/engine/run.rs", "use crate::app::App;"));
        assert!(is_refused("src/schedule.rs", "use crate::cli::Cli;"));
        assert!(is_refused("src/store/mod.rs", "use crate::shutdown::Token;"));
        assert!(is_refused("src/engine/run.rs", "use crate::attic::Thing;"));
        assert!(!is_refused("src/engine/run.rs", "use crate::{store::Store, shutdown::Token, domain::due};"));
        assert!(!is_refused("src/domain/due.rs", "use super::ids; // like crate::store"));
    }

    #[test]
    fn ports_do_not_cross_but_for_the_proof() {
        assert!(is_refused("src/store/read.rs", "use crate::gateway::Gateway;"));
        assert!(!is_refused("src/store/sql/mod.rs", "use crate::clock::Clock;"));
        assert!(is_refused("src/gateway/mod.rs", "use crate::store::Store;"));
        assert!(is_refused("src/gateway/mod.rs", "use crate::store::{Committed, Store};"));
        assert!(!is_refused("src/gateway/mod.rs", "use crate::store::Committed;"));
    }

    #[test]
    fn the_engine_never_sees_the_settings() {
        assert!(is_refused("src/engine/limits.rs", "fn f(c: &crate::config::Config) {}"));
    }

    #[test]
    fn adapters_are_named_by_app_only() {
        assert!(is_refused("src/cli/run.rs", "use crate::store; fn f() { store::postgres::connect() }"));
        assert!(is_refused("src/engine/run.rs", "use crate::store::*;"));
        assert!(is_refused("src/cli/demo.rs", "use crate::store::memory::MemoryStore;"));
        assert!(is_refused("src/engine/run.rs", "use crate::gateway::{simulator as gateway};"));
        assert!(is_refused("src/cli/run.rs", "use crate::gateway::simulator::Simulator;"));
        assert!(is_refused("src/gateway/portone/mod.rs", "use super::simulator::Ledger;"));
        assert!(!is_refused("src/app.rs", "use crate::{store::postgres, gateway::portone};"));
        assert!(!is_refused("src/cli/demo.rs", "use crate::gateway::simulator::Simulator;"));
        assert!(!is_refused("src/store/postgres/claim.rs", "use crate::store::sql;"));
    }

    #[test]
    fn other_peoples_crates_stay_in_their_rooms() {
        assert!(is_refused("src/cli/daemon.rs", "use tokio_cron_scheduler::Job;"));
        assert!(is_refused("src/engine/run.rs", "fn f() { backoff::ExponentialBackoff::default() }"));
        assert!(is_refused("src/gateway/simulator/mod.rs", "use reqwest::Client;"));
        assert!(is_refused("src/engine/run.rs", "fn f(e: sqlx::Error) {}"));
        assert!(is_refused("src/store/mod.rs", "use anyhow::Result;"));
        assert!(!is_refused("src/engine/backoff.rs", "use backoff::ExponentialBackoff;"));
    }

    #[test]
    fn the_domain_is_pure() {
        assert!(is_refused("src/domain/due.rs", "use std::{fmt, fs};"));
        assert!(is_refused("src/domain/due.rs", "pub async fn decide() {}"));
        assert!(is_refused("src/domain/due.rs", "fn f() -> std::time::Instant {}"));
        assert!(!is_refused("src/domain/due.rs", "use std::time::Duration;"));
    }
}
