//! What the benchmarks stand on: due subscriptions, the simulated PortOne as a process of its own, and what a process
//! used.

use chrono::{TimeDelta, Utc};
use renewd::domain::charge::BillingKey;
use renewd::store::{BillingKeyRow, CustomerRow, ImportBatch, PlanRow, Store, SubscriptionRow};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Subscriptions written by one import.
const IMPORT_ROWS: u32 = 10_000;

/// `due` subscriptions that end within the hour.
pub async fn fill(store: &dyn Store, due: u32) {
    let end = Utc::now();
    let plan = PlanRow {
        id: "pro".to_owned(),
        name: "Pro".to_owned(),
        amount: 55_000,
        currency: "KRW".to_owned(),
        interval: "P1M".to_owned(),
        tier: "pro".to_owned(),
        fallback_tier: "free".to_owned(),
        order_name: "Pro".to_owned(),
    };
    for first in (0..due).step_by(IMPORT_ROWS as usize) {
        let numbers = first..due.min(first + IMPORT_ROWS);
        let batch = ImportBatch {
            plans: vec![plan.clone()],
            customers: numbers
                .clone()
                .map(|n| CustomerRow { id: format!("user_{n}"), name: None, email: None, phone: None })
                .collect(),
            billing_keys: numbers
                .clone()
                .map(|n| BillingKeyRow {
                    id: format!("bk_{n}"),
                    customer_id: format!("user_{n}"),
                    billing_key: BillingKey::new(format!("billing-key-{n}")),
                    channel_key: None,
                    pg_provider: None,
                })
                .collect(),
            subscriptions: numbers
                .map(|n| SubscriptionRow {
                    id: format!("sub_{n}"),
                    customer_id: format!("user_{n}"),
                    plan_id: "pro".to_owned(),
                    next_plan_id: None,
                    current_period_start: end - TimeDelta::days(30),
                    current_period_end: end,
                    anchor_day: 15,
                    cancel_at_period_end: false,
                })
                .collect(),
        };
        store.import(batch).await.unwrap();
    }
}

/// `renewd simulator`, stopped with this process.
pub struct SimulatorProcess {
    child: Child,
    pub base_url: String,
}

impl SimulatorProcess {
    pub fn start(latency: Duration) -> Self {
        let latency = humantime::format_duration(latency).to_string();
        let mut child = Command::new(env!("CARGO_BIN_EXE_renewd"))
            .args(["simulator", "--request-latency", &latency])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base_url = line.trim().strip_prefix("PORTONE_API_BASE=").expect("the simulator's address").to_owned();
        Self { child, base_url }
    }
}

impl Drop for SimulatorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process (`self`, or its id), in seconds.
pub fn cpu_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in clock ticks, of which Linux tells user space a hundred a second.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

pub fn peak_mebibytes(process: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
