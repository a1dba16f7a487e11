//! A month of a shop, and somebody who looks at it in a browser.

use super::driver::{Browser, DESK, PHONE};
use crate::cli::place::Place;
use crate::http::served::{On, Served, Stage};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Contrast, labels, names and headings.
const SIGHT: &str = include_str!("sight.js");

/// Where pictures go: beside everything else that a build makes.
fn pictures() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../screenshots")
}

/// A stage, its daemon, and a browser before it.
pub struct Scene {
    pub browser: Browser,
    pub served: Served,
    pub stage: Stage,
}

impl Scene {
    /// Two people have tokens: an operator and a viewer. Nobody is signed in yet.
    pub fn of(subscribers: &[(&str, &str)]) -> (Self, [String; 2]) {
        Self::on(Stage::on(On::Sqlite, subscribers))
    }

    pub fn on(mut stage: Stage) -> (Self, [String; 2]) {
        let tokens = [stage.token("haneul", "operator"), stage.token("grafana", "viewer")];
        let served = stage.serve().up();
        (Self { browser: Browser::start(), served, stage }, tokens)
    }

    pub fn go(&self, path: &str) {
        self.browser.go(&format!("{}{path}", self.served.url));
    }

    pub fn sign_in(&self, token: &str) {
        self.go("/login");
        self.browser.type_into("#token", token);
        self.browser.click("main button");
        self.browser.wait_for_text("Sign out");
    }

    /// Takes the page's picture: on a desk and on a phone, by day and by night. No page is wider than the phone, and none
    /// leaves out whoever sees little or nothing of it.
    #[track_caller]
    pub fn picture(&self, name: &str) {
        picture(&self.browser, name);
    }

    /// Nothing was stopped by the policy, nothing was said on the console, and nobody else was asked for anything.
    #[track_caller]
    pub fn is_clean(&self) {
        let complaints = self.browser.complaints();
        assert_eq!(complaints, Vec::<String>::new());
        let own = |url: &String| url.starts_with(&self.served.url) || url.starts_with("data:");
        let foreign: Vec<String> = self.browser.requested().into_iter().filter(|url| !own(url)).collect();
        assert_eq!(foreign, Vec::<String>::new(), "asked of others");
    }
}

#[track_caller]
pub fn picture(browser: &Browser, name: &str) {
    fs::create_dir_all(pictures()).unwrap();
    for (size, on) in [(DESK, "desk"), (PHONE, "phone")] {
        browser.size(size);
        for scheme in ["light", "dark"] {
            browser.scheme(scheme);
            fs::write(pictures().join(format!("{name}-{on}-{scheme}.png")), browser.picture()).unwrap();
            assert_eq!(browser.script(SIGHT), Value::Array(Vec::new()), "{name} on a {on}, {scheme}");
        }
        let width = browser.script("return document.documentElement.scrollWidth").as_u64().unwrap();
        assert!(width <= u64::from(size.0), "{name} is {width} px wide on a screen of {}", size.0);
    }
    browser.scheme("light");
    browser.size(DESK);
}

/// Somebody whose period ends at this day's end.
fn subscriber(name: &str, key: &str, plan: &str, last_day: (i32, u32, u32)) -> String {
    let customer = format!("user_{name}");
    let lines = [
        json!({ "type": "customer", "id": customer }),
        json!({ "type": "billing_key", "customer": customer, "billing_key": key }),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    lines + &subscription(name, &customer, plan, last_day)
}

fn subscription(name: &str, customer: &str, plan: &str, (year, month, day): (i32, u32, u32)) -> String {
    let end = chrono::NaiveDate::from_ymd_opt(year, month, day).unwrap() + chrono::Days::new(1);
    let start = end - chrono::Months::new(1);
    let line = json!({
        "type": "subscription", "id": format!("sub_{name}"), "customer": customer, "plan": plan,
        "current_period_start": format!("{start}T00:00:00+09:00"),
        "current_period_end": format!("{end}T00:00:00+09:00"),
    });
    format!("{line}\n")
}

fn plans() -> String {
    let plan = |id: &str, amount: u32| {
        json!({ "type": "plan", "id": id, "name": id, "amount": amount, "currency": "KRW", "interval": "P1M",
            "tier": id, "fallback_tier": "free", "order_name": format!("{id} 정기결제") })
    };
    [plan("basic", 9_900), plan("pro", 55_000), plan("team", 220_000)].map(|line| format!("{line}\n")).concat()
}

/// How cards end, so that a month has a bit of everything.
const CARDS: [&str; 11] =
    ["", "-kcp", "", "-kcp-limit", "", "-insufficient", "-nice", "", "-kcp-lost", "", "-insufficient-once"];

/// Four weeks of renewals, run each morning until the day before [`crate::cli::NOW`]; the last ones are left to the daemon.
pub fn month(place: &Place) {
    let mut lines = plans();
    for day in 3..=30_u32 {
        for nth in 0..(1 + day * 7 % 4) {
            let number = 1000 + day * 10 + nth;
            let plan = ["basic", "pro", "pro", "team"][((day + nth) % 4) as usize];
            let card = CARDS[((day * 3 + nth) % 11) as usize];
            lines.push_str(&subscriber(&number.to_string(), &format!("bk-{number}{card}"), plan, (2026, 1, day)));
        }
    }
    lines.push_str(&subscriber("1991", "bk-1991-other-amount", "pro", (2026, 1, 28)));
    lines.push_str(&subscriber("1992", "bk-1992-pending", "team", (2026, 1, 30)));
    lines.push_str(&subscription("1993", "user_1991", "basic", (2026, 2, 20)));
    place.write("import.jsonl", &lines);
    place.at("2026-01-02T10:00:00+09:00", &["import", "import.jsonl"]).ok();
    for day in (3..30).filter(|day| *day != 17) {
        place.at(&format!("2026-01-{day:02}T10:00:00+09:00"), &["run"]).ok();
    }
}
