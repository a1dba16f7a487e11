//! `renewd openapi`: the daemon's API, described. The same as `GET /api/openapi.json`; docs/api.json is a copy of it.

use super::error::CliError;
use super::output::Output;
use crate::http::api::document;

#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_: &Args, output: &Output) -> Result<(), CliError> {
    output.json(&document())
}
