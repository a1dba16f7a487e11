//! A `renewd` process that a test may stop, wake and kill; it never outlives its test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than any run takes, on a machine that is busy with others too.
const LIFE_MAX: Duration = Duration::from_secs(300);
const POLL: Duration = Duration::from_millis(5);

pub struct Worker {
    child: Child,
    log: PathBuf,
    born: Instant,
    /// Whether this test ended it.
    pub killed: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Signal {
    Stop,
    Continue,
}

impl Worker {
    /// Starts `renewd` with these arguments and nothing in its environment but `settings`. Its log goes to `log`.
    pub fn start(arguments: &[&str], settings: &[(&str, String)], log: &Path) -> Self {
        let file = File::create(log).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_renewd"))
            .args(arguments)
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .expect("renewd starts");
        Self { child, log: log.to_owned(), born: Instant::now(), killed: false }
    }

    /// How it ended, once it did. One that takes too long fails the test.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("our own child");
        assert!(status.is_some() || self.born.elapsed() < LIFE_MAX, "a run does not end:\n{}", self.said());
        status
    }

    /// Waits until it ends by itself.
    pub async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// SIGKILL; `false` if it had ended before.
    pub fn kill(&mut self) -> bool {
        let alive = self.ended().is_none();
        self.killed |= alive;
        let _ = self.child.kill();
        let _ = self.child.wait();
        alive
    }

    /// Asks the system's `kill`; `false` if the process had ended before.
    pub fn signal(&mut self, signal: Signal) -> bool {
        if self.ended().is_some() {
            return false;
        }
        let name = match signal {
            Signal::Stop => "-STOP",
            Signal::Continue => "-CONT",
        };
        let process = self.child.id().to_string();
        let asked = Command::new("sh").args(["-c", "kill \"$1\" \"$2\"", "sh", name, &process]).status();
        asked.expect("a shell").success()
    }

    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
