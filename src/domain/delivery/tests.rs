use super::*;
use serde_json::json;

fn now() -> DateTime<Utc> {
    "2026-01-30T01:00:00Z".parse().unwrap()
}

fn told(kind: &str, payload: Value) -> Told {
    let subscription_id = (!kind.starts_with("run.")).then(|| SubscriptionId::from("sub_1"));
    Told {
        id: EventId(Uuid::nil()),
        kind: kind.to_owned(),
        subscription_id,
        renewal_id: None,
        payload,
        created_at: now(),
    }
}

fn routing() -> Routing {
    Routing {
        sinks: SinkName::ALL.into_iter().collect(),
        decline_percent_max: 50,
        decline_charges_min: 50,
        messages_per_hour_max: 2,
    }
}

/// Who hears of it, as words.
fn hearers(event: &Told) -> String {
    let routed = route(std::slice::from_ref(event), &BTreeMap::new(), &routing());
    routed.iter().map(|one| one.sink.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn outcomes_go_to_the_api_service_and_only_what_needs_a_person_to_people() {
    for kind in EventKind::ALL {
        let expected = match kind.as_str() {
            "renewal.review" => "log webhook slack pagerduty",
            "payment.disputed" | "payment.dispute_resolved" => "log webhook slack",
            "payment.unknown" | "charging.resumed" | "brake.overridden" => "log slack",
            "gateway.unauthorized" | "restore.suspected" | "charging.paused" | "run.failed" | "brake.tripped" => {
                "log slack pagerduty"
            }
            "run.completed" | "events.replayed" | "events.dropped" => "log",
            _ => "log webhook",
        };
        let figures = json!({"status": "completed", "paid": 0});
        assert_eq!(hearers(&told(kind.as_str(), figures)), expected, "{}", kind.as_str());
    }
}

#[test]
fn a_run_is_digested_if_anything_happened_in_it() {
    let digested = |figures: Value| hearers(&told("run.completed", figures)).contains("slack");
    assert!(!digested(json!({"status": "completed", "due": 0, "paid": 0, "amounts": {}, "compared": true})));
    assert!(digested(json!({"status": "completed", "paid": 1})));
    assert!(digested(json!({"status": "completed", "left_unsettled": 1})));
    assert!(digested(json!({"status": "interrupted"})), "that it stopped half-way is worth a line");
}

#[test]
fn a_decline_rate_above_its_threshold_is_for_whoever_is_on_call() {
    let paged = |paid: u64, declined: u64| {
        let figures = json!({"status": "completed", "paid": paid, "declined_by_reason": {"a": 1, "b": declined - 1}});
        hearers(&told("run.completed", figures)).contains("pagerduty")
    };
    assert!(paged(24, 26) && !paged(25, 25), "more than half");
    assert!(!paged(1, 48) && paged(1, 49), "not before fifty answers");
}

#[test]
fn a_failed_run_whose_reason_is_told_by_itself_alerts_once() {
    let failed = |told_by: Value| hearers(&told("run.failed", json!({"status": "failed", "told_by": told_by})));
    assert_eq!(failed(Value::Null), "log slack pagerduty");
    assert_eq!(failed(json!("gateway.unauthorized")), "log slack");
}

#[test]
fn what_comes_by_the_hundred_is_cut_for_people_only() {
    let reviews: Vec<Told> = (0..4).map(|_| told("renewal.review", Value::Null)).collect();
    let routed = route(&reviews, &BTreeMap::from([(SinkName::Slack, 1)]), &routing());
    let sent = |sink| routed.iter().filter(|one| one.sink == sink && one.dropped.is_none()).count();
    let counts = SinkName::ALL.map(sent);
    assert_eq!(counts, [4, 4, 1, 2], "log, webhook, slack (one was sent before), pagerduty");
    assert_eq!(routed.len(), 16, "what is not sent is recorded as such");
    let urgent = route(&[told("run.failed", json!({}))], &BTreeMap::from([(SinkName::Slack, 99)]), &routing());
    assert!(urgent.iter().all(|one| one.dropped.is_none()));
}

#[test]
fn what_a_newer_version_wrote_is_passed_on() {
    assert_eq!(hearers(&told("renewal.teleported", json!({}))), "log webhook");
    assert_eq!(hearers(&told("run.teleported", json!({}))), "log");
    assert_eq!(told("run.teleported", json!({})).severity(), Severity::Warning);
}

#[test]
fn a_sink_that_is_not_set_up_is_handed_nothing() {
    let routing = Routing { sinks: [SinkName::Log].into(), ..routing() };
    assert_eq!(route(&[told("renewal.review", json!({}))], &BTreeMap::new(), &routing).len(), 1);
}

#[test]
fn severity_is_by_kind_unless_the_event_says_that_it_is_critical() {
    let of = |kind: &str, payload: Value| told(kind, payload).severity();
    assert_eq!(of("renewal.paid", json!({})), Severity::Info);
    assert_eq!(of("renewal.declined", json!({})), Severity::Info, "an ordinary outcome");
    assert_eq!(of("renewal.failed", json!({})), Severity::Warning);
    assert_eq!(of("run.failed", json!({})), Severity::Error);
    assert_eq!(of("gateway.unauthorized", json!({})), Severity::Critical);
    assert_eq!(of("renewal.review", json!({"severity": "critical"})), Severity::Critical);
}

const PATIENCE: Patience =
    Patience { tries_max: 3, first: Duration::from_secs(10), longest: Duration::from_secs(3600) };

fn next(tries: u32, reply: Reply, unit: f64) -> Next {
    let event = told("renewal.paid", json!({}));
    let sending = Sending { event, sink: SinkName::Webhook, claim: Uuid::nil(), tries };
    after(&sending, reply, &PATIENCE, Duration::from_secs(40), unit, now()).next
}

fn failed(retry_after: Option<u64>) -> Reply {
    Reply::Failed { why: "500".to_owned(), retry_after: retry_after.map(Duration::from_secs) }
}

#[test]
fn a_failed_try_waits_between_half_of_the_interval_and_all_of_it() {
    assert_eq!(next(1, failed(None), 0.0), Next::RetryAt(now() + TimeDelta::seconds(20)));
    assert_eq!(next(2, failed(None), 0.5), Next::RetryAt(now() + TimeDelta::seconds(30)));
    assert_eq!(next(1, failed(Some(600)), 0.0), Next::RetryAt(now() + TimeDelta::seconds(600)), "as it asked");
    assert_eq!(next(1, failed(Some(99_999)), 0.0), Next::RetryAt(now() + TimeDelta::seconds(3600)), "within bounds");
}

#[test]
fn too_many_tries_and_a_final_no_are_the_end() {
    assert_eq!(next(3, failed(None), 0.0), Next::Dead);
    assert_eq!(next(1, Reply::Refused { why: "no".to_owned() }, 0.0), Next::Dead);
    assert_eq!(next(9, Reply::Taken, 0.0), Next::Delivered, "late is not never");
}
