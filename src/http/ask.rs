//! Asking a daemon of this machine how it is: what a container's health check does, where there is neither a shell nor a
//! client.

use reqwest::Client;
use reqwest::redirect::Policy;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// More than any answer of these routes has.
const ANSWER_CHARS_MAX: usize = 2_000;

/// What the daemon says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// It says that it is well.
    pub well: bool,
    pub status: u16,
    /// Its own words, cut short.
    pub text: String,
}

/// Why it said nothing.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("there is no client to ask with")]
    Client(#[source] reqwest::Error),
    #[error("nobody answers at {0}")]
    Silent(SocketAddr, #[source] reqwest::Error),
}

/// Asks the daemon that listens on `listen` for `path`.
///
/// # Errors
/// [`AskError`] where it does not answer within the time.
pub async fn ask(listen: SocketAddr, path: &str, within: Duration) -> Result<Told, AskError> {
    let address = reachable(listen);
    let client = Client::builder()
        .timeout(within)
        .no_proxy()
        .redirect(Policy::none())
        // It speaks plain HTTP, and a small container has no root certificates.
        .tls_certs_only([])
        .build()
        .map_err(AskError::Client)?;
    let silent = |error| AskError::Silent(address, error);
    let answer = client.get(format!("http://{address}{path}")).send().await.map_err(silent)?;
    let status = answer.status();
    let text = answer.text().await.map_err(silent)?;
    Ok(Told { well: status.is_success(), status: status.as_u16(), text: text.chars().take(ANSWER_CHARS_MAX).collect() })
}

/// Whoever listens on all addresses is found on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_everywhere_is_asked_here() {
        let asked = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(asked("[::]:8080"), "[::1]:8080");
        assert_eq!(asked("10.0.0.7:80"), "10.0.0.7:80");
    }
}
