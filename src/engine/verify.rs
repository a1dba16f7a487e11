//! Looking a payment up: the only place that decides.

use super::run::Run;
use super::{Engine, spans};
use crate::domain::charge::Attempt;
use crate::domain::verdict::{Verdict, judge};
use tracing::Instrument;

impl Engine {
    /// One look-up, judged. Refused credentials stop the run: no later look-up can answer either.
    ///
    /// Within the attempt's span: that is the caller's, whose charge may be in it too.
    pub(super) async fn look_up(&self, run: &Run, attempt: &Attempt) -> Verdict {
        let found = self.gateway.payment(&attempt.renewal.payment_id).instrument(spans::look_up()).await;
        let verdict = judge(attempt, &found, &self.policy);
        if let Verdict::Unauthorized { why } = &verdict {
            run.stop_unauthorized(why);
        }
        verdict
    }
}
