//! `renewd health`, as a container runs it: beside the daemon, by the same settings.

use super::place::Place;
use crate::http::served::{On, Stage};
use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// The settings of a daemon that listens there.
fn beside(url: &str) -> Place {
    let address = url.trim_start_matches("http://").to_owned();
    // No file of a database is there: none is opened.
    Place::empty().with("RENEWD_SERVER__LISTEN", &address)
}

#[test]
fn a_daemon_that_lives_is_well_and_one_that_is_gone_is_not() {
    let stage = Stage::on(On::Sqlite, &[]);
    let served = stage.serve().up();
    let place = beside(&served.url);
    assert_eq!(place.run(&["health"]).ok().out, "alive\n");
    assert!(place.run(&["health", "--ready"]).ok().out.contains("\"ready\":true"));
    assert_eq!(place.run(&["--output", "json", "health"]).ok().json()["well"], true);
    let port = served.url.rsplit(':').next().unwrap().to_owned();
    let everywhere = Place::empty().with("RENEWD_SERVER__LISTEN", &format!("0.0.0.0:{port}"));
    everywhere.run(&["health"]).ok();
    assert_eq!(place.files(), Vec::<String>::new(), "it leaves nothing behind");
    served.kill();
    place.run(&["health"]).refused(1, &["the daemon does not answer", "nobody answers at 127.0.0.1"]).money("nothing");
}

#[test]
fn a_daemon_without_its_database_lives_and_is_not_ready() {
    let stage = Stage::of(Place::empty(), &[]);
    let mut place = stage.place;
    place.set("DATABASE_URL", "postgres://renewd@127.0.0.1:9/renewd");
    let served = crate::http::served::Served::start(&place, super::NOW);
    let beside = beside(&served.url);
    beside.run(&["health"]).ok();
    beside.run(&["health", "--ready"]).refused(1, &["/readyz answers 503", "waits for its database"]);
}

#[test]
fn a_daemon_that_says_nothing_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = beside(&listener.local_addr().unwrap().to_string());
    std::thread::spawn(move || {
        let held: Vec<_> = listener.incoming().take(1).flatten().collect();
        // Held open until the client has given up.
        held.into_iter().for_each(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    });
    let started = Instant::now();
    place.run(&["health", "--within", "1"]).refused(1, &["the daemon does not answer"]);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[test]
fn a_daemon_that_listens_nowhere_cannot_be_asked() {
    Place::empty().with("RENEWD_SERVER__LISTEN", "").run(&["health"]).refused(2, &["server.listen is empty"]);
}
