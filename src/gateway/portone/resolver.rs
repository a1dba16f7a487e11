//! Names to addresses, with one rule: the gateway's name must not lead into the own network.
//!
//! A poisoned or rebound name would send the API secret and the billing keys to whoever answers there.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Which addresses a name may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The gateway: public addresses only.
    Public,
    /// The simulator: this machine only.
    Loopback,
}

impl Reach {
    pub(super) fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Public => is_public(address),
            Self::Loopback => address.is_loopback(),
        }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = *self;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|one| reach.allows(one.ip())).collect();
            if allowed.is_empty() {
                return Err(format!("{host} leads to no address that may be the gateway's (a private network?)").into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6),
        },
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || v4.is_multicast() || shared)
        && a != 0
        && a < 240
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    !(v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unique_local()
        || v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_is_never_in_the_own_network() {
        let inside = [
            "10.0.0.1",
            "172.16.3.4",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fd00::1",
            "fe80::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ];
        for address in inside {
            assert!(!Reach::Public.allows(address.parse().unwrap()), "{address}");
        }
        for address in ["52.78.5.241", "8.8.8.8", "2606:4700::1111", "172.32.0.1", "100.128.0.1"] {
            assert!(Reach::Public.allows(address.parse().unwrap()), "{address}");
            assert!(!Reach::Loopback.allows(address.parse().unwrap()), "{address}");
        }
        assert!(Reach::Loopback.allows("127.0.0.1".parse().unwrap()));
    }

    /// A rebound name: whatever it was called, it leads to this machine now.
    #[tokio::test]
    async fn a_public_name_that_leads_into_the_own_network_has_no_address() {
        let resolve = async |reach: Reach| reach.resolve("localhost".parse().unwrap()).await.map(Iterator::count);
        let refusal = resolve(Reach::Public).await.unwrap_err().to_string();
        assert!(refusal.contains("no address that may be the gateway's"), "{refusal}");
        assert!(resolve(Reach::Loopback).await.unwrap() > 0);
    }
}
