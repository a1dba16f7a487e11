//! The description: the same as its copy in docs, open to all, and true about who may do what.

use super::desk::Desk;
use crate::cli::place::Place;
use crate::http::served::On;
use reqwest::Method;
use serde_json::{Value, json};

const COPY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.json");

#[test]
fn the_copy_in_docs_is_up_to_date() {
    let described = Place::empty().run(&["openapi"]).ok().out;
    let copy = std::fs::read_to_string(COPY).unwrap_or_default();
    assert!(
        described == copy,
        "docs/api.json is not what `renewd openapi` prints: cargo run -- openapi > docs/api.json"
    );
}

#[test]
fn who_may_do_what_is_as_it_is_described() {
    for on in On::BOTH {
        let desk = Desk::on(on, &[("a", "billing-key-a")]);
        let document = desk.document();
        let mut tried = 0;
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                may(&desk, path, method, operation);
                tried += 1;
            }
        }
        assert_eq!(tried, 13, "operations");
        assert!(desk.stage.simulator.charged().is_empty());
        desk.served.stop();
    }
}

/// Asks without a token, with a wrong one, and with a viewer's.
fn may(desk: &Desk, path: &str, method: &str, operation: &Value) {
    let url = path.replace("{id}", "sub_a");
    let name: Method = method.to_uppercase().parse().unwrap();
    let ask = |token: Option<&str>| {
        let request = desk.served.request(name.clone(), &url);
        let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
        // What it asks for cannot be read: who asks is known first.
        let request = if name == Method::POST { request.json(&json!({ "unknown": 1 })) } else { request };
        desk.served.send(request)
    };
    let is_open = operation["security"] == json!([{}]);
    assert_eq!(is_open, path == "/api/openapi.json", "{path}");
    if is_open {
        assert_eq!(ask(None).status, 200, "{path}");
        return;
    }
    for token in [None, Some("rnw_nobody"), Some("")] {
        let refused = ask(token);
        refused.is_problem(401, &["token"]);
        assert_eq!(refused.headers["www-authenticate"], "Bearer", "{path}");
    }
    let viewed = ask(Some(&desk.viewer));
    if name == Method::GET {
        assert!(![401, 403].contains(&viewed.status.as_u16()), "{path}: {viewed:#?}");
    } else {
        viewed.is_problem(403, &["grafana", "role operator", "nothing was done"]);
        assert!(operation["responses"]["403"].is_object(), "{path}");
    }
    assert!(operation["responses"]["401"].is_object(), "{path}");
}

#[test]
fn it_is_answered_as_it_is_printed_and_says_how_to_ask() {
    let desk = Desk::on(On::Sqlite, &[]);
    let document = desk.document();
    assert_eq!(*document, Place::empty().run(&["openapi"]).ok().json());
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    assert_eq!(document["security"], json!([{ "bearer": [] }]));
    desk.served.stop();
}
