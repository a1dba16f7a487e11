//! Asking the gateway before anything is claimed: whether it takes our credentials, and what time it is there.

use super::run::Run;
use super::{Engine, RunError};
use crate::domain::ids::PaymentId;
use crate::domain::payment::LookUp;
use chrono::TimeDelta;

/// The id of a payment that nobody makes: the answer to its look-up has a date, and needs the right credentials.
const NOBODYS_PAYMENT: &str = "renewdprobe";

impl Engine {
    /// Refused credentials stop the run, like everywhere else.
    pub(super) async fn probe(&self, run: &Run) {
        if let LookUp::Unauthorized(why) = self.gateway.payment(&PaymentId::from(NOBODYS_PAYMENT)).await {
            run.stop_unauthorized(&why);
        }
    }

    /// Fails closed: while the database's clock and the gateway's disagree, nobody can say what is due. By the latest answer of
    /// the gateway's, whatever it was asked.
    ///
    /// # Errors
    /// [`RunError::ClockSkew`].
    pub(super) async fn check_clocks(&self) -> Result<(), RunError> {
        // A test clock replaces the database's; a gateway that did not answer is found out by the first charge.
        let Some(skew) = self.gateway.clock_skew().filter(|_| !self.clock.is_test()) else { return Ok(()) };
        let difference = self.clock.now() + skew - self.store.now().await?;
        let bound = TimeDelta::from_std(self.limits.clock_skew_max).unwrap_or(TimeDelta::MAX);
        if difference.abs() > bound {
            return Err(RunError::ClockSkew { seconds: difference.num_seconds() });
        }
        Ok(())
    }
}
