//! Where a request comes from: the client's address, its agent, and a fingerprint of its device.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::App;
use super::server::Encrypted;
use crate::identity::Client;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Characters of an agent that are kept.
const MAX_AGENT: usize = 512;
/// What one device tends to say of itself. A client that keeps a random `X-Device-Id` cannot be mistaken for another.
const DEVICE_HEADERS: [HeaderName; 4] = [
    header::USER_AGENT,
    header::ACCEPT_LANGUAGE,
    HeaderName::from_static("sec-ch-ua-platform"),
    HeaderName::from_static("x-device-id"),
];

pub fn client_of(request: &Request, trusted: &[IpNet]) -> Client {
    let headers = request.headers();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Client {
        ip_address: peer.map(|peer| client_address(peer, headers, trusted).to_string()),
        user_agent: agent
            .map(|agent| agent.chars().filter(|character| !character.is_control()).take(MAX_AGENT).collect()),
        device_fingerprint: Some(fingerprint(headers)),
    }
}

/// Whether the client's connection is encrypted, by what we see or a trusted proxy says.
pub fn is_encrypted(request: &Request, trusted: &[IpNet]) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let by_proxy = peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer)))
        && request.headers().get(FORWARDED_PROTO).is_some_and(|scheme| scheme == "https");
    by_proxy || request.extensions().get::<Encrypted>().is_some()
}

/// Where clients find this server: as configured, or as this one says. None where it names no host.
pub fn base_url(app: &App, request: &Request) -> Option<String> {
    if let Some(url) = &app.options.public_url {
        return Some(url.clone());
    }
    // HTTP/2 has the host in the place of a header.
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri().authority().map(Authority::as_str).or(named)?;
    let host: Authority = host.parse().ok().filter(|host: &Authority| !host.as_str().contains('@'))?;
    let scheme = if is_encrypted(request, &app.options.trusted_proxies) { "https" } else { "http" };
    Some(format!("{scheme}://{host}"))
}

/// How long what names this server may be kept: not at all where a request has said where it is.
pub fn metadata_cache(app: &App) -> HeaderValue {
    HeaderValue::from_static(if app.options.public_url.is_some() { "public, max-age=300" } else { "no-store" })
}

/// The address nearest to us that is no trusted proxy's. What stands left of it was written by the client itself.
fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.to_canonical();
    // Also where a client put bytes into it that are no text: what a proxy has added stands behind them.
    let fields = headers.get_all(FORWARDED_FOR).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let hops = fields.collect::<Vec<_>>().join(",");
    for hop in hops.split(',').rev().filter(|hop| !hop.is_empty()) {
        if !is_trusted(&address) {
            break;
        }
        // A proxy we trust wrote something else than an address: stay with the proxy.
        let Some(next) = hop_address(hop.trim()) else { break };
        address = next.to_canonical();
    }
    address
}

/// An address, with a port behind it or not.
fn hop_address(hop: &str) -> Option<IpAddr> {
    hop.parse().ok().or_else(|| hop.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn fingerprint(headers: &HeaderMap) -> String {
    let mut hash = Sha256::new();
    for name in &DEVICE_HEADERS {
        let value = headers.get(name).map(axum::http::HeaderValue::as_bytes).unwrap_or_default();
        hash.update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(value);
    }
    hash.finalize().iter().take(16).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap()).to_vec();
        // peer, X-Forwarded-For headers -> client
        let table: [(&str, &[&str], &str); 11] = [
            ("203.0.113.9", &[], "203.0.113.9"),
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.2.3.4", "198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.7, 10.0.0.8"], "10.0.0.7"),
            ("10.0.0.1", &["198.51.100.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::ffff:10.0.0.1", &["2001:db8::5"], "2001:db8::5"),
        ];
        for (peer, forwarded, expected) in table {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
            }
            let found = client_address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn devices_differ_by_what_they_say_of_themselves() {
        let headers = |agent: &'static str, language: &'static str| {
            HeaderMap::from_iter([
                (header::USER_AGENT, HeaderValue::from_static(agent)),
                (header::ACCEPT_LANGUAGE, HeaderValue::from_static(language)),
            ])
        };
        assert_eq!(fingerprint(&headers("a", "bc")), fingerprint(&headers("a", "bc")));
        assert_ne!(fingerprint(&headers("a", "bc")), fingerprint(&headers("ab", "c")));
        assert_eq!(fingerprint(&HeaderMap::new()).len(), 32);
    }
}
