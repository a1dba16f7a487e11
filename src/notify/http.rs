//! One POST of JSON: time limits, size limits, no redirects, no proxies, no retries.
//!
//! The address of a hook is often the only secret it has: it stands in no text that leaves this file.

use crate::domain::delivery::Reply;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret, SecretString};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long an idle connection is kept.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// No text of another party's is repeated at greater length, in characters.
const TOLD_CHARS_MAX: usize = 200;
/// How long the rest of a good answer is waited for.
const DRAIN_MAX: Duration = Duration::from_millis(500);
/// Nothing of an answer is needed but its head; so much of a body is looked at for the reason of a refusal, in bytes.
const BODY_BYTES_MAX: usize = 4_096;

/// The limits of one POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// From the beginning to the head of the answer.
    pub timeout: Duration,
}

/// Why a sink cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    #[error("its address is refused: {0}")]
    Address(&'static str),
    #[error("its signing secret is refused: {0}")]
    Secret(#[from] crate::webhook::signature::BadSecret),
    #[error("the HTTP client cannot be built: {0} (are the system's root certificates installed?)")]
    Client(String),
}

/// Where messages are posted to.
pub(super) struct Http {
    client: Client,
    url: Url,
    timeout: Duration,
}

/// A final answer, as a sink reads it.
pub(super) struct Answer {
    pub status: u16,
    pub retry_after: Option<Duration>,
    /// The beginning of the body, on one line, without the address.
    pub said: String,
}

impl Http {
    pub(super) fn new(address: &SecretString, limits: HttpLimits) -> Result<Self, SetupError> {
        let url = Url::parse(address.expose_secret()).map_err(|_| SetupError::Address("it is no address"))?;
        let reach = reach(&url)?;
        // The provider that the whole process uses; the error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("renewd/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.timeout)
            .pool_idle_timeout(IDLE_MAX)
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .dns_resolver(reach)
            .tls_version_min(reqwest::tls::Version::TLS_1_2);
        builder = match reach {
            // Tests must run where no root certificates are installed.
            Reach::Loopback => builder.tls_certs_only([]),
            Reach::Elsewhere => builder.https_only(true),
        };
        let client = builder.build().map_err(|err| SetupError::Client(cause(err)))?;
        Ok(Self { client, url, timeout: limits.timeout })
    }

    /// Posts once. `Err` says why there is no answer.
    pub(super) async fn post(&self, headers: HeaderMap, body: Vec<u8>) -> Result<Answer, String> {
        let request = self.client.post(self.url.clone()).headers(headers).header(CONTENT_TYPE, "application/json");
        let exchange = async {
            let response = request.body(body).send().await.map_err(cause)?;
            let retry_after = retry_after(response.headers());
            let status = response.status().as_u16();
            if response.status().is_success() {
                // Taken, whatever follows; a short body is read away, so that the connection can be used again.
                let _ = tokio::time::timeout(DRAIN_MAX, self.beginning(response)).await;
                return Ok(Answer { status, retry_after, said: String::new() });
            }
            Ok(Answer { status, retry_after, said: self.beginning(response).await })
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {:?}", self.timeout)),
        }
    }

    /// The beginning of a body, chunk by chunk: one without end costs a bounded amount of memory.
    async fn beginning(&self, mut response: Response) -> String {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(BODY_BYTES_MAX - body.len())]);
            if body.len() >= BODY_BYTES_MAX {
                break;
            }
        }
        // An echoing server would give the address away.
        let mut text = String::from_utf8_lossy(&body).into_owned();
        for part in [self.url.as_str(), self.url.path()].into_iter().filter(|part| part.len() > 1) {
            text = text.replace(part, "***");
        }
        told(&text)
    }
}

impl Answer {
    /// The answer as it counts for most: taken with 2xx, and anything else may be mended at the other end.
    pub(super) fn reply(self) -> Reply {
        if (200..300).contains(&self.status) {
            return Reply::Taken;
        }
        Reply::Failed { why: self.why(), retry_after: self.retry_after }
    }

    /// The same where some answers are final: this message is not understood there, and never will be.
    pub(super) fn reply_with_final(self, finals: &[u16]) -> Reply {
        if finals.contains(&self.status) { Reply::Refused { why: self.why() } } else { self.reply() }
    }

