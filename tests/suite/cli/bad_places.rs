//! Databases that cannot be worked with: told apart, and left as they are.

use super::database::{block_on, change_postgres, on_postgres};
use super::place::Place;
use super::{NOW, Stage};
use crate::support::postgres;

/// What looks at the tables, each in its own way.
const COMMANDS: [&[&str]; 5] = [&["run"], &["run", "--dry-run"], &["status"], &["show", "x"], &["import", "empty"]];

fn ready(mut place: Place) -> Place {
    place.set("PORTONE_API_BASE", "http://127.0.0.1:9");
    place.set("PORTONE_API_SECRET", "s");
    place.set("PORTONE_STORE_ID", "store-1");
    place.write("empty", "");
    place
}

#[test]
fn a_postgres_that_is_not_there() {
    let place = ready(Place::empty().with("DATABASE_URL", "postgres://renewd:hunter2@127.0.0.1:9/renewd"));
    for arguments in COMMANDS {
        let said = place.run(arguments);
        said.refused(1, &["database cannot be reached", "Connection refused"]).money("nothing is charged twice");
        assert!(said.err.contains("DATABASE_URL") && !said.err.contains("hunter2"), "{said:#?}");
    }
    // Of a password with a question mark in it the rest is taken for a parameter, which the driver does not know.
    let cut = place.with("DATABASE_URL", "postgres://renewd:a@127.0.0.1:9?hunter2@host/renewd");
    let said = cut.run(&["run"]);
    said.refused(1, &["database cannot be reached"]);
    assert!(!said.err.contains("hunter2"), "{said:#?}");
}

#[test]
fn a_postgres_that_lets_nobody_in_says_so() {
    let url = block_on(postgres::database("bad_places"));
    let (path, rest) = url.split_once('?').unwrap();
    let server = path.rsplit_once('/').unwrap().0;
    let place = ready(Place::empty().with("DATABASE_URL", &format!("{server}/hunter2@nowhere?{rest}")));
    for arguments in COMMANDS {
        let said = place.run(arguments);
        said.refused(1, &["the database server refuses us", "no database of the name"])
            .money("nothing is charged twice");
        assert!(said.err.contains("the database's name in DATABASE_URL") && said.err.contains("%40"), "{said:#?}");
        assert!(!said.err.contains("hunter2"), "a part of a password may be taken for the name: {said:#?}");
    }
}

#[test]
fn a_password_that_is_taken_for_the_host_is_hinted_at() {
    let place = ready(Place::empty().with("DATABASE_URL", "postgres://renewd:hunter@2.invalid/x@127.0.0.1:9/renewd"));
    let said = place.run(COMMANDS[0]);
    said.refused(1, &["database cannot be reached"]);
    assert!(said.err.contains("%40"), "{said:#?}");
}

#[test]
fn a_sqlite_folder_that_is_not_there() {
    let place = ready(Place::empty().with("DATABASE_URL", "sqlite://gone/renewd.db"));
    place.run(&["migrate"]).refused(1, &["database cannot be reached"]);
    assert_eq!(place.files(), ["empty"]);
}

#[test]
fn only_migrate_makes_a_sqlite_file() {
    let place = ready(Place::empty());
    for arguments in COMMANDS {
        let said = place.run(arguments);
        // Which file: in another folder, or with a slip in DATABASE_URL, the subscriptions are elsewhere.
        said.refused(2, &["/renewd.db", "DATABASE_URL", "renewd migrate"]).money("nothing was charged");
    }
    assert_eq!(place.files(), ["empty"]);
    place.run(&["migrate"]).ok();
    assert!(place.files().contains(&"renewd.db".to_owned()));
}

#[test]
fn a_postgres_without_tables() {
    let place = ready(Place::empty().with("DATABASE_URL", &on_postgres("cli_empty")));
    for arguments in COMMANDS {
        place.run(arguments).refused(2, &["no renewd tables", "renewd migrate"]);
    }
    place.run(&["migrate", "--check"]).refused(2, &["no renewd tables", "renewd migrate"]);
}

/// A PostgreSQL whose memory of its migrations was changed by `statement`.
fn with_schema_changed(statement: &str) -> Place {
    let url = on_postgres("cli_schema");
    let place = ready(Place::empty().with("DATABASE_URL", &url));
    place.run(&["migrate"]).ok();
    assert_eq!(change_postgres(&url, statement), 1);
    place
}

#[test]
fn a_schema_of_a_later_version() {
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
        SELECT 999, 'later', success, checksum, 0 FROM _sqlx_migrations LIMIT 1";
    let place = with_schema_changed(later);
    for arguments in COMMANDS.iter().chain([&["migrate"][..], &["migrate", "--check"]].iter()) {
        let said = place.run(arguments);
        said.refused(2, &["version 999", "newer than this renewd", "deploy the newer renewd"]);
    }
}

#[test]
fn a_schema_of_an_earlier_version() {
    // The first version has no predecessor: it is made to look older than all.
    let newest = "UPDATE _sqlx_migrations SET version = -version \
        WHERE version = (SELECT max(version) FROM _sqlx_migrations)";
    let place = with_schema_changed(newest);
    for arguments in COMMANDS {
        place.run(arguments).refused(2, &["schema is version", "this renewd needs", "run `renewd migrate`"]);
    }
}

#[test]
fn a_database_of_another_key() {
    let mut stage = Stage::with(&[("a", "billing-key-a")]);
    stage.place.set("RENEWD_PAYMENT_ID_KEY", &"ab".repeat(32));
    for arguments in [&["run"][..], &["run", "--dry-run"], &["daemon"]] {
        stage
            .place
            .at(NOW, arguments)
            .refused(2, &["gateway.payment_id_key", "made with"])
            .money("nothing was charged");
    }
    assert!(stage.simulator.charged().is_empty());
}

#[test]
fn a_database_that_belongs_to_another_store() {
    let mut stage = Stage::with(&[("a", "billing-key-a")]);
    stage.run(&["--limit", "0"]);
    let before = stage.place.tables();
    stage.place.set("PORTONE_STORE_ID", "store-of-another-shop");
    for arguments in [&["run"][..], &["run", "--dry-run"]] {
        let said = stage.place.at(NOW, arguments);
        said.refused(2, &["belongs to store", "store-of-another-shop"]).money("nothing was charged");
    }
    assert_eq!(stage.place.tables(), before);
    assert!(stage.simulator.charged().is_empty());
}
