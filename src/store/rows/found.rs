//! Payments that were found at the gateway and are not recorded here, with the attempts that are lost.

use super::PROTOCOL_VERSION;
use super::money::PaymentOut;
use super::stamp::as_stamp_opt;
use crate::domain::attempt::AttemptState;
use crate::domain::ids::{AttemptId, BillingKeyId, RenewalId, RunId};
use crate::domain::payment::PaymentStatus;
use crate::domain::reconcile::FoundPayment;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What a lost attempt sent is not known, and it is never sent again.
pub const LOST_BODY: &str = "{}";

/// For the timeline of an attempt that was brought back.
pub const LOST_NOTE: &str = "found at the gateway: this database had forgotten it";

/// One payment, its observation, and its lost attempt.
#[derive(Serialize)]
pub struct FoundOut<'a> {
    pub found_renewal_id: RenewalId,
    pub series: u32,
    #[serde(flatten)]
    pub seen: PaymentOut,
    pub attempt_id: Option<AttemptId>,
    pub run_id: RunId,
    pub number: u32,
    pub billing_key_id: Option<&'a BillingKeyId>,
    pub channel_key: Option<&'a str>,
    pub request_body: &'static str,
    pub request_hash: String,
    pub protocol_version: i64,
    pub attempt_state: AttemptState,
    #[serde(serialize_with = "as_stamp_opt")]
    pub started_at: Option<DateTime<Utc>>,
    pub note: &'static str,
}

impl<'a> FoundOut<'a> {
    pub fn new(run: RunId, found: &'a FoundPayment, seen_by: &str) -> Self {
        let lost = found.lost_attempt.as_ref();
        let is_paid = found.record.status == PaymentStatus::Paid.as_str();
        Self {
            found_renewal_id: found.renewal_id,
            series: found.series,
            seen: PaymentOut::new(&found.record, Some(found.renewal_id), seen_by),
            attempt_id: lost.map(|attempt| attempt.id),
            run_id: run,
            number: lost.map_or(1, |attempt| attempt.number),
            billing_key_id: lost.map(|attempt| &attempt.billing_key_id),
            channel_key: lost.and_then(|attempt| attempt.channel_key.as_deref()),
            request_body: LOST_BODY,
            request_hash: data_encoding::HEXLOWER.encode(&Sha256::digest(LOST_BODY)),
            protocol_version: PROTOCOL_VERSION,
            // Money that was given back since is a person's business, like every charge that was not in order.
            attempt_state: if is_paid { AttemptState::Paid } else { AttemptState::Refused },
            started_at: lost.map(|attempt| attempt.started_at),
            note: LOST_NOTE,
        }
    }
}
