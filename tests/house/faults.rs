//! `tests/FAULTS.md` against the tests themselves: each fault has its line, and each test that it names exists.

use super::source::{Source, Token};
use std::collections::BTreeMap;
use std::path::Path;

pub const FAULTS: std::ops::RangeInclusive<u32> = 1..=94;

/// How a line without a test, or one whose test is not the whole answer, says why.
const REASONS: [&str; 2] = ["Not there yet: ", "Open: "];

/// One line of the table.
struct Fault {
    number: u32,
    tests: Vec<String>,
    reason: String,
}

/// What is wrong with the table; `text_of` reads a file of the project, if it is there.
pub fn offences(table: &str, text_of: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let faults: Vec<Fault> = table.lines().filter_map(fault).collect();
    let numbers: Vec<u32> = faults.iter().map(|fault| fault.number).collect();
    let mut offences = Vec::new();
    if !numbers.iter().copied().eq(FAULTS) {
        offences.push(format!("the faults are not {FAULTS:?}, each once, in order: {numbers:?}"));
    }
    let mut sources = BTreeMap::new();
    for Fault { number, tests, reason } in &faults {
        let explained = REASONS.iter().any(|word| reason.contains(word));
        if tests.is_empty() && !explained {
            offences.push(format!("fault {number} has no test, and does not say why (`Not there yet: …`, `Open: …`)"));
        }
        for test in tests.iter().filter(|test| !exists(test, text_of, &mut sources)) {
            offences.push(format!("fault {number}: there is no test {test}"));
        }
    }
    offences
}

fn fault(line: &str) -> Option<Fault> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let [number, _, _, last] = cells.as_slice() else { return None };
    let tests = last.split('`').skip(1).step_by(2).filter(|name| name.contains("::")).map(str::to_owned).collect();
    Some(Fault { number: number.parse().ok()?, tests, reason: (*last).to_owned() })
}

/// `suite::cli::signals::x` is `fn x` in `tests/suite/cli/signals.rs`; `lib::domain::claim::tests::x` stands in
/// `src/domain/claim.rs`, or in a file of tests beside it; `house::x` in `tests/house.rs`.
fn exists(
    test: &str,
    text_of: &dyn Fn(&str) -> Option<String>,
    sources: &mut BTreeMap<String, Option<Source>>,
) -> bool {
    let mut parts: Vec<&str> = test.split("::").collect();
    let (Some(name), false) = (parts.pop(), parts.is_empty()) else { return false };
    files(&parts).into_iter().any(|path| {
        let source =
            sources.entry(path.clone()).or_insert_with(|| text_of(&path).map(|text| Source::new(&path, &text)));
        source.as_ref().is_some_and(|source| defines(source, name))
    })
}

fn files(modules: &[&str]) -> Vec<String> {
    let root = match modules[0] {
        "lib" => "src".to_owned(),
        program => format!("tests/{program}"),
    };
    let below = |modules: &[&str]| Path::new(&root).join(modules.join("/")).display().to_string();
    let mut files = vec![format!("{}.rs", below(&modules[1..]).trim_end_matches('/'))];
    files.push(format!("{}/mod.rs", below(&modules[1..]).trim_end_matches('/')));
    if let Some((&"tests", beside)) = modules[1..].split_last() {
        files.push(format!("{}.rs", below(beside)));
        files.push(format!("{}/mod.rs", below(beside)));
    }
    files
}

fn defines(source: &Source, name: &str) -> bool {
    let is_fn = |token: &Token| matches!(token, Token::Word(word) if word == "fn");
    source.tokens.windows(2).any(|pair| is_fn(&pair[0].1) && matches!(&pair[1].1, Token::Word(word) if word == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole table whose first line ends with `last`.
    fn table(last: &str) -> String {
        let lines = FAULTS.map(|number| {
            let last = if number == 1 { last } else { "Not there yet: needs the daemon" };
            format!("| {number} | a fault | an outcome | {last} |\n")
        });
        lines.collect()
    }

    fn offences_of(table: &str) -> Vec<String> {
        offences(table, &|path| match path {
            "tests/suite/cli/signals.rs" => Some("// fn told() {}\n#[test]\nfn kept() {}".to_owned()),
            "src/domain/claim.rs" => Some("mod tests { fn charged() {} }".to_owned()),
            "src/gateway/tests/mod.rs" | "tests/house.rs" => Some("async fn asked() {}".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn tests_are_found_where_their_names_say() {
        let found = "`suite::cli::signals::kept`, `lib::domain::claim::tests::charged`, `lib::gateway::tests::asked`, `house::asked`";
        assert_eq!(offences_of(&table(found)), [""; 0]);
    }

    #[test]
    fn a_test_that_was_renamed_is_found() {
        for name in ["suite::cli::signals::told", "suite::cli::kept", "lib::domain::claim::kept", "kept"] {
            let found = offences_of(&table(&format!("`{name}::` `x::y` `{name}`")));
            assert!(!found.is_empty(), "{name}");
        }
        let renamed = offences_of(&table("`suite::cli::signals::told`"));
        assert_eq!(renamed, ["fault 1: there is no test suite::cli::signals::told"]);
    }

    #[test]
    fn a_line_that_is_missing_or_says_nothing_is_found() {
        let whole = table("Open: it is hard");
        assert_eq!(offences_of(&whole), [""; 0]);
        assert_eq!(offences_of(&table("of course")).len(), 1);
        let missing: String =
            whole.lines().filter(|line| !line.starts_with("| 50 |")).map(|l| format!("{l}\n")).collect();
        assert_eq!(offences_of(&missing).len(), 1);
        assert_eq!(offences_of(&format!("{whole}| 7 | twice | it | Open: x |\n")).len(), 1);
    }
}
