//! What people are told: one digest per run, what needs one of them, and no more than anybody reads.

use super::Told;
use super::receiver::Receiver;
use crate::world::On;
use chrono::TimeDelta;
use renewd::domain::delivery::SinkName;
use renewd::gateway::simulator::{Trouble, When};
use renewd::store::outbox::DeliveryFilter;
use serde_json::Value;

crate::on_both_databases! {
    a_run_of_many_declines_is_one_message,
    a_run_in_which_nothing_happened_is_none,
    refused_credentials_are_told_by_name_and_page_once,
    reviews_are_told_singly_and_not_without_end,
    too_many_declines_page,
    events_from_before_a_sink_was_set_up_are_not_told_to_it,
}

struct People {
    told: Told,
    slack: Receiver,
    pager: Receiver,
}

impl People {
    async fn with(on: On, settings: &[(&'static str, &str)]) -> Self {
        let (slack, pager) = (Receiver::start().await, Receiver::start().await);
        let (slack_url, pager_url) = (slack.url("services/T/B/x"), pager.url("v2/enqueue"));
        let own = [
            ("notify.slack_url", slack_url.as_str()),
            ("notify.pagerduty_url", pager_url.as_str()),
            ("notify.pagerduty_key", "routing-key"),
            ("notify.installation", "shop"),
        ];
        let told = Told::with(on, &[&own[..], settings].concat()).await;
        Self { told, slack, pager }
    }

    async fn run(&self) {
        self.told.world.run().await;
        self.told.deliver().await;
    }

    /// What Slack was told since the last time.
    fn texts(&self) -> Vec<String> {
        self.slack.take().iter().map(|one| one.json()["text"].as_str().unwrap().to_owned()).collect()
    }

    fn pages(&self) -> Vec<Value> {
        self.pager.take().iter().map(super::receiver::Heard::json).collect()
    }

    async fn subscribe(&self, count: usize, ending: &str) {
        for number in 0..count {
            self.told.world.subscribe(&format!("sub-{number}{ending}"), &format!("bk-{number}{ending}")).await;
        }
    }
}

async fn a_run_of_many_declines_is_one_message(on: On) {
    let people = People::with(on, &[]).await;
    people.subscribe(6, "-insufficient").await;
    people.subscribe(2, "").await;
    people.run().await;
    let texts = people.texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    for words in [
        "*shop: run of 2026-01-30 completed*",
        "2 of 8 paid, 110,000 KRW",
        "6 declined (75 %, 330,000 KRW): 6 insufficient funds",
        "`renewd status --run ",
    ] {
        assert!(texts[0].contains(words), "{words} is missing in {}", texts[0]);
    }
    assert!(people.pages().is_empty(), "eight answers say nothing about a rate");
    assert_eq!(people.told.api.heard().len(), 8, "customers are told one by one");
}

async fn a_run_in_which_nothing_happened_is_none(on: On) {
    let people = People::with(on, &[]).await;
    people.run().await;
    assert_eq!((people.texts().len(), people.pages().len()), (0, 0));
}

async fn refused_credentials_are_told_by_name_and_page_once(on: On) {
    let people = People::with(on, &[]).await;
    people.subscribe(3, "").await;
    people.told.world.rule(When::Always, Trouble::Unauthorized);
    people.run().await;
    let texts = people.texts();
    assert_eq!(texts.len(), 2, "the run, and why: {texts:?}");
    assert!(texts.iter().any(|text| text.contains("PortOne refuses our credentials") && text.contains("`renewd run`")));
    let pages = people.pages();
    assert_eq!(pages.len(), 1, "{pages:?}");
    let page = &pages[0];
    assert_eq!((page["event_action"].as_str(), page["routing_key"].as_str()), (Some("trigger"), Some("routing-key")));
    assert_eq!(page["dedup_key"], "shop:gateway.unauthorized:2026-01-30");
    assert_eq!(
        (page["payload"]["severity"].as_str(), page["payload"]["source"].as_str()),
        (Some("critical"), Some("shop"))
    );
    let summary = page["payload"]["summary"].as_str().unwrap();
    assert!(summary.contains("nothing is charged") && summary.contains("renewd run"), "{summary}");
    // Later the same day, and the day after.
    for (passed, key) in [(1, "shop:gateway.unauthorized:2026-01-30"), (24, "shop:gateway.unauthorized:2026-01-31")] {
        people.told.world.clock.pass(TimeDelta::hours(passed));
        people.run().await;
        assert_eq!(people.pages().iter().map(|page| page["dedup_key"].clone()).collect::<Vec<_>>(), [key]);
    }
}

async fn reviews_are_told_singly_and_not_without_end(on: On) {
    let people = People::with(on, &[("notify.messages_per_hour_max", "3")]).await;
    people.subscribe(7, "-other-amount").await;
    people.run().await;
    let texts = people.texts();
    let singles = texts.iter().filter(|text| text.contains("needs a person*")).count();
    assert_eq!((singles, people.pages().len()), (3, 3), "{texts:?}");
    let digest = texts.iter().find(|text| text.contains("run of 2026-01-30")).unwrap();
    assert!(digest.contains("7 need a person") && digest.contains("`renewd status`"), "{digest}");
    let dropped = DeliveryFilter { state: Some("dropped"), sink: Some(SinkName::Slack), ..DeliveryFilter::default() };
    let dropped = people.told.list(dropped).await;
    assert_eq!(dropped.len(), 4);
    assert!(dropped[0].note.as_deref().unwrap().contains("more than 3 messages in an hour"));
    assert_eq!(people.told.api.heard().len(), 7, "who informs the customers hears all of it");
}

async fn too_many_declines_page(on: On) {
    let settings = [("notify.decline_charges_min", "4"), ("notify.decline_percent_max", "40")];
    let people = People::with(on, &settings).await;
    people.subscribe(3, "").await;
    people.subscribe(3, "-insufficient").await;
    people.run().await;
    let pages = people.pages();
    assert_eq!(pages.len(), 1);
    assert_eq!(pages[0]["dedup_key"], "shop:run.completed:2026-01-30");
    assert_eq!(pages[0]["payload"]["severity"], "error");
    assert!(pages[0]["payload"]["custom_details"]["lines"].to_string().contains("3 declined (50 %"));
}

async fn events_from_before_a_sink_was_set_up_are_not_told_to_it(on: On) {
    let told = Told::new(on).await;
    told.world.subscribe("sub-1", "bk-1").await;
    told.world.run().await;
    told.deliver().await;
    let slack = Receiver::start().await;
    let settings = [("notify.slack_url", slack.url("services/x"))];
    let settings: Vec<(&'static str, &str)> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let config = crate::world::config_at(&told.world.app, &told.world.simulator.base_url(), &settings);
    let app = renewd::app::App { config, ..crate::world::clone_app(&told.world.app) };
    let dispatcher = app.dispatcher(std::sync::Arc::clone(&told.world.store)).await.unwrap();
    super::deliver(&dispatcher).await;
    assert!(slack.heard().is_empty(), "that run is over");
    told.world.subscribe("sub-2", "bk-2").await;
    told.world.run().await;
    super::deliver(&dispatcher).await;
    assert_eq!(slack.heard().len(), 1);
}
