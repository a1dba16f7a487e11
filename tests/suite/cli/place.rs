//! A folder of its own with a clean environment, and commands that are run in it.

use super::database;
use super::running::Running;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

/// No command of this suite may take longer.
const COMMAND_SECS_MAX: u64 = 300;

/// An empty folder, and the environment of what runs there.
pub struct Place {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

impl Place {
    /// Nothing but `PATH` and `HOME` is set; `DATABASE_URL` is the default.
    pub fn empty() -> Self {
        let folder = tempfile::Builder::new().prefix("renewd-cli-").tempdir().expect("a temporary folder");
        let mut variables = BTreeMap::new();
        variables.insert("PATH".to_owned(), std::env::var("PATH").unwrap_or_default());
        variables.insert("HOME".to_owned(), folder.path().display().to_string());
        // A charge without an answer is not waited for: what is unknown is told at once.
        variables.insert("RENEWD_CHARGE__REPEATS_MAX".to_owned(), "1".to_owned());
        // Daemons of many tests run beside each other.
        variables.insert("RENEWD_SERVER__LISTEN".to_owned(), "127.0.0.1:0".to_owned());
        Self { folder, variables }
    }

    /// With the tables of SQLite made.
    pub fn migrated() -> Self {
        let place = Self::empty();
        place.run(&["migrate"]).ok();
        place
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.set(name, value);
        self
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("our own folder");
    }

    /// The names of all that is there.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).expect("our own folder");
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Said {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_renewd"));
        command.args(arguments).env_clear().envs(&self.variables).current_dir(self.folder.path());
        let output = command.timeout(Duration::from_secs(COMMAND_SECS_MAX)).output().expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// A command of the test's own, in this folder and environment.
    pub fn dress<'c>(&self, command: &'c mut std::process::Command) -> &'c mut std::process::Command {
        command.env_clear().envs(&self.variables).current_dir(self.folder.path())
    }

    /// Runs a command under a test clock.
    pub fn at(&self, clock: &str, arguments: &[&str]) -> Said {
        self.run(&[&["--clock", clock], arguments].concat())
    }

    /// Starts a command that is watched or stopped on its way.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_under(&[], arguments)
    }

    /// The same as the last arguments of another program, which runs it in its own way.
    pub fn start_under(&self, program: &[&str], arguments: &[&str]) -> Running {
        let words = [program, &[env!("CARGO_BIN_EXE_renewd")], arguments].concat();
        let mut command = std::process::Command::new(words[0]);
        command.args(&words[1..]).env_clear().envs(&self.variables);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        Running::start(command)
    }

    /// Imports these lines, which are good.
    pub fn import(&self, lines: &str) {
        self.write("import.jsonl", lines);
        self.run(&["import", "import.jsonl"]).ok();
    }

    /// Every row of every table of the SQLite file, as text: equal when nothing was written between.
    pub fn tables(&self) -> BTreeMap<String, Vec<String>> {
        database::tables(&self.path("renewd.db"))
    }

    /// The rows of a statement's one text column, from the database that is used here.
    pub fn texts(&self, statement: &str) -> Vec<String> {
        match self.variables.get("DATABASE_URL").filter(|url| url.starts_with("postgres")) {
            Some(url) => database::texts_of_postgres(url, statement),
            None => database::texts(&self.path("renewd.db"), statement),
        }
    }

    pub fn count(&self, from: &str) -> u64 {
        let counted = self.texts(&format!("SELECT CAST(count(*) AS TEXT) FROM {from}"));
        counted[0].parse().expect("a number")
    }
}

/// How a command ended, and what it said.
#[derive(Clone, Debug)]
pub struct Said {
    /// `None`: ended by a signal, or by its deadline.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Ended with `code`, told nothing on stdout, and one error on stderr that holds all these words.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        assert_eq!(self.out, "", "{self:#?}");
        self.erred(words)
    }

    /// Told one error on stderr, on one line with all these words.
    #[track_caller]
    pub fn erred(&self, words: &[&str]) -> &Self {
        let errors: Vec<&str> = self.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{self:#?}");
        for word in words {
            assert!(errors[0].contains(word), "{word:?} is missing in {self:#?}");
        }
        self
    }

    /// Says what it means for the money.
    #[track_caller]
    pub fn money(&self, words: &str) -> &Self {
        assert!(self.err.lines().any(|line| line.starts_with("  money: ") && line.contains(words)), "{self:#?}");
        self
    }

    /// Has a line of its own on stderr that holds all these words.
    #[track_caller]
    pub fn line(&self, words: &[&str]) -> &Self {
        let has = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(self.err.lines().any(has), "no line with {words:?} in {self:#?}");
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|problem| panic!("{problem}: {self:#?}"))
    }
}
