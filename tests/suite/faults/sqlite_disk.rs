//! A SQLite file on a disk that is full, or that breaks: what is not on the disk is not sent.

use crate::cli::place::{Place, Said};
use crate::cli::{NOW, Stage};
use crate::support::strace;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

pub const RUN_MAX: Duration = Duration::from_secs(60);
pub const RUN: [&str; 5] = ["--clock", NOW, "--output", "json", "run"];
/// After the leases, the first look-ups, and the wait before what never arrived is sent again.
pub const LATER: [&str; 3] = ["2026-01-30T10:20:00+09:00", "2026-01-30T11:40:00+09:00", "2026-01-30T13:00:00+09:00"];

pub fn stage(subscriptions: usize) -> Stage {
    stage_behind(&[], subscriptions)
}

/// The same behind a simulator with these arguments.
pub fn stage_behind(arguments: &[&str], subscriptions: usize) -> Stage {
    let names: Vec<(String, String)> = (0..subscriptions).map(|one| (format!("{one}"), format!("bk-{one}"))).collect();
    let subscribers: Vec<(&str, &str)> = names.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    let stage = Stage::behind(arguments, &subscribers);
    // A clean goodbye empties the write-ahead log: every run starts from the same files.
    assert_eq!(stage.place.count("subscriptions"), subscriptions as u64);
    stage
}

/// What the gateway took money for is claimed on the disk, and the file is whole.
#[track_caller]
pub fn assert_claimed_before_charged(stage: &Stage, said: &Said) {
    let claimed: BTreeSet<String> = stage.place.texts("SELECT payment_id FROM attempts").into_iter().collect();
    let charged = stage.simulator.charged();
    assert!(charged.iter().all(|payment| claimed.contains(payment)), "charged {charged:?} of {claimed:?}: {said:#?}");
    assert_eq!(stage.place.texts("SELECT integrity_check FROM pragma_integrity_check"), ["ok"], "{said:#?}");
}

/// The next runs charge what is left, and every payment is in our books once.
#[track_caller]
pub fn assert_recovers(stage: &Stage, subscriptions: usize, said: &Said) {
    for time in LATER {
        stage.place.at(time, &["run"]).ok();
    }
    let charged = stage.simulator.charged();
    let once: BTreeSet<String> = charged.iter().cloned().collect();
    assert_eq!((charged.len(), once.len()), (subscriptions, subscriptions), "{said:#?}");
    let recorded = stage.place.texts("SELECT payment_id FROM payments WHERE verified = 1");
    assert!(recorded.into_iter().collect::<BTreeSet<_>>() == once, "{said:#?}");
    assert_eq!(
        stage.place.count("subscriptions WHERE current_period_start LIKE '2026-01-30T15:00%'"),
        subscriptions as u64
    );
    assert_eq!(stage.place.count("events WHERE kind = 'renewal.paid'"), subscriptions as u64);
}

/// Runs on a copy of the file on a disk of `$1` bytes, and brings the file back. The disk is the process's own.
const ON_A_SMALL_DISK: &str = r#"
    set -e
    bytes=$1; shift
    mkdir small
    mount -t tmpfs -o "size=$bytes" tmpfs small
    cp renewd.db* small/
    code=0
    DATABASE_URL=sqlite://small/renewd.db "$@" || code=$?
    rm -f renewd.db*
    cp small/renewd.db* .
    rm -f renewd.db-shm
    exit "$code"
"#;

/// Where nothing may be mounted: no file may become larger, and a write that would is an error like any other.
const WITH_SMALL_FILES: &str = r#"
    trap '' XFSZ
    ulimit -f "$(($1 / 512))"; shift
    exec "$@"
"#;

fn run_on_a_small_disk(place: &Place, file: u64, spare: u64) -> Said {
    let may_mount = Command::new("unshare").args(["--mount", "true"]).output();
    let may_mount = may_mount.is_ok_and(|output| output.status.success());
    // The write-ahead log starts empty, and is what grows.
    let (disk, log) = ((file + spare).to_string(), spare.to_string());
    let wrapper: &[&str] = match may_mount {
        true => &["unshare", "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", &disk],
        false => &["sh", "-c", WITH_SMALL_FILES, "sh", &log],
    };
    place.start_under(wrapper, &RUN).end(RUN_MAX)
}

