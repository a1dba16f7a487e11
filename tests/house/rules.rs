//! The rules that need no resolving: sizes, SQL, attributes, heads of folders, reasons of dependencies.

use super::source::{Source, Token};
use std::collections::BTreeSet;

pub const FILE_LINES_MAX: usize = 500;

const STATEMENTS: &[&str] = &[
    "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "BEGIN", "CREATE", "ALTER", "DROP", "PRAGMA", "TRUNCATE", "MERGE",
];

/// Written small, a statement is told from a sentence by its second keyword.
const SMALL_STATEMENTS: &[(&str, &str)] =
    &[("select ", " from "), ("insert ", " into "), ("delete ", " from "), ("update ", " set "), ("pragma ", "")];

/// What opens a transaction or a connection has no rows, no parameters, and no twin in the other database.
const SQL_IN_STRINGS: &[(&str, &[&str])] =
    &[("src/store/postgres/mod.rs", &["BEGIN"]), ("src/store/sqlite/mod.rs", &["BEGIN IMMEDIATE", "PRAGMA"])];

pub fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > FILE_LINES_MAX).then(|| format!("{path} has {lines} lines; {FILE_LINES_MAX} are enough for one idea"))
}

pub fn sql_in_strings(source: &Source) -> Vec<String> {
    let allowed = SQL_IN_STRINGS.iter().find(|(path, _)| *path == source.path).map_or(&[][..], |(_, starts)| starts);
    let is_offence = |text: &str| is_sql(text) && !allowed.iter().any(|start| text.trim_start().starts_with(start));
    let offences = source.texts().filter(|(_, text)| is_offence(text));
    offences.map(|(line, _)| format!("{}:{line} holds SQL in a string; it lives in a .sql file", source.path)).collect()
}

fn is_sql(text: &str) -> bool {
    let text = text.trim_start();
    let first: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
    let is_cut = text[first.len()..].starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-'));
    (STATEMENTS.contains(&first.as_str()) && !is_cut)
        || SMALL_STATEMENTS
            .iter()
            .any(|(verb, second)| text.starts_with(verb) && text[verb.len() - 1..].contains(second))
}

/// Statements are compiled in by name; one that nobody names is a rule that nobody keeps.
pub fn unnamed_sql(sql_files: &[String], sources: &[Source]) -> Vec<String> {
    let names: BTreeSet<&str> = sources
        .iter()
        .filter(|source| source.path.starts_with("src/store/"))
        .flat_map(Source::texts)
        .map(|(_, text)| text.rsplit('/').next().unwrap_or(text))
        .collect();
    let is_named = |path: &&String| {
        let file = path.rsplit('/').next().unwrap_or(path);
        names.contains(file) || names.contains(file.trim_end_matches(".sql"))
    };
    sql_files
        .iter()
        .filter(|path| !is_named(path))
        .map(|path| format!("{path} is named by no file of src/store"))
        .collect()
}

/// Statements that one database needs alone: SQLite's session is set by its connect options.
const WITHOUT_TWIN: &[&str] = &["src/store/postgres/session.sql"];

/// Two databases, one meaning: what one folder has, the other has under the same name.
pub fn without_twin(files: &[String], postgres: &str, sqlite: &str) -> Vec<String> {
    let present: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    let twin = |path: &str| {
        let other = |from: &str, to: &str| path.strip_prefix(from).map(|rest| format!("{to}{rest}"));
        other(postgres, sqlite).or_else(|| other(sqlite, postgres))
    };
    files
        .iter()
        .filter(|path| !WITHOUT_TWIN.contains(&path.as_str()))
        .filter_map(|path| match twin(path) {
            None => Some(format!("{path} is neither in {postgres} nor in {sqlite}")),
            Some(twin) if !present.contains(twin.as_str()) => Some(format!("{path} has no twin {twin}")),
            Some(_) => None,
        })
        .collect()
}

/// `#[expect]` goes when its reason goes; `#[allow]` stays for ever. And no room is left for later.
pub fn loose_ends(source: &Source) -> Vec<String> {
    let mut offences = Vec::new();
    for (at, (line, token)) in source.tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        let is_attribute =
            at >= 2 && source.is_mark(at - 1, '[') && (source.is_mark(at - 2, '#') || source.is_mark(at - 2, '!'));
        if word == "allow" && is_attribute && source.is_mark(at + 1, '(') {
            offences.push(format!("{}:{line} allows; use #[expect(…, reason = \"…\")]", source.path));
        }
        if matches!(word.as_str(), "todo" | "unimplemented") && source.is_mark(at + 1, '!') {
            offences.push(format!("{}:{line} leaves something for later", source.path));
        }
    }
    offences
}

/// `select!` takes what is ready by chance unless it is told not to; a simulation could not replay a seed.
pub fn chosen_by_chance(source: &Source) -> Vec<String> {
    if !source.path.starts_with("src/engine/") {
        return Vec::new();
    }
    let selects = (0..source.tokens.len()).filter(|at| source.is_word(*at, "select") && source.is_mark(at + 1, '!'));
    selects
        .filter(|at| !source.is_word(at + 3, "biased"))
        .map(|at| format!("{}:{} selects by chance; start with `biased;`", source.path, source.tokens[at].0))
        .collect()
}

