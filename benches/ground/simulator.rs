//! The simulated PortOne as a process of its own: its work is not the worker's.

use super::workers::program;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

/// `renewd simulator`, stopped with this process.
pub struct SimulatorProcess {
    child: Child,
    pub base_url: String,
}

/// What it was asked, and what it took.
#[derive(Deserialize)]
pub struct Told {
    pub charges: Vec<Taken>,
    pub requests: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
pub struct Taken {
    pub payment_id: String,
    pub at: chrono::DateTime<chrono::Utc>,
}

impl SimulatorProcess {
    pub fn start(latency: Duration) -> Self {
        Self::with(latency, &[])
    }

    /// At a time of its own.
    pub fn start_at(latency: Duration, clock: &str) -> Self {
        Self::with(latency, &["--clock", clock])
    }

    fn with(latency: Duration, more: &[&str]) -> Self {
        let latency = humantime::format_duration(latency).to_string();
        let mut command = program(&["simulator", "--request-latency", &latency]);
        let mut child = command.args(more).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base_url = line.trim().strip_prefix("PORTONE_API_BASE=").expect("the simulator's address").to_owned();
        Self { child, base_url }
    }

    pub fn process(&self) -> String {
        self.child.id().to_string()
    }

    /// All of it, at the end.
    pub async fn told(&self) -> Told {
        let asked = reqwest::Client::new().get(format!("{}/_simulator/ledger", self.base_url));
        let answer = asked.header("authorization", "PortOne simulator-secret").send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

impl Drop for SimulatorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
