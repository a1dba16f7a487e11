//! Several tasks of one Cloud Run job beside each other. They share what is due by claiming it; which of them one is says
//! only how long it waits before it begins.

use super::{ConfigError, Environment};
use std::time::Duration;

const INDEX: &str = "CLOUD_RUN_TASK_INDEX";
const COUNT: &str = "CLOUD_RUN_TASK_COUNT";

/// Between the starts of two tasks: the first has planned a page when the next one looks what there is to plan.
const APART: Duration = Duration::from_millis(500);
/// The last of many tasks waits no longer.
const APART_MAX: Duration = Duration::from_secs(10);

/// Which of a job's tasks this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// From 0.
    pub index: u32,
    pub count: u32,
}

impl Task {
    /// `None` where nobody starts several.
    ///
    /// # Errors
    /// [`ConfigError::Task`] for values that Cloud Run does not give.
    pub fn of(environment: &Environment) -> Result<Option<Self>, ConfigError> {
        let (Some(index), Some(count)) = (environment.get(INDEX), environment.get(COUNT)) else { return Ok(None) };
        let task = index.parse().ok().zip(count.parse().ok()).map(|(index, count)| Self { index, count });
        match task {
            Some(task) if task.index < task.count => Ok(Some(task)),
            _ => Err(ConfigError::Task { index: index.to_owned(), count: count.to_owned() }),
        }
    }

    /// How long it waits before it begins.
    pub fn starts_after(self) -> Duration {
        APART.saturating_mul(self.index).min(APART_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(index: &str, count: &str) -> Result<Option<Task>, ConfigError> {
        Task::of(&[(INDEX, index), (COUNT, count)].into_iter().collect())
    }

    #[test]
    fn tasks_start_one_after_the_other() {
        assert_eq!(Task::of(&Environment::default()).unwrap(), None);
        let waits = |index| task(index, "100").unwrap().unwrap().starts_after();
        assert_eq!(["0", "1", "3"].map(waits), [0, 500, 1_500].map(Duration::from_millis));
        assert_eq!(waits("99"), APART_MAX);
    }

    #[test]
    fn what_is_no_task_is_refused_by_name() {
        for (index, count) in [("2", "2"), ("-1", "2"), ("one", "2"), ("0", "0"), ("", "")] {
            let error = task(index, count).unwrap_err().to_string();
            assert!(error.contains(INDEX) && error.contains(COUNT), "{error}");
        }
    }
}
