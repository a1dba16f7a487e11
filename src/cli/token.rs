//! `renewd token`: makes a bearer token for the API and the page. Shown once, and kept nowhere.

use super::error::{CliError, incomplete, usage};
use super::output::{Mode, Output};
use crate::config::{Role, Token};
use clap::builder::PossibleValue;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Stands before every token of ours, so that whoever finds one in a log knows what it opens.
const PREFIX: &str = "rnw_";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Who has it: recorded with everything that is done with it.
    #[arg(value_name = "NAME")]
    name: String,
    /// What it may do: viewer looks, operator does what the command line can.
    #[arg(long, value_name = "ROLE", default_value = "viewer")]
    role: Role,
}

impl clap::ValueEnum for Role {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.as_str()))
    }
}

pub fn run(args: &Args, output: &Output) -> Result<(), CliError> {
    if !Token::is_name(&args.name) {
        return Err(usage("a token's name is up to 64 letters, digits or . - _ @ +, without spaces"));
    }
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|err| incomplete(format!("this machine has no random numbers: {err}")))?;
    let secret = format!("{PREFIX}{}", data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase());
    let token = Token { name: args.name.clone(), role: args.role, hash: Sha256::digest(secret.as_bytes()).into() };
    if output.mode == Mode::Json {
        return output.json(&json!({ "token": secret, "setting": token.to_string() }));
    }
    output.heading(&format!("the token of {} ({}), shown this once:", token.name, token.role.as_str()))?;
    output.line(&secret)?;
    output.heading(
        "put this into server.tokens (or RENEWD_SERVER__TOKENS), a comma before it if another stands there:",
    )?;
    output.line(&token.to_string())
}
