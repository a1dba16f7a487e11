//! The pages over plain HTTP: who may open them, whose forms are taken, and what every page says about itself.

use super::served::{Answer, On, Served, Stage};
use crate::cli::database::block_on;
use crate::cli::place::Place;
use crate::cli::running::wait_until;
use crate::cli::{LATER, NOW};
use crate::support::postgres::PrivateServer;
use reqwest::Method;
use serde_json::Value;

/// Declined once, and charged the next time.
const POOR: &str = "bk-a-insufficient-once";

/// `name=value` pairs as a form sends them.
fn form(fields: &[(&str, &str)]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let encoded = |text: &str| -> String {
        text.bytes()
            .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
            .collect()
    };
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

fn post(served: &Served, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    served.send(posted(served, path, cookie, fields))
}

fn posted(served: &Served, path: &str, cookie: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let request = served.request(Method::POST, path).header("content-type", "application/x-www-form-urlencoded");
    request.header("cookie", cookie).body(form(fields))
}

fn get(served: &Served, path: &str, cookie: &str) -> Answer {
    served.send(served.request(Method::GET, path).header("cookie", cookie))
}

/// The session's cookie.
#[track_caller]
fn sign_in(served: &Served, token: &str) -> String {
    let answer = post(served, "/login", "", &[("token", token)]);
    assert_eq!(answer.status, 303, "{answer:#?}");
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    cookie.split(';').next().unwrap().to_owned()
}

/// The value of a hidden field.
#[track_caller]
fn hidden(page: &Answer, name: &str) -> String {
    let field = page.text.split("<input").find(|field| field.contains(&format!("name=\"{name}\"")));
    let field = field.unwrap_or_else(|| panic!("no {name} in {}", page.text));
    field.split("value=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&")
}

fn shown(stage: &Stage, subscription: &str) -> Value {
    stage.place.at(NOW, &["--output", "json", "show", subscription]).ok().json()
}

/// A daemon whose subscriber `a` was declined, with an operator's and a viewer's token.
fn declined(on: On) -> (Stage, Served, [String; 2]) {
    let mut stage = Stage::on(on, &[("a", POOR)]);
    let tokens = [stage.token("haneul", "operator"), stage.token("grafana", "viewer")];
    let served = stage.serve().up();
    wait_until("the decline", || shown(&stage, "sub_a")["renewals"][0]["decline_count"] == 1);
    wait_until("its end", || shown(&stage, "sub_a")["renewals"][0]["state"] == "due");
    (stage, served, tokens)
}

fn retry_path(stage: &Stage) -> String {
    format!("/renewals/{}/retry", shown(stage, "sub_a")["renewals"][0]["id"].as_str().unwrap())
}

const SCREENS: [&str; 7] = ["/", "/review", "/runs", "/search", "/plan", "/subscriptions/sub_a", "/run"];

#[test]
fn nobody_sees_a_page_without_a_session_and_every_page_holds_its_policy() {
    for on in On::BOTH {
        let (_stage, served, [operator, _]) = declined(on);
        for path in SCREENS {
            for cookie in ["", "renewd_session=aGFuZXVs.9999999999.00", "renewd_session=x"] {
                let answer = get(&served, path, cookie);
                assert_eq!(answer.status, 303, "{path}");
                assert!(answer.headers["location"].to_str().unwrap().starts_with("/login"), "{path}");
            }
        }
        assert_eq!(post(&served, "/login", "", &[("token", "rnw_wrong")]).status, 401);
        // A part of a page that is asked for again must not show the sign-in within it.
        let part = served.send(served.request(Method::GET, "/").header("hx-request", "true"));
        assert_eq!((part.status.as_u16(), &part.headers["hx-redirect"]), (401, &"/login".parse().unwrap()));
        let cookie = sign_in(&served, &operator);
        for path in SCREENS {
            let page = get(&served, path, &cookie);
            assert_eq!(page.status, 200, "{path}: {}", page.text);
            let policy = page.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self';"), "{policy}");
            assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
            assert_eq!(page.headers["cache-control"], "no-store", "{path}");
            for loose in [" style=", "<style", " onclick=", "<script>", "http://", "https://", POOR] {
                assert!(!page.text.contains(loose), "{path} holds {loose}");
            }
        }
        served.stop();
    }
}

#[test]
fn a_form_that_this_session_did_not_make_does_nothing() {
    for on in On::BOTH {
        let (stage, served, [operator, _]) = declined(on);
        let cookie = sign_in(&served, &operator);
        let path = retry_path(&stage);
        let page = get(&served, &path, &cookie);
        let (key, seen) = (hidden(&page, "form_key"), hidden(&page, "seen"));
        // Another session of the same person: begun a second later, as sessions are told apart.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        let other = sign_in(&served, &operator);
        let foreign = hidden(&get(&served, &path, &other), "form_key");
        assert_ne!(key, foreign);
        for wrong in ["", "x", foreign.as_str()] {
            let fields = [("form_key", wrong), ("seen", seen.as_str()), ("reason", "forged")];
            assert_eq!(post(&served, &path, &cookie, &fields).status, 403, "{wrong}");
        }
        let fields = [("form_key", key.as_str()), ("seen", seen.as_str()), ("reason", "forged")];
        for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
            let sent = served.send(posted(&served, &path, &cookie, &fields).header(name, value));
            assert_eq!(sent.status, 403, "{name}: {value}");
        }
        assert!(stage.simulator.charged().is_empty(), "nothing was charged");
        assert_eq!(shown(&stage, "sub_a")["actions"], Value::Array(Vec::new()), "and nothing recorded");
        assert_eq!(post(&served, &path, &cookie, &fields).status, 303, "this one is its own");
        assert_eq!(stage.simulator.charged().len(), 1);
        served.stop();
    }
}

