//! Workers as processes: what they printed, how long they took, and what they used.

use chrono::{DateTime, Utc};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often memory is read while a worker works; the kernel keeps the peak itself.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the workers of one round used.
pub struct Used {
    pub began: DateTime<Utc>,
    pub took: Duration,
    /// User and system time of all of them.
    pub cpu: f64,
    /// Of the largest one, in MiB.
    pub peak: f64,
    /// What each of them printed.
    pub printed: Vec<String>,
}

/// The program that is measured.
pub fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_renewd"));
    command.args(arguments);
    command
}

/// Runs the workers beside each other to their ends.
pub fn work(commands: Vec<Command>) -> Used {
    let (began, started, before) = (Utc::now(), Instant::now(), cpu_of_ended());
    let start = |mut command: Command| command.stdout(Stdio::piped()).spawn().unwrap();
    let mut workers: Vec<Child> = commands.into_iter().map(start).collect();
    let readers: Vec<_> = workers
        .iter_mut()
        .map(|worker| worker.stdout.take().unwrap())
        .map(|out| std::thread::spawn(move || std::io::read_to_string(out).unwrap()))
        .collect();
    let mut peak: f64 = 0.0;
    loop {
        let mut left = 0;
        for worker in &mut workers {
            match worker.try_wait().unwrap() {
                Some(status) => assert!(status.success(), "a worker ended with {status}"),
                None => left += 1,
            }
            peak = peak.max(peak_of(&worker.id().to_string()).unwrap_or_default());
        }
        if left == 0 {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let took = started.elapsed();
    let printed = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    Used { began, took, cpu: cpu_of_ended() - before, peak, printed }
}

/// User and system time of a process (`self`, or its id), in seconds: fields 14 and 15 of proc(5).
pub fn cpu_seconds(process: &str) -> f64 {
    ticks(process, 11)
}

/// The same of those of our children that ended and were waited for: fields 16 and 17.
fn cpu_of_ended() -> f64 {
    ticks("self", 13)
}

/// Two fields of proc(5) from `first` behind the name on, in clock ticks, of which Linux tells user space a hundred a
/// second.
fn ticks(process: &str, first: usize) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[first].parse::<f64>().unwrap() + fields[first + 1].parse::<f64>().unwrap()) / 100.0
}

pub fn peak_mebibytes(process: &str) -> f64 {
    peak_of(process).unwrap()
}

/// `None` once it has ended.
fn peak_of(process: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
