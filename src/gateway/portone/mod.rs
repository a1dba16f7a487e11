//! The client of PortOne V2: our questions as their requests, their answers in our words.
//!
//! | file | what |
//! | --- | --- |
//! | `request.rs` | what is sent, as bytes; pure |
//! | `http.rs` | one exchange within its limits: time, size, no redirects, no proxies, no retries |
//! | `resolver.rs` | which addresses the gateway may have |
//! | `wire.rs` | their JSON |
//! | `map.rs` | their words in ours; pure |
//! | `keys.rs` | the same of billing keys; pure |
//! | `words.rs` | what their texts go through before anybody sees them |

mod http;
pub mod keys;
pub mod map;
pub mod request;
mod resolver;
#[cfg(test)]
mod tests;
mod wire;
mod words;

use self::http::{Http, Received, Silence};
use self::map::Heard;
use super::{
    Answer, BillingKeyStatus, Cancellation, CancellationStatus, Gateway, GatewayError, IssuedKey, PaymentPage,
    PaymentRange, Schedule, ScheduleRange,
};
use crate::clock::Clock;
use crate::domain::charge::{Attempt, BillingKey, FrozenRequest, Order};
use crate::domain::ids::PaymentId;
use crate::domain::payment::LookUp;
use crate::store::Committed;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The address of the real gateway.
pub const BASE_URL: &str = "https://api.portone.io";
/// No text of the gateway's is repeated at greater length, in characters.
pub const TOLD_CHARS_MAX: usize = 256;

/// What the client needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// https, or anything on this machine.
    pub base_url: String,
    pub api_secret: SecretString,
    pub store_id: String,
    /// `PHYSICAL` or `DIGITAL`; KSNET insists on one.
    pub product_type: Option<String>,
    /// For instance `KO_KR`; Eximbay insists on one.
    pub locale: Option<String>,
    /// For name, connection and TLS together.
    pub connect_timeout: Duration,
    /// From the connection to the head of the answer. PortOne asks for at least 60 s.
    pub first_byte_timeout: Duration,
    /// From the beginning to the last byte.
    pub call_timeout: Duration,
    pub body_bytes_max: usize,
}

/// Why a client cannot be built. Each needs a person: a setting is wrong, or the machine lacks something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    #[error("the gateway's base URL is refused: {0}")]
    BaseUrl(String),
    #[error("the API secret holds characters that no header can carry (a line break from its file?)")]
    Secret,
    #[error("the HTTP client cannot be built: {0} (are the system's root certificates installed?)")]
    Client(String),
}

/// Makes ring the process's TLS provider, unless there is one already.
pub fn install_tls() {
    // An error says that a provider is installed already: the aim is reached.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// PortOne V2 over HTTP.
pub struct PortOne {
    http: Http,
    settings: Settings,
}

impl PortOne {
    /// A client; nothing is connected yet.
    ///
    /// # Errors
    /// When a setting is refused, or the machine has no root certificates.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        Ok(Self { http: Http::new(&settings, clock)?, settings })
    }

    async fn send(&self, attempt: &Attempt) -> Answer {
        let refused = |message: String| Answer::Refused { kind: "CHANGED_REQUEST".to_owned(), message };
        let Some(key) = &attempt.billing_key else { return refused("its billing key was deleted".to_owned()) };
        let body = match request::charge_bytes(&attempt.request, key) {
            Ok(body) => body,
            Err(err) => return refused(err.to_string()),
        };
        let id = attempt.renewal.payment_id.as_str();
        let received = match self.http.url(&["payments", id, "billing-key"]) {
            Ok(url) => self.http.exchange(self.http.post(url, &attempt.idempotency_key, body)).await,
            Err(silence) => Err(silence),
        };
        let hide = [self.settings.api_secret.expose_secret(), key.expose()];
        match received {
            Ok(received) => map::charge_answer(&heard(&received, &hide), self.http.gateway_now()),
            Err(Silence::NotSent(why)) => Answer::NotSent { why },
            Err(Silence::Unclear(why)) => Answer::Unclear { why },
        }
    }

    async fn ask_key(&self, key: &BillingKey) -> Result<Received, GatewayError> {
        let query = ("storeId", self.settings.store_id.as_str());
        self.ask(&["billing-keys", key.expose()], query).await.map_err(no_answer)
    }

    /// Asks without effect; `query` is added to the address, percent-encoded.
    async fn ask(&self, segments: &[&str], query: (&str, &str)) -> Result<Received, Silence> {
        let mut url = self.http.url(segments)?;
        url.query_pairs_mut().append_pair(query.0, query.1);
        self.http.exchange(self.http.get(url)).await
    }

    fn secret(&self) -> &str {
        self.settings.api_secret.expose_secret()
    }
}