#[test]
fn a_viewer_is_refused_whatever_they_send() {
    for on in On::BOTH {
        let (stage, served, [operator, viewer]) = declined(on);
        let path = retry_path(&stage);
        let seen = hidden(&get(&served, &path, &sign_in(&served, &operator)), "seen");
        let cookie = sign_in(&served, &viewer);
        // A viewer's own form key is good for signing out, and for nothing else.
        let key = hidden(&get(&served, "/", &cookie), "form_key");
        let resolve = path.replace("/retry", "/resolve");
        for path in [path.as_str(), &resolve, "/run", "/pause", "/resume"] {
            assert_eq!(get(&served, path, &cookie).status, 403, "{path}");
            let fields = [("form_key", key.as_str()), ("seen", seen.as_str()), ("reason", "I may not")];
            let answer = post(&served, path, &cookie, &fields);
            assert_eq!(answer.status, 403, "{path}: {answer:#?}");
            assert!(answer.text.contains("this needs the role operator"), "{}", answer.text);
        }
        assert!(stage.simulator.charged().is_empty());
        assert_eq!(stage.place.run(&["--output", "json", "status"]).ok().json()["paused"], Value::Null);
        served.stop();
    }
}

#[test]
fn a_retry_that_is_sent_twice_or_after_something_changed_charges_once() {
    for on in On::BOTH {
        let (stage, served, [operator, _]) = declined(on);
        let cookie = sign_in(&served, &operator);
        let path = retry_path(&stage);
        let page = get(&served, &path, &cookie);
        let (key, seen) = (hidden(&page, "form_key"), hidden(&page, "seen"));
        let with = |seen: &str, reason: &str| {
            post(&served, &path, &cookie, &[("form_key", &key), ("seen", seen), ("reason", reason)])
        };
        let unsaid = with(&seen, "  ");
        assert!(unsaid.status == 200 && unsaid.text.contains("Say why"), "{}", unsaid.text);
        let changed = with("due ₩1 0", "why");
        assert!(changed.status == 200 && changed.text.contains("changed while you looked"), "{}", changed.text);
        assert!(stage.simulator.charged().is_empty());
        assert_eq!(with(&seen, "they paid").status, 303);
        let again = with(&seen, "they paid");
        assert!(again.text.contains("changed while you looked"), "{}", again.text);
        let refused = with(&hidden(&again, "seen"), "they paid");
        assert_eq!(refused.status, 409);
        assert!(refused.text.contains("never charged again"), "{}", refused.text);
        assert_eq!(stage.simulator.charged().len(), 1, "{on:?}");
        served.stop();
    }
}

