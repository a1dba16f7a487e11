//! The database: whether it is there, may be written to, keeps what is committed, and has this version's tables.

use super::ANSWER_WITHIN;
use super::check::{Check, NOTHING_CHARGED, advice};
use crate::app::App;
use crate::store::read::Health;
use crate::store::{Installation, Pinned, SchemaProblem, Store, StoreError};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

const DATABASE: &str = "database";
const SCHEMA: &str = "schema";
const INSTALLATION: &str = "installation";

const FORGETS: &str =
    "nobody is charged twice; but locks are waited for without a bound, and runs get slow with all that is due";
const COMMITS: &str = "what is committed may be lost with the power; nothing is charged twice, and recording it is held up until a person looks";

/// The store, where it can be asked more.
pub(super) async fn look(app: &App, checks: &mut Vec<Check>) -> Option<Arc<dyn Store>> {
    let store = match in_time(app.store()).await {
        Ok(store) => store,
        Err(error) => {
            checks.push(of_error(DATABASE, &error));
            return None;
        }
    };
    match in_time(store.health()).await {
        Ok(health) => checks.push(of_health(&health)),
        Err(error) => checks.push(of_error(DATABASE, &error)),
    }
    checks.extend(app.sqlite_file().and_then(of_file));
    checks.push(Check::ok(SCHEMA, "as this version needs it"));
    match in_time(store.installation()).await {
        Ok(installation) => checks.push(of_installation(app, &installation)),
        Err(error) => {
            checks.push(of_error(INSTALLATION, &error));
            return None;
        }
    }
    Some(store)
}

async fn in_time<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let silent = |_| Err(StoreError::Lost(format!("no answer within {} s", ANSWER_WITHIN.as_secs())));
    tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(silent)
}

/// What a failure means here; the words of the cause are the database's own.
pub(super) fn of_error(check: &'static str, error: &StoreError) -> Check {
    match error {
        StoreError::Schema(problem) => {
            let todo = match problem {
                SchemaProblem::Missing | SchemaProblem::TooOld { .. } => "renewd migrate",
                SchemaProblem::NoFile { .. } => {
                    "set DATABASE_URL to where your tables are; for a first database here: renewd migrate"
                }
                SchemaProblem::TooNew { .. } => "deploy the newer renewd; nothing in the database needs changing",
                SchemaProblem::Changed { .. } => "restore the released migration files",
            };
            Check::wrong(SCHEMA, problem.to_string(), advice(NOTHING_CHARGED, todo))
        }
        StoreError::Insecure { problem, .. } => {
            Check::wrong(check, problem.to_string(), advice(NOTHING_CHARGED, problem.todo()))
        }
        StoreError::Unreachable(_) | StoreError::Busy(_) | StoreError::Lost(_) => {
            Check::unreachable(check, error.to_string(), advice(NOTHING_CHARGED, error.todo()))
        }
        StoreError::Row { .. } => Check::wrong(check, error.to_string(), advice(NOTHING_CHARGED, "mend what it names")),
        StoreError::Refused { .. } => {
            let todo =
                "see that DATABASE_URL names the right database, and that its user owns the tables of `renewd migrate`";
            Check::wrong(check, error.to_string(), advice(NOTHING_CHARGED, todo))
        }
    }
}

fn of_health(health: &Health) -> Check {
    let Health { server, is_read_only, weaknesses, closed_tables, forgets_settings } = health;
    if *is_read_only {
        let todo = "point DATABASE_URL at the primary server, or turn default_transaction_read_only off";
        return Check::wrong(DATABASE, format!("{server} is read-only"), advice(NOTHING_CHARGED, todo));
    }
    if !closed_tables.is_empty() {
        let found = format!("{server}; its user may not read and write {closed_tables}");
        let todo = "give DATABASE_URL the user that ran `renewd migrate`, or grant it these tables";
        return Check::wrong(DATABASE, found, advice(NOTHING_CHARGED, todo));
    }
    let pooled = if *forgets_settings {
        "; what a connection is set to does not last: a pooler in transaction mode?"
    } else {
        ""
    };
    if !weaknesses.is_empty() {
        let todo = "turn it on in the server's settings";
        return Check::warning(DATABASE, format!("{server}; {weaknesses}{pooled}"), advice(COMMITS, todo));
    }
    if *forgets_settings {
        let todo = "use the pooler's session mode, or connect to the server itself";
        return Check::warning(DATABASE, format!("{server}{pooled}"), advice(FORGETS, todo));
    }
    Check::ok(DATABASE, format!("{server}, writable, keeps what is committed"))
}

