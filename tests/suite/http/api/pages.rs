//! Pages over HTTP: a cursor walks over everything once, while rows come in; what is no cursor is refused.

use super::desk::Desk;
use crate::cli::NOW;
use crate::http::served::On;
use serde_json::Value;

/// Walks a list page by page, with something done after each; answers every id that came.
fn walk(desk: &Desk, list: &str, query: &str, mut between: impl FnMut()) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for _ in 0..50 {
        let page = desk.get(&format!("/{list}?limit=2{query}{cursor}")).json();
        let rows = page[list].as_array().unwrap();
        assert!(rows.len() <= 2, "{page:#}");
        seen.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        between();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
    panic!("it does not end: {seen:?}");
}

#[test]
fn a_cursor_walks_over_all_once_while_rows_come_in() {
    for on in On::BOTH {
        let first: Vec<(String, String)> = (0..7).map(|n| (format!("a{n}"), format!("billing-key-a{n}"))).collect();
        let first: Vec<(&str, &str)> = first.iter().map(|(name, key)| (name.as_str(), key.as_str())).collect();
        let desk = Desk::after(on, &first, |stage| drop(stage.place.at(NOW, &["run"]).ok()));
        let all: Vec<String> = ids(&desk.get("/renewals").json()["renewals"]);
        assert_eq!(all.len(), 7);
        let mut late = 0;
        let mut add = || {
            late += 1;
            let (name, key) = (format!("late{late}"), format!("billing-key-late{late}"));
            desk.stage.subscribe(&[(&name, &key)]);
            let clock = format!("2026-01-30T10:{}:00+09:00", 10 + late);
            desk.stage.place.at(&clock, &["run"]).ok();
        };
        assert_eq!(walk(&desk, "renewals", "", &mut add), all, "{on:?}");
        let paid = ids(&desk.get("/renewals?state=paid").json()["renewals"]);
        assert_eq!(walk(&desk, "renewals", "&state=paid", || ()), paid);
        let runs = ids(&desk.get("/runs").json()["runs"]);
        assert!(runs.len() >= 4, "{runs:?}");
        assert_eq!(walk(&desk, "runs", "", &mut add), runs, "{on:?}");
        desk.served.stop();
    }
}

fn ids(rows: &Value) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_no_cursor_or_no_limit_is_refused() {
    let desk = Desk::after(On::Sqlite, &[("a", "billing-key-a")], |stage| drop(stage.place.at(NOW, &["run"]).ok()));
    desk.stage.place.at(NOW, &["run"]).ok();
    let of_run = desk.get("/runs?limit=1").json()["next_cursor"].as_str().unwrap().to_owned();
    for list in ["runs", "renewals"] {
        for bad in ["x", "", "AAAA", "..", "%00"] {
            desk.get(&format!("/{list}?cursor={bad}")).is_problem(400, &["next_cursor"]);
        }
        for bad in ["0", "201", "-1", "x", "1.5", "99999999999"] {
            desk.get(&format!("/{list}?limit={bad}")).is_problem(400, &["limit"]);
        }
        assert_eq!(desk.get(&format!("/{list}?limit=200")).status, 200);
    }
    desk.get(&format!("/renewals?cursor={of_run}")).is_problem(400, &["none of this list's"]);
    desk.served.stop();
}