#[test]
fn a_session_ends_after_twelve_hours_with_its_token_and_by_signing_out() {
    for on in On::BOTH {
        let mut stage = Stage::on(on, &[]);
        let (operator, other) = (stage.token("haneul", "operator"), stage.token("bora", "operator"));
        let served = stage.serve().up();
        let (cookie, removed) = (sign_in(&served, &operator), sign_in(&served, &other));
        assert_eq!(get(&served, "/", &cookie).status, 200);
        let out = post(&served, "/logout", &cookie, &[("form_key", &hidden(&get(&served, "/", &cookie), "form_key"))]);
        assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"), "{out:#?}");
        assert_eq!(post(&served, "/logout", &cookie, &[]).status, 403, "nobody else signs somebody out");
        served.stop();
        let only = stage.place.run(&["--output", "json", "token", "haneul", "--role", "operator"]).ok().json();
        assert_ne!(only["token"], operator.as_str());
        // The same settings but for one token, an hour later.
        let hash = stage.setting("haneul");
        stage.place.set("RENEWD_SERVER__TOKENS", &hash);
        let served = stage.serve_at("2026-01-30T11:00:00+09:00").up();
        assert_eq!(get(&served, "/", &cookie).status, 200, "a session outlives the daemon");
        assert_eq!(get(&served, "/", &removed).status, 303, "and not its token");
        served.stop();
        let served = stage.serve_at("2026-01-30T22:00:30+09:00").up();
        assert_eq!(get(&served, "/", &cookie).status, 303, "nor twelve hours");
        served.stop();
    }
}

#[test]
fn a_run_goes_on_without_the_browser_that_began_it_and_the_daemon_waits_for_it() {
    for on in On::BOTH {
        let mut stage = Stage::on(on, &[]);
        let operator = stage.token("haneul", "operator");
        let served = stage.serve().up();
        let cookie = sign_in(&served, &operator);
        // Until the daemon's own first runs are over.
        wait_until("the first runs", || {
            let runs = get(&served, "/runs", &cookie).text;
            runs.contains(">Schedule<") && !runs.contains("Running")
        });
        stage.subscribe(&[("a", "bk-a")]);
        stage.slow_approval();
        let page = get(&served, "/run", &cookie);
        assert!(page.text.contains("₩55,000"), "{}", page.text);
        let (key, seen) = (hidden(&page, "form_key"), hidden(&page, "seen"));
        let fields = [("form_key", key.as_str()), ("seen", seen.as_str())];
        let gone = posted(&served, "/run", &cookie, &fields);
        served.hang_up_when(gone, "the claim", || shown(&stage, "sub_a")["renewals"][0]["state"] == "charging");
        let second = post(&served, "/run", &cookie, &[("form_key", &key), ("seen", "")]);
        assert_eq!(second.status, 409, "one run at a time: {}", second.text);
        served.stop();
        assert_eq!(shown(&stage, "sub_a")["renewals"][0]["state"], "paid", "{on:?}");
        assert_eq!(stage.simulator.charged().len(), 1);
        let run = stage.place.run(&["--output", "json", "status"]).ok().json()["runs"][0].clone();
        assert_eq!((&run["trigger"], &run["actor"]), (&"page".into(), &"haneul".into()), "{run:#}");
    }
}

#[test]
fn where_more_wait_for_a_person_than_are_shown_the_page_says_so() {
    let names: Vec<(String, String)> = (0..201).map(|n| (n.to_string(), format!("bk-{n}-other-amount"))).collect();
    let names: Vec<(&str, &str)> = names.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
    let mut stage = Stage::on(On::Sqlite, &names);
    stage.place.at(NOW, &["run"]);
    let viewer = stage.token("grafana", "viewer");
    let served = stage.serve_at(LATER).up();
    let page = get(&served, "/review", &sign_in(&served, &viewer)).text;
    assert_eq!(page.matches("<li>").count(), 200, "{page}");
    assert!(page.contains(">200+<") && page.contains("The first 200"), "{page}");
    served.stop();
}

#[test]
fn what_takes_longer_than_a_request_may_is_begun_and_looked_at_elsewhere() {
    let mut stage = Stage::on(On::Sqlite, &[]);
    // The page waits for six tenths of it, less than the six seconds of the charge.
    stage.place.set("RENEWD_SERVER__REQUEST_TIMEOUT", "4s");
    let operator = stage.token("haneul", "operator");
    let served = stage.serve().up();
    let cookie = sign_in(&served, &operator);
    wait_until("the first run", || {
        let runs = get(&served, "/runs", &cookie).text;
        runs.contains(">Schedule<") && !runs.contains("Running")
    });
    stage.subscribe(&[("a", "bk-a")]);
    stage.slow_approval();
    let page = get(&served, "/run", &cookie);
    let fields = [("form_key", hidden(&page, "form_key")), ("seen", hidden(&page, "seen"))];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let begun = post(&served, "/run", &cookie, &fields);
    let to = begun.headers.get("location").and_then(|to| to.to_str().ok());
    assert_eq!((begun.status.as_u16(), to), (303, Some("/runs")), "{begun:#?}");
    let runs = get(&served, "/runs", &cookie).text;
    assert!(runs.contains("Running") && runs.contains("every 5s"), "the page looks again by itself: {runs}");
    wait_until("the charge", || shown(&stage, "sub_a")["renewals"][0]["state"] == "paid");
    served.stop();
}

#[test]
fn while_the_database_is_away_the_page_says_so_and_when_it_is_back_it_works() {
    let mut server = block_on(PrivateServer::start());
    let url = block_on(server.database("pages", "template1"));
    let mut stage = Stage::of(Place::empty().with("DATABASE_URL", &url), &[]);
    let operator = stage.token("haneul", "operator");
    let served = stage.serve().up();
    let cookie = sign_in(&served, &operator);
    block_on(server.stop_at_once());
    let away = get(&served, "/", &cookie);
    assert_eq!(away.status, 503, "{away:#?}");
    assert!(away.text.contains("Not just now") && away.text.contains("<html"), "{}", away.text);
    served.stop();
    let served = stage.serve();
    let waits = get(&served, "/", &cookie);
    assert!(waits.status == 503 && waits.text.contains("waits for its database"), "{waits:#?}");
    block_on(server.start_again());
    let served = served.up();
    assert_eq!(get(&served, "/", &cookie).status, 200, "the session holds");
    served.stop();
}

#[test]
fn style_and_script_are_kept_by_the_browser_under_the_name_of_their_content() {
    let served = Stage::on(On::Sqlite, &[]).serve().up();
    let page = served.get("/login").text;
    for (name, kind) in [("page.css", "text/css"), ("htmx.js", "text/javascript"), ("icon.svg", "image/svg+xml")] {
        let path = page.split('"').find(|part| part.starts_with("/assets/") && part.ends_with(name)).unwrap();
        let asset = served.get(path);
        assert!(asset.headers["content-type"].to_str().unwrap().starts_with(kind), "{path}");
        assert!(asset.headers["cache-control"].to_str().unwrap().contains("immutable"), "{path}");
        let old = served.get(&format!("/assets/0000000000000000/{name}"));
        assert!(!old.headers["cache-control"].to_str().unwrap().contains("immutable"), "an old page's is asked about");
        let known = served.request(Method::GET, path).header("if-none-match", asset.headers["etag"].clone());
        assert_eq!(served.send(known).status, 304);
    }
    served.stop();
}

#[test]
fn a_person_is_told_a_problem_as_a_page_and_a_program_as_json() {
    let served = Stage::on(On::Sqlite, &[]).serve().up();
    let asked = |accepted: &str, method: Method, path: &str| {
        served.send(served.request(method, path).header("accept", accepted).header("accept-language", "ko"))
    };
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    let page = asked(browser, Method::GET, "/nowhere");
    assert_eq!(page.status, 404);
    assert!(page.text.contains("이 주소에는 아무것도 없습니다") && page.text.contains("lang=\"ko\""), "{}", page.text);
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("script-src 'self'"), "{page:#?}");
    let page = asked(browser, Method::DELETE, "/login");
    assert_eq!(
        (page.status.as_u16(), &page.headers["content-type"]),
        (405, &"text/html; charset=utf-8".parse().unwrap())
    );
    asked("*/*", Method::GET, "/nowhere").is_problem(404, &["nothing under this path"]);
    served.stop();
}

