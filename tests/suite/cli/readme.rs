//! The README is true: its table is the demo's, and its commands work as written.

use super::place::Place;
use super::running::Simulator;

const README: &str = include_str!("../../../README.md");

/// The lines of the first block that is fenced as `kind` and holds `word`.
fn block(kind: &str, word: &str) -> Vec<&'static str> {
    let fenced = README.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix(kind));
    fenced.map(str::trim).find(|block| block.contains(word)).expect("a block of that kind").lines().collect()
}

#[test]
fn the_sample_is_what_the_demo_prints() {
    let said = Place::empty().run(&["demo"]).ok().out;
    for line in block("text", "business days") {
        assert!(said.lines().any(|printed| printed == line), "{line:?} is not printed by the demo:\n{said}");
    }
}

#[test]
fn the_commands_work_as_written() {
    let mut place = Place::empty();
    let simulator = Simulator::start(&place, &[]);
    simulator.tell(&mut place);
    place.write("subscriptions.jsonl", &block("json", "\"plan\"").join("\n"));
    let commands: Vec<&str> = block("sh", "renewd migrate")
        .into_iter()
        .filter_map(|line| line.split('#').next()?.trim().strip_prefix("renewd "))
        .collect();
    assert_eq!(commands.len(), 6, "{commands:?}");
    for command in commands {
        let arguments: Vec<&str> = command.split(' ').collect();
        // The day before the period of its subscription ends.
        place.at("2026-02-27T10:00:00+09:00", &arguments).ok();
    }
    assert_eq!(place.texts("SELECT subscription_id FROM renewals WHERE state = 'paid'"), ["sub_1"]);
}
