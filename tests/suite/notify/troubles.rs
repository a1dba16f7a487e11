//! Receivers that misbehave: the message waits, nothing is told too much, and nobody is held up.

use super::Told;
use super::receiver::Does;
use crate::world::On;
use renewd::domain::delivery::SinkName;
use std::time::{Duration, Instant};

crate::on_both_databases! {
    whatever_a_receiver_does_the_message_waits_and_says_why,
    a_message_that_was_taken_is_taken_whatever_follows,
    a_message_that_slack_will_never_take_is_given_up_at_once,
}

async fn whatever_a_receiver_does_the_message_waits_and_says_why(on: On) {
    for (does, why) in [
        (Does::Hang, "no answer within 1s"),
        (Does::Answer(500), "answered 500: refused at ***"),
        (Does::Answer(404), "answered 404: refused at ***"),
        (Does::Redirect, "answered 307 (redirects are not followed)"),
        (Does::RefuseAtLength, "answered 502: xxx"),
    ] {
        let timeout = if matches!(does, Does::Hang) { "1s" } else { "30s" };
        let told = Told::with(on, &[("notify.send_timeout", timeout)]).await;
        told.world.subscribe("sub-1", "bk-1").await;
        told.world.run().await;
        told.api.does(does);
        let began = Instant::now();
        let done = told.deliver().await;
        assert!(began.elapsed() < Duration::from_secs(20), "{does:?} took {:?}", began.elapsed());
        let problem = &done.problems[&SinkName::Webhook];
        assert!(problem.starts_with(why) && problem.len() < 300, "{does:?}: {problem}");
        let paths: Vec<String> = told.api.take().into_iter().map(|one| one.path).collect();
        assert_eq!(paths, ["/events"], "{does:?}: one try, at one place");
        assert_eq!((told.count("pending").await, done.failed), (1, 1));
    }
    let told = Told::with(on, &[("notify.webhook_url", "http://127.0.0.1:9/canary")]).await;
    told.world.subscribe("sub-1", "bk-1").await;
    told.world.run().await;
    let problem = told.deliver().await.problems[&SinkName::Webhook].clone();
    assert!(problem.contains("error") && !problem.contains("canary"), "{problem}");
}

async fn a_message_that_was_taken_is_taken_whatever_follows(on: On) {
    let told = Told::new(on).await;
    told.world.subscribe("sub-1", "bk-1").await;
    told.world.run().await;
    told.api.does(Does::TakeAtLength);
    let done = told.deliver().await;
    assert_eq!((done.failed, told.count("delivered").await), (0, 1), "{done:?}");
}

async fn a_message_that_slack_will_never_take_is_given_up_at_once(on: On) {
    let slack = super::Receiver::start().await;
    let told = Told::with(on, &[("notify.slack_url", &slack.url("services/T/B/canary"))]).await;
    told.world.subscribe("sub-1", "bk-1").await;
    told.world.run().await;
    slack.does(Does::Answer(400));
    let done = told.deliver().await;
    assert_eq!((done.dead, slack.heard().len()), (1, 1));
    assert_eq!(done.problems[&SinkName::Slack], "answered 400: refused at ***");
}