#[test]
fn behind_a_proxy_that_speaks_tls_the_cookie_stays_there() {
    let mut stage = Stage::on(On::Sqlite, &[]);
    let token = stage.token("haneul", "operator");
    let served = stage.serve().up();
    let sent = posted(&served, "/login", "", &[("token", &token)]).header("x-forwarded-proto", "https");
    assert!(served.send(sent).headers["set-cookie"].to_str().unwrap().contains("; Secure"));
    served.stop();
}

#[test]
fn what_the_tables_hold_is_never_a_page_of_its_own() {
    let mut stage = Stage::on(On::Sqlite, &[("<b>a", "billing-key-a")]);
    let operator = stage.token("haneul", "operator");
    let served = stage.serve().up();
    let cookie = sign_in(&served, &operator);
    wait_until("the charge", || stage.simulator.charged().len() == 1);
    for path in ["/subscriptions/sub_%3Cb%3Ea", "/search", "/search?q=%3Cscript%3E", "/plan"] {
        let page = get(&served, path, &cookie);
        assert!(!page.text.contains("<b>") && !page.text.contains("<script>"), "{path}: {}", page.text);
    }
    assert!(get(&served, "/subscriptions/sub_%3Cb%3Ea", &cookie).text.contains("sub_&lt;b&gt;a"));
    served.stop();
}
