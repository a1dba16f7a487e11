//! One question and one answer over HTTP: time limits, size limits, and whether anything can have been sent.
//!
//! What does not live here: no retry of any kind. A repeat is a decision about money, and the engine takes it.

use super::map::http_date;
use super::resolver::Reach;
use super::words::cause;
use super::{Settings, SetupError, install_tls};
use crate::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url};
use secrecy::ExposeSecret;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an idle connection is kept: shorter than what servers and their balancers commonly keep it, so that it is
/// seldom closed just as the next charge is written to it.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How often an idle peer is asked whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// No connection was made: nothing can have arrived.
    NotSent(String),
    /// Anything later: it may have arrived, and may have been done.
    Unclear(String),
}

impl Silence {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::NotSent(why) | Self::Unclear(why) => why,
        }
    }
}

/// An answer, whatever it says.
pub(super) struct Received {
    pub status: u16,
    pub retry_after: Option<String>,
    pub body: Vec<u8>,
}

/// The connection pool with its limits.
pub(super) struct Http {
    client: Client,
    base: Url,
    until_first_byte: Duration,
    until_whole: Duration,
    body_bytes_max: usize,
    clock: Arc<dyn Clock>,
    /// The gateway's clock minus ours, of the last answer that told the time.
    skew: Mutex<Option<TimeDelta>>,
}

impl Http {
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, SetupError> {
        let (base, reach) = base_url(&settings.base_url)?;
        Ok(Self {
            client: client(settings, reach)?,
            base,
            until_first_byte: settings.connect_timeout.saturating_add(settings.first_byte_timeout),
            until_whole: settings.call_timeout,
            body_bytes_max: settings.body_bytes_max,
            clock,
            skew: Mutex::new(None),
        })
    }

    /// The address below the base that these segments name, each percent-encoded.
    pub(super) fn url(&self, segments: &[&str]) -> Result<Url, Silence> {
        let mut url = self.base.clone();
        // "." and ".." would be dropped, and the request would go to another path.
        if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
            return Err(Silence::NotSent("an id that cannot be part of an address".to_owned()));
        }
        match url.path_segments_mut() {
            Ok(mut path) => path.pop_if_empty().extend(segments),
            Err(()) => return Err(Silence::NotSent("the base URL cannot have a path".to_owned())),
        };
        Ok(url)
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.client.get(url)
    }

    /// A POST of JSON under an idempotency key, which the header carries in double quotes.
    pub(super) fn post(&self, url: Url, idempotency_key: &str, body: Vec<u8>) -> RequestBuilder {
        self.client
            .post(url)
            .header("Idempotency-Key", format!("\"{idempotency_key}\""))
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body)
    }

    /// Sends once and reads the answer, within the limits.
    pub(super) async fn exchange(&self, request: RequestBuilder) -> Result<Received, Silence> {
        match tokio::time::timeout(self.until_whole, self.exchange_untimed(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Silence::Unclear(format!("no whole answer within {:?}", self.until_whole))),
        }
    }

    /// The gateway's clock minus ours. Its header counts whole seconds.
    pub(super) fn skew(&self) -> Option<TimeDelta> {
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, by the gateway's clock as far as it is known.
    pub(super) fn gateway_now(&self) -> DateTime<Utc> {
        let now = self.clock.now();
        now.checked_add_signed(self.skew().unwrap_or_default()).unwrap_or(now)
    }

    async fn exchange_untimed(&self, request: RequestBuilder) -> Result<Received, Silence> {
        let response = match tokio::time::timeout(self.until_first_byte, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(err)) if err.is_connect() || err.is_builder() => return Err(Silence::NotSent(cause(err))),
            Ok(Err(err)) => return Err(Silence::Unclear(cause(err))),
            Err(_) => return Err(Silence::Unclear(format!("no answer within {:?}", self.until_first_byte))),
        };
        self.note_time(response.headers());
        let retry_after = header(response.headers(), &RETRY_AFTER);
        Ok(Received { status: response.status().as_u16(), retry_after, body: self.body(response).await? })
    }

    /// The body, chunk by chunk: a body without end costs a bounded amount of memory and closes its connection.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Silence> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > self.body_bytes_max => {
                    return Err(Silence::Unclear(format!("an answer of more than {} bytes", self.body_bytes_max)));
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return Ok(body),
                Err(err) => return Err(Silence::Unclear(cause(err))),
            }
        }
    }

    fn note_time(&self, headers: &HeaderMap) {
        if let Some(date) = header(headers, &DATE).as_deref().and_then(http_date) {
            *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = Some(date - self.clock.now());
        }
    }
}

fn header(headers: &HeaderMap, name: &reqwest::header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The base URL and what it may lead to: https anywhere, plain http on this machine only.
fn base_url(text: &str) -> Result<(Url, Reach), SetupError> {
    let url = Url::parse(text).map_err(|err| SetupError::BaseUrl(err.to_string()))?;
    let refused = |why: &str| Err(SetupError::BaseUrl(why.to_owned()));
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return refused("it must be scheme, host, port and path only");
    }
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>().ok();
    let local = host == "localhost" || address.is_some_and(|one| one.is_loopback());
    let reach = if local { Reach::Loopback } else { Reach::Public };
    match (url.scheme(), address) {
        ("http", _) if !local => refused("http would send the API secret unencrypted; use https"),
        ("http" | "https", Some(address)) if !reach.allows(address) => refused("it leads into a private network"),
        ("http" | "https", _) => Ok((url, reach)),
        _ => refused("it must begin with https://"),
    }
}

fn client(settings: &Settings, reach: Reach) -> Result<Client, SetupError> {
    builder(settings, reach)?.build().map_err(|err| SetupError::Client(cause(err)))
}

/// The client but for the certificates that it trusts beside the machine's.
pub(super) fn builder(settings: &Settings, reach: Reach) -> Result<ClientBuilder, SetupError> {
    install_tls();
    let mut builder = Client::builder()
        .user_agent(concat!("renewd/", env!("CARGO_PKG_VERSION")))
        .default_headers(authorization(settings)?)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(IDLE_MAX)
        .tcp_keepalive(KEEPALIVE)
        .tcp_nodelay(true)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .dns_resolver(reach)
        .tls_version_min(reqwest::tls::Version::TLS_1_2);
    if reach == Reach::Loopback {
        // The simulator must run where no root certificates are installed.
        builder = builder.tls_certs_only([]);
    } else {
        builder = builder.https_only(true);
    }
    Ok(builder)
}

fn authorization(settings: &Settings) -> Result<HeaderMap, SetupError> {
    let text = format!("PortOne {}", settings.api_secret.expose_secret());
    let mut value = HeaderValue::from_str(&text).map_err(|_| SetupError::Secret)?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine() {
        let reach = |text: &str| base_url(text).map(|(_, reach)| reach).map_err(|err| err.to_string());
        assert_eq!(reach("https://api.portone.io"), Ok(Reach::Public));
        assert_eq!(reach("http://127.0.0.1:8080"), Ok(Reach::Loopback));
        assert_eq!(reach("http://[::1]:8080/"), Ok(Reach::Loopback));
        assert_eq!(reach("http://localhost:1"), Ok(Reach::Loopback));
        for bad in [
            "http://api.portone.io",
            "http://127.0.0.1.example.com",
            "https://169.254.169.254",
            "https://10.1.2.3",
            "ftp://api.portone.io",
            "https://user:word@api.portone.io",
            "https://api.portone.io/?a=b",
            "api.portone.io",
            "https://[fd00::1]/",
        ] {
            assert!(reach(bad).is_err(), "{bad}");
        }
    }
}
