//! What documents name exists: other documents and their headings, settings, metrics, events, checks, tests.

use super::super::{NOW, Stage};
use super::{Document, all, guides, root};
use renewd::domain::brakes::Brake;
use renewd::domain::delivery::{Routing, SinkName, Told, route};
use renewd::domain::event::EventKind;
use renewd::domain::ids::EventId;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The name under which GitHub and others jump to a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

fn anchors(text: &str) -> BTreeSet<String> {
    let outside: Vec<&str> = text.split("```").step_by(2).collect();
    let outside = outside.join("\n");
    outside.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// Where the links of a text lead.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// Links that lead nowhere.
fn broken(document: &Document) -> Vec<String> {
    let prose = document.prose();
    let is_ours = |link: &&str| !link.contains("://") && !link.starts_with("mailto:");
    let leads_nowhere = |link: &&str| {
        let (path, heading) = link.split_once('#').unwrap_or((link, ""));
        let folder = root().join(&document.path).parent().expect("a file is in a folder").to_owned();
        let target = if path.is_empty() { root().join(&document.path) } else { folder.join(path) };
        !target.exists() || (!heading.is_empty() && !has_heading(&target, heading, document))
    };
    let bad = links(&prose).filter(is_ours).filter(leads_nowhere);
    bad.map(|link| format!("{}: {link}", document.path)).collect()
}

fn has_heading(target: &Path, heading: &str, own: &Document) -> bool {
    let is_own = target == root().join(&own.path);
    let text = if is_own { own.text.clone() } else { fs::read_to_string(target).unwrap_or_default() };
    anchors(&text).contains(heading)
}

#[test]
fn every_link_leads_somewhere() {
    let documents = all();
    let count: usize = documents.iter().map(|document| links(&document.prose()).count()).sum();
    assert!(count > 40, "only {count} links were found");
    let bad: Vec<String> = documents.iter().flat_map(broken).collect();
    assert!(bad.is_empty(), "links that lead nowhere:\n{}", bad.join("\n"));
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let document =
        |text: &str| Document { path: "docs/SECURITY.md".to_owned(), text: format!("# A heading, of *mine*\n{text}") };
    for bad in ["[x](NOWHERE.md)", "[x](METRICS.md#nowhere)", "[x](#a-heading)", "[x](../src/nothing.rs)"] {
        assert_eq!(broken(&document(bad)).len(), 1, "{bad}");
    }
    for good in
        ["[x](METRICS.md#metrics)", "[x](#a-heading-of-mine)", "[x](../src/lib.rs)", "[x](https://example.com/#y)"]
    {
        assert_eq!(broken(&document(good)), Vec::<String>::new(), "{good}");
    }
}

const SETTINGS: &str = include_str!("../../../../config/renewd.toml");

/// Every `section.key` there is.
fn settings() -> BTreeSet<String> {
    let defaults: toml::Table = SETTINGS.parse().expect("TOML");
    let of = |(section, keys): (&String, &toml::Value)| {
        let keys = keys.as_table().expect("a section").keys();
        keys.map(|key| format!("{section}.{key}")).collect::<Vec<_>>()
    };
    defaults.iter().flat_map(of).collect()
}

/// Spans that look like a setting (`section.key`, perhaps with a value) and are none.
fn unknown_settings(document: &Document, settings: &BTreeSet<String>) -> Vec<String> {
    let sections: BTreeSet<&str> = settings.iter().filter_map(|name| Some(name.split_once('.')?.0)).collect();
    let spans = document.spans();
    let names = spans.iter().filter_map(|span| span.split([' ', '=']).next());
    let looks_like_one = |name: &&str| {
        let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        name.split_once('.').is_some_and(|(section, key)| sections.contains(section) && word(key))
    };
    // Files and events look like settings.
    let is_file = |name: &str| [".rs", ".toml", ".sql"].iter().any(|end| name.ends_with(end));
    let is_other = |name: &&str| is_file(name) || EventKind::parse(name).is_some();
    let bad = names.filter(looks_like_one).filter(|name| !is_other(name) && !settings.contains(*name));
    bad.map(|name| format!("{}: {name}", document.path)).collect()
}

#[test]
fn every_setting_that_is_named_exists() {
    let settings = settings();
    let documents = all();
    let bad: Vec<String> = documents.iter().flat_map(|document| unknown_settings(document, &settings)).collect();
    assert!(bad.is_empty(), "no such settings:\n{}", bad.join("\n"));
    let made_up = Document { path: "x.md".to_owned(), text: "`charge.speed = 3` and `brakes.sums_max`".to_owned() };
    assert_eq!(unknown_settings(&made_up, &settings), ["x.md: charge.speed"]);
}

/// Names of variables of ours that nothing reads.
fn unknown_variables(text: &str, settings: &BTreeSet<String>) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let named = text.split(|c| !is_part(c)).filter(|name| name.starts_with("RENEWD_") && !name.ends_with('_'));
    let is_read = |name: &str| match name.strip_suffix("_FILE").unwrap_or(name).split_once("__") {
        Some((section, key)) => {
            let section = section.trim_start_matches("RENEWD_");
            settings.contains(&format!("{section}.{key}").to_lowercase())
        }
        None => SETTINGS.contains(name),
    };
    named.filter(|name| !is_read(name)).map(str::to_owned).collect()
}