/// The head of a folder says what lives there, and what does not.
pub fn without_head(path: &str, text: &str) -> Option<String> {
    let is_head = path.ends_with("/mod.rs") || path.ends_with("/lib.rs");
    (is_head && !text.starts_with("//! ")).then(|| format!("{path} does not say what lives there: start with //!"))
}

/// Dependencies stand in groups; a group starts with a comment that says what for.
pub fn dependencies_without_reason(manifest: &str) -> Vec<String> {
    let (mut is_dependency, mut is_explained, mut offences) = (false, false, Vec::new());
    for (number, line) in (1..).zip(manifest.lines().map(str::trim)) {
        if line.starts_with('[') {
            is_dependency = line.trim_matches(['[', ']']).ends_with("dependencies");
            is_explained = false;
        } else if line.is_empty() {
            is_explained = false;
        } else if line.starts_with('#') {
            is_explained = true;
        } else if is_dependency && !is_explained {
            offences.push(format!("Cargo.toml:{number} starts a group without saying what for: {line}"));
            is_explained = true; // once per group
        }
    }
    offences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_file_of_501_lines_is_too_long() {
        assert!(too_long("src/x.rs", &"\n".repeat(501)).is_some());
        assert!(too_long("src/x.rs", &"\n".repeat(500)).is_none());
    }

    #[test]
    fn a_select_by_chance_is_found() {
        let count = |path, text: &str| chosen_by_chance(&Source::new(path, text)).len();
        assert_eq!(count("src/engine/run.rs", "tokio::select! { () = a => {} }"), 1);
        assert_eq!(count("src/engine/run.rs", "tokio::select! { biased; () = a => {} }"), 0);
        assert_eq!(count("src/shutdown.rs", "tokio::select! { () = a => {} }"), 0);
    }

    #[test]
    fn sql_in_a_string_is_found_and_sentences_are_not() {
        let count = |path, text: &str| sql_in_strings(&Source::new(path, text)).len();
        assert_eq!(count("src/store/read.rs", r##"f("SELECT 1"); g("\n  WITH x AS"); h(r#"select a from b"#)"##), 3);
        assert_eq!(count("src/store/sqlite/mod.rs", r#"f("BEGIN IMMEDIATE"); g("PRAGMA foreign_keys = on")"#), 0);
        assert_eq!(count("src/store/sqlite/mod.rs", r#"f("DELETE FROM runs")"#), 1);
        assert_eq!(count("src/store/sqlite/claim.rs", r#"f("PRAGMA foreign_keys = on")"#), 1);
        let sentences =
            r#"f("Update the card, or set another"); g("WITHDRAWN"); h("DELETED"); i("update-run") // "SELECT 1""#;
        assert_eq!(count("src/cli/run.rs", sentences), 0);
    }

    #[test]
    fn a_statement_that_nobody_names_is_found() {
        let files = strings(&["src/store/postgres/claim.sql", "src/store/postgres/attic.sql"]);
        let source = |path| [Source::new(path, r#"include_str!("claim.sql") // "attic.sql""#)];
        assert_eq!(unnamed_sql(&files, &source("src/store/postgres/mod.rs")).len(), 1);
        assert_eq!(unnamed_sql(&files, &source("src/engine/run.rs")).len(), 2);
    }

    #[test]
    fn a_file_without_its_twin_is_found() {
        let find = |files: &[&str]| without_twin(&strings(files), "m/postgres/", "m/sqlite/").len();
        assert_eq!(find(&["m/postgres/0001_a.sql", "m/sqlite/0001_a.sql"]), 0);
        assert_eq!(find(&["m/postgres/0001_a.sql", "m/sqlite/0001_b.sql"]), 2);
        assert_eq!(find(&["m/0001_a.sql"]), 1);
    }

    #[test]
    fn allow_and_todo_are_found() {
        let count = |text| loose_ends(&Source::new("src/x.rs", text)).len();
        assert_eq!(count("#[allow(dead_code)] fn f() { todo!() }"), 2);
        assert_eq!(count("#![allow(dead_code)]\nfn f() { unimplemented!(\"x\") }"), 2);
        assert_eq!(count("#[expect(dead_code)] fn f() { allow(1); self.todo() } // #[allow(x)] todo!()"), 0);
    }

    #[test]
    fn a_folder_without_a_head_is_found() {
        assert!(without_head("src/store/mod.rs", "use x;").is_some());
        assert!(without_head("src/store/mod.rs", "//! The port.").is_none());
        assert!(without_head("src/store/claim.rs", "use x;").is_none());
    }

    #[test]
    fn a_group_without_a_reason_is_found() {
        assert_eq!(dependencies_without_reason("[dependencies]\n# Time\na = 1\nb = 1\n\nc = 1\nd = 1\n").len(), 1);
        assert_eq!(dependencies_without_reason("[dependencies]\n# Time\na = 1\n[dev-dependencies]\nb = 1\n").len(), 1);
        assert_eq!(dependencies_without_reason("[lints.rust]\na = 1\n").len(), 0);
    }
}
