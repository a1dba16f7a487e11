//! The clock on the wall: cron lines in the business zone. The only file that names `tokio-cron-scheduler`.
//!
//! What does not live here: no overlap guard, no catching up, no waiting at shutdown. A tick only wakes the engine,
//! and the engine looks at the tables: a lost tick costs time, never truth.

use crate::domain::date::Zone;
use tokio_cron_scheduler::Job;

/// A cron line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{key} = \"{line}\": expected six cron fields (second minute hour day month weekday) such as \"0 0 10,14 * * *\""
)]
pub struct BadCron {
    pub key: String,
    pub line: String,
}

/// Refuses cron lines that would never start anything.
///
/// # Errors
/// [`BadCron`] with the key and the line as they were given.
pub fn check<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>, zone: Zone) -> Result<(), BadCron> {
    for (key, line) in lines {
        Job::new_tz(line, zone.tz(), |_, _| {}).map_err(|_| BadCron { key: key.to_owned(), line: line.to_owned() })?;
    }
    Ok(())
}
