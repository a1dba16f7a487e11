//! Attempts with a billing key, as `claim_key_tries` reads them.

use crate::domain::attempt::AttemptState;
use crate::domain::decline::DeclineClass;
use crate::domain::key_turn::KeyTry;
use crate::store::StoreError;
use chrono::{DateTime, Utc};

#[derive(sqlx::FromRow)]
pub struct TryRow {
    pub billing_key_id: String,
    pub renewal_id: String,
    pub state: String,
    pub decline_class: Option<String>,
    pub under_way: bool,
    pub started_at: DateTime<Utc>,
    pub settled_at: Option<DateTime<Utc>>,
}

impl TryRow {
    /// The key, the renewal, and the attempt.
    ///
    /// # Errors
    /// [`StoreError::Row`] where the state is none.
    pub fn into_try(self) -> Result<(String, String, KeyTry), StoreError> {
        let state = AttemptState::parse(&self.state).ok_or_else(|| StoreError::Row {
            table: "attempts",
            key: self.renewal_id.clone(),
            problem: format!("an attempt is \"{}\"", self.state),
        })?;
        let one = KeyTry {
            state,
            class: self.decline_class.as_deref().and_then(DeclineClass::parse),
            under_way: self.under_way,
            started_at: self.started_at,
            settled_at: self.settled_at,
        };
        Ok((self.billing_key_id, self.renewal_id, one))
    }
}