    fn why(&self) -> String {
        let redirect = if (300..400).contains(&self.status) { " (redirects are not followed)" } else { "" };
        let said = if self.said.is_empty() { String::new() } else { format!(": {}", self.said) };
        format!("answered {}{redirect}{said}", self.status)
    }
}

/// What there is no answer for may work later.
pub(super) fn no_answer(why: String) -> Reply {
    Reply::Failed { why, retry_after: None }
}

/// Seconds only: a date would need a clock, and the backoff serves as well.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Which addresses a name may have. The own network is allowed, since the API service is commonly there; what is refused
/// are the places that nobody means: a cloud's own services, and this machine under another name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Elsewhere,
    Loopback,
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self {
            Self::Loopback => address.is_loopback(),
            Self::Elsewhere => {
                let is_local = match address {
                    IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
                    IpAddr::V6(v6) => v6.is_unicast_link_local(),
                };
                !(is_local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
            }
        }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|one| reach.allows(one.ip())).collect();
            if allowed.is_empty() {
                return Err(
                    "its name leads to no address that may be told anything (this machine, or a cloud's own services?)"
                        .into(),
                );
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// https anywhere, plain http on this machine only.
fn reach(url: &Url) -> Result<Reach, SetupError> {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let address: Option<IpAddr> = host.parse().ok();
    let is_local = host == "localhost" || address.is_some_and(|one| one.is_loopback());
    let reach = if is_local { Reach::Loopback } else { Reach::Elsewhere };
    match (url.scheme(), address) {
        ("http", _) if !is_local => Err(SetupError::Address("http is for this machine only; use https")),
        ("http" | "https", Some(address)) if !reach.allows(address) => {
            Err(SetupError::Address("it leads to a cloud's own services, or to nobody"))
        }
        ("http" | "https", _) => Ok(reach),
        _ => Err(SetupError::Address("it must begin with https://")),
    }
}

/// The chain of an error's causes, without the address that was called.
fn cause(err: reqwest::Error) -> String {
    use std::error::Error;
    let err = err.without_url();
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text.push_str(": ");
        text.push_str(&err.to_string());
        source = err.source();
    }
    told(&text)
}

/// On one line, printable, and not too long.
fn told(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let line: String = text.chars().map(|c| if is_odd(c) { ' ' } else { c }).take(TOLD_CHARS_MAX).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_http_on_this_machine_and_never_a_clouds_own_services() {
        let seen = |text: &str| reach(&Url::parse(text).unwrap()).ok();
        for elsewhere in ["https://hooks.slack.com/services/x", "https://10.1.2.3/hook", "https://api.internal"] {
            assert_eq!(seen(elsewhere), Some(Reach::Elsewhere), "{elsewhere}");
        }
        for local in ["http://127.0.0.1:1/x", "http://localhost:1", "https://[::1]/"] {
            assert_eq!(seen(local), Some(Reach::Loopback), "{local}");
        }
        for bad in [
            "http://api.internal",
            "http://10.1.2.3",
            "https://169.254.169.254/latest",
            "https://[fe80::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://0.0.0.0",
            "ftp://example.com",
        ] {
            assert_eq!(seen(bad), None, "{bad}");
        }
    }

    /// A rebound name: whatever it was called, it leads to this machine now.
    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_told_nothing() {
        let resolve = async |reach: Reach| reach.resolve("localhost".parse().unwrap()).await.map(Iterator::count);
        assert!(resolve(Reach::Elsewhere).await.unwrap_err().to_string().contains("no address"));
        assert!(resolve(Reach::Loopback).await.unwrap() > 0);
    }

    #[test]
    fn an_answer_is_taken_or_may_be_mended_or_is_final() {
        let answer = |status| Answer { status, retry_after: None, said: "x".to_owned() };
        assert_eq!(answer(204).reply(), Reply::Taken);
        assert_eq!(answer(400).reply(), Reply::Failed { why: "answered 400: x".to_owned(), retry_after: None });
        assert_eq!(answer(400).reply_with_final(&[400]), Reply::Refused { why: "answered 400: x".to_owned() });
        let Reply::Failed { why, .. } = answer(307).reply_with_final(&[400]) else { panic!() };
        assert_eq!(why, "answered 307 (redirects are not followed): x");
    }

    #[test]
    fn what_others_say_is_one_short_line() {
        assert_eq!(told("a\nb\u{202e}c"), "a b c");
        assert_eq!(told(&"x".repeat(999)).len(), TOLD_CHARS_MAX);
    }
}
