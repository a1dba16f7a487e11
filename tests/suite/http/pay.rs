//! A customer's new card: the link, the page, what PortOne says of the key, and the charge that follows.

use super::served::{Answer, On, Served, Stage};
use crate::cli::NOW;
use crate::cli::running::wait_until;
use crate::notify::SECRET;
use crate::notify::receiver::Receiver;
use reqwest::Method;
use serde_json::{Value, json};

/// A billing key whose charge is declined for good: its name says so to the simulator.
const LOST: &str = "bk-a-lost";

fn stage(on: On, subscribers: &[(&str, &str)]) -> Stage {
    let mut stage = Stage::on(on, subscribers);
    for (name, value) in [
        ("RENEWD_PAY__BASE_URL", "https://pay.example.com"),
        ("RENEWD_PAY__SHOP", "Scorenix"),
        ("RENEWD_PAY__CHANNEL_KEY", "channel-key-new-cards"),
    ] {
        stage.place.set(name, value);
    }
    stage
}

/// The path of a link that was made now.
fn link(stage: &Stage, subscription: &str) -> String {
    link_at(stage, NOW, subscription)
}

fn link_at(stage: &Stage, clock: &str, subscription: &str) -> String {
    let made = stage.place.at(clock, &["--output", "json", "link", subscription]).ok().json();
    let url = made["url"].as_str().unwrap();
    url.strip_prefix("https://pay.example.com").expect("the address of the settings").to_owned()
}

/// The gateway issues a key, for a customer or for nobody.
fn issue(stage: &Stage, key: &str, info: Value) {
    stage.tell_simulator(Method::PUT, &format!("billing-keys/{key}"), &info);
}

fn give(served: &Served, path: &str, key: &str) -> Answer {
    served.send(served.request(Method::POST, path).json(&json!({ "billing_key": key })))
}

fn state(stage: &Stage, subscription: &str) -> String {
    let shown = stage.place.at(NOW, &["--output", "json", "show", subscription]).ok().json();
    shown["renewals"][0]["state"].as_str().unwrap_or("none").to_owned()
}

fn keys(stage: &Stage, subscription: &str) -> usize {
    let shown = stage.place.at(NOW, &["--output", "json", "show", subscription]).ok().json();
    shown["keys"].as_array().unwrap().len()
}

#[test]
fn a_new_card_is_asked_of_the_gateway_kept_with_its_record_and_charged_at_once() {
    for on in On::BOTH {
        let stage = stage(on, &[("a", LOST)]);
        let served = stage.serve().up();
        wait_until("the decline", || state(&stage, "sub_a") == "due");
        assert!(stage.simulator.charged().is_empty());
        let path = link(&stage, "sub_a");
        let page = served.get(&path);
        assert_eq!(page.status, 200, "{page:#?}");
        for told in ["55,000 KRW", "Scorenix", "data-customer=\"user_a\"", "channel-key-new-cards", "lang=\"ko\""] {
            assert!(page.text.contains(told), "{told}: {}", page.text);
        }
        issue(&stage, "billing-key-new", json!({ "customer": "user_a" }));
        assert_eq!(give(&served, &path, "billing-key-new").json(), json!({ "taken": true, "charged_now": true }));
        wait_until("the charge", || state(&stage, "sub_a") == "paid");
        assert_eq!(stage.simulator.charged().len(), 1, "{on:?}");
        let shown = stage.place.at(NOW, &["--output", "json", "show", "sub_a"]).ok();
        let action = &shown.json()["actions"][0];
        assert_eq!((&action["kind"], &action["actor"]), (&json!("new_card"), &json!("customer")), "{action:#}");
        let said = served.stop();
        for secret in ["billing-key-new", path.trim_start_matches("/pay/")] {
            assert!(!shown.out.contains(secret) && !said.err.contains(secret), "{secret} is told");
        }
    }
}

#[test]
fn a_card_that_is_not_this_customers_or_not_issued_is_refused_and_not_kept() {
    for on in On::BOTH {
        let stage = stage(on, &[("a", LOST), ("b", "billing-key-b")]);
        let served = stage.serve().up();
        let path = link(&stage, "sub_a");
        issue(&stage, "billing-key-of-b", json!({ "customer": "user_b" }));
        issue(&stage, "billing-key-of-nobody", json!({}));
        issue(&stage, "billing-key-deleted", json!({ "customer": "user_a", "deleted": true }));
        for (key, why) in [
            ("billing-key-of-b", "not issued for the customer"),
            ("billing-key-of-nobody", "not issued for the customer"),
            ("billing-key-deleted", "not issued"),
            ("NEEDS_CONFIRMATION", "cannot be charged"),
            ("4111111111111111", "card number"),
            ("", "empty"),
        ] {
            let problem = give(&served, &path, key).is_problem(422, &[why, "nothing was charged"]);
            // The word that PortOne sends in place of a key is no secret.
            let is_secret = !key.is_empty() && key != "NEEDS_CONFIRMATION";
            assert!(!is_secret || !problem.to_string().contains(key), "{problem:#}");
        }
        assert_eq!(keys(&stage, "sub_a"), 1, "only the one that was imported");
        served.stop();
    }
}

