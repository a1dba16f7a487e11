//! Processes that are watched while they run: each has a deadline, and ends with its handle.

use super::place::{Place, Said};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

/// A loaded machine may take long to start a process.
const START_SECS_MAX: u64 = 30;
const POLL: Duration = Duration::from_millis(5);

/// Waits until `is_so`, for a bounded time.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed().as_secs() < START_SECS_MAX, "{what} did not come");
        sleep(POLL);
    }
}

/// A process under way; killed when dropped.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    err: Option<JoinHandle<String>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (out, mut err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let (send, lines) = channel();
        spawn(move || BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let err = spawn(move || {
            let mut text = String::new();
            err.read_to_string(&mut text).expect("UTF-8");
            text
        });
        Self { child, lines, err: Some(err) }
    }

    /// The next line of stdout.
    fn line(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(START_SECS_MAX)).expect("a line on stdout in time")
    }

    /// Sends a signal such as `TERM` to this one process.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.expect("kill starts").success());
    }

    /// Waits for the end, which must come within `limit`.
    #[track_caller]
    pub fn end(mut self, limit: Duration) -> Said {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                break status;
            }
            assert!(started.elapsed() < limit, "it still runs after {limit:?}");
            sleep(POLL);
        };
        let err = self.err.take().expect("read once").join().expect("UTF-8");
        let out: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        Said { code: status.code(), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A PortOne of our own, in a process of its own, with a ledger.
pub struct Simulator {
    running: Running,
    told: BTreeMap<String, String>,
    ledger: PathBuf,
}

impl Simulator {
    /// Starts one in `place`, with its environment, at [`super::NOW`].
    pub fn start(place: &Place, arguments: &[&str]) -> Self {
        let all = [&["--clock", super::NOW, "simulator", "--ledger", "ledger.jsonl"], arguments].concat();
        let running = place.start(&all);
        let mut told = BTreeMap::new();
        // The address is on the first line.
        for _ in 0..2 {
            let line = running.line();
            let (name, value) = line.split_once('=').expect("NAME=value");
            told.insert(name.to_owned(), value.to_owned());
        }
        Self { running, told, ledger: place.path("ledger.jsonl") }
    }

    /// Sets the variables of whoever charges there.
    pub fn tell(&self, place: &mut Place) {
        self.told.iter().for_each(|(name, value)| place.set(name, value));
        place.set("PORTONE_API_SECRET", "simulator-secret");
    }

    /// The payment ids that took money, in order, as often as they did.
    pub fn charged(&self) -> Vec<String> {
        charged(&self.ledger)
    }

    /// Stops it; what it said.
    pub fn stop(self) -> Said {
        self.running.signal("TERM");
        self.running.end(Duration::from_secs(10))
    }
}

fn charged(ledger: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(ledger).expect("the ledger");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let charges = lines.filter(|line| line["kind"] == "charge");
    charges.map(|line| line["payment_id"].as_str().expect("an id").to_owned()).collect()
}
