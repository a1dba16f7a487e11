//! The bounds of a run: every queue, batch, wait and repeat has one.

use crate::domain::brakes::BrakeLimits;
use std::collections::BTreeMap;
use std::time::Duration;

/// Bounds, from the configuration.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Charges under way at once, over all channels.
    pub concurrency: usize,
    /// Charges started per second over all channels; `None` is as fast as the slots allow.
    pub rate_per_second_max: Option<u32>,
    /// Tighter bounds of single channels, by channel key.
    pub channels: BTreeMap<String, ChannelLimit>,
    pub plan_rows_max: u32,
    pub claim_rows_max: u32,
    pub lease: Duration,
    /// A claim that is not sent within this time, suspended time included, is given back unsent.
    pub send_within: Duration,
    /// Longest time that one call to the gateway can take.
    pub call_timeout: Duration,
    /// Sends of one attempt within a run, the first one included.
    pub sends_max: u32,
    /// Sends of one attempt end this long after the first.
    pub repeats_within: Duration,
    pub settle_rows_max: usize,
    pub settle_linger: Duration,
    /// A channel whose last so many charges all ended unknown opens its circuit.
    pub circuit_unknown_in_a_row: u32,
    /// An open circuit is probed so often without an answer before the channel stays stopped; 0 does not probe.
    pub circuit_probes_max: u32,
    /// So many customers in a row whose billing keys are gone are more likely a wrong store or secret of ours.
    pub keys_gone_in_a_row: usize,
    /// Distinct customers refused for our contract before their channel stops.
    pub contract_refusals_max: usize,
    pub clock_skew_max: Duration,
    /// Where a run holds itself.
    pub brakes: BrakeLimits,
}

/// Bounds of one channel.
#[derive(Clone, Debug, Default)]
pub struct ChannelLimit {
    pub concurrency: Option<usize>,
    pub rate_per_second_max: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrency: 32,
            rate_per_second_max: None,
            channels: BTreeMap::new(),
            plan_rows_max: 2_000,
            claim_rows_max: 500,
            lease: Duration::from_secs(600),
            send_within: Duration::from_secs(20),
            call_timeout: Duration::from_secs(75),
            sends_max: 5,
            repeats_within: Duration::from_secs(120),
            settle_rows_max: 200,
            settle_linger: Duration::from_millis(20),
            circuit_unknown_in_a_row: 20,
            circuit_probes_max: 5,
            keys_gone_in_a_row: 20,
            contract_refusals_max: 3,
            clock_skew_max: Duration::from_secs(300),
            brakes: BrakeLimits::default(),
        }
    }
}
