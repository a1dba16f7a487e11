//! `renewd show`: one subscription as a timeline that explains why it was charged or not, and what is next.

mod lines;

use super::error::{CliError, usage};
use super::figures::local;
use super::output::{Mode, Output};
use crate::app::{self, App};
use crate::domain::outlook::Outlook;
use crate::engine::explain;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A subscription, a renewal or a payment id.
    id: String,
}

pub async fn run(args: &Args, app: &App, output: &Output) -> Result<(), CliError> {
    let store = app.store().await?;
    let policy = app::policy(&app.config, &store.installation().await?)?;
    let shown = explain::show(&*store, &policy, &args.id).await?.ok_or_else(|| {
        usage(format!("there is no subscription, renewal or payment {:?}", args.id))
            .hint("ids stand in the views: SELECT subscription_id, renewal_id, payment_id FROM renewal_results")
    })?;
    if output.mode == Mode::Json {
        return output.json(&shown);
    }
    let (next, timeline) = (&shown.next, &shown.timeline);
    let subscription = &timeline.subscription;
    output.heading(&format!(
        "subscription {}: {} on plan {} (tier {})",
        subscription.subscription_id, subscription.status, subscription.plan_id, subscription.tier
    ))?;
    let mut rows = vec![
        vec!["customer".to_owned(), subscription.customer_id.clone()],
        vec!["period ends".to_owned(), local(subscription.current_period_end, app.zone)],
        vec!["access until".to_owned(), local(subscription.access_until, app.zone)],
        vec!["cancelled".to_owned(), if subscription.cancel_at_period_end { "yes" } else { "no" }.to_owned()],
        vec!["billing key".to_owned(), subscription.billing_key_state.clone()],
    ];
    rows.extend(next_rows(next, app));
    output.table(&["", ""], rows)?;
    output.table(&["when", "what", "how"], lines::lines(timeline, app.zone))
}

fn next_rows(next: &Outlook, app: &App) -> Vec<Vec<String>> {
    let will = match (next.will_be_charged, next.at) {
        (true, Some(at)) => format!("will be charged from {} on", local(at, app.zone)),
        (true, None) => "will be charged".to_owned(),
        (false, Some(at)) => format!("will not be charged; looked at again {}", local(at, app.zone)),
        (false, None) => "will not be charged".to_owned(),
    };
    let mut rows = vec![vec!["next period".to_owned(), will]];
    rows.extend(next.why.iter().map(|why| vec![String::new(), why.clone()]));
    rows
}
