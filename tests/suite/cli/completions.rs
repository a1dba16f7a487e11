//! What each shell is given.

use super::place::Place;
use std::process::Command;

/// As `renewd --help` lists them.
fn commands() -> Vec<String> {
    let help = Place::empty().run(&["--help"]).ok().out;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn each_shell_is_told_every_command() {
    let commands = commands();
    assert!(commands.len() > 12 && commands.contains(&"doctor".to_owned()), "{commands:?}");
    // Settings that cannot be used are no reason to have no completions.
    let place = Place::empty().with("RENEWD_NO_SUCH_KEY", "1");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = place.run(&["completions", shell]).ok().out;
        for command in &commands {
            assert!(script.contains(command), "{command} is missing for {shell}");
        }
    }
    place.run(&["completions", "abacus"]).line(&["error", "abacus"]);
}

#[test]
fn bash_reads_what_it_is_given() {
    let place = Place::empty();
    place.write("renewd.bash", &place.run(&["completions", "bash"]).ok().out);
    let read = Command::new("bash").arg("-n").arg(place.path("renewd.bash")).status();
    assert!(read.expect("a bash").success());
}