/// Billing keys lie in the file, as plain text.
fn of_file(path: &Path) -> Option<Check> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    if mode & 0o007 == 0 {
        return Some(Check::ok("file", format!("{} is closed to other users", path.display())));
    }
    let found = format!("{} may be opened by every user of this machine", path.display());
    let todo = format!("chmod 600 {}", path.display());
    Some(Check::warning("file", found, advice("who reads it has every billing key", todo)))
}

/// Whose database it is, against what the settings say.
fn of_installation(app: &App, installation: &Installation) -> Check {
    if !app.has_key_of(installation) {
        let found = "gateway.payment_id_key is not the key that this database was made with";
        let todo = "unset RENEWD_PAYMENT_ID_KEY (the database keeps its own), or give the key of this database";
        let money = "payment ids would be other ones than before: the gateway could no longer refuse a second charge";
        return Check::wrong(INSTALLATION, found, advice(money, todo));
    }
    match (&installation.pinned, app.wanted()) {
        (Some(pinned), Ok(wanted)) if *pinned != wanted => of_other_store(pinned, &wanted),
        (Some(Pinned { store_id, channel_type }), _) => {
            Check::ok(INSTALLATION, format!("belongs to {store_id}, {channel_type} channels"))
        }
        (None, _) => Check::ok(INSTALLATION, "belongs to no store yet: the first run decides"),
    }
}

fn of_other_store(pinned: &Pinned, wanted: &Pinned) -> Check {
    let found = format!(
        "this database belongs to {} with {} channels, the settings say {} and {}",
        pinned.store_id, pinned.channel_type, wanted.store_id, wanted.channel_type
    );
    let todo = "give this store's PORTONE_STORE_ID, API secret and gateway.channel_type, or another DATABASE_URL";
    Check::wrong(INSTALLATION, found, advice(NOTHING_CHARGED, todo))
}

/// For checks that need rows: a failure is told like those of the database itself.
pub(super) async fn read<T>(
    check: &'static str,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Check> {
    in_time(asked).await.map_err(|error| of_error(check, &error))
}

#[cfg(test)]
mod tests {
    use super::super::check::Verdict;
    use super::*;

    fn health() -> Health {
        Health { server: "S 1".to_owned(), ..Health::default() }
    }

    #[test]
    fn each_weakness_of_a_database_is_told_apart() {
        assert_eq!(of_health(&health()).result, Verdict::Ok);
        let read_only = of_health(&Health { is_read_only: true, ..health() });
        assert_eq!((read_only.result, read_only.found.as_str()), (Verdict::Wrong, "S 1 is read-only"));
        let closed = of_health(&Health { closed_tables: "payments".to_owned(), ..health() });
        assert!(closed.result == Verdict::Wrong && closed.found.contains("payments"));
        let weak = of_health(&Health { weaknesses: "fsync is off".to_owned(), ..health() });
        assert!(weak.result == Verdict::Warning && weak.found.contains("fsync is off"));
        let pooled = of_health(&Health { forgets_settings: true, ..health() });
        assert!(pooled.result == Verdict::Warning && pooled.found.contains("pooler"));
    }

    #[test]
    fn a_file_that_everybody_may_open_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let look = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            of_file(file.path()).unwrap().result
        };
        assert_eq!((look(0o600), look(0o640), look(0o644)), (Verdict::Ok, Verdict::Ok, Verdict::Warning));
        assert!(of_file(Path::new("/no/such/file")).is_none());
    }
}
