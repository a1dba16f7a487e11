//! A PortOne V2 to rehearse against: real HTTP on this machine, state, a ledger of what really happened, and anything
//! that can go wrong.
//!
//! Product code, not test code: `renewd demo` and integrators' rehearsals meet the same gateway as the tests.
//!
//! | file | what |
//! | --- | --- |
//! | `model.rs`, `charging.rs`, `asking.rs`, `schedules.rs` | [`GatewayModel`]: state and answers; synchronous, no clock, no network |
//! | `record.rs`, `ledger.rs` | a payment as it is told; what happened to the money |
//! | `behaviour.rs`, `hints.rs`, `declines.rs` | what goes wrong, by rule and by a billing key's name; the words of PGs |
//! | `keys.rs` | idempotency keys |
//! | `reply.rs`, `routes.rs`, `wire.rs` | answers, endpoints, connections that fail |
//!
//! What does not live here: no webhooks. renewd must not depend on them.

mod asking;
pub mod behaviour;
mod charging;
pub mod declines;
pub mod hints;
mod keys;
pub mod ledger;
mod model;
mod record;
mod reply;
mod routes;
mod schedules;
#[cfg(test)]
mod tests;
mod wire;

pub use asking::CancelCall;
pub use behaviour::{Route, Rule, Trouble, When};
pub use charging::{ChargeCall, Step, Ticket};
pub use keys::KEPT as IDEMPOTENCY_KEPT;
pub use ledger::{Charge, Declined, GivenBack, Ledger};
pub use model::{GatewayModel, KeyInfo, ModelSettings};
pub use record::{Record, Status};
pub use reply::{Delivery, Reply};
pub use schedules::Scheduled;

use crate::clock::Clock;
use routes::Shared;
use secrecy::SecretString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long [`Simulator::stop`] waits for requests under way.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// Where and how to run.
#[derive(Clone)]
pub struct SimulatorSettings {
    /// Port 0 takes any that is free.
    pub listen: SocketAddr,
    pub api_secret: SecretString,
    /// What the gateway thinks the time is.
    pub clock: Arc<dyn Clock>,
    pub model: ModelSettings,
}

impl SimulatorSettings {
    /// On any free port of this machine, with a secret that is none.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            api_secret: SecretString::from("simulator-secret"),
            clock,
            model: ModelSettings::default(),
        }
    }
}

/// A running simulator. Dropping it stops it at once; [`Simulator::stop`] lets requests under way finish.
pub struct Simulator {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Simulator {
    /// Starts listening.
    ///
    /// # Errors
    /// When the address or the ledger file cannot be had.
    pub async fn start(settings: SimulatorSettings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            request_latency: settings.model.request_latency,
            model: Mutex::new(GatewayModel::new(settings.model)?),
            clock: settings.clock,
            api_secret: settings.api_secret,
        });
        let service = routes::router(shared.clone()).into_make_service_with_connect_info::<wire::Line>();
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            let serving = axum::serve(wire::FailingListener(listener), service);
            if let Err(err) = serving.with_graceful_shutdown(stopped).await {
                tracing::error!(error = %err, "the simulator stopped");
            }
        });
        Ok(Self { shared, address, stop, server })
    }

    /// What a client's base URL must be.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The gateway behind the HTTP: to read its ledger, to add rules. Let go of it before anything is awaited.
    pub fn model(&self) -> MutexGuard<'_, GatewayModel> {
        self.shared.model()
    }

    /// Stops listening, and waits a few seconds at most for requests under way.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(STOP_WAIT, &mut self.server).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.abort();
    }
}
