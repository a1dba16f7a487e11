//! The clock on the wall: cron lines in the business zone. The only file that names `tokio-cron-scheduler`.
//!
//! What does not live here: no overlap guard, no catching up, no waiting at shutdown. A tick only wakes the engine,
//! and the engine looks at the tables: a lost tick costs time, never truth.

use crate::domain::date::Zone;
use tokio_cron_scheduler::Job;

/// A cron line that cannot be understood, by the name of its setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCron<'a> {
    pub key: &'a str,
}

impl BadCron<'_> {
    /// What is accepted.
    pub fn expected(&self) -> &'static str {
        "expected six cron fields (second minute hour day month weekday) such as \"0 0 10,14 * * *\""
    }
}

/// Refuses lines that would never start anything: pairs of a setting's name and its line.
///
/// # Errors
/// [`BadCron`] with the name of the first setting that is wrong.
pub fn check<'a>(lines: impl IntoIterator<Item = (&'a str, &'a str)>, zone: Zone) -> Result<(), BadCron<'a>> {
    for (key, line) in lines {
        Job::new_tz(line, zone.tz(), |_, _| {}).map_err(|_| BadCron { key })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_starts_nothing_is_refused_by_its_name() {
        let zone = Zone::parse("Asia/Seoul").unwrap();
        let check = |line| check([("schedule.renewals", line)], zone);
        assert_eq!(check("0 0 10,14 * * *"), Ok(()));
        for bad in ["", "10:00", "0 0 25 * * *", "* * *", "every day"] {
            assert_eq!(check(bad), Err(BadCron { key: "schedule.renewals" }), "{bad}");
        }
    }
}
