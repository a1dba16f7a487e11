//! Looking a payment up: the only place that decides.

use super::run::Run;
use super::{Engine, spans};
use crate::domain::charge::Attempt;
use crate::domain::verdict::{Verdict, judge};
use tracing::Instrument;

impl Engine {
    /// One look-up, judged. Refused credentials stop the run: no later look-up can answer either.
    pub(super) async fn look_up(&self, run: &Run, attempt: &Attempt) -> Verdict {
        let span = spans::attempt(attempt);
        let asking = self.gateway.payment(&attempt.renewal.payment_id).instrument(span.in_scope(spans::look_up));
        let found = asking.instrument(span).await;
        let verdict = judge(attempt, &found, &self.policy);
        if let Verdict::Unauthorized { why } = &verdict {
            run.stop_unauthorized(why);
        }
        verdict
    }
}

/// Whether a verdict settles the attempt, or only says to look again.
pub(super) fn is_definite(verdict: &Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Paid(_) | Verdict::Mismatch { .. } | Verdict::Declined { .. } | Verdict::Cancelled { .. }
    )
}
