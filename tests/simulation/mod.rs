//! Deterministic simulation: one seed is one world of thirty days, with the real engine in it, and everything that can
//! go wrong around it. A seed that breaks a promise prints itself; `SEED=n` replays it and prints what happens.
//!
//! ```sh
//! SEED=17 cargo test --test suite simulation::replays -- --ignored --nocapture
//! SEEDS=10000 cargo test --release --test suite -- --ignored simulation::long_haul
//! ```

mod auditor;
mod bugs;
mod database;
mod facts;
mod happening;
mod office;
mod population;
mod process;
mod storage;
mod swarm;
mod time;
mod weather;
mod wire;
mod world;

use bugs::Bug;
use database::{Memory, Sqlite};
use std::sync::Arc;
use swarm::Swarm;
use time::MachineClock;
use world::{Ended, Look, Plan, World};

fn on_sqlite(seed: u64, bug: Option<Bug>, told: bool) -> Ended {
    let swarm = bug.map_or_else(|| Swarm::of(seed), |bug| bug.aim(Swarm::of(seed)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let plan = Plan { swarm, bug, look: Look::Daily, told };
        let open = async |time: &time::Time| {
            let clock = MachineClock { time: time.clone(), error: chrono::TimeDelta::zero(), is_test: true };
            Sqlite::new(Arc::new(clock)).await
        };
        World::new(plan, open).await.run().await
    })
}

fn in_memory(seed: u64, bug: Option<Bug>, told: bool) -> Ended {
    let swarm = bug.map_or_else(|| Swarm::of(seed), |bug| bug.aim(Swarm::of(seed)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let plan = Plan { swarm, bug, look: Look::AfterEveryStep, told };
        let open = async |time: &time::Time| {
            let clock = MachineClock { time: time.clone(), error: chrono::TimeDelta::zero(), is_test: true };
            Memory::new(Arc::new(clock), bug).await
        };
        World::new(plan, open).await.run().await
    })
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
#[ignore = "shows one seed: SEED=n, --nocapture"]
fn replays() {
    let seed = number("SEED").unwrap_or(0);
    let bug = std::env::var("BUG").ok();
    let bug = Bug::ALL.into_iter().find(|known| bug.as_ref().is_some_and(|bug| *bug == format!("{known:?}")));
    println!("{:#?}", Swarm::of(seed));
    let started = std::time::Instant::now();
    let ended = in_memory(seed, bug, true);
    println!("{:#?}\n{} charges, {} renewals, {:?}", ended.counts, ended.charges, ended.renewals, started.elapsed());
    assert!(ended.violations.is_empty(), "seed {seed}: {:#?}", ended.violations);
}

/// Runs these seeds on all cores; answers those that broke a promise.
fn failing(seeds: std::ops::Range<u64>, run: impl Fn(u64) -> Ended + Sync) -> Vec<(u64, Ended)> {
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let failed = std::sync::Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let ended = run(seed);
                    if !ended.violations.is_empty() {
                        println!("seed {seed}: {:#?}", ended.violations);
                        failed.lock().unwrap().push((seed, ended));
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

#[test]
#[ignore = "SEEDS=n worlds in memory"]
fn long_haul() {
    let from = number("FROM").unwrap_or(0);
    let failed = failing(from..from + number("SEEDS").unwrap_or(10_000), |seed| in_memory(seed, None, false));
    assert!(failed.is_empty(), "{} seeds failed", failed.len());
}

#[test]
#[ignore = "SEEDS=n worlds on SQLite"]
fn long_haul_on_sqlite() {
    let from = number("FROM").unwrap_or(0);
    let failed = failing(from..from + number("SEEDS").unwrap_or(100), |seed| on_sqlite(seed, None, false));
    assert!(failed.is_empty(), "{} seeds failed", failed.len());
}

#[test]
#[ignore = "shows which seed catches which bug"]
fn hunts() {
    let only = std::env::var("BUG").ok();
    let most = number("SEEDS").unwrap_or(300);
    for bug in Bug::ALL.into_iter().filter(|bug| only.as_ref().is_none_or(|only| *only == format!("{bug:?}"))) {
        let started = std::time::Instant::now();
        let caught =
            (0..most).find_map(|seed| Some((seed, in_memory(seed, Some(bug), false).violations.into_iter().next()?)));
        println!("{bug:?}: {caught:?} in {:?}", started.elapsed());
    }
}
