//! What a store answers where it could not do what it was asked for.

/// Why the database could not do it. Each variant is a different next step.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection, or it was lost, or the server lets nobody in: nothing can be charged until that is over.
    #[error("{}", unreachable(.0))]
    Unreachable(#[source] sqlx::Error),
    /// Whoever answers is not proved to be the database, or speaks in the open: nothing was sent.
    #[error("{problem}")]
    Insecure {
        problem: TlsProblem,
        #[source]
        source: sqlx::Error,
    },
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

impl StoreError {
    /// Whether it is likely to be gone in a while without anybody changing a setting here.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Busy(_) | Self::Insecure { .. })
    }

    /// What somebody does about a database that is not there for us.
    pub fn todo(&self) -> &'static str {
        match self {
            Self::Insecure { problem, .. } => problem.todo(),
            Self::Unreachable(error) if refuses_us(error) => {
                "see the user, the password and the database's name in DATABASE_URL, where @ : / ? # % within them are written \
                 %40 %3A %2F %3F %23 %25; and that the server lets this user in from here"
            }
            Self::Unreachable(sqlx::Error::Io(error)) if error.to_string().contains("lookup address") => {
                "see the host in DATABASE_URL, and that names of hosts are found from here; @ : / ? # % in a password are \
                 written %40 %3A %2F %3F %23 %25, or a part of it is taken for the host"
            }
            _ => "see that the server is up and DATABASE_URL is right",
        }
    }
}

/// SQLSTATEs of a server that answers, and lets us in not: user, password, database.
const REFUSES_US: [&str; 3] = ["28000", "28P01", "3D000"];

fn refuses_us(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|said| said.code());
    code.is_some_and(|code| REFUSES_US.contains(&&*code))
}

/// The server's own words, where it said any, without the place in its source.
fn unreachable(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => "the database cannot be reached: it gave no connection in time".to_owned(),
        // Its words would hold the name, and where a password was not written as it must be, a part of that is taken for it.
        sqlx::Error::Database(said) if said.code().as_deref() == Some("3D000") => {
            "the database server refuses us: it has no database of the name that DATABASE_URL ends with".to_owned()
        }
        sqlx::Error::Database(said) if said.message().starts_with("no pg_hba.conf entry") => {
            "the database server refuses us: its pg_hba.conf has no entry for this host, user, database and encryption"
                .to_owned()
        }
        sqlx::Error::Database(said) if refuses_us(error) => {
            format!("the database server refuses us: {}", said.message())
        }
        _ => format!("the database cannot be reached: {error}"),
    }
}

/// Why the database server is not spoken to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    #[error("the database server speaks no TLS")]
    NoTls,
    #[error("the database server's certificate is for another host than DATABASE_URL names")]
    OtherHost,
    #[error("the database server's certificate is signed by no authority that is trusted here")]
    UnknownAuthority,
    #[error("the database server's certificate is not valid now: it has expired, or a clock is wrong")]
    NotNow,
    #[error("TLS with the database server failed: {0}")]
    Other(String),
}

impl TlsProblem {
    /// What somebody does about it.
    pub fn todo(&self) -> &'static str {
        match self {
            Self::NoTls => {
                "turn `ssl` on at the server, or see that nobody stands between; without sslmode=verify-full in DATABASE_URL \
                 passwords and billing keys travel in the open"
            }
            Self::OtherHost => {
                "give DATABASE_URL the host name that the certificate has, or the server a certificate with that name"
            }
            Self::UnknownAuthority => {
                "let sslrootcert in DATABASE_URL name the file with the authority's certificate (your provider gives it); \
                 if it does already, this is another server than you mean"
            }
            Self::NotNow => "renew it at the server, or set the clock of this machine",
            Self::Other(_) => "see the server's log, and that sslrootcert names a file with certificates",
        }
    }
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
