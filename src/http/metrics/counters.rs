//! What this process counts itself: outcomes, the gateway's answers, refused webhooks. Starts at nothing with the process,
//! as counters do.

use crate::domain::brakes::Brake;
use crate::engine::meter::{Counted, Meter};
use crate::gateway::metered::Stopwatch;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Charged {
    channel: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Taken {
    currency: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Braked {
    brake: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Webhook {
    outcome: &'static str,
}

/// Upper bounds in seconds: an approval takes one or two, and the longest wait is a minute.
const SECONDS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// All of it. Clones share it.
#[derive(Clone, Debug)]
pub struct Counters {
    charges: Family<Charged, Counter>,
    collected: Family<Taken, Counter>,
    requests: Family<Asked, Histogram>,
    taken_over: Counter,
    braked: Family<Braked, Counter>,
    webhooks: Family<Webhook, Counter>,
}

impl Default for Counters {
    /// What an alert may wait for is there from the start, at nothing.
    fn default() -> Self {
        let braked = Family::<Braked, Counter>::default();
        for brake in Brake::ALL {
            drop(braked.get_or_create(&Braked { brake: brake.as_str() }));
        }
        Self {
            charges: Family::default(),
            collected: Family::default(),
            requests: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            taken_over: Counter::default(),
            braked,
            webhooks: Family::default(),
        }
    }
}

impl Counters {
    /// A webhook came in, and this became of it.
    pub fn webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&Webhook { outcome }).inc();
    }

    /// Registers them under the names that they are told by.
    pub fn register(&self, registry: &mut Registry) {
        let (charges, collected) = (self.charges.clone(), self.collected.clone());
        registry.register("charges", "Outcomes that were recorded, by channel and result", charges);
        registry.register("collected_minor_units", "Money that was taken and verified, in minor units", collected);
        let help = "How long PortOne took to answer";
        registry.register_with_unit("gateway_request_duration", help, Unit::Seconds, self.requests.clone());
        let help = "Claims of processes that are gone, taken over";
        registry.register("lease_takeovers", help, self.taken_over.clone());
        registry.register("brakes_tripped", "Brakes that held charging, or a channel", self.braked.clone());
        registry.register("webhooks", "Webhooks that came in, by what became of them", self.webhooks.clone());
    }
}

impl Meter for Counters {
    fn settled(&self, counted: &Counted<'_>) {
        let charged = Charged { channel: counted.channel.to_owned(), result: counted.result };
        self.charges.get_or_create(&charged).inc();
        if let Some((minor, currency)) = counted.taken {
            let taken = Taken { currency: currency.to_owned() };
            self.collected.get_or_create(&taken).inc_by(u64::try_from(minor).unwrap_or(0));
        }
    }

    fn taken_over(&self, claims: u64) {
        self.taken_over.inc_by(claims);
    }

    fn braked(&self, brake: &'static str) {
        self.braked.get_or_create(&Braked { brake }).inc();
    }
}

impl Stopwatch for Counters {
    fn took(&self, operation: &'static str, outcome: &'static str, time: Duration) {
        self.requests.get_or_create(&Asked { operation, outcome }).observe(time.as_secs_f64());
    }
}
