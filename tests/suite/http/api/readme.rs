//! The commands of the README, typed as they stand there.

use super::desk::Desk;
use crate::cli::NOW;
use crate::http::served::On;
use std::process::Command;

/// The README's block, against this daemon; each command tells the status that it got.
fn commands(url: &str) -> String {
    let text = include_str!("../../../../README.md");
    let block = text.split("```sh\n").find(|block| block.starts_with("api() {")).expect("the block of the API");
    let block = block.split("```").next().expect("its end");
    assert!(block.contains("http://127.0.0.1:8080/api/v1/"), "{block}");
    let block = block.replace("http://127.0.0.1:8080", url);
    block.replace("curl --silent", r"curl --output /dev/null --write-out '%{http_code}\n' --silent")
}

#[test]
fn the_commands_of_the_readme_are_answered_as_it_says() {
    let desk = Desk::after(On::Sqlite, &[("1", "billing-key-1")], |stage| {
        stage.place.at(NOW, &["run"]).ok();
    });
    let mut bash = Command::new("bash");
    bash.args(["-euc", &commands(&desk.served.url)]).env("TOKEN", &desk.operator);
    let said = bash.output().expect("bash, and curl in Debian's package curl");
    assert!(said.status.success(), "is Debian's package curl there? {said:#?}");
    let codes: Vec<String> = String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect();
    // Who was given a part back is not charged again by a retry.
    assert_eq!(codes, ["200", "200", "200", "200", "202", "200", "409", "200", "200"]);
    desk.served.stop();
}
