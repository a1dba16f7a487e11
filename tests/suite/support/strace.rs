//! strace: looks at what a process asks of the system, and lets some of it fail.

use std::process::Command;

const HOW_TO_GET_IT: &str = "strace cannot be run: run tests/run, which installs Debian's package strace when it may, \
    or install it yourself; it must be allowed to trace processes of its own user";

/// The words before a command line that is to be traced in all its threads: with `options`, and no talk of its own.
pub fn command(options: &[&str]) -> Vec<String> {
    let works = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    assert!(works.is_ok_and(|output| output.status.success()), "{HOW_TO_GET_IT}");
    let first = ["strace", "-f", "-qq", "-o", "strace.log"];
    first.iter().chain(options).map(|word| (*word).to_owned()).collect()
}
