//! The rules of the house that no compiler keeps: floors, sizes, where SQL lives. Each check is shown a bad sample
//! beside its code, so that none of them can be a check that never fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "in a test a panic is the answer")]

mod house {
    pub mod faults;
    pub mod floors;
    pub mod paths;
    pub mod rules;
    pub mod source;
}

use house::{faults, floors, rules, source};

fn assert_none(offences: impl IntoIterator<Item = String>) {
    let offences: Vec<_> = offences.into_iter().collect();
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

#[test]
fn floors_name_only_floors_below() {
    let sources = source::sources("src");
    assert!(sources.len() > 10, "the source is not where this test looks");
    assert_none(floors::offences(&sources));
}

#[test]
fn files_are_short() {
    let files = source::files("src", "rs").into_iter().chain(source::files("tests", "rs"));
    assert_none(files.filter_map(|path| rules::too_long(&path, &source::text_of(&path))));
}

#[test]
fn sql_lives_in_sql_files() {
    assert_none(source::sources("src").iter().flat_map(rules::sql_in_strings));
}

#[test]
fn every_statement_is_used_and_has_its_twin() {
    let files = source::files("src", "sql");
    assert_none(rules::unnamed_sql(&files, &source::sources("src")));
    assert_none(rules::without_twin(&files, "src/store/postgres/", "src/store/sqlite/"));
}

#[test]
fn every_migration_has_its_twin() {
    assert_none(rules::without_twin(&source::files("migrations", "sql"), "migrations/postgres/", "migrations/sqlite/"));
}

#[test]
fn exceptions_are_expected_and_nothing_is_left_for_later() {
    assert_none(source::sources("src").iter().flat_map(rules::loose_ends));
}

#[test]
fn the_engine_selects_in_order() {
    assert_none(source::sources("src").iter().flat_map(rules::chosen_by_chance));
}

#[test]
fn every_folder_says_what_lives_there() {
    assert_none(source::files("src", "rs").iter().filter_map(|path| rules::without_head(path, &source::text_of(path))));
}

#[test]
fn every_dependency_stands_in_a_group_with_a_reason() {
    assert_none(rules::dependencies_without_reason(&source::text_of("Cargo.toml")));
}

#[test]
fn every_fault_has_its_line_and_every_test_of_it_exists() {
    let text_of = |path: &str| source::exists(path).then(|| source::text_of(path));
    assert_none(faults::offences(&source::text_of("tests/FAULTS.md"), &text_of));
}
