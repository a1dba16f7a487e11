//! Who does something: an operator who charges, answers and pauses; and a viewer, who may not.

use super::scene::Scene;
use crate::cli::NOW;
use crate::cli::running::wait_until;
use serde_json::Value;

fn shown(scene: &Scene, subscription: &str) -> Value {
    scene.stage.place.at(NOW, &["--output", "json", "show", subscription]).ok().json()
}

fn waits_in(scene: &Scene, subscription: &str, state: &str) {
    wait_until(&format!("{subscription} {state}"), || {
        shown(scene, subscription)["renewals"][0]["state"] == *state
            && shown(scene, subscription)["renewals"][0]["attempt_count"] != 0
    });
}

#[test]
fn an_operator_sees_the_sum_says_why_and_charges_a_declined_renewal() {
    let (scene, [operator, _]) = Scene::of(&[("a", "bk-a-insufficient-once")]);
    waits_in(&scene, "sub_a", "due");
    let browser = &scene.browser;
    scene.sign_in(&operator);
    scene.go("/subscriptions/sub_a");
    scene.picture("subscription-declined");
    browser.click("a[href$='/retry']");
    browser.wait_for_text("Charge it now?");
    assert!(browser.text().contains("₩55,000"), "{}", browser.text());
    scene.picture("retry-confirm");
    assert!(scene.stage.simulator.charged().is_empty(), "looking charges nothing");
    browser.type_into("#reason", "The customer has put money on the card");
    browser.click("main form button.primary");
    browser.wait_for_text("Charged. The payment was looked up");
    scene.picture("retry-done");
    assert_eq!(scene.stage.simulator.charged().len(), 1);
    let told = shown(&scene, "sub_a");
    let action = &told["actions"][0];
    assert_eq!((&action["kind"], &action["actor"]), (&"retry".into(), &"haneul".into()), "{action:#}");
    assert_eq!(action["reason"], "The customer has put money on the card");
    scene.is_clean();
    scene.served.stop();
}

#[test]
fn an_operator_runs_pauses_and_resumes_with_the_sum_before_them() {
    let (scene, [operator, _]) = Scene::of(&[]);
    let browser = &scene.browser;
    scene.sign_in(&operator);
    // Until the daemon's own first runs are over.
    wait_until("the first runs", || {
        scene.go("/runs");
        browser.text().contains("Schedule") && !browser.text().contains("Running")
    });
    scene.stage.subscribe(&[("a", "billing-key-a"), ("b", "billing-key-b")]);
    // As it does by itself after a while.
    scene.go("/");
    assert!(!browser.text().contains("₩110,000"));
    scene.stage.place.at(NOW, &["run", "--limit", "0"]).ok();
    browser.script("htmx.ajax('GET', '/', { target: '#now', select: '#now', swap: 'outerHTML' })");
    browser.wait_for_text("₩110,000");
    browser.click("a[href='/pause']");
    browser.type_into("#reason", "A price is wrong");
    assert!(browser.text().contains("Held back now: ₩110,000"), "{}", browser.text());
    scene.picture("pause-confirm");
    browser.click("main form button.primary");
    browser.wait_for_text("Charging is paused.");
    scene.picture("today-paused");
    browser.click("a[href='/resume']");
    browser.type_into("#reason", "It is mended");
    browser.click("main form button.primary");
    browser.wait_for_text("Charging goes on with the next run.");
    browser.click("a[href='/run']");
    browser.wait_for_text("₩110,000");
    scene.picture("run-confirm");
    browser.click("main form button.primary");
    browser.wait_for_text("Figures");
    assert!(browser.path().starts_with("/runs/"), "{}", browser.path());
    assert!(browser.text().contains("This page · haneul"), "{}", browser.text());
    scene.picture("run-done");
    assert_eq!(scene.stage.simulator.charged().len(), 2);
    scene.is_clean();
    scene.served.stop();
}

#[test]
fn an_operator_answers_a_review_and_sees_what_the_gateway_has_against_it() {
    let (scene, [operator, _]) = Scene::of(&[("a", "bk-a-other-amount")]);
    waits_in(&scene, "sub_a", "review");
    let browser = &scene.browser;
    scene.sign_in(&operator);
    browser.click("a[href='/review']");
    browser.click("a[href$='/resolve']");
    browser.wait_for_text("What became of it?");
    scene.picture("resolve");
    let answer = |value: &str, against: &str| {
        browser.click(&format!("input[value={value}]"));
        browser.type_into("#evidence", "The customer's statement shows nothing");
        browser.type_into("#reason", "They wrote to us");
        if !against.is_empty() {
            browser.type_into("#against", against);
        }
        browser.click("main form button.primary");
        browser.wait_for_text("Is this right?");
    };
    answer("retry", "");
    assert!(browser.text().contains("₩55,000 is charged at once"), "{}", browser.text());
    scene.picture("resolve-sure");
    browser.click("main form button.primary");
    browser.wait_for_text("It was not done");
    scene.picture("resolve-refused");
    assert_eq!(
        shown(&scene, "sub_a")["renewals"][0]["state"],
        "review",
        "what the gateway contradicts changes nothing"
    );
    assert_eq!(scene.stage.simulator.charged().len(), 1, "and charges nothing");
    // Refused with 409, which the console repeats.
    browser.complaints();
    scene.go("/review");
    browser.click("a[href$='/resolve']");
    answer("not_charged", "PortOne's support cancelled it by hand, ticket 4711");
    browser.click("main form button.primary");
    browser.wait_for_text("Your answer is recorded.");
    scene.picture("resolve-done");
    let told = shown(&scene, "sub_a");
    assert_eq!(told["actions"][0]["actor"], "haneul", "{told:#}");
    scene.is_clean();
    scene.served.stop();
}

#[test]
fn a_viewer_sees_no_buttons() {
    let (scene, [_, viewer]) = Scene::of(&[("a", "bk-a-insufficient-once"), ("b", "bk-b-other-amount")]);
    waits_in(&scene, "sub_a", "due");
    waits_in(&scene, "sub_b", "review");
    let browser = &scene.browser;
    scene.sign_in(&viewer);
    for path in ["/", "/review", "/subscriptions/sub_a", "/subscriptions/sub_b", "/runs", "/plan", "/search"] {
        scene.go(path);
        browser.wait_for_text("viewer");
        assert_eq!(browser.count("main form[method=post], a[href$='/retry'], a[href$='/resolve']"), 0, "{path}");
        assert_eq!(browser.count("a[href='/run'], a[href='/pause'], a[href='/resume']"), 0, "{path}");
    }
    scene.go("/review");
    scene.picture("viewer-review");
    scene.is_clean();
    scene.go("/run");
    browser.wait_for_text("this needs the role operator");
    scene.picture("viewer-refused");
    scene.served.stop();
}
