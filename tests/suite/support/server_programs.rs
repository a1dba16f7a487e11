//! Where the server's programs are. `tests/run` looks in the same places, and installs them where it may.

use std::path::{Path, PathBuf};
use std::process::Command;

const NAMED_BY: &str = "TEST_PG_BIN";
const HOW_TO_GET_IT: &str = "run tests/run, which installs Debian's package postgresql when it may, or install it \
    yourself; TEST_PG_BIN names the folder that holds initdb and postgres where it is in no usual place";

/// The folder with `initdb` and `postgres`: the one that was named, else the first found. Else what to do about it.
pub fn folder() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(NAMED_BY).filter(|named| !named.is_empty()) {
        return choose_named(PathBuf::from(named));
    }
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    choose(on_path, versions_newest_first(Path::new("/usr/lib/postgresql")), from_pg_config())
}

fn choose_named(named: PathBuf) -> Result<PathBuf, String> {
    if holds_server(&named) {
        return Ok(named);
    }
    Err(format!("{NAMED_BY}={} holds no initdb and postgres: {HOW_TO_GET_IT}", named.display()))
}

fn choose(on_path: Vec<PathBuf>, versions: Vec<PathBuf>, configured: Option<PathBuf>) -> Result<PathBuf, String> {
    on_path
        .into_iter()
        .chain(versions)
        .chain(configured)
        .find(|folder| holds_server(folder))
        .ok_or_else(|| format!("no PostgreSQL server found: {HOW_TO_GET_IT}"))
}

fn holds_server(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file())
}

/// Debian keeps one folder per version: `15/bin`, `17/bin`.
fn versions_newest_first(root: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else { return Vec::new() };
    let mut versions: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|version| root.join(version.to_string()).join("bin")).collect()
}

fn from_pg_config() -> Option<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(told.stdout).ok()?.trim()))
}

#[test]
fn a_missing_server_is_told_with_the_package_and_the_script() {
    let empty = tempfile::tempdir().unwrap();
    let problem = choose(vec![empty.path().to_owned()], Vec::new(), None).unwrap_err();
    assert!(problem.contains("package postgresql") && problem.contains("tests/run"), "{problem}");
    let problem = choose_named(empty.path().to_owned()).unwrap_err();
    assert!(problem.contains("TEST_PG_BIN=") && problem.contains("tests/run"), "{problem}");
}

#[test]
fn the_newest_version_comes_first_by_number() {
    let root = tempfile::tempdir().unwrap();
    for version in ["9", "17", "15", "common"] {
        std::fs::create_dir_all(root.path().join(version).join("bin")).unwrap();
    }
    let names: Vec<_> = versions_newest_first(root.path());
    assert_eq!(names, ["17", "15", "9"].map(|version| root.path().join(version).join("bin")));
}
