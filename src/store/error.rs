//! What a store answers where it could not do what it was asked for.

/// Why the database could not do it. Each variant is a different next step.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection, or it was lost: nothing can be charged until it is back.
    #[error("the database cannot be reached: {0}")]
    Unreachable(#[source] sqlx::Error),
    /// The tables are not there, or of another version.
    #[error("{0}")]
    Schema(SchemaProblem),
    /// A row holds what it must not: named by table and key.
    #[error("{table} {key}: {problem}")]
    Row { table: &'static str, key: String, problem: String },
    /// Two writers met more often than retrying helps.
    #[error("the database is too busy: {0}")]
    Busy(#[source] sqlx::Error),
    /// Anything else that the database said.
    #[error("the database refused {step}: {source}")]
    Refused { step: &'static str, source: sqlx::Error },
    /// A database task ended without an answer (a panic): a bug.
    #[error("a database task ended without an answer: {0}")]
    Lost(String),
}

/// What is wrong with the schema, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaProblem {
    #[error("the database has no renewd tables yet: run `renewd migrate`")]
    Missing,
    #[error(
        "there is no database {file}: see that DATABASE_URL is right, and that it means this folder; a first one is made by `renewd migrate`"
    )]
    NoFile { file: String },
    #[error("the database's schema is version {found}, this renewd needs {needed}: run `renewd migrate`")]
    TooOld { found: i64, needed: i64 },
    #[error(
        "the database's schema is version {found}, newer than this renewd knows ({needed}): deploy the newer renewd"
    )]
    TooNew { found: i64, needed: i64 },
    #[error("migration {version} was changed after it was applied: restore the released migration files")]
    Changed { version: i64 },
}