#[test]
fn a_link_opens_its_own_subscription_until_it_is_too_old() {
    let stage = stage(On::Sqlite, &[("a", "billing-key-a"), ("b", "billing-key-b")]);
    let (old, path) = (link_at(&stage, "2026-01-10T10:00:00+09:00", "sub_a"), link(&stage, "sub_a"));
    issue(&stage, "billing-key-new", json!({ "customer": "user_a" }));
    let served = stage.serve().up();
    assert_eq!(served.get(&old).status, 410);
    give(&served, &old, "billing-key-new").is_problem(410, &["too old"]);
    let mut changed = path.clone();
    let last = if changed.pop() == Some('A') { 'B' } else { 'A' };
    changed.push(last);
    for bad in [changed.as_str(), "/pay/x", &path[..path.len() - 8]] {
        assert_eq!(served.get(bad).status, 404, "{bad}");
        give(&served, bad, "billing-key-new").is_problem(404, &["not made here"]);
    }
    assert_eq!(keys(&stage, "sub_a"), 1);
    served.stop();
    stage.place.at(NOW, &["link", "sub_nobody"]).refused(2, &["no subscription sub_nobody"]);
    stage.place.at(NOW, &["link", "user_a"]).refused(2, &["no subscription user_a"]);
}

#[test]
fn who_cancelled_is_asked_for_no_card() {
    let stage = stage(On::Sqlite, &[("a", "billing-key-a")]);
    let line = json!({
        "type": "subscription", "id": "sub_a", "customer": "user_a", "plan": "pro", "cancel_at_period_end": true,
        "current_period_start": "2025-12-31T00:00:00+09:00", "current_period_end": "2026-01-31T00:00:00+09:00",
    });
    stage.place.import(&format!("{line}\n"));
    issue(&stage, "billing-key-new", json!({ "customer": "user_a" }));
    let served = stage.serve().up();
    let path = link(&stage, "sub_a");
    let page = served.send(served.request(Method::GET, &path).header("accept-language", "en-GB"));
    assert!(page.text.contains("needs no card") && !page.text.contains("<form"), "{}", page.text);
    give(&served, &path, "billing-key-new").is_problem(409, &["cancelled", "nothing was charged"]);
    assert_eq!(keys(&stage, "sub_a"), 1);
    served.stop();
}

#[test]
fn a_gateway_that_does_not_answer_keeps_nothing_and_says_when_to_come_back() {
    let mut stage = stage(On::Sqlite, &[("a", "billing-key-a")]);
    stage.place.set("PORTONE_API_BASE", "http://127.0.0.1:9");
    let served = stage.serve().up();
    let path = link(&stage, "sub_a");
    let answer = give(&served, &path, "billing-key-new");
    answer.is_problem(503, &["could not be checked now"]);
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(keys(&stage, "sub_a"), 1);
    served.stop();
}

#[test]
fn without_its_settings_there_is_no_page_and_half_of_them_are_refused() {
    let mut stage = Stage::on(On::Sqlite, &[("a", "billing-key-a")]);
    stage.place.at(NOW, &["link", "sub_a"]).refused(2, &["pay.base_url is not set"]);
    let served = stage.serve().up();
    served.get("/pay/AQ").is_problem(404, &["nothing under this path"]);
    served.stop();
    stage.place.set("RENEWD_PAY__BASE_URL", "https://pay.example.com");
    stage.place.at(NOW, &["daemon"]).refused(2, &["pay.channel_key"]);
    stage.place.set("PORTONE_CHANNEL_KEY", "channel-key-1");
    stage.place.at(NOW, &["daemon"]).refused(2, &["pay.shop"]);
    stage.place.set("RENEWD_PAY__BASE_URL", "http://pay.example.com");
    stage.place.at(NOW, &["daemon"]).refused(2, &["pay.base_url", "https"]);
}

#[test]
fn the_page_loads_one_thing_from_elsewhere_and_says_so() {
    let stage = stage(On::Sqlite, &[("a", "billing-key-a")]);
    let served = stage.serve().up();
    let page = served.get(&link(&stage, "sub_a"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self' https://cdn.portone.io;"), "{policy}");
    let elsewhere: Vec<&str> = page.text.match_indices("https://").map(|(at, _)| &page.text[at..at + 30]).collect();
    assert_eq!(elsewhere, ["https://cdn.portone.io/v2/brow"], "{}", page.text);
    for (asset, kind) in [("/assets/pay.js", "text/javascript"), ("/assets/pay.css", "text/css")] {
        assert!(served.get(asset).headers["content-type"].to_str().unwrap().starts_with(kind));
    }
    served.stop();
}

#[test]
fn the_api_service_gets_the_link_with_the_decline_and_nobody_else_does() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let receiver = runtime.block_on(Receiver::start());
    for on in On::BOTH {
        let mut stage = stage(on, &[("a", LOST), ("b", "billing-key-b")]);
        // A path of its own on each database.
        let path = format!("events/pay-{on:?}");
        stage.place.set("RENEWD_NOTIFY__WEBHOOK_URL", &receiver.url(&path));
        stage.place.set("RENEWD_NOTIFY__WEBHOOK_SECRET", SECRET);
        stage.place.at(NOW, &["run"]).ok();
        let heard: Vec<_> = receiver.heard().into_iter().filter(|one| one.path.ends_with(&path)).collect();
        let told: Vec<(String, bool)> =
            heard.iter().map(|one| (one.kind(), one.json()["data"]["pay_url"].is_string())).collect();
        assert!(told.contains(&("renewal.declined".to_owned(), true)), "{told:?}");
        assert!(told.contains(&("renewal.paid".to_owned(), false)), "{told:?}");
        let declined = heard.iter().find(|one| one.kind() == "renewal.declined").unwrap().json();
        let url = declined["data"]["pay_url"].as_str().unwrap().to_owned();
        let shown = stage.place.at(NOW, &["--output", "json", "show", "sub_a"]).ok().out;
        assert!(!shown.contains("pay_url") && !shown.contains("/pay/"), "it stands in no table");
        let served = stage.serve().up();
        assert_eq!(served.get(url.strip_prefix("https://pay.example.com").unwrap()).status, 200);
        served.stop();
    }
}
