//! Telling: real events of real runs, delivered over real HTTP.

mod pace;
mod people;
pub mod receiver;
mod troubles;
mod webhook;

use crate::world::{On, World};
use receiver::Receiver;
use renewd::app::App;
use renewd::clock::{Clock, SystemClock};
use renewd::engine::deliver::{Delivered, Dispatcher};
use renewd::shutdown::Shutdown;
use renewd::store::outbox::{DeliveryFilter, DeliveryRow};
use std::sync::Arc;
use std::time::Duration;

pub const SECRET: &str = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMgMDEyMzQ1Ng==";

/// A business whose events an API service hears.
pub struct Told {
    pub world: World,
    pub api: Receiver,
    pub dispatcher: Dispatcher,
}

impl Told {
    pub async fn new(on: On) -> Self {
        Self::with(on, &[]).await
    }

    pub async fn with(on: On, settings: &[(&'static str, &str)]) -> Self {
        let api = Receiver::start().await;
        let url = api.url("events");
        let own = [("notify.webhook_url", url.as_str()), ("notify.webhook_secret", SECRET)];
        let patient = [("notify.send_timeout", "30s"), ("notify.tries_max", "3"), ("notify.retry_first", "1min")];
        let world = World::with(on, &[&own[..], &patient, settings].concat()).await;
        let dispatcher = world.app.dispatcher(Arc::clone(&world.store)).await.unwrap();
        Self { world, api, dispatcher }
    }

    /// Delivers what is due.
    pub async fn deliver(&self) -> Delivered {
        deliver(&self.dispatcher).await
    }

    /// Another process: it knows nothing of what this one knows.
    pub async fn other_process(&self) -> Dispatcher {
        self.world.app.dispatcher(Arc::clone(&self.world.store)).await.unwrap()
    }

    /// The same process by the real time: signatures are checked against it.
    pub async fn in_real_time(&self) -> Dispatcher {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let app = App { clock, ..crate::world::clone_app(&self.world.app) };
        app.dispatcher(Arc::clone(&self.world.store)).await.unwrap()
    }

    pub async fn list(&self, filter: DeliveryFilter) -> Vec<DeliveryRow> {
        self.world.store.deliveries(&DeliveryFilter { rows_max: 1_000, ..filter }).await.unwrap()
    }

    /// Deliveries to the API service in this state.
    pub async fn count(&self, state: &'static str) -> usize {
        let sink = Some(renewd::domain::delivery::SinkName::Webhook);
        self.list(DeliveryFilter { state: Some(state), sink, ..DeliveryFilter::default() }).await.len()
    }
}

pub async fn deliver(dispatcher: &Dispatcher) -> Delivered {
    let shutdown = Shutdown::new(Duration::from_secs(8));
    dispatcher.deliver(Duration::from_secs(60), &shutdown).await.unwrap()
}
