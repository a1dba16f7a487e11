//! What a database's error means for the next step.

use crate::store::{SchemaProblem, StoreError, TlsProblem};
use rustls::CertificateError as Bad;
use sqlx::Error;

/// SQLSTATEs after which the whole step is simply done again: serialization failure, deadlock, lock time-out.
const BUSY: &[&str] = &["40001", "40P01", "55P03"];

/// SQLSTATEs that say that the server is not there for us: shutting down, starting, read-only after a failover, too
/// many connections, credentials, no such database.
const UNREACHABLE: &[&str] = &["57P01", "57P02", "57P03", "25006", "53300", "28000", "28P01", "3D000"];

/// Two claims that passed each other by a hair meet in these constraints; the second one sees the first when it is
/// done again.
const MET: &[&str] = &["attempts_one_number", "attempts_one_open", "attempts_one_idempotency_key"];

/// The meaning of an error in `step`.
pub(crate) fn classify(step: &'static str, error: Error) -> StoreError {
    if let Some(problem) = tls_problem(&error) {
        return StoreError::Insecure { problem, source: error };
    }
    match &error {
        Error::Io(_) | Error::Tls(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => {
            StoreError::Unreachable(error)
        }
        Error::Database(said) => {
            let code = said.code().unwrap_or_default().into_owned();
            let met = said.constraint().is_some_and(|name| MET.contains(&name));
            if met || BUSY.contains(&code.as_str()) || is_sqlite_busy(&error) {
                StoreError::Busy(error)
            } else if UNREACHABLE.contains(&code.as_str()) || code.starts_with("08") || is_sqlite_absent(&error) {
                StoreError::Unreachable(error)
            } else if code == "42P01" || said.message().starts_with("no such table") {
                StoreError::Schema(SchemaProblem::Missing)
            } else {
                StoreError::Refused { step, source: error }
            }
        }
        _ => StoreError::Refused { step, source: error },
    }
}

/// What is wrong with the server's certificate, or its lack of one.
fn tls_problem(error: &Error) -> Option<TlsProblem> {
    let refused = match error {
        // The driver's own words for a server that answers "no" to the question for TLS.
        Error::Tls(said) if said.to_string().contains("does not support TLS") => return Some(TlsProblem::NoTls),
        Error::Tls(said) => return Some(TlsProblem::Other(said.to_string())),
        Error::Io(io) => io.get_ref()?.downcast_ref::<rustls::Error>()?,
        _ => return None,
    };
    Some(match refused {
        rustls::Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            TlsProblem::OtherHost
        }
        rustls::Error::InvalidCertificate(Bad::UnknownIssuer | Bad::BadSignature) => TlsProblem::UnknownAuthority,
        rustls::Error::InvalidCertificate(
            Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. },
        ) => TlsProblem::NotNow,
        other => TlsProblem::Other(other.to_string()),
    })
}

fn sqlite_primary_code(error: &Error) -> Option<i64> {
    let said = error.as_database_error()?.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    let code: i64 = sqlx::error::DatabaseError::code(said)?.parse().ok()?;
    Some(code & 0xff)
}

/// `SQLITE_BUSY` and `SQLITE_LOCKED`, extended codes included.
fn is_sqlite_busy(error: &Error) -> bool {
    matches!(sqlite_primary_code(error), Some(5 | 6))
}

/// `SQLITE_CANTOPEN`, `SQLITE_READONLY`: the file is not there for us.
fn is_sqlite_absent(error: &Error) -> bool {
    matches!(sqlite_primary_code(error), Some(8 | 14))
}
