//! Health, limits, and what everything else tells before there is anything to tell.

use super::served::{On, Served, Stage};
use crate::cli::database::block_on;
use crate::cli::place::Place;
use crate::support::postgres::PrivateServer;
use reqwest::{Method, StatusCode};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[test]
fn a_daemon_with_its_database_is_alive_and_ready() {
    for on in On::BOTH {
        let mut stage = Stage::on(on, &[]);
        stage.token("haneul", "operator");
        stage.token("grafana", "viewer");
        let served = stage.serve().up();
        let alive = served.get("/healthz");
        assert_eq!((alive.status, alive.text.as_str()), (StatusCode::OK, "alive\n"));
        let ready = served.get("/readyz").json();
        for part in ["database", "schedule", "coverage"] {
            assert_eq!(ready[part]["ok"], true, "{on:?}: {ready:#}");
        }
        for header in ["x-content-type-options", "x-frame-options", "referrer-policy", "cache-control"] {
            assert!(alive.headers.contains_key(header), "{header}");
        }
        served.stop();
    }
}

#[test]
fn a_business_date_without_a_run_is_told_and_takes_nobody_away() {
    for on in On::BOTH {
        let stage = Stage::on(on, &[("a", "billing-key-a")]);
        stage.place.at("2026-01-26T10:00:00+09:00", &["run"]).ok();
        // While charging is paused, a daemon cannot catch up.
        stage.place.run(&["pause", "--reason", "a gap to look at"]).ok();
        let served = stage.serve().up();
        let ready = served.get("/readyz");
        assert_eq!(ready.status, StatusCode::OK);
        let ready = ready.json();
        assert_eq!(ready["coverage"]["ok"], false, "{ready:#}");
        assert_eq!(ready["coverage"]["missed"], serde_json::json!(["2026-01-27", "2026-01-28", "2026-01-29"]));
        served.stop();
    }
}

#[test]
fn a_database_that_is_away_is_told_before_and_while_it_works() {
    let mut server = block_on(PrivateServer::start());
    let url = block_on(server.database("http", "template1"));
    let mut place = Place::empty().with("DATABASE_URL", &url);
    place.run(&["migrate"]).ok();
    let simulator = crate::cli::running::Simulator::start(&place, &[]);
    simulator.tell(&mut place);
    block_on(server.stop_at_once());
    let served = Served::start(&place, crate::cli::NOW);
    assert_eq!(served.get("/healthz").status, StatusCode::OK);
    let waits = served.get("/readyz");
    assert_eq!(waits.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(waits.json()["database"]["detail"], "the daemon waits for its database");
    block_on(server.start_again());
    let served = served.up();
    block_on(server.stop_at_once());
    let away = served.wait_for("its absence", "/readyz", |answer| answer.status != StatusCode::OK);
    let detail = away.json()["database"]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("database"), "{detail}");
    assert!(!detail.contains("postgres://"), "{detail}");
    block_on(server.start_again());
    served.up().stop();
}

#[test]
fn what_is_not_there_is_told_as_a_problem() {
    let served = Stage::on(On::Sqlite, &[]).serve().up();
    served.get("/nowhere").is_problem(404, &["nothing under this path"]);
    let posted = served.send(served.request(Method::POST, "/healthz"));
    posted.is_problem(405, &["does not take this method"]);
    assert_eq!(posted.headers["allow"], "GET,HEAD");
    served.stop();
}

#[test]
fn a_port_that_is_taken_is_told_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stage = Stage::on(On::Sqlite, &[("a", "billing-key-a")]);
    stage.place.set("RENEWD_SERVER__LISTEN", &taken.local_addr().unwrap().to_string());
    let said = stage.place.at(crate::cli::NOW, &["daemon"]);
    said.refused(1, &["cannot listen on 127.0.0.1"]).money("nothing was charged");
    assert!(said.err.contains("hint: set server.listen"), "{}", said.err);
    assert!(stage.simulator.charged().is_empty());
}

#[test]
fn a_daemon_may_listen_nowhere() {
    let stage = Stage::on(On::Sqlite, &[("a", "billing-key-a")]);
    let mut place = stage.place;
    place.set("RENEWD_SERVER__LISTEN", "");
    let daemon = place.start(&["--clock", crate::cli::NOW, "daemon"]);
    crate::cli::running::wait_until("the charge", || stage.simulator.charged().len() == 1);
    assert!(!daemon.said().contains("listening"), "{}", daemon.said());
}

#[test]
fn a_connection_that_says_half_a_request_is_ended_and_holds_no_stop() {
    let served = Stage::on(On::Sqlite, &[]).serve().up();
    let address = served.url.trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&address).unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-half: ").unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let started = Instant::now();
    let mut rest = Vec::new();
    // Closed by the server, with an answer or without one.
    let ended = slow.read_to_end(&mut rest);
    assert!(ended.is_ok() || ended.is_err_and(|err| err.kind() == std::io::ErrorKind::ConnectionReset));
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    // One that is idle, and one in the middle of its head, are under way when it is told to stop.
    let _idle = TcpStream::connect(&address).unwrap();
    let mut half = TcpStream::connect(&address).unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\n").unwrap();
    served.stop();
}

#[test]
fn one_connection_more_than_it_takes_waits_for_its_seat() {
    let mut stage = Stage::on(On::Sqlite, &[]);
    stage.place.set("RENEWD_SERVER__CONNECTIONS_MAX", "1");
    let served = stage.serve();
    let address = served.url.trim_start_matches("http://").to_owned();
    let mut seated = TcpStream::connect(&address).unwrap();
    seated.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    seated.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    let asked = served.try_send(served.request(Method::GET, "/healthz").timeout(Duration::from_secs(1)));
    assert!(asked.is_err_and(|err| err.is_timeout()));
    drop(seated);
    assert_eq!(served.get("/healthz").status, StatusCode::OK);
}

#[test]
fn a_token_is_shown_once_and_its_hash_is_what_the_settings_take() {
    let place = Place::migrated();
    let made = place.run(&["--output", "json", "token", "haneul", "--role", "operator"]).ok().json();
    let (token, setting) = (made["token"].as_str().unwrap(), made["setting"].as_str().unwrap());
    assert!(token.starts_with("rnw_") && token.len() == 56, "{token}");
    assert!(setting.starts_with("haneul operator ") && !setting.contains(token), "{setting}");
    let again = place.run(&["--output", "json", "token", "haneul", "--role", "operator"]).ok().json();
    assert_ne!(made["token"], again["token"]);
    place.run(&["token", "two words"]).refused(2, &["letters, digits"]);
    let bad = place.with("RENEWD_SERVER__TOKENS", token);
    let said = bad.run(&["status"]);
    said.refused(2, &["server.tokens", "renewd token"]);
    assert!(!said.err.contains(token), "a token that stands in the wrong place is not printed");
}
