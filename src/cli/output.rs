//! What commands print: tables for people or one JSON document for machines. stdout is data, stderr is talk.
//!
//! A reader that goes away (`renewd status | head`) is no error: the rest is not written.

use std::io::{self, ErrorKind, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::config::Environment;

use super::error::{CliError, incomplete};

const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// What stdout is for: `--output table|json`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// For people.
    #[default]
    Table,
    /// One JSON document, and nothing else.
    Json,
}

/// How this process prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub mode: Mode,
    /// Bold headings; only on a terminal, and not against `NO_COLOR`.
    pub colour: bool,
    /// Width of a table in characters; `None`: as wide as it needs.
    pub width: Option<u16>,
    /// Whether somebody watches stderr and may be shown progress.
    watched: bool,
}

impl Output {
    /// Prints as suits where stdout and stderr lead.
    pub fn of_process(mode: Mode, environment: &Environment) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            mode,
            colour: terminal && !environment.no_color(),
            width: environment.columns().filter(|_| terminal),
            watched: mode == Mode::Table && io::stderr().is_terminal(),
        }
    }

    /// Prints one JSON document on stdout.
    ///
    /// # Errors
    /// Incomplete, when stdout cannot be written to.
    pub fn json(&self, document: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(document)
            .map_err(|error| incomplete("the result cannot be written as JSON").because(error))?;
        self.line(&text)
    }

    /// Prints a table on stdout.
    ///
    /// # Errors
    /// Incomplete, when stdout cannot be written to.
    pub fn table<R>(&self, headers: &[&str], rows: R) -> Result<(), CliError>
    where
        R: IntoIterator,
        R::Item: IntoIterator<Item = String>,
    {
        self.line(&self.render_table(headers, rows))
    }

    /// The text of a table: columns two spaces apart, no borders.
    pub fn render_table<R>(&self, headers: &[&str], rows: R) -> String
    where
        R: IntoIterator,
        R::Item: IntoIterator<Item = String>,
    {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(headers);
        if let Some(width) = self.width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        for row in rows {
            table.add_row(row.into_iter().map(|cell| printable(&cell)).collect::<Vec<_>>());
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let text = table.to_string();
        let mut lines = text.lines().map(str::trim_end);
        let head = self.bold(lines.next().unwrap_or_default());
        std::iter::once(head).chain(lines.map(str::to_owned)).collect::<Vec<_>>().join("\n")
    }

    /// Prints a heading on stdout, an empty line above it.
    ///
    /// # Errors
    /// Incomplete, when stdout cannot be written to.
    pub fn heading(&self, text: &str) -> Result<(), CliError> {
        self.line(&format!("\n{}", self.bold(text)))
    }

    /// Prints text and a line break on stdout.
    ///
    /// # Errors
    /// Incomplete, when stdout cannot be written to.
    pub fn line(&self, text: &str) -> Result<(), CliError> {
        write_line(&mut io::stdout().lock(), text)
            .map_err(|error| incomplete("the result cannot be written to stdout").because(error))
    }

    /// Prints text on stdout as it is: a part of a document that is too long to be held.
    ///
    /// # Errors
    /// Incomplete, when stdout cannot be written to.
    pub fn text(&self, text: &str) -> Result<(), CliError> {
        unless_nobody_reads(io::stdout().lock().write_all(text.as_bytes()))
            .map_err(|error| incomplete("the result cannot be written to stdout").because(error))
    }

    /// Says something on stderr, in either mode. Nobody listening is no error.
    pub fn note(&self, text: &str) {
        say(&format!("{text}\n"));
    }

    /// A bar on stderr while `len` things are done; invisible where nobody watches.
    pub fn progress(&self, len: u64, label: &str) -> Progress {
        if !self.watched {
            return Progress(None);
        }
        let bar = ProgressBar::with_draw_target(Some(len), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{msg} {bar:30} {human_pos}/{human_len} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(label.to_owned());
        Progress(Some(bar))
    }

    fn bold(&self, text: &str) -> String {
        if self.colour { format!("{BOLD}{text}{PLAIN}") } else { text.to_owned() }
    }
}

/// A progress bar, or nothing.
#[derive(Debug)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// `delta` more things are done.
    pub fn inc(&self, delta: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(delta);
        }
    }

    /// There are `len` things in all.
    pub fn set_len(&self, len: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(len);
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Writes to stderr; a closed stderr must not end a run.
pub fn say(text: &str) {
    // There is no third place to say that stderr is gone.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// `text` with control characters and changes of direction made visible: names and messages come from outside, and must
/// not move the cursor, write lines of their own, or turn a line around.
pub fn printable(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default())
        } else if turns(c) {
            shown.extend(c.escape_unicode())
        } else {
            shown.push(c)
        }
    }
    shown
}

fn write_line(out: &mut impl Write, text: &str) -> io::Result<()> {
    unless_nobody_reads(out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
}

fn unless_nobody_reads(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Output = Output { mode: Mode::Table, colour: false, width: None, watched: false };

    fn rows(rows: &[[&str; 2]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.map(str::to_owned).to_vec()).collect()
    }

    #[test]
    fn a_table_is_aligned_by_width_on_screen_and_has_no_borders() {
        let text = PIPE.render_table(&["name", "state"], rows(&[["김하늘", "paid"], ["Kim", "due"]]));
        assert_eq!(text, "name    state\n김하늘  paid\nKim     due");
    }

    #[test]
    fn only_the_head_is_bold_and_only_with_colour() {
        let colour = Output { colour: true, ..PIPE };
        assert_eq!(colour.render_table(&["a"], [[String::from("b")]]), "\u{1b}[1ma\u{1b}[0m\nb");
        assert!(!PIPE.render_table(&["a"], [[String::from("b")]]).contains('\u{1b}'));
    }

    #[test]
    fn a_narrow_terminal_gets_a_narrow_table() {
        let narrow = Output { width: Some(20), ..PIPE };
        let text = narrow.render_table(&["a", "b"], rows(&[["one two three four", "five six seven eight"]]));
        assert!(text.lines().all(|line| line.len() <= 20), "{text}");
        assert!(text.lines().count() > 2);
    }

    #[test]
    fn cells_cannot_move_the_cursor_or_turn_the_line() {
        let text = PIPE.render_table(&["a"], [[String::from("x\u{1b}[2J\ny\u{202e}z")]]);
        assert_eq!(text, "a\nx\\u{1b}[2J\\ny\\u{202e}z");
        assert_eq!(printable("김하늘 ok"), "김하늘 ok");
    }

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is_one() {
        assert!(write_line(&mut Broken(ErrorKind::BrokenPipe), "x").is_ok());
        assert!(write_line(&mut Broken(ErrorKind::StorageFull), "x").is_err());
        let mut out = Vec::new();
        write_line(&mut out, "x").unwrap();
        assert_eq!(out, b"x\n");
    }

    #[test]
    fn nobody_watching_means_no_bar() {
        assert!(PIPE.progress(3, "charging").0.is_none());
        let bar = Output { watched: true, ..PIPE }.progress(3, "charging");
        bar.set_len(9);
        bar.inc(2);
        assert_eq!(bar.0.as_ref().map(|bar| (bar.position(), bar.length())), Some((2, Some(9))));
        bar.finish();
    }
}
