//! One SQLite file and more than one process, or a file that is not where it should be.

use super::sqlite_disk::{LATER, RUN, RUN_MAX, assert_claimed_before_charged, assert_recovers, stage, stage_behind};
use crate::cli::place::Place;
use crate::cli::running::wait_until;
use crate::support::strace;
use std::collections::BTreeSet;

#[test]
fn two_runs_on_one_file_share_the_work() {
    const SUBSCRIPTIONS: usize = 60;
    let stage = stage(SUBSCRIPTIONS);
    let runs = [(); 3].map(|()| stage.place.start(&RUN));
    for run in runs {
        let said = run.end(RUN_MAX);
        assert_eq!(said.code, Some(0), "{said:#?}");
        assert!(!said.err.contains("locked") && !said.err.contains("busy"), "{said:#?}");
        assert_claimed_before_charged(&stage, &said);
    }
    let charged = stage.simulator.charged();
    let once: BTreeSet<&String> = charged.iter().collect();
    assert_eq!((charged.len(), once.len()), (SUBSCRIPTIONS, SUBSCRIPTIONS));
    assert_eq!(stage.place.count("payments WHERE verified = 1"), SUBSCRIPTIONS as u64);
    assert_eq!(stage.place.count("attempts"), SUBSCRIPTIONS as u64);
}

#[test]
fn migrations_of_one_file_make_one_database() {
    let place = Place::empty();
    let migrations = [(); 4].map(|()| place.start(&["migrate"]));
    for migration in migrations {
        migration.end(RUN_MAX).ok();
    }
    place.run(&["migrate", "--check"]).ok();
    assert_eq!(place.count("installation"), 1);
}

/// What is written to a file that nobody finds any more is lost: the run ends, and claims that were not sent stay so.
#[test]
fn a_file_that_was_replaced_while_it_was_open_ends_the_run() {
    const SUBSCRIPTIONS: usize = 60;
    const SLOTS: usize = 4;
    let mut stage = stage_behind(&["--latency", "300ms"], SUBSCRIPTIONS);
    stage.place.set("RENEWD_CHARGE__CONCURRENCY", &SLOTS.to_string());
    let run = stage.place.start(&RUN);
    wait_until("the first charges", || stage.simulator.charged().len() > SLOTS);
    let (file, aside) = (stage.place.path("renewd.db"), stage.place.path("aside.db"));
    std::fs::rename(&file, &aside).expect("our own folder");
    std::fs::write(&file, "another file").expect("our own folder");
    let said = run.end(RUN_MAX);
    assert_eq!(said.code, Some(1), "{said:#?}");
    said.erred(&["renewd.db", "replaced while it was open", "nothing more is charged"]);
    let charged = stage.simulator.charged().len();
    assert!(charged <= 6 * SLOTS, "it went on: {charged}");
    std::fs::rename(&aside, &file).expect("our own folder");
    stage.place.set("RENEWD_CHARGE__CONCURRENCY", "64");
    assert_claimed_before_charged(&stage, &said);
    assert_recovers(&stage, SUBSCRIPTIONS, &said);
}

/// The system says that the file lies on NFS.
#[test]
fn a_file_on_a_network_file_system_is_refused() {
    let stage = stage(1);
    let strace = strace::command(&["-e", "trace=statfs", "-e", "inject=statfs:poke_exit=@arg2=6969000000000000"]);
    let words: Vec<&str> = strace.iter().map(String::as_str).collect();
    let said = stage.place.start_under(&words, &RUN).end(RUN_MAX);
    said.refused(1, &["renewd.db", "network file system (NFS)", "local disk"]);
    assert!(stage.simulator.charged().is_empty());
    stage.place.at(LATER[0], &["run"]).ok();
    assert_eq!(stage.simulator.charged().len(), 1);
}
