//! The doctor, on set-ups that are really broken: it finds what is, says what to do, and changes nothing.

use super::database::{change_postgres, on_postgres};
use super::place::{Place, Said};
use super::running::Simulator;
use super::{NOW, Stage};
use serde_json::Value;

/// Of a database that was made with another key, 64 digits.
const OTHER_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A set-up in which one thing is wrong.
struct Broken {
    what: &'static str,
    /// Breaks a set-up that is well.
    by: fn(&mut Stage),
    /// Not under a test clock, which would stand for all clocks.
    real_time: bool,
    code: i32,
    /// The check that fails, words of what it found, words of what to do.
    told: (&'static str, &'static [&'static str], &'static str),
}

const fn broken(
    what: &'static str,
    by: fn(&mut Stage),
    code: i32,
    told: (&'static str, &'static [&'static str], &'static str),
) -> Broken {
    Broken { what, by, real_time: false, code, told }
}

const SCHEMA_NEWER: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
    SELECT 999, 'later', success, checksum, 0 FROM _sqlx_migrations LIMIT 1";
const SCHEMA_OLDER: &str = "UPDATE _sqlx_migrations SET version = -version \
    WHERE version = (SELECT max(version) FROM _sqlx_migrations)";

/// All of these on a machine where everything else is well.
const BROKEN: [Broken; 22] = [
    broken(
        "a secret that is not valid",
        |s| set(s, "PORTONE_API_SECRET", "of-last-year"),
        2,
        ("gateway", &["refuses our credentials", "UNAUTHORIZED"], "PORTONE_API_SECRET"),
    ),
    broken(
        "another merchant's store",
        |s| set(s, "PORTONE_STORE_ID", "store-of-another"),
        2,
        ("gateway", &["refuses our credentials for store-of-another", "FORBIDDEN"], "PORTONE_STORE_ID"),
    ),
    broken(
        "no secret at all",
        |s| set(s, "PORTONE_API_SECRET", ""),
        2,
        ("credentials", &["gateway.api_secret is not set"], "PortOne's console"),
    ),
    broken(
        "a gateway that is not there",
        |s| set(s, "PORTONE_API_BASE", "http://127.0.0.1:9"),
        1,
        ("gateway", &["does not answer"], "PORTONE_API_BASE"),
    ),
    broken(
        "a gateway without TLS",
        |s| set(s, "PORTONE_API_BASE", "http://api.example.com"),
        2,
        ("settings", &["gateway.base_url", "https"], "correct the value"),
    ),
    broken(
        "TLS where plain HTTP is spoken",
        speaks_no_tls,
        1,
        ("gateway", &["https://127.0.0.1", "does not answer"], "TLS"),
    ),
    broken(
        "a database server that is not there",
        |s| set(s, "DATABASE_URL", "postgres://r:hunter2@127.0.0.1:9/r"),
        1,
        ("database", &["cannot be reached"], "DATABASE_URL"),
    ),
    broken(
        "a database without tables",
        |s| set(s, "DATABASE_URL", "sqlite://new.db"),
        2,
        ("schema", &["there is no database", "new.db"], "renewd migrate"),
    ),
    broken("a file that is no database", no_database, 2, ("database", &["not a database"], "DATABASE_URL")),
    broken(
        "a schema that is too old",
        |s| on_changed_postgres(s, SCHEMA_OLDER),
        2,
        ("schema", &["schema is version", "needs"], "renewd migrate"),
    ),
    broken(
        "a schema that is newer",
        |s| on_changed_postgres(s, SCHEMA_NEWER),
        2,
        ("schema", &["version 999", "newer"], "deploy the newer renewd"),
    ),
    broken("a database that takes no writes", read_only, 2, ("database", &["is read-only"], "primary")),
    broken("a role that may do nothing", without_grants, 2, ("database", &["permission denied"], "DATABASE_URL")),
    Broken {
        real_time: true,
        ..broken("a clock that is wrong", |_| (), 2, ("clocks", &["ahead of the database's"], "NTP"))
    },
    broken(
        "the key of another database",
        |s| set(s, "RENEWD_PAYMENT_ID_KEY", OTHER_KEY),
        2,
        ("installation", &["payment_id_key is not the key"], "RENEWD_PAYMENT_ID_KEY"),
    ),
    broken(
        "a sink that is not there",
        |s| set(s, "RENEWD_NOTIFY__SLACK_URL", "http://127.0.0.1:9/services/hunter2"),
        1,
        ("slack", &["127.0.0.1:9 cannot be reached"], "[notify]"),
    ),
    broken(
        "another store's database",
        |s| {
            s.run(&[]);
            set(s, "RENEWD_GATEWAY__CHANNEL_TYPE", "TEST");
        },
        2,
        ("installation", &["belongs to store-simulator with LIVE channels", "TEST"], "gateway.channel_type"),
    ),
    broken(
        "a key that does not exist",
        |s| set(s, "RENEWD_GATEWAY__CALL_TIME_OUT", "70s"),
        2,
        (
            "settings",
            &["RENEWD_GATEWAY__CALL_TIME_OUT", "did you mean RENEWD_GATEWAY__CALL_TIMEOUT"],
            "correct its name",
        ),
    ),
    broken(
        "a kill switch that is on",
        |s| {
            s.place.run(&["pause", "--reason", "wrong prices"]).ok();
        },
        2,
        ("kill switch", &["paused by", "wrong prices"], "renewd resume"),
    ),
    broken(
        "a cron line of another program",
        |s| set(s, "RENEWD_SCHEDULE__RENEWALS", "0 10 * * *"),
        2,
        ("settings", &["schedule.renewals", "six cron fields"], "correct the value"),
    ),
    broken(
        "a zone that no map has",
        |s| set(s, "RENEWD_BUSINESS__ZONE", "Asia/Soul"),
        2,
        ("settings", &["business.zone", "Asia/Soul"], "correct the value"),
    ),
    broken(
        "a secret's file that cannot be read",
        unreadable_secret,
        2,
        ("settings", &["gone/secret", "PORTONE_WEBHOOK_SECRET_FILE"], "may read it"),
    ),
];

fn set(stage: &mut Stage, name: &str, value: &str) {
    stage.place.set(name, value);
}

fn unreadable_secret(stage: &mut Stage) {
    set(stage, "PORTONE_WEBHOOK_SECRET_FILE", "gone/secret");
}

fn speaks_no_tls(stage: &mut Stage) {
    let base = stage.simulator.told("PORTONE_API_BASE").replacen("http:", "https:", 1);
    set(stage, "PORTONE_API_BASE", &base);
}

fn no_database(stage: &mut Stage) {
    stage.place.write("notes.txt", &"these are no tables\n".repeat(300));
    set(stage, "DATABASE_URL", "sqlite://notes.txt");
}

fn on_migrated_postgres(stage: &mut Stage) -> String {
    let url = on_postgres("doctor");
    set(stage, "DATABASE_URL", &url);
    stage.place.run(&["migrate"]).ok();
    url
}

fn on_changed_postgres(stage: &mut Stage, statement: &str) {
    let url = on_migrated_postgres(stage);
    assert_eq!(change_postgres(&url, statement), 1);
}

fn read_only(stage: &mut Stage) {
    let url = on_migrated_postgres(stage);
    let name = url.split('?').next().and_then(|url| url.rsplit('/').next()).expect("a database's name");
    change_postgres(&url, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
}

fn without_grants(stage: &mut Stage) {
    let url = on_migrated_postgres(stage);
    change_postgres(
        &url,
        "DO $$ BEGIN CREATE ROLE doctor_nobody LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    );
    set(stage, "DATABASE_URL", &url.replacen("renewd@", "doctor_nobody@", 1));
}

fn well() -> Stage {
    Stage::with(&[("a", "billing-key-a")])
}

fn examine(stage: &Stage, real_time: bool) -> Said {
    match real_time {
        true => stage.place.run(&["--output", "json", "doctor"]),
        false => stage.place.at(NOW, &["--output", "json", "doctor"]),
    }
}

fn of_check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().expect("a list");
    checks.iter().find(|one| one["check"] == name).unwrap_or_else(|| panic!("no check {name}: {report:#}"))
}

#[track_caller]
fn assert_found(broken: &Broken) {
    let mut stage = well();
    (broken.by)(&mut stage);
    let said = examine(&stage, broken.real_time);
    let (what, report) = (broken.what, said.json());
    assert_eq!(said.code, Some(broken.code), "{what}: {said:#?}");
    assert_eq!(report["well"], false, "{what}");
    let (name, found, todo) = broken.told;
    let check = of_check(&report, name);
    assert_eq!(check["result"], "fails", "{what}: {report:#}");
    for word in found {
        assert!(check["found"].as_str().is_some_and(|text| text.contains(word)), "{what}, {word:?}: {check:#}");
    }
    assert!(check["do"].as_str().is_some_and(|text| text.contains(todo)), "{what}: {check:#}");
    assert!(check["money"].as_str().is_some_and(|text| text.len() > 10), "{what}: {check:#}");
    let failing = report["checks"].as_array().expect("a list").iter().filter(|one| one["result"] == "fails");
    assert_eq!(failing.count(), 1, "{what}: one thing is wrong, and its echoes are not told: {report:#}");
    said.line(&["error: 1 of", name]);
    assert!(!said.out.contains("hunter2") && !said.out.contains("of-last-year"), "{what}: {said:#?}");
}

#[test]
fn each_of_the_broken_set_ups_is_found_and_told_how_to_mend() {
    assert!(BROKEN.len() >= 12);
    // Two at a time: most of each is waiting for a process.
    let (first, second) = BROKEN.split_at(BROKEN.len() / 2);
    std::thread::scope(|scope| {
        for half in [first, second] {
            scope.spawn(|| half.iter().for_each(assert_found));
        }
    });
}

#[test]
fn a_set_up_that_is_well_is_told_so_and_left_as_it_is() {
    let stage = well();
    // Not even the store that the database belongs to is decided by looking.
    let before = stage.place.tables();
    let said = examine(&stage, false).ok();
    let report = said.json();
    assert_eq!((&report["well"], said.err.as_str()), (&true.into(), ""), "{said:#?}");
    for one in report["checks"].as_array().expect("a list").iter().filter(|one| one["check"] != "file") {
        assert_eq!(one["result"], "ok", "{report:#}");
    }
    for name in ["settings", "credentials", "times", "database", "schema", "installation", "gateway", "channels"] {
        of_check(&report, name);
    }
    assert_eq!(stage.place.tables(), before);
    stage.run(&[]);
    let after_a_run = stage.place.tables();
    examine(&stage, false).ok();
    assert_eq!(stage.place.tables(), after_a_run);
    assert_eq!(stage.simulator.charged().len(), 1);
}

#[test]
fn on_postgres_too_and_nobody_makes_a_database_by_looking() {
    let mut stage = well();
    on_migrated_postgres(&mut stage);
    let report = examine(&stage, false).ok().json();
    assert!(of_check(&report, "database")["found"].as_str().is_some_and(|text| text.contains("PostgreSQL")));
    set(&mut stage, "DATABASE_URL", "sqlite://new.db");
    examine(&stage, false);
    assert!(!stage.place.files().contains(&"new.db".to_owned()));
}

#[test]
fn what_people_do_by_hand_is_no_sign_that_the_schedule_works() {
    let stage = Stage::with(&[("a", "billing-key-a"), ("b", "billing-key-b-limit-once")]);
    stage.run(&[]);
    let (two_days_later, now) = ("2026-02-01T10:00:00+09:00", "2026-02-01T10:30:00+09:00");
    stage.place.at(two_days_later, &["retry", "sub_b", "--reason", "the customer called"]).ok();
    let report = stage.place.at(now, &["--output", "json", "doctor"]).ok().json();
    let check = of_check(&report, "last run");
    assert_eq!(check["result"], "warning", "{check:#}");
    assert!(check["found"].as_str().is_some_and(|text| text.contains("48 h old")), "{check:#}");
}

#[test]
fn a_person_is_told_in_lines() {
    let place = Place::migrated();
    let simulator = Simulator::start(&place, &[]);
    let mut stage = Stage { place, simulator };
    stage.simulator.tell(&mut stage.place);
    stage.place.run(&["pause", "--reason", "wrong prices"]).ok();
    let said = stage.place.at(NOW, &["doctor"]);
    assert_eq!(said.code, Some(2), "{said:#?}");
    for line in
        ["kill switch fails: charging is paused by", "  money: nothing is charged", "  do: when the reason is gone"]
    {
        assert!(said.out.lines().any(|printed| printed.starts_with(line)), "{line:?}: {}", said.out);
    }
}
