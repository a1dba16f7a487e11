//! `renewd completions`

use super::Cli;
use super::error::{CliError, incomplete};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::{ErrorKind, Write};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// For which shell: source what is printed, or put it where the shell looks for completions.
    #[arg(value_enum)]
    shell: Shell,
}

/// Reads no settings: a shell asks for this at its start, wherever it is.
pub fn run(args: &Args) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "renewd", &mut script);
    match std::io::stdout().lock().write_all(&script) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(incomplete("the completions cannot be written to stdout").because(error))
        }
        _ => Ok(()),
    }
}
