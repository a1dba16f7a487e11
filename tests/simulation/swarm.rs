//! What one seed's world is like: which kinds of trouble there are in it, and how much of each. Every seed leaves some
//! kinds out, because a world with all of them at once never gets far enough for the rare ones to matter.

use super::time::{DAY, HOUR, MINUTE, SECOND};

/// Chances are per place where the trouble can strike.
#[derive(Clone, Debug)]
pub struct Swarm {
    pub seed: u64,
    pub days: i64,
    pub workers: usize,
    pub subscriptions: usize,
    /// ISO 8601, one for all.
    pub interval: &'static str,
    /// Runs of each worker a day.
    pub runs_a_day: i64,
    /// The whole day instead of 09:00 to 21:00.
    pub all_day: bool,
    /// How far a worker's clock is wrong, at most, in seconds.
    pub clock_error: i64,

    // Processes
    pub kill: f64,
    pub pause: f64,
    pub pause_max: i64,
    pub kills_a_day: f64,

    // Database
    pub lost_before: f64,
    pub lost_after: f64,
    pub outages_a_week: f64,
    /// Yesterday's copy is put back, so many times in all.
    pub restores: u32,
    /// The last half minute of commits is lost, so often a week.
    pub failovers_a_week: f64,
    pub bad_rows: bool,

    // Wire
    pub refused: f64,
    pub request_lost: f64,
    pub answer_lost: f64,
    pub slow: f64,
    pub slow_max: i64,
    pub look_up_lost: f64,

    // Gateway
    pub declines: f64,
    pub hard: f64,
    pub late_approval: f64,
    pub pending: f64,
    pub other_amount: f64,
    pub squatted: f64,
    pub nonsense: f64,
    pub limited: f64,
    pub credentials: f64,
    pub hidden: f64,
    pub stale: f64,
    pub key_gone: f64,
    pub transactions_max: u32,
    pub outage_hours: i64,
    /// From a charge's arrival to its approval, in milliseconds.
    pub latency: u64,
    /// Each worker reconciles the last two days every night. No promise rests on it but where a backup was restored.
    pub reconciles: bool,
    /// Money that nobody wants to have paid is given back by rule.
    pub refunds: bool,
    /// A channel's circuit opens after so many unknown outcomes in a row.
    pub circuit: u32,
    /// The gateway breaks its promise under concurrency.
    pub races: bool,

    // The API service, a day and subscription
    pub cancels: f64,
    pub changes_of_mind: f64,
    pub new_cards: f64,
    pub plan_changes: f64,

    /// Somebody types a command after a run. In a third of all worlds.
    pub commands: f64,
}

impl Swarm {
    pub fn of(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        // Half of all kinds are absent; the others are anything between rare and frequent.
        let mut some = |most: f64| if random.bool() { most * random.f64().powi(2) } else { 0.0 };
        let mut swarm = Self {
            seed,
            days: 30,
            kill: some(0.02),
            pause: some(0.02),
            kills_a_day: some(4.0),
            lost_before: some(0.03),
            lost_after: some(0.03),
            outages_a_week: some(4.0),
            failovers_a_week: some(4.0),
            refused: some(0.1),
            request_lost: some(0.2),
            answer_lost: some(0.3),
            slow: some(0.2),
            look_up_lost: some(0.3),
            declines: some(0.5),
            hard: some(0.1),
            late_approval: some(0.3),
            pending: some(0.3),
            other_amount: some(0.02),
            squatted: some(0.05),
            nonsense: some(0.2),
            limited: some(0.1),
            credentials: some(0.005),
            hidden: some(0.2),
            stale: some(0.2),
            key_gone: some(0.03),
            cancels: some(0.1),
            changes_of_mind: some(0.1),
            new_cards: some(0.2),
            plan_changes: some(0.1),
            workers: random.usize(1..=4),
            subscriptions: random.usize(2..=6),
            interval: *random.choice(&["P1D", "P1D", "P1D", "P2D", "P1W", "P1M"]).unwrap_or(&"P1D"),
            runs_a_day: random.i64(3..=10),
            all_day: random.bool(),
            clock_error: if random.bool() { 2 * HOUR / SECOND } else { 5 },
            pause_max: random.i64(MINUTE..=40 * MINUTE),
            restores: if random.u8(0..4) == 0 { random.u32(1..=2) } else { 0 },
            bad_rows: random.u8(0..4) == 0,
            slow_max: random.i64(SECOND..=20 * MINUTE),
            transactions_max: if random.u8(0..3) == 0 { random.u32(1..=4) } else { 20 },
            outage_hours: if random.u8(0..4) == 0 { random.i64(1..=24) } else { 0 },
            latency: random.u64(1..=3_000),
            reconciles: random.bool(),
            refunds: random.bool(),
            circuit: random.u32(2..=20),
            races: seed % 4 == 3,
            commands: if seed.is_multiple_of(3) { 0.1 } else { 0.0 },
        };
        swarm.reconciles |= swarm.restores > 0 || swarm.failovers_a_week > 0.0;
        if swarm.races { swarm.racing() } else { swarm }
    }

    /// Where the gateway takes two requests at once, nothing may bring an old request back beside a new one: neither
    /// an approval after its decline, nor a database that forgot what is under way.
    pub fn racing(self) -> Self {
        Self { races: true, late_approval: 0.0, restores: 0, failovers_a_week: 0.0, ..self }
    }

    pub fn end(&self, start: i64) -> i64 {
        start + self.days * DAY
    }
}
