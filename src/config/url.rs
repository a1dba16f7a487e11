//! Addresses: of the gateway, which must be safe to send a secret to, and of the database, which contains one.

use std::fmt;
use std::net::Ipv4Addr;

use reqwest::Url;
use serde::de::{Deserialize, Deserializer, Error as _};

use super::secret::{MASK, Secret};

/// Where the gateway answers: https, or http on a loopback host, without credentials, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Without the slash at the end, so that `/payments` can be put behind it.
    text: String,
    loopback: bool,
}

impl BaseUrl {
    /// Reads an address. The error says what is accepted, and never repeats `text`: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected an address such as \"https://api.portone.io\"";
        let url = Url::parse(text).map_err(|_| EXPECTED)?;
        let host = url.host_str().ok_or(EXPECTED)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let loopback = is_loopback(host);
        if !(url.username().is_empty() && url.password().is_none()) {
            return Err("expected an address without a user or password in it");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("expected an address without ? or # in it");
        }
        match url.scheme() {
            "https" if is_link_local(host) => Err("link-local addresses are refused: they are a cloud's own services"),
            "https" => Ok(()),
            "http" if loopback => Ok(()),
            // The API secret travels in a header of every call.
            "http" => {
                Err("http is refused except on a loopback host, since it would send the API secret readable: use https")
            }
            _ => Err(EXPECTED),
        }?;
        Ok(Self { text: url.as_str().trim_end_matches('/').to_owned(), loopback })
    }

    /// The address, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the host is this machine: a simulator, never the real gateway.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for BaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Where a hook takes messages: https, or http on a loopback host. Whoever knows the address may write there, so it is
/// a secret as a whole.
#[derive(Clone)]
pub struct HookUrl(Secret);

impl HookUrl {
    /// Reads an address. The error says what is accepted, and never repeats `text`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected an address such as \"https://example.com/hook\"";
        let url = Url::parse(text).map_err(|_| EXPECTED)?;
        let host = url.host_str().ok_or(EXPECTED)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match url.scheme() {
            "https" if is_link_local(host) => Err("link-local addresses are refused: they are a cloud's own services"),
            "https" => Ok(Self(Secret::new(text))),
            "http" if is_loopback(host) => Ok(Self(Secret::new(text))),
            "http" => {
                Err("http is refused except on a loopback host, since anybody on the way could read it: use https")
            }
            _ => Err(EXPECTED),
        }
    }

    /// The whole address, for the one place that connects.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Host and port: the part that is no secret.
    pub fn host_and_port(&self) -> (String, u16) {
        let url = Url::parse(self.expose()).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        let port = url.as_ref().and_then(Url::port_or_known_default).unwrap_or_default();
        (host.trim_start_matches('[').trim_end_matches(']').to_owned(), port)
    }
}

impl fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for HookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Where spans are collected. http does wherever the collector is: spans hold no secret, and whoever gives the collector a key
/// of its own picks https.
///
/// An address that cannot be used is kept with what is wrong with it: the variable it comes from belongs to the whole
/// platform, and spans are worth no renewal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectorUrl(Result<String, &'static str>);

impl CollectorUrl {
    /// Reads an address.
    pub fn read(text: &str) -> Self {
        Self(Self::parse(text))
    }

    fn parse(text: &str) -> Result<String, &'static str> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or("expected a collector's address such as \"http://localhost:4318\"")?;
        let is_plain = url.username().is_empty() && url.password().is_none();
        if !is_plain || url.query().is_some() || url.fragment().is_some() {
            return Err("expected an address without a user, password, ? or # in it: \
                        a collector's key goes into OTEL_EXPORTER_OTLP_HEADERS");
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    /// The address, without a slash at its end, so that `/v1/traces` can be put behind it.
    ///
    /// # Errors
    /// What is accepted. It never repeats what was given, which may hold a password.
    pub fn address(&self) -> Result<&str, &'static str> {
        self.0.as_deref().map_err(|why| *why)
    }
}

