//! `renewd link`: a signed link by which the customer of one subscription gives a new card.

use super::error::{CliError, incomplete, usage};
use super::figures::local;
use super::output::{Mode, Output};
use crate::app::App;
use crate::domain::ids::SubscriptionId;
use chrono::TimeDelta;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The subscription whose customer gets it.
    #[arg(value_name = "SUBSCRIPTION")]
    subscription: String,
}

pub async fn run(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    let Some(links) = app.pay_links(&store.installation().await?)? else {
        return Err(usage("there are no links: pay.base_url is not set")
            .hint("set pay.base_url to where customers reach the daemon; config/renewd.toml explains [pay]"));
    };
    let id = SubscriptionId(args.subscription.clone());
    let found = store.timeline(id.as_str()).await?.filter(|found| found.subscription.subscription_id == id.as_str());
    let Some(timeline) = found else {
        return Err(usage(format!("there is no subscription {id}")));
    };
    let now = store.now().await?;
    let valid = TimeDelta::from_std(app.config.pay.link_valid).map_err(|err| incomplete("no link").because(err))?;
    let (url, until) = (links.url(&id, now), now + valid);
    if output.mode == Mode::Json {
        return output.json(&json!({ "subscription_id": id, "url": url, "valid_until": until }));
    }
    let customer = &timeline.subscription.customer_id;
    output.heading(&format!("for customer {customer} of subscription {id}, until {}:", local(until, app.zone)))?;
    output.line(&url)
}
