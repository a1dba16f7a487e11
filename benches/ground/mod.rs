//! What the benchmarks stand on: databases to work on, the simulated PortOne and the workers as processes of their own,
//! and what each of them used.

pub mod bare;
pub mod explain;
mod fill;
pub mod server;
mod simulator;
mod workers;

pub use fill::{bystanders, fill};
pub use simulator::SimulatorProcess;
pub use workers::{Used, cpu_seconds, peak_mebibytes, program, work};

/// The load of the machine over the last minute, which whoever reads a figure has to know.
pub fn load() -> f64 {
    let told = std::fs::read_to_string("/proc/loadavg").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

/// The middle one; of an even number the lower of the two.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[(figures.len() - 1) / 2]
}