#[test]
fn every_variable_that_is_named_is_read() {
    let settings = settings();
    for document in all() {
        assert_eq!(unknown_variables(&document.text, &settings), Vec::<String>::new(), "{}", document.path);
    }
    let some = "RENEWD_CHARGE__SPEED, RENEWD_CHARGE__LEASE, RENEWD_PAYMENT_ID_KEY_FILE, RENEWD_<SECTION>__<KEY>";
    assert_eq!(unknown_variables(some, &settings), ["RENEWD_CHARGE__SPEED"]);
}

/// Words that begin like a metric and are none.
fn unknown_metrics(text: &str, known: &str) -> Vec<String> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("renewd_") && !OTHERS.contains(word));
    let bad = words.filter(|word| {
        let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
        !known.contains(&format!("`{word}`")) && !known.contains(&format!("`{base}`"))
    });
    bad.map(str::to_owned).collect()
}

/// Roles of the database, and cookies: no metrics.
const OTHERS: [&str; 4] = ["renewd_app", "renewd_reader", "renewd_session", "renewd_language"];

#[test]
fn every_metric_that_is_named_is_told() {
    // Held against what is told by `http::metrics`.
    let known = Document::read("docs/METRICS.md").text;
    for document in all() {
        assert_eq!(unknown_metrics(&document.text, &known), Vec::<String>::new(), "{}", document.path);
    }
    assert_eq!(unknown_metrics("`renewd_money_lost_total`, `renewd_queue_depth`", &known), ["renewd_money_lost_total"]);
}

fn rows(document: &Document) -> impl Iterator<Item = &str> {
    document.text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |").map(|(first, _)| first))
}

#[test]
fn the_runbook_knows_every_event_brake_and_check() {
    let runbook = Document::read("docs/OPERATIONS.md");
    let first_cells: BTreeSet<&str> = rows(&runbook).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    for kind in EventKind::ALL {
        assert!(first_cells.contains(kind.as_str()), "no line for {}", kind.as_str());
    }
    for brake in Brake::ALL {
        assert!(first_cells.contains(brake.as_str()), "no line for the brake {brake}");
    }
    let dotted: Vec<&&str> = first_cells.iter().filter(|cell| cell.contains('.') && !cell.contains('/')).collect();
    for kind in dotted {
        let is_setting = settings().contains(*kind);
        assert!(is_setting || EventKind::parse(kind).is_some(), "{kind} is no event");
    }
}

/// To whom a kind of event goes, in the runbook's words; a run that is as it should be.
fn audience(kind: EventKind) -> BTreeSet<&'static str> {
    let told = Told {
        id: EventId(uuid::Uuid::nil()),
        kind: kind.as_str().to_owned(),
        subscription_id: None,
        renewal_id: None,
        payload: serde_json::json!({ "status": "completed", "due": 1 }),
        created_at: chrono::DateTime::UNIX_EPOCH,
    };
    let routing = Routing {
        sinks: SinkName::ALL.into(),
        decline_percent_max: 50,
        decline_charges_min: 50,
        messages_per_hour_max: 30,
    };
    let word = |sink| match sink {
        SinkName::Log => None,
        SinkName::Webhook => Some("API"),
        SinkName::Slack => Some("Slack"),
        SinkName::Pagerduty => Some("PagerDuty"),
    };
    route(&[told], &BTreeMap::new(), &routing).into_iter().filter_map(|delivery| word(delivery.sink)).collect()
}

#[test]
fn the_runbook_knows_to_whom_each_event_goes() {
    let runbook = Document::read("docs/OPERATIONS.md");
    for kind in EventKind::ALL {
        let begins = format!("| `{}` | ", kind.as_str());
        let row = runbook.text.lines().find_map(|line| line.strip_prefix(&begins)).expect("a line of its own");
        // After a semicolon stands what only some of them do.
        let cell = row.split([';', '|']).next().unwrap_or_default();
        let said: BTreeSet<&str> = cell.split(", ").map(str::trim).filter(|word| *word != "–").collect();
        assert_eq!(said, audience(*kind), "{}", kind.as_str());
    }
}