#[test]
fn a_full_disk_sends_nothing_that_is_not_on_it_and_loses_nothing() {
    const SUBSCRIPTIONS: usize = 40;
    const KIB: u64 = 1024;
    /// Too little to open, to plan, to claim; enough for the claims and too little for what came of them; enough.
    const SPARE_KIB: [u64; 5] = [16, 64, 160, 240, 600];
    let mut stopped_at = BTreeSet::new();
    for spare in SPARE_KIB {
        let stage = stage(SUBSCRIPTIONS);
        let file = std::fs::metadata(stage.place.path("renewd.db")).expect("the database").len();
        let said = run_on_a_small_disk(&stage.place, file, spare * KIB);
        assert_claimed_before_charged(&stage, &said);
        if said.code != Some(0) {
            assert_eq!(said.code, Some(1), "{said:#?}");
            said.erred(&["disk"]).money("nothing is charged twice");
            stopped_at.insert(stage.simulator.charged().len());
        }
        assert_recovers(&stage, SUBSCRIPTIONS, &said);
    }
    assert!(stopped_at.contains(&0) && stopped_at.len() > 1, "full before and after charges: {stopped_at:?}");
}

/// Every step of a run of one charge that writes, by the words that tell of its failure.
const WRITING_STEPS: [&str; 6] = [
    "pinning the store",
    "opening a run",
    "recording a page of the plan",
    "claiming renewals",
    "settling",
    "closing a run",
];

#[test]
fn a_disk_that_fails_to_keep_a_write_ends_the_run_and_the_next_one_recovers() {
    let mut failed = BTreeSet::new();
    // The folder and the checkpoint at the end are synced too: nothing depends on those.
    for nth in 1..=WRITING_STEPS.len() + 2 {
        let stage = stage(1);
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth}");
        let strace = strace::command(&["-e", "trace=fsync,fdatasync", "-e", &inject]);
        let words: Vec<&str> = strace.iter().map(String::as_str).collect();
        let said = stage.place.start_under(&words, &RUN).end(RUN_MAX);
        assert_claimed_before_charged(&stage, &said);
        if said.code != Some(0) {
            assert_eq!(said.code, Some(1), "{said:#?}");
            said.erred(&["disk I/O error"]).money("nothing is charged twice");
            failed.extend(WRITING_STEPS.iter().filter(|step| said.err.contains(**step)));
        }
        assert_recovers(&stage, 1, &said);
    }
    assert_eq!(failed, WRITING_STEPS.iter().collect(), "a step went on with what is not on the disk");
}

/// The order in which the system was asked: the claim is written, is on the disk, and only then its request goes out.
#[test]
fn a_request_leaves_after_its_claim_is_on_the_disk() {
    let stage = stage(1);
    // A whole page of the database is told, and the memory of the write-ahead log is not synced.
    let strace = strace::command(&["-s", "8192", "-e", "trace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg"]);
    let words: Vec<&str> = strace.iter().map(String::as_str).collect();
    let said = stage.place.start_under(&words, &RUN).end(RUN_MAX);
    assert_eq!(said.code, Some(0), "{said:#?}");
    let charged = stage.simulator.charged();
    let key = format!("{}-1", charged[0]);
    let log = std::fs::read_to_string(stage.place.path("strace.log")).expect("the log");
    let calls: Vec<&str> = log.lines().collect();
    let at = |from: usize, what: &dyn Fn(&str) -> bool| {
        let found = calls[from..].iter().position(|call| what(call));
        found.map(|found| from + found)
    };
    let written = at(0, &|call| call.contains("pwrite64") && call.contains(&key)).expect("the claim is written");
    let thread = calls[written].split_whitespace().next().expect("its thread");
    let synced = at(written, &|call| call.starts_with(thread) && call.contains("sync") && call.ends_with("= 0"));
    let sent = at(0, &|call| call.contains("POST /payments/")).expect("the request is sent");
    assert!(synced.is_some_and(|synced| synced < sent), "written {written}, on the disk {synced:?}, sent {sent}");
}