impl<'de> Deserialize<'de> for CollectorUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(&String::deserialize(deserializer)?))
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host == "::1" || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// 169.254.0.0/16 and fe80::/10, and the former written as IPv6: metadata services answer there.
fn is_link_local(host: &str) -> bool {
    match host.parse() {
        Ok(std::net::IpAddr::V4(ip)) => ip.is_link_local(),
        Ok(std::net::IpAddr::V6(ip)) => {
            ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_link_local())
        }
        Err(_) => false,
    }
}

/// Which kind of database an address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// One machine: a file, or memory.
    Sqlite,
    /// Production.
    Postgres,
}

/// Where the database is. Usually holds a password, so it prints with that masked.
#[derive(Clone)]
pub struct DatabaseUrl {
    kind: DatabaseKind,
    url: Secret,
}

impl DatabaseUrl {
    /// Reads an address. The error says what is accepted, and never repeats `text`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "expected an address that begins with sqlite:// or postgres://";
        let kind = match text.split_once(':').ok_or(EXPECTED)?.0 {
            "sqlite" => DatabaseKind::Sqlite,
            "postgres" | "postgresql" => DatabaseKind::Postgres,
            _ => return Err(EXPECTED),
        };
        if kind == DatabaseKind::Postgres && Url::parse(text).is_err() {
            return Err(
                "not a valid address: expected postgres://user:password@host/database, special characters of the password written as %XX",
            );
        }
        Ok(Self { kind, url: Secret::new(text) })
    }

    /// SQLite or PostgreSQL.
    pub fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The whole address, password included, for the one place that connects.
    pub fn expose(&self) -> &str {
        self.url.expose()
    }

    /// The address with every password in it masked, for people.
    pub fn masked(&self) -> String {
        mask(self.url.expose())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl<'de> Deserialize<'de> for DatabaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// `text` without its passwords; what cannot be understood is masked whole.
pub(super) fn mask(text: &str) -> String {
    if text.starts_with("sqlite:") {
        return text.to_owned();
    }
    let Ok(mut url) = Url::parse(text) else {
        return MASK.to_owned();
    };
    // An unescaped / ? or @ in a password moves the rest of it out of the place where passwords are.
    let strayed = [Some(url.path()), url.query(), url.fragment()].iter().flatten().any(|part| part.contains('@'));
    if strayed || url.cannot_be_a_base() || !url.has_host() {
        return format!("{}://{MASK}", url.scheme());
    }
    if url.password().is_some() && url.set_password(Some(MASK)).is_err() {
        return format!("{}://{MASK}", url.scheme());
    }
    mask_query(&mut url);
    url.to_string()
}

/// Masks `?password=…`, which PostgreSQL's drivers take too.
fn mask_query(url: &mut Url) {
    let is_secret = |name: &str| name.to_ascii_lowercase().contains("pass");
    if !url.query_pairs().any(|(name, _)| is_secret(&name)) {
        return;
    }
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(name, value)| {
            let shown = if is_secret(&name) { MASK.to_owned() } else { value.into_owned() };
            (name.into_owned(), shown)
        })
        .collect();
    url.query_pairs_mut().clear().extend_pairs(pairs);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_loopback_hosts_only() {
        for good in [
            "https://api.portone.io",
            "http://127.0.0.1:8080",
            "http://127.8.9.1",
            "http://localhost:1/base",
            "http://[::1]:9",
        ] {
            assert!(BaseUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.portone.io",
            "http://127.0.0.1.example.com",
            "http://0.0.0.0",
            "http://10.0.0.1",
            "http://[::2]",
        ] {
            assert!(BaseUrl::parse(bad).unwrap_err().contains("http is refused"), "{bad}");
        }
    }

    #[test]
    fn addresses_that_could_leak_or_reach_a_clouds_own_services_are_refused() {
        for bad in [
            "https://user:pw@api.portone.io",
            "https://api.portone.io/?x=1",
            "https://api.portone.io/#x",
            "https://169.254.169.254",
            "https://[fe80::1]",
            "https://[::ffff:169.254.169.254]",
            "ftp://api.portone.io",
            "api.portone.io",
            "",
        ] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hook_is_told_over_https_or_on_this_machine_and_never_printed() {
        for good in ["https://hooks.slack.com/services/T/B/x", "http://127.0.0.1:8080/hook", "https://10.1.2.3/events"]
        {
            let hook = HookUrl::parse(good).unwrap();
            assert_eq!((hook.expose(), format!("{hook:?}").as_str()), (good, MASK));
            assert!(!hook.host_and_port().0.is_empty() && hook.host_and_port().1 > 0, "{good}");
        }
        let place = |text| HookUrl::parse(text).unwrap().host_and_port();
        assert_eq!(place("https://hooks.slack.com/services/secret"), ("hooks.slack.com".to_owned(), 443));
        assert_eq!(place("http://[::1]:8080/secret"), ("::1".to_owned(), 8080));
        for bad in ["http://10.1.2.3/events", "https://169.254.169.254/", "ftp://x", "canary", ""] {
            assert!(!HookUrl::parse(bad).unwrap_err().contains("canary"), "{bad}");
        }
    }

    #[test]
    fn a_collector_is_anywhere_and_has_no_key_in_its_address() {
        let read = |text| CollectorUrl::read(text).address().map(str::to_owned);
        assert_eq!(read("http://collector:4318/").as_deref(), Ok("http://collector:4318"));
        assert_eq!(read("https://otel.example/base").as_deref(), Ok("https://otel.example/base"));
        for bad in
            ["https://u:canary@h", "https://canary@h", "https://h/?key=canary", "h:4317", "grpc://h", "canary", ""]
        {
            assert!(!read(bad).unwrap_err().contains("canary"), "{bad}");
        }
    }

    #[test]
    fn the_base_has_no_slash_at_its_end() {
        assert_eq!(BaseUrl::parse("https://api.portone.io/").unwrap().as_str(), "https://api.portone.io");
        assert_eq!(BaseUrl::parse("http://localhost:1/v2/").unwrap().to_string(), "http://localhost:1/v2");
    }

    #[test]
    fn the_scheme_picks_the_database() {
        let kind = |text| DatabaseUrl::parse(text).map(|url| url.kind());
        assert_eq!(kind("sqlite://renewd.db"), Ok(DatabaseKind::Sqlite));
        assert_eq!(kind("sqlite::memory:"), Ok(DatabaseKind::Sqlite));
        assert_eq!(kind("postgres://h/db"), Ok(DatabaseKind::Postgres));
        assert_eq!(kind("postgresql:///db?host=/run/pg"), Ok(DatabaseKind::Postgres));
        for bad in ["mysql://h/db", "renewd.db", "", "postgres://u:p@h:port/db"] {
            assert!(kind(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_password_survives_the_mask() {
        for (text, masked) in [
            ("postgres://u:hunter2@h:5432/db?sslmode=require", "postgres://u:***@h:5432/db?sslmode=require"),
            ("postgres://h/db?user=u&password=hunter2", "postgres://h/db?user=u&password=***"),
            ("postgres://u@h/db", "postgres://u@h/db"),
            ("postgres://u:a@b?hunter2@h/db", "postgres://***"),
            ("postgres://u:a#hunter2@h/db", "***"),
            ("postgres://u:1/hunter2@h/db", "postgres://***"),
            ("hunter2", "***"),
            ("sqlite://renewd.db", "sqlite://renewd.db"),
        ] {
            assert_eq!(mask(text), masked, "{text}");
        }
        let url = DatabaseUrl::parse("postgres://u:hunter2@h/db").unwrap();
        assert_eq!(format!("{url} {url:?}"), "postgres://u:***@h/db postgres://u:***@h/db");
        assert_eq!(url.expose(), "postgres://u:hunter2@h/db");
    }
}
