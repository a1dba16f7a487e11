//! Who is told of events: whether their places may be reached, and whether anything was given up. Nothing is sent.

use super::ANSWER_WITHIN;
use super::check::{Check, advice};
use super::database::read;
use crate::app::App;
use crate::config::HookUrl;
use crate::store::Store;
use crate::store::outbox::DeliveriesLeft;
use std::sync::Arc;
use tokio::net::TcpStream;

const EVENTS: &str = "events";

const NOT_TOLD: &str = "charging goes on, and who is to be told of it is not; the events stay, and are sent later";

pub(super) async fn look(app: &App, store: Option<&Arc<dyn Store>>, checks: &mut Vec<Check>) {
    let notify = &app.config.notify;
    let pagerduty = notify.pagerduty_key.as_ref().map(|_| &notify.pagerduty_url);
    let sinks =
        [("webhook", notify.webhook_url.as_ref()), ("slack", notify.slack_url.as_ref()), ("pagerduty", pagerduty)];
    for (sink, url) in sinks {
        if let Some(url) = url {
            checks.push(reach(sink, url).await);
        }
    }
    let Some(store) = store else { return };
    // Which sinks there are is among the settings; that one refuses its address or secret is told here.
    if let Err(error) = app.dispatcher(Arc::clone(store)).await {
        let todo = "correct the value where it comes from; config/renewd.toml explains [notify]";
        checks.push(Check::wrong(
            EVENTS,
            format!("{error:#}"),
            advice("nothing is charged: no run starts like this", todo),
        ));
        return;
    }
    checks.push(read(EVENTS, store.deliveries_left()).await.map_or_else(|check| check, |left| of_left(&left)));
}

/// Whether a connection can be made: asking for more would send something.
async fn reach(sink: &'static str, url: &HookUrl) -> Check {
    let (host, port) = url.host_and_port();
    let connected = tokio::time::timeout(ANSWER_WITHIN, TcpStream::connect((host.as_str(), port))).await;
    let why = match connected {
        Ok(Ok(_)) => return Check::ok(sink, format!("{host}:{port} can be reached; nothing was sent")),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
    };
    let todo = format!("see that the address under [notify] is right, and that this machine may reach {host}");
    Check::unreachable(sink, format!("{host}:{port} cannot be reached ({why})"), advice(NOT_TOLD, todo))
}

fn of_left(left: &[DeliveriesLeft]) -> Check {
    let sum = |state| left.iter().filter(|one| one.state == state).map(|one| one.events).sum::<i64>();
    let (dead, pending) = (sum("dead"), sum("pending"));
    if dead == 0 {
        return Check::ok(EVENTS, format!("{pending} wait to be told, none was given up"));
    }
    let todo = "see them: renewd events list --state dead; then replay or drop them";
    let money = "somebody was never told of what happened; the money itself is recorded";
    Check::warning(EVENTS, format!("{dead} were given up after many tries, {pending} wait"), advice(money, todo))
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    #[test]
    fn what_was_given_up_is_told() {
        let left = |state: &str| DeliveriesLeft {
            sink: None,
            state: state.to_owned(),
            events: 2,
            oldest: chrono::DateTime::UNIX_EPOCH,
        };
        assert_eq!(of_left(&[]).result, Verdict::Ok);
        assert_eq!(of_left(&[left("pending")]).result, Verdict::Ok);
        assert_eq!(of_left(&[left("pending"), left("dead")]).result, Verdict::Warning);
    }
}