#[test]
fn the_runbook_knows_every_difference() {
    use renewd::domain::reconcile::Difference as Kind;
    let kinds = [
        Kind::NotThere,
        Kind::NotPaidThere,
        Kind::OtherAmount,
        Kind::GivenBack,
        Kind::PaidBeside,
        Kind::NotAsOrdered,
        Kind::Unsettled,
    ];
    let runbook = Document::read("docs/OPERATIONS.md");
    for kind in kinds {
        let cell = format!("`{}`", kind.as_str());
        assert!(rows(&runbook).any(|first| first == cell), "no line for {cell}");
    }
}

#[test]
fn log_metrics_ask_for_what_is_logged() {
    let stage = Stage::with(&[("1", "billing-key-1")]);
    let said = stage.place.at(NOW, &["run"]).ok();
    let logged: Vec<Value> = said.err.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let paid = logged.iter().find(|line| line["message"].as_str().is_some_and(|text| text.starts_with("renewal.paid")));
    let filter = fs::read_to_string(root().join("deploy/monitoring/cloud-logging/paid.yaml")).expect("a log metric");
    let wanted = filter.split("jsonPayload.").nth(1).and_then(|rest| rest.lines().next()).expect("a condition");
    let (field, value) = wanted.trim_end_matches('\'').split_once('=').expect("a field and its value");
    assert_eq!(paid.expect("it is logged")[field.trim_matches('"')], value.trim_matches('"'), "{wanted}");
}

#[test]
fn the_runbook_knows_every_check_of_the_doctor() {
    let stage = Stage::with(&[("1", "billing-key-1")]);
    let url = stage.simulator.told("PORTONE_API_BASE").to_owned();
    let mut place = stage.place;
    for name in ["WEBHOOK_URL", "SLACK_URL", "PAGERDUTY_URL"] {
        place.set(&format!("RENEWD_NOTIFY__{name}"), &url);
    }
    place.set("RENEWD_NOTIFY__WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    place.set("RENEWD_NOTIFY__PAGERDUTY_KEY", "some-routing-key");
    let told = place.at(NOW, &["--output", "json", "doctor"]).ok().json();
    let checks: Vec<&str> =
        told["checks"].as_array().expect("a list").iter().filter_map(|check| check["check"].as_str()).collect();
    assert!(checks.len() > 14, "{checks:?}");
    let runbook = Document::read("docs/OPERATIONS.md");
    for check in checks {
        assert!(rows(&runbook).any(|cell| cell.contains(&format!("`{check}`"))), "no line for the check {check}");
    }
}

#[test]
fn every_event_that_the_api_service_gets_is_explained() {
    let guide = Document::read("docs/INTEGRATING.md");
    let explained: BTreeSet<&str> = rows(&guide).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    let runbook = Document::read("docs/OPERATIONS.md");
    let for_api = runbook.text.lines().filter(|line| line.split('|').nth(2).is_some_and(|cell| cell.contains("API")));
    let kinds = for_api.filter_map(|line| line.split('`').nth(1));
    let kinds: Vec<&str> = kinds.filter(|kind| EventKind::parse(kind).is_some()).collect();
    assert!(kinds.len() > 10, "{kinds:?}");
    for kind in kinds {
        assert!(explained.contains(kind), "docs/INTEGRATING.md does not explain {kind}");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let mut code = String::new();
    for folder in ["src", "tests"] {
        gather(&root().join(folder), &mut code);
    }
    let guides = guides();
    let is_test = |span: &String| ["suite::", "lib::", "house::"].iter().any(|begin| span.starts_with(begin));
    let named: Vec<String> = guides.iter().flat_map(Document::spans).filter(is_test).collect();
    assert!(named.len() > 8, "{named:?}");
    let exists = |name: &str| code.contains(&format!("fn {}(", name.rsplit("::").next().unwrap_or(name)));
    for name in named {
        assert!(exists(&name), "there is no test {name}");
    }
    assert!(!exists(&["suite::nobody_wrote_", "this_one"].concat()));
}

fn gather(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).expect("our own folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, code);
        } else if path.extension().is_some_and(|end| end == "rs") {
            code.push_str(&fs::read_to_string(path).expect("UTF-8"));
        }
    }
}
