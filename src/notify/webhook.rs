//! The API service, by the Standard Webhooks convention: `webhook-id` is the event's id and the same on every try,
//! `webhook-timestamp` is the time of the try, `webhook-signature` is over both and the body's bytes.

use super::http::{Http, HttpLimits, SetupError, no_answer};
use super::{Message, Sink};
use crate::domain::delivery::{Reply, SinkName, Told};
use crate::domain::event::EventKind;
use crate::domain::pay_link::PayLinks;
use crate::webhook::signature::{ID, SIGNATURE, Secrets, TIMESTAMP};
use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

/// Posts events to one address.
pub struct WebhookSink {
    http: Http,
    secrets: Secrets,
    links: Option<PayLinks>,
}

impl WebhookSink {
    /// `secrets` is one `whsec_…`, or two with a comma between while one is being replaced: then both sign.
    ///
    /// # Errors
    /// [`SetupError`] for an address or a secret that is refused.
    pub fn new(
        url: &SecretString,
        secrets: &SecretString,
        links: Option<PayLinks>,
        limits: HttpLimits,
    ) -> Result<Self, SetupError> {
        Ok(Self { http: Http::new(url, limits)?, secrets: Secrets::parse(secrets.expose_secret())?, links })
    }

    fn headers(&self, message: &Message<'_>, body: &[u8]) -> HeaderMap {
        let (id, at) = (message.event.id.to_string(), message.at.timestamp());
        let signature = self.secrets.sign(&id, message.at, body);
        let pairs = [(ID, id), (TIMESTAMP, at.to_string()), (SIGNATURE, signature)];
        // All three are printable by how they are made.
        let header = |(name, value): (&'static str, String)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
        };
        pairs.into_iter().filter_map(header).collect()
    }
}

/// What is posted: the type, when it happened, and what about.
fn body(message: &Message<'_>, links: Option<&PayLinks>) -> Vec<u8> {
    let event = message.event;
    let mut data = match &event.payload {
        serde_json::Value::Object(fields) => fields.clone(),
        _ => serde_json::Map::new(),
    };
    data.insert("subscription_id".to_owned(), json!(event.subscription_id));
    data.insert("renewal_id".to_owned(), json!(event.renewal_id));
    if let Some(url) = links.and_then(|links| pay_url(event, links)) {
        data.insert("pay_url".to_owned(), json!(url));
    }
    json!({ "id": event.id, "type": event.kind, "timestamp": event.created_at, "data": data }).to_string().into_bytes()
}

/// Where its customer gives a new card, of an event that asks for one. Only the API service gets it, and it stands in no
/// table: whoever has it may give a card. Counted from the event, so that every try says the same.
fn pay_url(event: &Told, links: &PayLinks) -> Option<String> {
    let asks = matches!(event.known_kind()?, EventKind::RenewalDeclined | EventKind::BillingKeyMissing);
    let subscription = event.subscription_id.as_ref().filter(|_| asks)?;
    Some(links.url(subscription, event.created_at))
}

#[async_trait]
impl Sink for WebhookSink {
    fn name(&self) -> SinkName {
        SinkName::Webhook
    }

    async fn send(&self, message: &Message<'_>) -> Reply {
        let body = body(message, self.links.as_ref());
        match self.http.post(self.headers(message, &body), body).await {
            Ok(answer) => answer.reply(),
            Err(why) => no_answer(why),
        }
    }
}
