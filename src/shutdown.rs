//! Told to stop, and how much time is left. One value, handed in; no statics.
//!
//! The first signal asks: claims end, requests under way are waited for. The second one ends the process at once, which
//! is safe for the money (claims keep their lease, and the next run looks up what happened) but leaves open outcomes.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a shell reports for a process ended by Ctrl-C: 128 + 2.
const INTERRUPTED: i32 = 130;

/// The wish to stop. Clones share it.
#[derive(Clone, Debug)]
pub struct Shutdown {
    /// Cancelled by the first request; never un-cancelled.
    token: CancellationToken,
    /// When that was. Set before the token, so whoever sees the token has a deadline.
    requested_at: Arc<OnceLock<Instant>>,
    stop_within: Duration,
}

impl Shutdown {
    /// Nobody has asked yet. `stop_within` is the time for what is under way, from the request.
    pub fn new(stop_within: Duration) -> Self {
        Self { token: CancellationToken::new(), requested_at: Arc::default(), stop_within }
    }

    /// Asks to stop; asking again changes nothing.
    #[expect(clippy::disallowed_methods, reason = "the time for an orderly stop is no lease: a stopwatch serves")]
    pub fn request(&self) {
        self.requested_at.get_or_init(Instant::now);
        self.token.cancel();
    }

    /// Whether somebody asked.
    pub fn requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until somebody asks; returns at once if that was before. Safe to drop.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Time left for what is under way; `None` while nobody asked.
    pub fn time_left(&self) -> Option<Duration> {
        let requested_at = self.requested_at.get()?;
        Some(self.stop_within.saturating_sub(requested_at.elapsed()))
    }

    /// Listens for SIGTERM and Ctrl-C from now on, in a task of its own: the first asks to stop, the second ends the
    /// process with exit code 130.
    ///
    /// # Errors
    /// When the listeners cannot be installed. Must be called inside the runtime.
    #[expect(clippy::disallowed_methods, reason = "a second signal means: now, whatever is left")]
    pub fn on_signals(&self) -> io::Result<()> {
        let mut signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = self.clone();
        tokio::spawn(async move {
            let name = next(&mut signals).await;
            let stop_within = humantime::format_duration(shutdown.stop_within);
            tracing::warn!(
                signal = name,
                "asked to stop: no new charge starts, those under way have {stop_within}; a second signal ends at once"
            );
            shutdown.request();
            next(&mut signals).await;
            std::process::exit(INTERRUPTED);
        });
        Ok(())
    }
}

/// The name of the next signal.
async fn next((terminate, interrupt): &mut (Signal, Signal)) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::{Child, Command, Stdio};

    #[tokio::test]
    async fn a_request_reaches_every_clone_and_starts_the_deadline() {
        let shutdown = Shutdown::new(Duration::from_secs(3600));
        let worker = shutdown.clone();
        assert!(!worker.requested());
        assert_eq!(worker.time_left(), None);
        let waiting = tokio::spawn(async move { worker.wait().await });
        shutdown.request();
        waiting.await.unwrap();
        assert!(shutdown.requested());
        let left = shutdown.time_left().unwrap();
        assert!(left <= Duration::from_secs(3600) && left > Duration::from_secs(3500), "{left:?}");
    }

    #[tokio::test]
    async fn asking_again_does_not_move_the_deadline() {
        let shutdown = Shutdown::new(Duration::from_secs(1));
        shutdown.request();
        let first = *shutdown.requested_at.get().unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        shutdown.request();
        assert_eq!(shutdown.requested_at.get(), Some(&first));
    }

    #[tokio::test]
    async fn the_time_left_ends_at_nothing() {
        let shutdown = Shutdown::new(Duration::ZERO);
        shutdown.request();
        assert_eq!(shutdown.time_left(), Some(Duration::ZERO));
        shutdown.wait().await;
    }

    /// Not a test: the process that the next one sends signals to.
    #[tokio::test]
    #[ignore = "started by two_signals"]
    async fn a_process_that_listens() {
        let shutdown = Shutdown::new(Duration::from_secs(8));
        shutdown.on_signals().unwrap();
        tell("listening");
        shutdown.wait().await;
        tell("stopping");
        tokio::time::sleep(Duration::from_secs(60)).await;
    }

    fn tell(word: &str) {
        let mut out = io::stdout().lock();
        writeln!(out, "\n{word}").unwrap();
        out.flush().unwrap();
    }

    fn send(name: &str, child: &Child) {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    }

    fn wait_for(word: &str, lines: &mut impl BufRead) {
        let mut line = String::new();
        while line.trim() != word {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the process ended before {word}");
        }
    }

    #[test]
    fn two_signals() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "shutdown::tests::a_process_that_listens", "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        wait_for("listening", &mut lines);
        send("-TERM", &child);
        wait_for("stopping", &mut lines);
        send("-INT", &child);
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(INTERRUPTED));
    }
}
