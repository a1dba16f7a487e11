//! The tables: whether they are the ones that this version works with, and how they get there.

use super::error::classify;
use super::installation::InstallationRow;
use super::session::{Lane, Step, Tx};
use super::statement::{self, Param};
use super::{Database, SqlStore};
use crate::store::rows::same_key;
use crate::store::{Migrated, SchemaProblem, StoreError};
use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgPoolOptions;
use std::time::Duration;

static POSTGRES: Migrator = sqlx::migrate!("./migrations/postgres");
static SQLITE: Migrator = sqlx::migrate!("./migrations/sqlite");

#[derive(sqlx::FromRow)]
struct FoundRow {
    found: bool,
}

/// How often, and how far apart, migrations of a file are tried while another process may be at the same ones.
const SQLITE_TRIES_MAX: u32 = 30;
const SQLITE_WAIT: Duration = Duration::from_millis(100);

/// A migration as the database remembers it.
#[derive(Debug, sqlx::FromRow)]
struct AppliedRow {
    version: i64,
    checksum: String,
    success: bool,
}

struct Applied;

impl Step for Applied {
    const NAME: &'static str = "checking the schema";
    const LANE: Lane = Lane::Read;
    type Output = Vec<AppliedRow>;

    async fn run(&self, tx: &mut Tx) -> Result<Vec<AppliedRow>, StoreError> {
        let migrated: FoundRow = tx.row(&statement::SCHEMA_EXISTS, &[]).await?;
        if migrated.found { tx.rows(&statement::SCHEMA_APPLIED, &[]).await } else { Ok(Vec::new()) }
    }
}

pub(super) async fn check_schema(store: &SqlStore) -> Result<(), StoreError> {
    let applied = store.perform(Applied).await?;
    problem(migrator(store), &applied).map_or(Ok(()), |problem| Err(StoreError::Schema(problem)))
}

fn migrator(store: &SqlStore) -> &'static Migrator {
    match store.database() {
        Database::Postgres(_) => &POSTGRES,
        Database::Sqlite(_) => &SQLITE,
    }
}

/// The newest version whose migration went through; 0 for none.
fn version(applied: &[AppliedRow]) -> i64 {
    applied.iter().filter(|row| row.success).map(|row| row.version).max().unwrap_or(0)
}

fn problem(known: &Migrator, applied: &[AppliedRow]) -> Option<SchemaProblem> {
    let needed = known.iter().map(|migration| migration.version).max().unwrap_or(0);
    let found = version(applied);
    if found == 0 {
        return Some(SchemaProblem::Missing);
    }
    if found > needed {
        return Some(SchemaProblem::TooNew { found, needed });
    }
    let changed = known.iter().find(|migration| {
        let fingerprint = HEXLOWER.encode(&migration.checksum);
        applied.iter().any(|row| row.version == migration.version && row.success && row.checksum != fingerprint)
    });
    if let Some(migration) = changed {
        return Some(SchemaProblem::Changed { version: migration.version });
    }
    (found < needed).then_some(SchemaProblem::TooOld { found, needed })
}

/// Migrations run in a task of their own, like every step, on a connection without the steps' time-outs.
pub(super) async fn migrate(store: &SqlStore, key: Option<SecretString>) -> Result<Migrated, StoreError> {
    let store = store.clone();
    let task = tokio::spawn(async move { migrate_here(&store, key).await });
    task.await.unwrap_or_else(|lost| Err(StoreError::Lost(format!("migrating: {lost}"))))
}

async fn migrate_here(store: &SqlStore, key: Option<SecretString>) -> Result<Migrated, StoreError> {
    let applied = store.perform(Applied).await?;
    let before = version(&applied);
    match problem(migrator(store), &applied) {
        None | Some(SchemaProblem::Missing | SchemaProblem::NoFile { .. } | SchemaProblem::TooOld { .. }) => {}
        Some(other) => return Err(StoreError::Schema(other)),
    }
    match store.database() {
        Database::Postgres(pools) => {
            let connection = PgPoolOptions::new().max_connections(1).connect_lazy_with(*pools.options.clone());
            let done = POSTGRES.run(&connection).await.map_err(refused);
            connection.close().await;
            done?;
        }
        Database::Sqlite(pools) => {
            let mut tries = 1;
            while let Err(error) = SQLITE.run(&pools.writer).await {
                // SQLite has no lock for migrations: another process may be at them. The tables are what counts.
                let applied = store.perform(Applied).await?;
                if problem(&SQLITE, &applied).is_none() {
                    break;
                }
                if tries == SQLITE_TRIES_MAX {
                    return Err(refused(error));
                }
                tries += 1;
                tokio::time::sleep(SQLITE_WAIT).await;
            }
        }
    }
    store.perform(Create { given: key.clone(), fresh: fresh_key()? }).await?;
    let applied = store.perform(Applied).await?;
    Ok(Migrated { before, after: version(&applied) })
}

fn refused(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMismatch(version) => StoreError::Schema(SchemaProblem::Changed { version }),
        MigrateError::Execute(source) => classify("migrating", source),
        other => StoreError::Refused { step: "migrating", source: sqlx::Error::Migrate(Box::new(other)) },
    }
}

fn fresh_key() -> Result<SecretString, StoreError> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| StoreError::Refused {
        step: "making the payment id key",
        source: sqlx::Error::Io(std::io::Error::other(error.to_string())),
    })?;
    Ok(SecretString::from(HEXLOWER.encode(&key)))
}

struct Create {
    given: Option<SecretString>,
    fresh: SecretString,
}

impl Step for Create {
    const NAME: &'static str = "making the installation";
    const LANE: Lane = Lane::Write;
    type Output = ();

    async fn run(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let key = self.given.as_ref().unwrap_or(&self.fresh);
        let now = tx.unmarked_now();
        tx.execute(&statement::INSTALLATION_CREATE, &[Param::text(key.expose_secret()), now]).await?;
        let row: InstallationRow = tx.row(&statement::INSTALLATION_READ, &[]).await?;
        same_key(self.given.as_ref(), &row.payment_id_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied() -> Vec<AppliedRow> {
        POSTGRES
            .iter()
            .map(|migration| AppliedRow {
                version: migration.version,
                checksum: HEXLOWER.encode(&migration.checksum),
                success: true,
            })
            .collect()
    }

    #[test]
    fn each_problem_is_told_apart() {
        let needed = version(&applied());
        assert_eq!(problem(&POSTGRES, &applied()), None);
        assert_eq!(problem(&POSTGRES, &[]), Some(SchemaProblem::Missing));
        let mut newer = applied();
        newer.push(AppliedRow { version: needed + 1, checksum: String::new(), success: true });
        assert_eq!(problem(&POSTGRES, &newer), Some(SchemaProblem::TooNew { found: needed + 1, needed }));
        let mut next: Vec<_> = POSTGRES.iter().cloned().collect();
        next.push(sqlx::migrate::Migration { version: needed + 1, ..next[0].clone() });
        let later = Migrator::with_migrations(next);
        assert_eq!(problem(&later, &applied()), Some(SchemaProblem::TooOld { found: needed, needed: needed + 1 }));
        let mut changed = applied();
        changed[0].checksum = "00".to_owned();
        assert_eq!(problem(&POSTGRES, &changed), Some(SchemaProblem::Changed { version: changed[0].version }));
    }

    #[test]
    fn both_databases_have_the_same_migrations() {
        let names = |migrator: &Migrator| -> Vec<(i64, String)> {
            migrator.iter().map(|one| (one.version, one.description.to_string())).collect()
        };
        assert_eq!(names(&POSTGRES), names(&SQLITE));
    }
}
