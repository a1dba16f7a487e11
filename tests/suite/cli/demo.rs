//! `renewd demo`: the main job with nothing set up.

use super::place::Place;

#[test]
fn the_demo_tells_a_week_and_its_own_commands_work() {
    let place = Place::empty();
    let said = place.run(&["demo"]).ok();
    assert_eq!(said.err, "", "the demo is for a person who looks at its tables");
    insta::assert_snapshot!("demo", said.out);
    for line in said.out.lines().filter_map(|line| line.strip_prefix("  DATABASE_URL=")) {
        let (url, command) = line.split_once(" renewd ").expect("DATABASE_URL=… renewd …");
        let mut looking = Place::empty();
        looking.set("DATABASE_URL", &url.replace("sqlite://", &format!("sqlite://{}/", place.path("").display())));
        let arguments: Vec<&str> = command.split(' ').collect();
        let shown = looking.run(&arguments).ok().out;
        assert!(shown.contains(if arguments[0] == "show" { "attempt 2" } else { "completed" }), "{shown}");
    }
    assert_eq!(said.out.matches("\n  DATABASE_URL=").count(), 2);
}

#[test]
fn a_second_demo_replaces_the_first_and_tells_the_same_to_machines() {
    let place = Place::empty();
    let [first, second] = [(), ()].map(|()| place.run(&["--output", "json", "demo"]).ok().json());
    let paid = |runs: &serde_json::Value| -> u64 {
        runs.as_array().expect("a list of runs").iter().map(|run| run["paid"].as_u64().expect("a count")).sum()
    };
    assert!(paid(&first) > 200, "{first:#}");
    assert_eq!(paid(&first), paid(&second));
    assert!(place.files().contains(&"renewd-demo.db".to_owned()), "{:?}", place.files());
}

#[test]
fn the_demo_needs_no_settings_and_touches_none() {
    let place = Place::empty().with("PORTONE_API_SECRET", "a-live-secret").with("PORTONE_STORE_ID", "store-live");
    place.run(&["demo", "--database", "d.db"]).ok();
    assert!(place.files().iter().all(|file| file.starts_with("d.db")), "{:?}", place.files());
    let pinned = super::database::tables(&place.path("d.db"))["installation"].concat();
    assert!(!pinned.contains("store-live"), "{pinned}");
}
