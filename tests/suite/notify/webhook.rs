//! What the API service gets: one signed message per outcome, with what its customer needs to know and nothing secret.

use super::{Told, deliver};
use crate::world::On;
use renewd::domain::delivery::SinkName;
use renewd::store::outbox::DeliveryFilter;
use std::collections::BTreeSet;

crate::on_both_databases! {
    every_message_is_signed_by_the_convention,
    while_a_secret_is_replaced_both_sign,
    each_outcome_is_one_message_with_what_the_customer_needs,
    no_message_holds_a_secret_or_the_customers_address,
}

/// What the receiver's library says of all that came.
fn all_are_believed(told: &Told, secret: &str) {
    let checker = standardwebhooks::Webhook::new(secret).unwrap();
    let heard = told.api.heard();
    assert!(!heard.is_empty());
    for message in heard {
        checker.verify(&message.body, &message.headers).unwrap();
        assert_eq!(message.header("content-type"), "application/json");
        assert_eq!(message.header("webhook-id"), message.json()["id"].as_str().unwrap());
    }
}

async fn every_message_is_signed_by_the_convention(on: On) {
    let told = Told::new(on).await;
    told.world.subscribe("sub-1", "bk-1").await;
    told.world.subscribe("sub-2", "bk-2-lost").await;
    told.world.run().await;
    deliver(&told.in_real_time().await).await;
    all_are_believed(&told, super::SECRET);
    let wrong = standardwebhooks::Webhook::new("whsec_YW5vdGhlciBzZWNyZXQ=").unwrap();
    let first = told.api.heard().remove(0);
    assert!(wrong.verify(&first.body, &first.headers).is_err());
}

async fn while_a_secret_is_replaced_both_sign(on: On) {
    const NEXT: &str = "whsec_dGhlIG5leHQgc2VjcmV0IG9mIHRoZSB0ZXN0cw==";
    let both = format!("{NEXT},{}", super::SECRET);
    let told = Told::with(on, &[("notify.webhook_secret", &both)]).await;
    told.world.subscribe("sub-1", "bk-1").await;
    told.world.run().await;
    deliver(&told.in_real_time().await).await;
    all_are_believed(&told, super::SECRET);
    all_are_believed(&told, NEXT);
}

async fn each_outcome_is_one_message_with_what_the_customer_needs(on: On) {
    let told = Told::new(on).await;
    for (id, key) in [("sub-paid", "bk-1"), ("sub-poor", "bk-2-insufficient"), ("sub-lost", "bk-3-lost")] {
        told.world.subscribe(id, key).await;
    }
    told.world.run().await;
    told.deliver().await;
    let heard = told.api.take();
    let mut outcomes: Vec<String> = heard
        .iter()
        .map(|one| format!("{} {}", one.json()["data"]["subscription_id"].as_str().unwrap(), one.kind()))
        .collect();
    outcomes.sort();
    assert_eq!(
        outcomes,
        [
            "sub-lost billing_key.missing",
            "sub-lost renewal.declined",
            "sub-paid renewal.paid",
            "sub-poor renewal.declined",
        ],
        "the run's own events are for operations"
    );
    let of = |subject: &str, kind: &str| {
        let is_it = |one: &&super::receiver::Heard| {
            one.kind() == kind && one.json()["data"]["subscription_id"].as_str() == Some(subject)
        };
        heard.iter().find(is_it).unwrap().json()["data"].clone()
    };
    for (subject, kind, reason) in [
        ("sub-poor", "renewal.declined", "insufficient_funds"),
        ("sub-lost", "renewal.declined", "lost_or_stolen"),
        ("sub-lost", "billing_key.missing", "lost_or_stolen"),
    ] {
        let data = of(subject, kind);
        assert_eq!((data["amount"].as_i64(), data["currency"].as_str()), (Some(55_000), Some("KRW")));
        assert_eq!(data["reason"].as_str(), Some(reason), "{kind}");
        assert_eq!(data["next_attempt_at"].is_string(), subject == "sub-poor", "{data}");
    }
    let again = told.world.run().await;
    assert_eq!(again.due, 0);
    told.deliver().await;
    assert!(told.api.take().is_empty(), "nothing happened, and nothing is told again");
}

async fn no_message_holds_a_secret_or_the_customers_address(on: On) {
    let told = Told::new(on).await;
    let keys =
        ["", "-insufficient", "-lost", "-refer", "-deleted", "-no-channel", "-squatted", "-other-amount", "-timeout"];
    for (number, key) in keys.iter().enumerate() {
        told.world.subscribe(&format!("sub-{number}"), &format!("bk-canary-{number}{key}")).await;
    }
    told.world.import(r#"{"type":"customer","id":"user-sub-none","email":"sub-none@example.com"}"#).await;
    told.world.run().await;
    told.deliver().await;
    let kinds: BTreeSet<String> = told.api.heard().iter().map(super::receiver::Heard::kind).collect();
    assert!(kinds.len() >= 4, "{kinds:?}");
    let to_log = DeliveryFilter { sink: Some(SinkName::Log), ..DeliveryFilter::default() };
    let logged = told.list(to_log).await.into_iter().map(|row| row.event.payload.to_string());
    let posted = told.api.heard().into_iter().map(|one| String::from_utf8(one.body.to_vec()).unwrap());
    for text in logged.chain(posted) {
        for secret in ["canary", "example.com", "01000000000", "김하늘", "simulator-secret", "whsec"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
