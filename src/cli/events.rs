//! `renewd events`

use super::by_hand::By;
use super::error::{CliError, usage};
use super::figures::local;
use super::output::{Mode, Output};
use crate::app::App;
use crate::domain::action::{ActionKind, Hand, NewAction};
use crate::domain::delivery::SinkName;
use crate::domain::event::{EventKind, NewEvent};
use crate::domain::ids::{ActionId, EventId, SubscriptionId};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::store::outbox::{DeliveryFilter, DeliveryRow, Manual, ManualChange};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const STATES: [&str; 4] = ["pending", "delivered", "dead", "dropped"];

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// What was told to whom, what waits, and what was given up; the newest first.
    List(List),
    /// Send again: one event, everything that was given up, or all that one sink was told since a time.
    Replay(Replay),
    /// Nobody is to be told of an event any more.
    Drop(Drop),
    /// Send what waits, now.
    Deliver(Deliver),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only those in this state.
    #[arg(long, value_parser = STATES)]
    state: Option<String>,
    /// Only of this kind, such as renewal.declined.
    #[arg(long, value_parser = kind)]
    kind: Option<EventKind>,
    /// Only about this subscription.
    #[arg(long, value_name = "ID")]
    subscription: Option<String>,
    /// Only on their way to log, webhook, slack or pagerduty.
    #[arg(long, value_parser = sink)]
    sink: Option<SinkName>,
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["id", "dead", "since"])))]
struct Replay {
    /// The event's id, as `renewd events list` shows it.
    id: Option<Uuid>,
    /// Everything that was given up.
    #[arg(long)]
    dead: bool,
    /// All events from this time on, whatever became of them; needs --sink.
    #[arg(long, value_name = "RFC3339", requires = "sink")]
    since: Option<DateTime<Utc>>,
    /// Only to log, webhook, slack or pagerduty.
    #[arg(long, value_parser = sink)]
    sink: Option<SinkName>,
    #[command(flatten)]
    by: By,
}

#[derive(Debug, clap::Args)]
struct Drop {
    /// The event's id, as `renewd events list` shows it.
    id: Uuid,
    /// Only for log, webhook, slack or pagerduty.
    #[arg(long, value_parser = sink)]
    sink: Option<SinkName>,
    #[command(flatten)]
    by: By,
}

#[derive(Debug, clap::Args)]
struct Deliver {
    /// Begin nothing after this long.
    #[arg(long, value_name = "DURATION", default_value = "10min", value_parser = humantime::parse_duration)]
    within: Duration,
}

pub async fn run(args: &Args, app: &App, output: &Output, shutdown: &Shutdown) -> Result<(), CliError> {
    let store = app.store().await?;
    match &args.command {
        Command::List(args) => list(args, &*store, app, output).await,
        Command::Deliver(args) => deliver(args, store, app, output, shutdown).await,
        Command::Replay(args) => {
            let manual = if args.dead { Manual::ReplayDead } else { Manual::Replay };
            let which = Which { event_id: args.id.map(EventId), sink: args.sink, since: args.since };
            change((manual, which), &args.by, store, (app, output, shutdown)).await
        }
        Command::Drop(args) => {
            let which = Which { event_id: Some(EventId(args.id)), sink: args.sink, since: None };
            change((Manual::Drop, which), &args.by, store, (app, output, shutdown)).await
        }
    }
}

async fn list(args: &List, store: &dyn Store, app: &App, output: &Output) -> Result<(), CliError> {
    let filter = DeliveryFilter {
        state: STATES.into_iter().find(|state| args.state.as_deref() == Some(*state)),
        kind: args.kind,
        subscription: args.subscription.as_deref().map(SubscriptionId::from),
        sink: args.sink,
        rows_max: args.limit,
    };
    let rows = store.deliveries(&filter).await?;
    if output.mode == Mode::Json {
        return output.json(&rows);
    }
    let headers = ["when", "event", "subscription", "sink", "state", "tries", "next try", "note", "id"];
    output.table(&headers, rows.iter().map(|row| shown(row, app)))
}

