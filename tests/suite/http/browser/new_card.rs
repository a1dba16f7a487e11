//! The customer's page: a stand-in for PortOne's SDK gives the key that its window would give.

use super::driver::{Browser, PHONE};
use super::scene::picture;
use crate::cli::running::wait_until;
use crate::http::pay::{LOST, issue, link, stage, state, waits_for_card};
use crate::http::served::On;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpListener;

const SDK: &str = "window.PortOne = { requestIssueBillingKey: async (request) => {
    window.asked = request;
    return { billingKey: 'billing-key-new' };
} };";

/// On a phone the window takes the whole page, and comes back with its answer in the address.
const SDK_OF_A_PHONE: &str = "window.PortOne = { requestIssueBillingKey: (request) => {
    location.href = request.redirectUrl + '?billingKey=billing-key-new';
    return new Promise(() => {});
} };";

/// Serves the stand-in for as long as the tests run; its address.
fn stand_in(sdk: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/javascript\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{sdk}", sdk.len());
        }
    });
    format!("http://{address}")
}

#[test]
fn a_customers_new_card_is_taken_on_the_page_and_charged() {
    let mut stage = stage(On::Sqlite, &[("a", LOST)]);
    let sdk = stand_in(SDK);
    stage.place.set("RENEWD_PAY__SDK_URL", &format!("{sdk}/sdk.js"));
    let served = stage.serve().up();
    wait_until("the decline", || waits_for_card(&stage, "sub_a"));
    issue(&stage, "billing-key-new", json!({ "customer": "user_a" }));
    let browser = Browser::start();
    browser.go(&format!("{}{}", served.url, link(&stage, "sub_a")));
    browser.wait_for_text("Add a payment card");
    picture(&browser, "pay");
    browser.click("#add");
    browser.wait_for_text("Your new card is saved.");
    picture(&browser, "pay-done");
    let asked = browser.script("return window.asked");
    assert_eq!(
        (&asked["customer"]["customerId"], &asked["channelKey"]),
        (&"user_a".into(), &"channel-key-new-cards".into())
    );
    wait_until("the charge", || state(&stage, "sub_a") == "paid");
    assert_eq!(stage.simulator.charged().len(), 1);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let is_known = |url: &String| [&served.url, &sdk].iter().any(|known| url.starts_with(known.as_str()));
    let foreign: Vec<String> =
        browser.requested().into_iter().filter(|url| !is_known(url) && !url.starts_with("data:")).collect();
    assert_eq!(foreign, Vec::<String>::new());
    served.stop();
}

#[test]
fn a_card_that_comes_back_in_the_address_is_taken_and_does_not_stay_there() {
    let mut stage = stage(On::Postgres, &[("a", LOST)]);
    stage.place.set("RENEWD_PAY__SDK_URL", &format!("{}/sdk.js", stand_in(SDK_OF_A_PHONE)));
    let served = stage.serve().up();
    wait_until("the decline", || waits_for_card(&stage, "sub_a"));
    issue(&stage, "billing-key-new", json!({ "customer": "user_a" }));
    let browser = Browser::start();
    browser.size(PHONE);
    browser.go(&format!("{}{}", served.url, link(&stage, "sub_a")));
    browser.wait_for_text("Add a payment card");
    browser.click("#add");
    browser.wait_for_text("Your new card is saved.");
    assert_eq!(browser.script("return location.search"), "", "nobody copies it with the address");
    wait_until("the charge", || state(&stage, "sub_a") == "paid");
    assert_eq!(stage.simulator.charged().len(), 1);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let said = served.stop();
    assert!(!said.err.contains("billing-key-new"), "{}", said.err);
}
