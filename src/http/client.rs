//! Where a request comes from: the client's address, its agent, and a fingerprint of its device.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::server::Encrypted;
use super::{App, forwarded};
use crate::address;
use crate::identity::Client;

/// Whose word on where a request comes from is taken, and in which header.
#[derive(Clone, Copy)]
pub struct Believed<'a> {
    pub proxies: &'a [IpNet],
    /// `Forwarded` (RFC 7239), and not `X-Forwarded-For` and `X-Forwarded-Proto`.
    pub reads_forwarded: bool,
}

impl Believed<'_> {
    fn is_trusted(&self, address: &IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }
}

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Sent as `true` with what nobody has asked for at the moment.
pub const BACKGROUND: HeaderName = HeaderName::from_static("x-background");
/// Characters of an agent that are kept.
const MAX_AGENT: usize = 512;
/// What one device tends to say of itself. A client that keeps a random `X-Device-Id` cannot be mistaken for another.
const DEVICE_HEADERS: [HeaderName; 4] = [
    header::USER_AGENT,
    header::ACCEPT_LANGUAGE,
    HeaderName::from_static("sec-ch-ua-platform"),
    HeaderName::from_static("x-device-id"),
];

pub fn client_of(request: &Request, believed: Believed<'_>) -> Client {
    let headers = request.headers();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    Client {
        ip_address: peer.map(|peer| client_address(peer, headers, believed).to_string()),
        user_agent: agent
            .map(|agent| agent.chars().filter(|character| !character.is_control()).take(MAX_AGENT).collect()),
        device_fingerprint: Some(fingerprint(headers)),
        in_background: headers.get(BACKGROUND).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true")),
    }
}

/// Whether the client's connection is encrypted, by what we see or a trusted proxy says.
pub fn is_encrypted(request: &Request, believed: Believed<'_>) -> bool {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let by_proxy = peer.is_some_and(|peer| believed.is_trusted(&peer))
        && scheme_by_proxy(request.headers(), believed).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
    by_proxy || request.extensions().get::<Encrypted>().is_some()
}

/// The scheme that the nearest proxy was asked by, as it says itself: what stands left of it was written by others.
fn scheme_by_proxy(headers: &HeaderMap, believed: Believed<'_>) -> Option<String> {
    if believed.reads_forwarded {
        return forwarded::elements(headers).next()?.proto;
    }
    let last = headers.get_all(FORWARDED_PROTO).iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next().map(|scheme| scheme.trim().to_owned())
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
    let scheme = if is_encrypted(request, app.options.believed()) { "https" } else { "http" };
    Some(format!("{scheme}://{host}"))
}

/// How long what names this server may be kept: not at all where a request has said where it is.
pub fn metadata_cache(app: &App) -> HeaderValue {
    HeaderValue::from_static(if app.options.public_url.is_some() { "public, max-age=300" } else { "no-store" })
}

/// The address nearest to us that is no trusted proxy's. What stands left of it was written by the client itself.
fn client_address(peer: IpAddr, headers: &HeaderMap, believed: Believed<'_>) -> IpAddr {
    let mut address = peer.to_canonical();
    let mut hops: Box<dyn Iterator<Item = Option<IpAddr>>> = if believed.reads_forwarded {
        Box::new(forwarded::elements(headers).map(|element| element.address))
    } else {
        // Also where a client put bytes into it that are no text: what a proxy has added stands behind them.
        let lines =
            headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let hops = lines.map(<[u8]>::trim_ascii).filter(|hop| !hop.is_empty());
        Box::new(hops.map(|hop| std::str::from_utf8(hop).ok().and_then(address::parse_node)))
    };
    while believed.is_trusted(&address) {
        // A proxy we trust wrote something else than an address, or hides it: stay with the proxy.
        let Some(Some(next)) = hops.next() else { break };
        address = next;
    }
    address
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
        // peer, lines of the header -> client
        let table: [(&str, &[&str], &str); 16] = [
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
            ("10.0.0.1", &["[2001:DB8:0:0::7]"], "2001:db8::7"),
            ("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, [::FFFF:10.0.0.2]:80"], "198.51.100.1"),
            ("10.0.0.1", &["fe80::1%eth0"], "fe80::1"),
            ("10.0.0.1", &["198.51.100.1,,"], "198.51.100.1"),
        ];
        let believed = |reads_forwarded| Believed { proxies: &trusted, reads_forwarded };
        for (peer, lines, expected) in table {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(FORWARDED_FOR, HeaderValue::from_static(line));
            }
            let found = client_address(peer.parse().unwrap(), &headers, believed(false));
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
            let found = client_address(peer.parse().unwrap(), &headers, believed(true));
            assert_eq!(found, peer.parse::<IpAddr>().unwrap().to_canonical(), "the other header is not read");
        }
        let table: [(&str, &[&str], &str); 14] = [
            ("203.0.113.9", &["for=198.51.100.1"], "203.0.113.9"),
            ("10.0.0.1", &["for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["For=\"198.51.100.1:80\";proto=https;by=10.0.0.1"], "198.51.100.1"),
            ("10.0.0.1", &["by=10.0.0.1; FOR=\"[2001:DB8:cafe::17]:4711\""], "2001:db8:cafe::17"),
            ("10.0.0.1", &["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17"),
            ("10.0.0.1", &["for=192.0.2.43", "for=198.51.100.17, for=10.0.0.2"], "198.51.100.17"),
            ("10.0.0.1", &["for=198.51.100.1, for=unknown"], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1, for=_hidden"], "10.0.0.1"),
            ("10.0.0.1", &["for=198.51.100.1, proto=https"], "10.0.0.1"),
            ("10.0.0.1", &["for=\"198.51.100.1:_port\""], "198.51.100.1"),
            // What a client wrote before it swallows nothing that a proxy has added.
            ("10.0.0.1", &["for=\"1.2.3.4, for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["for=\"\\, for=198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["for=1.2.3.4;for=198.51.100.1"], "10.0.0.1"),
            ("10.0.0.1", &["for=\"1.2.3.4, 5.6.7.8\", for=\"[::ffff:198.51.100.1]\""], "198.51.100.1"),
        ];
        for (peer, lines, expected) in table {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::FORWARDED, HeaderValue::from_static(line));
            }
            let found = client_address(peer.parse().unwrap(), &headers, believed(true));
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
            let found = client_address(peer.parse().unwrap(), &headers, believed(false));
            assert_eq!(found, peer.parse::<IpAddr>().unwrap(), "the other header is not read");
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
