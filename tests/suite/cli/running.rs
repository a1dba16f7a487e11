//! Processes that are watched while they run: each has a deadline, and ends with its handle.

use super::database::block_on;
use super::place::{Place, Said};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// A loaded machine may take long to start a process.
const START_SECS_MAX: u64 = 120;
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

/// A process under way; killed when dropped. It writes to files, so that no pipe can fill and stop it.
pub struct Running {
    child: Child,
    out: NamedTempFile,
    err: NamedTempFile,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let [out, err] = [(), ()].map(|()| NamedTempFile::new().expect("a temporary file"));
        let handle = |file: &NamedTempFile| file.reopen().expect("a second handle");
        let child = command.stdout(handle(&out)).stderr(handle(&err)).spawn().expect("it starts");
        Self { child, out, err }
    }

    /// The first lines of stdout, once they are there.
    pub fn first_lines(&self, count: usize) -> Vec<String> {
        let mut text = String::new();
        wait_until("the first lines on stdout", || {
            text = read(&self.out);
            text.matches('\n').count() >= count
        });
        text.lines().take(count).map(str::to_owned).collect()
    }

    /// What it has said on stderr until now.
    pub fn said(&self) -> String {
        read(&self.err)
    }

    /// What it has said on stdout until now.
    pub fn told(&self) -> String {
        read(&self.out)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
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
        Said { code: status.code(), out: read(&self.out), err: read(&self.err) }
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
        // The address is on the first line, the store on the second.
        let lines = running.first_lines(2);
        let told = lines.iter().map(|line| line.split_once('=').expect("NAME=value"));
        let told = told.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { running, told, ledger: place.path("ledger.jsonl") }
    }

    /// Sets the variables of whoever charges there.
    pub fn tell(&self, place: &mut Place) {
        self.told.iter().for_each(|(name, value)| place.set(name, value));
        place.set("PORTONE_API_SECRET", "simulator-secret");
    }

    /// One of the variables that it tells.
    pub fn told(&self, name: &str) -> &str {
        &self.told[name]
    }

    /// Requests of this route that arrived, whether they were answered or not.
    pub fn requests(&self, route: &str) -> u64 {
        // Only one can be installed; each that comes first does.
        renewd::app::install_tls();
        let url = format!("{}/_simulator/ledger", self.told("PORTONE_API_BASE"));
        let request = reqwest::Client::new().get(url).header("authorization", "PortOne simulator-secret");
        let ledger = block_on(async { request.send().await?.text().await }).expect("its ledger");
        let ledger: serde_json::Value = serde_json::from_str(&ledger).expect("JSON");
        ledger["requests"][route].as_u64().unwrap_or(0)
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

fn read(file: &NamedTempFile) -> String {
    std::fs::read_to_string(file.path()).expect("UTF-8")
}

fn charged(ledger: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(ledger).expect("the ledger");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let charges = lines.filter(|line| line["kind"] == "charge");
    charges.map(|line| line["payment_id"].as_str().expect("an id").to_owned()).collect()
}
