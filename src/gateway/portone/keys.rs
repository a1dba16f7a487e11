//! What PortOne says of billing keys, in our words: pure functions from status and bytes.

use super::map::{Heard, read};
use super::wire::{Object, WireBillingKey, WireChannel};
use crate::domain::ids::CustomerId;
use crate::domain::payment::ChannelType;
use crate::gateway::{BillingKeyStatus, GatewayError, IssuedKey, KeyChannel};

/// Whether a billing key can be charged.
///
/// # Errors
/// When the gateway refused, or its answer cannot be read.
pub fn key_status(heard: &Heard<'_>) -> Result<BillingKeyStatus, GatewayError> {
    if heard.status == 404 && heard.problem().kind.as_deref() == Some("BILLING_KEY_NOT_FOUND") {
        return Ok(BillingKeyStatus::NotFound);
    }
    let wire: WireBillingKey = read(heard)?;
    match wire.status.as_deref().unwrap_or_default() {
        "ISSUED" => Ok(BillingKeyStatus::Issued),
        "DELETED" => Ok(BillingKeyStatus::Deleted),
        other => Err(GatewayError::NoAnswer(format!("a billing key of unknown status {}", heard.told(other)))),
    }
}

/// Whose a billing key is and where it can be charged; `None` unless it is issued.
///
/// # Errors
/// As [`key_status`].
pub fn issued_key(heard: &Heard<'_>) -> Result<Option<IssuedKey>, GatewayError> {
    if key_status(heard)? != BillingKeyStatus::Issued {
        return Ok(None);
    }
    let wire: WireBillingKey = read(heard)?;
    let channel = |Object(wire): Object<WireChannel>| KeyChannel {
        channel_type: wire.kind.as_deref().and_then(ChannelType::parse),
        key: wire.key,
        pg_provider: wire.pg_provider,
    };
    Ok(Some(IssuedKey {
        customer_id: wire.customer.and_then(|customer| customer.0.id).map(CustomerId),
        channels: wire.channels.unwrap_or_default().into_iter().map(channel).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(status: u16, body: &str) -> Result<Option<IssuedKey>, GatewayError> {
        issued_key(&Heard { status, retry_after: None, body: body.as_bytes(), hide: &["billing-key-1"] })
    }

    #[test]
    fn an_issued_key_has_its_customer_and_its_channels() {
        let found = heard(
            200,
            r#"{"status":"ISSUED","billingKey":"billing-key-1","customer":{"id":"user_1","name":"김"},
                "channels":[{"type":"LIVE","key":"channel-key-1","pgProvider":"TOSSPAYMENTS"},{"type":"NEW"}]}"#,
        );
        let live = KeyChannel {
            key: Some("channel-key-1".to_owned()),
            pg_provider: Some("TOSSPAYMENTS".to_owned()),
            channel_type: Some(ChannelType::Live),
        };
        let unknown = KeyChannel { key: None, pg_provider: None, channel_type: None };
        let key = IssuedKey { customer_id: Some("user_1".into()), channels: vec![live, unknown] };
        assert_eq!(found, Ok(Some(key)));
    }

    #[test]
    fn a_key_without_a_customer_is_nobodys() {
        for customer in ["", r#","customer":null"#, r#","customer":{}"#, r#","customer":{"id":7}"#, r#","customer":[]"#]
        {
            let found = heard(200, &format!(r#"{{"status":"ISSUED"{customer}}}"#)).unwrap().unwrap();
            assert_eq!((found.customer_id, found.channels), (None, vec![]), "{customer}");
        }
    }

    #[test]
    fn a_key_that_is_gone_or_not_told_is_not_issued() {
        assert_eq!(heard(200, r#"{"status":"DELETED","customer":{"id":"user_1"}}"#), Ok(None));
        assert_eq!(heard(404, r#"{"type":"BILLING_KEY_NOT_FOUND"}"#), Ok(None));
        for (status, body) in [(404, "{}"), (500, ""), (200, "<html>"), (200, r#"{"status":"NEW"}"#), (200, "{}")] {
            assert!(heard(status, body).is_err(), "{status} {body}");
        }
        assert!(matches!(heard(401, r#"{"type":"UNAUTHORIZED"}"#), Err(GatewayError::Unauthorized(_))));
    }
}