#[async_trait]
impl Gateway for PortOne {
    fn freeze(&self, order: &Order) -> FrozenRequest {
        let sender = request::Sender {
            store_id: &self.settings.store_id,
            product_type: self.settings.product_type.as_deref(),
            locale: self.settings.locale.as_deref(),
        };
        request::freeze(order, sender)
    }

    async fn charge(&self, attempt: &Committed<Attempt>) -> Answer {
        self.send(attempt.get()).await
    }

    async fn payment(&self, id: &PaymentId) -> LookUp {
        match self.ask(&["payments", id.as_str()], ("storeId", &self.settings.store_id)).await {
            Ok(received) => map::look_up(id.as_str(), &heard(&received, &[self.secret()])),
            Err(silence) => LookUp::Failed(silence.into_text()),
        }
    }

    async fn payments(&self, range: &PaymentRange) -> Result<PaymentPage, GatewayError> {
        let body = request::list_body(range, &self.settings.store_id);
        let received = self.ask(&["payments"], ("requestBody", &body)).await.map_err(no_answer)?;
        map::page(&heard(&received, &[self.secret()]))
    }

    async fn cancel(&self, cancellation: &Cancellation) -> Result<CancellationStatus, GatewayError> {
        let url = self.http.url(&["payments", cancellation.payment_id.as_str(), "cancel"]).map_err(no_answer)?;
        let body = request::cancel_body(cancellation, &self.settings.store_id).into_bytes();
        let request = self.http.post(url, &cancellation.idempotency_key, body);
        let received = self.http.exchange(request).await.map_err(no_answer)?;
        map::cancellation(&heard(&received, &[self.secret()]))
    }

    async fn billing_key(&self, key: &BillingKey) -> Result<BillingKeyStatus, GatewayError> {
        let received = self.ask_key(key).await?;
        keys::key_status(&heard(&received, &[self.secret(), key.expose()]))
    }

    async fn issued_key(&self, key: &BillingKey) -> Result<Option<IssuedKey>, GatewayError> {
        let received = self.ask_key(key).await?;
        keys::issued_key(&heard(&received, &[self.secret(), key.expose()]))
    }

    async fn schedules(&self, range: &ScheduleRange) -> Result<Vec<Schedule>, GatewayError> {
        let body = request::schedules_body(range, &self.settings.store_id);
        let received = self.ask(&["payment-schedules"], ("requestBody", &body)).await.map_err(no_answer)?;
        map::schedules(&heard(&received, &[self.secret(), range.billing_key.expose()]))
    }

    fn clock_skew(&self) -> Option<chrono::Duration> {
        self.http.skew()
    }
}

impl fmt::Debug for PortOne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortOne").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn heard<'a>(received: &'a Received, hide: &'a [&'a str]) -> Heard<'a> {
    Heard { status: received.status, retry_after: received.retry_after.as_deref(), body: &received.body, hide }
}

fn no_answer(silence: Silence) -> GatewayError {
    GatewayError::NoAnswer(silence.into_text())
}
