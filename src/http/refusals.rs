//! What the engine refuses, or cannot do, told by the API and by the pages alike, in the words of the command line.

use super::Problem;
use crate::domain::by_hand::Refusal;
use crate::engine::RunError;
use crate::engine::by_hand::ByHandError;
use crate::engine::start::StartError;

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let problem = Self::conflict(refusal.what).money(refusal.money);
        refusal.hints.into_iter().fold(problem, Self::hint)
    }
}

impl From<ByHandError> for Problem {
    fn from(error: ByHandError) -> Self {
        match error {
            ByHandError::Refused(refusal) => refusal.into(),
            ByHandError::Run(error) => error.into(),
            error @ ByHandError::NotFound(_) => Self::nothing_there(error.to_string()).money("nothing was done"),
        }
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Self {
        let problem = match error {
            RunError::Store(error) => {
                let settled =
                    "what was charged and not recorded yet is looked up by the next run; nothing is charged twice";
                return Self::from(error).money(settled);
            }
            RunError::ClockSkew { .. } => Self::unavailable(error.to_string())
                .money("nothing was charged")
                .hint("set the clocks of the database server and of this machine (NTP)"),
            RunError::Gateway(_) => Self::unavailable(error.to_string())
                .money("nothing was charged; what was found until then is settled")
                .hint("see that the gateway's address and the API secret are right: renewd doctor"),
            RunError::Illegal(_) => return Self::internal(&error).money("its renewal was left as it is"),
        };
        tracing::warn!("a request could not be done: {error}");
        problem
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        match error {
            StartError::TooEarly(early) => Self::senseless(early.to_string())
                .money("nothing was charged: no period is charged before it is due")
                .hint(format!("see what that day will bring: GET /api/v1/plan?date={}", early.date)),
            StartError::OtherRequest(id) => Self::senseless(error.to_string())
                .money("nothing more was started")
                .hint(format!("see that run: GET /api/v1/runs/{id}; another run takes another key")),
            StartError::Run(error) => error.into(),
        }
    }
}
