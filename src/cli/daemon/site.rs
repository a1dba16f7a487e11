//! What the daemon's server is told of the settings.

use super::super::error::CliError;
use super::keeper::Bell;
use crate::app::App;
use crate::engine::Engine;
use crate::gateway::metered::Metered;
use crate::http::{Door, PayPage, Webhooks};
use std::sync::Arc;

/// The page on which customers give a new card, where the settings have one.
pub(super) async fn pay_page(app: &App, engine: &Engine) -> Result<Option<PayPage>, CliError> {
    let (pay, gateway) = (&app.config.pay, &app.config.gateway);
    let Some(links) = app.pay_links(&engine.store.installation().await?)? else { return Ok(None) };
    let channel_key = pay.channel_key.clone().or_else(|| gateway.channel_key.clone());
    Ok(Some(PayPage {
        links,
        shop: pay.shop.clone(),
        store_id: gateway.require()?.store_id.to_owned(),
        // There is one: the settings are refused otherwise.
        channel_key: channel_key.unwrap_or_default(),
        method: pay.method.as_str(),
        ask_contact: pay.ask_contact,
        sdk_url: pay.sdk_url.as_str().to_owned(),
    }))
}

/// The place where PortOne's messages come in, where the settings have a secret to check them by.
pub(super) fn webhooks(app: &App, engine: &Engine, bell: &Arc<Bell>) -> Result<Option<Webhooks>, CliError> {
    let Some(secrets) = app.webhook_secrets()? else { return Ok(None) };
    let bell = Arc::clone(bell);
    Ok(Some(Webhooks::start(secrets, Arc::clone(&engine.store), Box::new(move || bell.ring()))))
}

/// The same engine, with its outcomes and its gateway's answers counted for `/metrics`.
pub(super) fn watched(mut engine: Engine, door: &Door) -> Engine {
    let counters = Arc::new(door.metrics.counters.clone());
    engine.gateway = Arc::new(Metered::new(engine.gateway, Arc::clone(&engine.clock), counters.clone()));
    engine.meter = counters;
    engine
}
