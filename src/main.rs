//! Parse, start the runtime, call, exit code.

use clap::Parser;
use renewd::cli::{self, Cli};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::run_to_exit_code(cli).into()
}
