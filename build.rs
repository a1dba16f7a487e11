//! Which commit this is, and when it was built: for `renewd --version`, the doctor and the metrics.
//!
//! Works without git and without a repository: what is not known is said to be unknown. Only a release asks: a commit
//! while somebody works would otherwise build everything again. `SOURCE_COMMIT` tells the commit where there is no
//! repository (a container's build), `SOURCE_DATE_EPOCH` the time, so that two builds of one commit are the same to the byte.

use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const UNKNOWN: &str = "unknown";
/// Enough to be the only one in a large repository.
const COMMIT_DIGITS: usize = 12;
/// What the program is made of: a change there makes it another one than its commit.
const SOURCES: [&str; 7] = ["build.rs", "src", "config", "migrations", "assets", "Cargo.toml", "Cargo.lock"];

fn main() {
    // Whoever looks at nothing is run again at every change of any file.
    println!("cargo::rerun-if-changed=build.rs");
    let is_release = variable("PROFILE").as_deref() == Some("release");
    let commit = variable("SOURCE_COMMIT").map(|commit| commit.chars().take(COMMIT_DIGITS).collect());
    let commit = commit.or_else(|| is_release.then(commit_of_repository).flatten());
    let built = variable("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.parse().ok());
    let built = built.or_else(|| is_release.then(now).flatten());
    // `cargo run` hands these on to the program, which refuses a variable `RENEWD_…` that is no setting.
    println!("cargo::rustc-env=BUILD_OF_RENEWD_COMMIT={}", commit.unwrap_or_else(|| UNKNOWN.to_owned()));
    println!("cargo::rustc-env=BUILD_OF_RENEWD_DATE={}", built.map_or_else(|| UNKNOWN.to_owned(), date));
}

/// What is given, unless it is empty.
#[expect(clippy::disallowed_methods, reason = "cargo tells a build script everything by variables")]
fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The commit, marked where the sources are not those of the commit.
fn commit_of_repository() -> Option<String> {
    // The repository of these sources, and not one that they happen to lie in.
    if !Path::new(".git").exists() {
        return None;
    }
    // Each move of HEAD is written into its log; without one, HEAD itself says most of them.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
    let commit = git(&["rev-parse", &format!("--short={COMMIT_DIGITS}"), "HEAD"])?;
    let changed = git(&[&["status", "--porcelain", "--"][..], &SOURCES[..]].concat())?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-changed") })
}

/// What git says; `None` where there is none, or it refuses.
fn git(arguments: &[&str]) -> Option<String> {
    let quietly = [&["--no-optional-locks"][..], arguments].concat();
    let output = Command::new("git").args(quietly).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the day of the build is the machine's")]
fn now() -> Option<u64> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().map(|time| time.as_secs())
}

/// The day in UTC, as `2026-01-30`.
fn date(seconds: u64) -> String {
    // Days since 1 March of the year 0, in eras of 400 years; a year begins in March, so that the leap day is its last.
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
