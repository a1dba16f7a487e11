//! `renewd doctor`
use super::Global;
use super::error::CliError;
use super::output::Output;
use crate::config::Environment;
#[derive(Debug, clap::Args)]
pub struct Args {}
pub async fn run(_: &Args, _: &Global, _: Environment, _: &Output) -> Result<(), CliError> {
    Ok(())
}
