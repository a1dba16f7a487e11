//! Command lines as documents show them: what a shell would make of a line, as far as ours need it, and which words of
//! it are a call of `renewd`.

use super::{Document, all, guides};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use renewd::cli::Cli;

/// A line's words. Quotes group, a backslash takes the next character as it is, ` #` begins a comment; what separates
/// commands is a word of its own.
pub fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => word.push(character),
            (None, '"' | '\'') => (quote, begun) = (Some(character), true),
            (None, '\\') => word.extend(characters.next()),
            (None, '#') if word.is_empty() && !begun => break,
            (None, '|' | ';' | '&' | '<' | '>' | '(' | ')') => {
                end(&mut words, &mut word, &mut begun);
                words.push(character.to_string());
            }
            (None, _) if character.is_whitespace() => end(&mut words, &mut word, &mut begun),
            (None, _) => word.push(character),
        }
    }
    end(&mut words, &mut word, &mut begun);
    words
}

fn end(words: &mut Vec<String>, word: &mut String, begun: &mut bool) {
    if *begun || !word.is_empty() {
        words.push(std::mem::take(word));
        *begun = false;
    }
}

/// The lines of a shell's block, those that go on in the next one put together.
pub fn lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// A command line as it is compared: its words, with one space between.
pub fn normal(line: &str) -> String {
    words(line).join(" ")
}

/// The arguments of the call of `renewd` that a line holds, if it holds one: as its own command, behind another
/// program (`docker compose exec renewd renewd status`), or as `cargo run --`.
pub fn call(words: &[String]) -> Option<Vec<String>> {
    let is_ours = |at: usize| {
        let word = words[at].as_str();
        let is_cargo = at >= 2 && word == "--" && words[at - 2] == "cargo" && words[at - 1] == "run";
        let begins = || words.get(at + 1).is_some_and(|next| OF_ALL.contains(&next.as_str()) || is_subcommand(next));
        is_cargo || ((word == "renewd" || word.ends_with("/renewd")) && (at == 0 || begins()))
    };
    let at = (0..words.len()).find(|at| is_ours(*at))?;
    let ends = |word: &&String| !matches!(word.as_str(), "|" | ";" | "&" | "<" | ">" | "(" | ")");
    Some(words[at + 1..].iter().take_while(ends).cloned().collect())
}

/// Flags that may stand before a subcommand.
const OF_ALL: [&str; 5] = ["--config", "--output", "--clock", "--version", "--help"];

fn is_subcommand(word: &str) -> bool {
    Cli::command().get_subcommands().any(|command| command.get_name() == word)
}

/// What a person puts where a document says `ID`.
const AN_ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// What is wrong with these arguments. Where a command is only named, it may lack what it needs.
fn problem(arguments: &[String], is_only_named: bool) -> Option<String> {
    let filled_in = |word: &String| if word == "ID" { AN_ID.to_owned() } else { word.clone() };
    let all = std::iter::once("renewd".to_owned()).chain(arguments.iter().map(filled_in));
    let error = Cli::try_parse_from(all).err()?;
    let lacks = [ErrorKind::MissingRequiredArgument, ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand];
    let is_fine = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
        || (is_only_named && lacks.contains(&error.kind()));
    (!is_fine).then(|| error.to_string())
}

/// The lines of all blocks for a shell.
pub fn shell_lines(document: &Document) -> Vec<String> {
    let blocks = document.blocks().filter(|block| matches!(block.kind, "sh" | "bash" | "shell" | "console" | "cron"));
    blocks.flat_map(|block| lines(block.text)).collect()
}

/// What is wrong with the calls of `renewd` in a document.
fn bad_calls(document: &Document) -> Vec<String> {
    let of_blocks = shell_lines(document).into_iter().map(|line| (line, false));
    let of_prose = document.spans().into_iter().filter(|span| span.starts_with("renewd ")).map(|span| (span, true));
    let check = |(line, is_only_named): (String, bool)| {
        let problem = problem(&call(&words(&line))?, is_only_named)?;
        Some(format!("{}: {line}\n{problem}", document.path))
    };
    of_blocks.chain(of_prose).filter_map(check).collect()
}

#[test]
fn every_command_of_every_document_is_one() {
    let documents = all();
    assert!(documents.len() > 8, "the documents are not where this test looks");
    let bad: Vec<String> = documents.iter().flat_map(bad_calls).collect();
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    let calls = guides().iter().flat_map(shell_lines).filter(|line| call(&words(line)).is_some()).count();
    assert!(calls > 40, "only {calls} calls were found");
}

#[test]
fn a_command_that_is_none_is_found_wherever_it_stands() {
    let document = |text: &str| Document { path: "x.md".to_owned(), text: text.to_owned() };
    for bad in [
        "```sh\nrenewd charge-everybody\n```",
        "```sh\nrenewd status --colour\n```",
        "```sh\necho key | renewd retry sub_1 --with-billing-key -\n```",
        "```bash\nsudo -u renewd /usr/local/bin/renewd run --dryrun\n```",
        "```sh\ndocker compose exec renewd renewd status --all\n```",
        "```sh\nrenewd run \\\n  --limit many\n```",
        "```sh\ncargo run -- dema\n```",
        "Type `renewd undo`, and wait.",
        "Type `renewd\nretry sub_1 --now`.",
    ] {
        assert_eq!(bad_calls(&document(bad)).len(), 1, "{bad}");
    }
    for good in [
        "```sh\nrenewd run --dry-run   # looks only\nsystemctl restart renewd\n```",
        "```sh\ndocker compose up renewd\njournalctl -u renewd -f\n```",
        "`renewd retry`, `renewd events`, `renewd.service`",
    ] {
        assert_eq!(bad_calls(&document(good)), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn lines_are_read_as_a_shell_reads_them() {
    assert_eq!(words(r#"a "b c" 'd"e' f\ g # h"#), ["a", "b c", "d\"e", "f g"]);
    assert_eq!(words("echo x | renewd run>out"), ["echo", "x", "|", "renewd", "run", ">", "out"]);
    assert_eq!(words("''"), [""]);
    assert_eq!(lines("a \\\n  b\n# c\n\nd"), ["a    b", "d"]);
}