fn shown(row: &DeliveryRow, app: &App) -> [String; 9] {
    let event = &row.event;
    [
        local(event.created_at, app.zone),
        event.kind.clone(),
        event.subscription_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        row.sink.clone().unwrap_or_else(|| "–".to_owned()),
        row.state.clone(),
        row.tries.to_string(),
        row.next_try_at.map(|at| local(at, app.zone)).unwrap_or_default(),
        row.note.clone().unwrap_or_default(),
        event.id.to_string(),
    ]
}

/// Which deliveries a person means.
struct Which {
    event_id: Option<EventId>,
    sink: Option<SinkName>,
    since: Option<DateTime<Utc>>,
}

async fn change(
    (manual, which): (Manual, Which),
    by: &By,
    store: Arc<dyn Store>,
    (app, output, shutdown): (&App, &Output, &Shutdown),
) -> Result<(), CliError> {
    // What is still in the outbox has no sink yet, and could not be meant.
    app.dispatcher(Arc::clone(&store)).await?.route(Duration::MAX, shutdown).await?;
    let hand = by.hand(app);
    let at = store.now().await?;
    let asked = json!({
        "event_id": which.event_id, "sink": which.sink, "since": which.since, "only_dead": manual == Manual::ReplayDead,
    });
    let change = ManualChange {
        manual,
        event_id: which.event_id,
        sink: which.sink,
        since: which.since,
        reason: hand.reason.clone().unwrap_or_default(),
        action: told(manual, &hand, &asked, app, at),
        recorded: NewAction::new(ActionId(app.chance.id(app.clock.now())), kind_of(manual), &hand, at).with(asked),
    };
    let changed = store.change_deliveries(&change).await?;
    if changed == 0 && which.event_id.is_some() {
        return Err(usage("there is no such event in a state that this applies to")
            .hint("see where it is: renewd events list --limit 1000"));
    }
    match (output.mode, manual) {
        (Mode::Json, _) => output.json(&json!({ "changed": changed, "by": hand.actor, "reason": hand.reason })),
        (_, Manual::Drop) => output.line(&format!("{changed} dropped: nobody is told")),
        (_, Manual::Replay | Manual::ReplayDead) => output
            .line(&format!("{changed} to be sent again, by the daemon or the next run; or now: renewd events deliver")),
    }
}

fn kind_of(manual: Manual) -> ActionKind {
    match manual {
        Manual::Drop => ActionKind::EventsDrop,
        Manual::Replay | Manual::ReplayDead => ActionKind::EventsReplay,
    }
}

/// Who did what, when and why: among the events too, as for the kill switch.
fn told(manual: Manual, hand: &Hand, asked: &Value, app: &App, at: DateTime<Utc>) -> NewEvent {
    let id = EventId(app.chance.id(app.clock.now()));
    let kind = match manual {
        Manual::Drop => EventKind::EventsDropped,
        Manual::Replay | Manual::ReplayDead => EventKind::EventsReplayed,
    };
    let mut payload = json!({ "by": hand.actor, "reason": hand.reason });
    if let (Some(payload), Some(asked)) = (payload.as_object_mut(), asked.as_object()) {
        payload.extend(asked.clone());
    }
    NewEvent::of_all(id, kind, id, payload, at)
}

async fn deliver(
    args: &Deliver,
    store: Arc<dyn Store>,
    app: &App,
    output: &Output,
    shutdown: &Shutdown,
) -> Result<(), CliError> {
    let delivered = app.dispatcher(store).await?.deliver(args.within, shutdown).await?;
    if output.mode == Mode::Json {
        return output.json(&delivered);
    }
    let rows = [
        ("delivered", delivered.delivered),
        ("failed, tried again later", delivered.failed),
        ("given up", delivered.dead),
    ];
    output.table(&["messages", ""], rows.map(|(what, count)| [what.to_owned(), count.to_string()]))?;
    let problems = delivered.problems.iter().map(|(sink, why)| [sink.as_str().to_owned(), why.clone()]);
    if delivered.has_problems() { output.table(&["sink", "last problem"], problems) } else { Ok(()) }
}

fn sink(text: &str) -> Result<SinkName, String> {
    let names = SinkName::ALL.map(SinkName::as_str).join(", ");
    SinkName::parse(text).ok_or_else(|| format!("expected one of {names}"))
}

fn kind(text: &str) -> Result<EventKind, String> {
    EventKind::parse(text).ok_or_else(|| {
        let names: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("expected one of {}", names.join(", "))
    })
}
