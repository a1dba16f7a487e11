//! Real processes on a real PostgreSQL, killed, stopped and cut off; a gateway whose ledger on disk says what really
//! happened to the money.
//!
//! `CRASH_ROUNDS=500 cargo test --test suite crash::rounds` plays more rounds; a failing one prints its seed, and
//! `CRASH_SEED=7` plays that schedule again. The schedule is the seed's; how the processes meet it is the machine's.

pub mod audit;
mod audited;
pub mod ground;
mod paused;
mod retried;
mod round;
pub mod worker;

use crate::support::postgres::PrivateServer;
use round::Tally;

const ROUNDS: u64 = 20;
/// Rounds at once, each on a server of its own.
const LANES: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rounds_of_killed_runs_and_crashed_servers_charge_once_and_lose_nothing() {
    let seeds = match number("CRASH_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CRASH_ROUNDS").unwrap_or(ROUNDS),
    };
    let lanes: Vec<_> = (0..LANES).map(|lane| tokio::spawn(play_lane(seeds.clone().skip(lane)))).collect();
    let mut tally = Tally::default();
    for lane in lanes {
        tally += lane.await.expect("a lane without a failure");
    }
    println!("{seeds:?}: {tally:?}");
    if seeds.end - seeds.start >= ROUNDS {
        let met = [tally.killed, tally.paused, tally.cut, tally.restarted, tally.canceled_in_time, tally.left_open];
        assert!(met.iter().all(|times| *times > 0), "a disturbance met nothing in all rounds: {tally:?}");
    }
}

async fn play_lane(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut server = PrivateServer::start().await;
    let template = ground::template(&server).await;
    let mut tally = Tally::default();
    for seed in seeds.step_by(LANES) {
        tally += round::play(seed, &mut server, &template).await;
    }
    tally
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}
