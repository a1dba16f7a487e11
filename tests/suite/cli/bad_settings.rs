//! Settings and arguments that are refused: before anything connects, so no database is made either.

use super::NOW;
use super::place::{Place, Said};

/// Refused, in one line with these words, without a trace.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], words: &[&str]) -> Said {
    let before = place.files();
    let said = place.run(arguments);
    said.refused(2, words).money("nothing was charged");
    assert_eq!(place.files(), before, "something was made");
    said
}

/// With a gateway of this machine, where a test clock is allowed.
fn rehearsal() -> Place {
    Place::empty().with("PORTONE_API_BASE", "http://127.0.0.1:9")
}

#[test]
fn an_unknown_key_in_the_file() {
    let place = Place::empty();
    place.write("r.toml", "[charge]\nconcurency = 3\n");
    let words = ["unknown key charge.concurency", "r.toml", "did you mean charge.concurrency?"];
    refused(&place, &["--config", "r.toml", "run"], &words);
}

#[test]
fn an_unknown_key_in_the_environment() {
    let place = Place::empty().with("RENEWD_CHARGE__CONCURENCY", "3");
    let words = ["RENEWD_CHARGE__CONCURENCY", "did you mean RENEWD_CHARGE__CONCURRENCY?"];
    refused(&place, &["run"], &words);
}

#[test]
fn a_file_that_cannot_be_read() {
    refused(&Place::empty(), &["--config", "gone.toml", "status"], &["gone.toml", "--config", "No such file"]);
}

#[test]
fn a_file_that_is_no_toml() {
    let place = Place::empty();
    place.write("r.toml", "[charge]\nconcurrency = \n");
    refused(&place, &["--config", "r.toml", "status"], &["r.toml, line 2"]);
}

#[test]
fn a_bad_cron_line() {
    let place = rehearsal().with("RENEWD_SCHEDULE__RENEWALS", "at ten");
    let words = ["schedule.renewals = \"at ten\"", "RENEWD_SCHEDULE__RENEWALS", "six cron fields"];
    refused(&place, &["run"], &words);
}

#[test]
fn a_bad_zone() {
    let place = Place::empty().with("RENEWD_BUSINESS__ZONE", "Asia/Soul");
    refused(&place, &["run"], &["business.zone = \"Asia/Soul\"", "RENEWD_BUSINESS__ZONE", "IANA"]);
}

#[test]
fn a_bad_duration() {
    let place = Place::empty().with("RENEWD_GATEWAY__CALL_TIMEOUT", "75");
    let words = ["gateway.call_timeout = \"75\"", "RENEWD_GATEWAY__CALL_TIMEOUT", "\"65s\""];
    refused(&place, &["run"], &words);
}

#[test]
fn a_gateway_that_would_read_the_secret_on_the_way() {
    let place = Place::empty().with("PORTONE_API_BASE", "http://api.portone.io");
    refused(&place, &["run"], &["gateway.base_url", "PORTONE_API_BASE", "http is refused", "use https"]);
}

#[test]
fn a_test_clock_beside_the_real_gateway() {
    let words = ["--clock", "https://api.portone.io"];
    refused(&Place::empty(), &["--clock", NOW, "run"], &words);
    refused(&Place::empty(), &["--clock", NOW, "migrate"], &words);
}

#[test]
fn a_clock_that_is_no_time() {
    let place = Place::empty();
    let said = place.run(&["--clock", "tomorrow", "status"]);
    said.refused(2, &["tomorrow", "--clock"]);
    assert!(place.files().is_empty());
}

#[test]
fn a_missing_secret_stops_a_run_and_nothing_else() {
    let place = Place::migrated();
    place.import(&super::lines(&[("a", "billing-key-a")]));
    let before = place.tables();
    for arguments in [&["run"][..], &["run", "--dry-run"]] {
        let said = place.run(arguments);
        let words = ["gateway.api_secret is not set", "PORTONE_API_SECRET", "gateway.store_id", "PORTONE_STORE_ID"];
        said.refused(2, &words).money("nothing was charged");
    }
    assert_eq!(place.tables(), before);
    place.run(&["status"]).ok();
    place.run(&["show", "sub_a"]).ok();
    place.run(&["migrate", "--check"]).ok();
}

#[test]
fn a_missing_secret_file_is_named() {
    let place = Place::empty().with("PORTONE_API_SECRET_FILE", "gone.secret");
    refused(&place, &["run"], &["gone.secret", "PORTONE_API_SECRET_FILE"]);
}

#[test]
fn a_task_that_is_none_of_the_jobs() {
    let place = Place::empty().with("CLOUD_RUN_TASK_INDEX", "2").with("CLOUD_RUN_TASK_COUNT", "2");
    refused(&place, &["run"], &["CLOUD_RUN_TASK_INDEX", "\"2\"", "CLOUD_RUN_TASK_COUNT"]);
}
