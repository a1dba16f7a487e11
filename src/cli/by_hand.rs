//! What the commands that people type have in common: who, why, and how a refusal reads.

use super::error::{CliError, incomplete, usage};
use crate::app::App;
use crate::config::Environment;
use crate::domain::action::Hand;
use crate::domain::by_hand::Refusal;
use crate::engine::by_hand::ByHandError;
use clap::builder::NonEmptyStringValueParser;

/// Where the system keeps the names of its users.
const USERS_FILE: &str = "/etc/passwd";

/// Who does it, and why.
#[derive(Debug, clap::Args)]
pub struct By {
    /// Why; recorded, and shown by `renewd show` and `renewd status`.
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub reason: String,
    #[command(flatten)]
    pub who: Who,
}

/// Who does it.
#[derive(Debug, clap::Args)]
pub struct Who {
    /// Who; the user of this process, unless given.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub actor: Option<String>,
}

impl By {
    /// As it is recorded.
    pub fn hand(&self, app: &App) -> Hand {
        self.who.hand(app).because(&self.reason)
    }
}

impl Who {
    /// As it is recorded.
    pub fn hand(&self, app: &App) -> Hand {
        Hand::of(self.actor.as_deref().unwrap_or(&app.actor))
    }
}

/// Who runs this process: as the environment has it, else as the system does. Cron, systemd and containers set no name,
/// and "unknown" answers nobody who asks later.
pub fn user_of_process(environment: &Environment) -> String {
    let named = environment.user().map(str::trim).filter(|name| !name.is_empty());
    named.map_or_else(
        || user_name(rustix::process::getuid().as_raw(), &std::fs::read_to_string(USERS_FILE).unwrap_or_default()),
        str::to_owned,
    )
}

/// The name of a user in the text of [`USERS_FILE`]; a number where it has none, as in most containers.
fn user_name(uid: u32, users: &str) -> String {
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}

impl From<Refusal> for CliError {
    /// What a person must change is a usage error; what may turn by itself is tried again.
    fn from(refusal: Refusal) -> Self {
        let error = if refusal.may_turn { incomplete(refusal.what) } else { usage(refusal.what) };
        refusal.hints.into_iter().fold(error.money(refusal.money), CliError::hint)
    }
}

impl From<ByHandError> for CliError {
    fn from(error: ByHandError) -> Self {
        match error {
            ByHandError::Refused(refusal) => refusal.into(),
            ByHandError::Run(error) => error.into(),
            error @ ByHandError::NotFound(_) => usage(error.to_string())
                .money("nothing was done")
                .hint("ids stand in the views: SELECT subscription_id, renewal_id, payment_id FROM renewal_results"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_systems_name_or_a_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:7:7::/:\nbilling:x:1001:10:0:/home:/bin/sh\n";
        let name = |uid| user_name(uid, users);
        assert_eq!([name(0), name(1001), name(10), name(7)], ["root", "billing", "uid 10", "uid 7"]);
    }
}
