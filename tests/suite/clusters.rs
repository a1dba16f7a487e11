//! The ground that the other tests stand on: databases are apart, and nothing is left behind.

use crate::support::postgres::{self, Template};
use crate::support::sqlite::SqliteFile;
use sqlx::{Connection, PgConnection, SqliteConnection};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// In a process that was started to be killed: the file that it tells its server in.
const OWNER_TELLS: &str = "RENEWD_TEST_OWNER_TELLS";
const WAIT_MAX: Duration = Duration::from_secs(300);

#[tokio::test]
async fn two_databases_of_the_same_name_are_two_databases() {
    let (first, second) = (postgres::database("apart").await, postgres::database("apart").await);
    assert_ne!(first, second);
    let mut first = PgConnection::connect(&first).await.unwrap();
    let mut second = PgConnection::connect(&second).await.unwrap();
    sqlx::query("CREATE TABLE only_here (id int)").execute(&mut first).await.unwrap();
    sqlx::query("SELECT id FROM only_here").fetch_all(&mut first).await.unwrap();
    let refusal = sqlx::query("SELECT id FROM only_here").fetch_all(&mut second).await.unwrap_err();
    assert_eq!(refusal.as_database_error().and_then(|e| e.code()).as_deref(), Some("42P01"), "{refusal}");
}

#[tokio::test]
async fn benchmarks_have_a_server_whose_commits_reach_the_disk() {
    for (url, fsync) in [
        (postgres::durable_database("durable").await, "on"),
        (postgres::measured_database("measured").await, "on"),
        (postgres::database("fast").await, "off"),
    ] {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let said: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
        assert_eq!(said, fsync);
    }
}

#[tokio::test]
async fn copies_of_a_template_hold_what_was_filled_in_once() {
    static SHELVES: Template = Template::named("shelves");
    let filled = AtomicU32::new(0);
    let fill = async |url: String| {
        filled.fetch_add(1, Ordering::Relaxed);
        let mut connection = PgConnection::connect(&url).await.unwrap();
        sqlx::query("CREATE TABLE shelf (book text)").execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    };
    let (first, second) = tokio::join!(SHELVES.database("first", fill), SHELVES.database("second", fill));
    assert_eq!(filled.load(Ordering::Relaxed), 1);
    let mut first = PgConnection::connect(&first).await.unwrap();
    let mut second = PgConnection::connect(&second).await.unwrap();
    sqlx::query("INSERT INTO shelf VALUES ('one')").execute(&mut first).await.unwrap();
    let books: i64 = sqlx::query_scalar("SELECT count(*) FROM shelf").fetch_one(&mut second).await.unwrap();
    assert_eq!(books, 0);
}

#[tokio::test]
async fn every_sqlite_file_is_its_own_and_vanishes() {
    let (first, second) = (SqliteFile::new(), SqliteFile::new());
    let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", first.url())).await.unwrap();
    sqlx::query("CREATE TABLE only_here (id int)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert!(first.path().exists() && !second.path().exists());
    let path = first.path();
    drop(first);
    assert!(!path.exists());
}

/// Plays both roles: the test itself, and, in a process of its own, the owner that is killed.
#[tokio::test]
async fn the_server_dies_with_an_owner_that_is_killed() {
    if let Some(file) = told_to_be_the_owner() {
        own_a_server_until_killed(&file).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("server");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "clusters::the_server_dies_with_an_owner_that_is_killed"])
        .env(OWNER_TELLS, &told)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let found = wait_until(|| told.exists()).await;
    let server = std::fs::read_to_string(&told).unwrap_or_default();
    let (pid, cluster) = server.split_once(' ').unwrap_or_default();
    let alive_before = found && is_alive(pid) && Path::new(cluster).exists();
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(alive_before, "the owner never had a server");
    assert!(wait_until(|| !is_alive(pid)).await, "the server {pid} outlived its owner");
    assert!(wait_until(|| !Path::new(cluster).exists()).await, "{cluster} was left behind");
}

async fn own_a_server_until_killed(file: &Path) {
    let (pid, cluster) = postgres::server_process().await;
    let unfinished = file.with_extension("unfinished");
    std::fs::write(&unfinished, format!("{pid} {}", cluster.display())).unwrap();
    std::fs::rename(unfinished, file).unwrap();
    tokio::time::sleep(WAIT_MAX).await;
    panic!("nobody killed the owner");
}

fn told_to_be_the_owner() -> Option<PathBuf> {
    std::env::var_os(OWNER_TELLS).map(PathBuf::from)
}

/// Signal 0 asks whether a process is there; the shell's own `kill` is everywhere.
fn is_alive(pid: &str) -> bool {
    let asked = Command::new("sh").args(["-c", "kill -0 \"$1\"", "sh", pid]).stderr(Stdio::null()).status();
    asked.unwrap().success()
}

async fn wait_until(mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !condition() {
        if start.elapsed() > WAIT_MAX {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}
