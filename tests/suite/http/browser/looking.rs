//! Who only looks.

use super::scene::{Scene, month};
use crate::cli::running::wait_until;
use crate::http::served::{On, Stage};

#[test]
fn every_page_shows_a_month_and_asks_nobody_else() {
    let stage = Stage::on(On::Sqlite, &[]);
    month(&stage.place);
    let (scene, [operator, _]) = Scene::on(stage);
    let browser = &scene.browser;
    scene.go("/");
    assert!(browser.path().starts_with("/login"), "{}", browser.path());
    scene.picture("sign-in");
    browser.type_into("#token", "rnw_wrong");
    browser.click("main button");
    browser.wait_for_text("not known here");
    scene.picture("sign-in-refused");
    // What is refused is an error on the console, too.
    browser.complaints();
    scene.sign_in(&operator);
    crate::cli::running::wait_until("the daemon's run", || {
        scene.go("/");
        browser.text().contains("charges paid ·") || browser.text().contains("charge paid ·")
    });
    for (path, name, told) in [
        ("/", "today", "Last 30 days"),
        ("/review", "review", "sub_1991"),
        ("/runs", "runs", "Schedule"),
        ("/search", "search", "Open renewals"),
        ("/search?q=nobody", "search-nothing", "Nothing has the id"),
        ("/search?q=user_1991", "search-customer", "Subscriptions of user_1991"),
        ("/plan", "plan", "Would not be charged"),
        ("/plan?date=2026-02-03", "plan-ahead", "Would be charged"),
        ("/subscriptions/sub_1991", "subscription-review", "Will not be charged"),
        ("/subscriptions/sub_1101", "subscription", "Timeline"),
    ] {
        scene.go(path);
        browser.wait_for_text(told);
        scene.picture(name);
    }
    scene.go("/search?q=user_1101");
    assert_eq!(browser.path(), "/subscriptions/sub_1101", "who has one is there at once");
    scene.go("/runs");
    browser.click("#runs td a");
    browser.wait_for_text("Figures");
    scene.picture("run");
    scene.is_clean();
    scene.go("/runs/no-such-run");
    browser.wait_for_text("There is no such thing");
    scene.picture("problem");
    scene.served.stop();
}

#[test]
fn the_language_is_chosen_once_and_holds_on_every_page() {
    let stage = Stage::on(On::Sqlite, &[]);
    month(&stage.place);
    let (scene, [operator, _]) = Scene::on(stage);
    let browser = &scene.browser;
    scene.sign_in(&operator);
    browser.click("a[hreflang=ko]");
    browser.wait_for_text("로그아웃");
    crate::cli::running::wait_until("the daemon's run", || {
        scene.go("/");
        browser.text().contains("건 결제 ·")
    });
    assert_eq!(browser.script("return document.documentElement.lang"), "ko");
    for (path, name) in [
        ("/", "ko-today"),
        ("/review", "ko-review"),
        ("/runs", "ko-runs"),
        ("/search", "ko-search"),
        ("/plan", "ko-plan"),
        ("/subscriptions/sub_1991", "ko-subscription-review"),
        ("/subscriptions/sub_1101", "ko-subscription"),
        ("/pause", "ko-pause"),
        ("/run", "ko-run-confirm"),
    ] {
        scene.go(path);
        browser.wait_for_text("로그아웃");
        scene.picture(name);
    }
    scene.is_clean();
    scene.served.stop();
}

#[test]
fn a_subscription_is_found_with_the_keyboard_alone() {
    let (scene, [operator, _]) = Scene::of(&[("a", "billing-key-a")]);
    let browser = &scene.browser;
    scene.go("/login");
    // The field gets the focus by itself.
    wait_until("the focus", || browser.script("return document.activeElement.id") == "token");
    browser.press(&[&operator, "Enter"]);
    browser.wait_for_text("Sign out");
    browser.press(&["Tab"]);
    let focused = |script: &str| browser.script(&format!("return document.activeElement.{script}"));
    assert_eq!(focused("getAttribute('href')"), "#main", "the first stop leads past the frame");
    let outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "whoever has the focus is seen");
    scene.picture("skip-link");
    // Tab by tab, as far as it takes.
    for _ in 0..20 {
        if focused("getAttribute('href')") == "/search" {
            break;
        }
        browser.press(&["Tab"]);
    }
    assert_eq!(focused("getAttribute('href')"), "/search");
    browser.press(&["Enter"]);
    browser.wait_for_text("Open renewals");
    for _ in 0..20 {
        if focused("id") == "q" {
            break;
        }
        browser.press(&["Tab"]);
    }
    assert_eq!(focused("id"), "q");
    browser.press(&["sub_a", "Enter"]);
    browser.wait_for_text("Timeline");
    assert_eq!(browser.path(), "/subscriptions/sub_a");
    scene.served.stop();
}
