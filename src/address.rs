//! Network addresses as people and proxies write them, read in one place into one form: what is the same address is equal, and
//! what is none is nothing. As a text ([`IpAddr`]'s own) it is the form of RFC 5952.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// An address in any form of RFC 4291, which zones (RFC 4007) are left off. One of IPv4 that is written as one of IPv6 is that
/// of IPv4.
pub fn parse(text: &str) -> Option<IpAddr> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
    let address: IpAddr = address.parse().ok()?;
    let fits = match zone {
        // `%25` is how a URL writes it (RFC 6874).
        Some(zone) => {
            address.is_ipv6() && is_zone(zone.strip_prefix("25").filter(|rest| !rest.is_empty()).unwrap_or(zone))
        }
        None => true,
    };
    fits.then(|| address.to_canonical())
}

fn is_zone(zone: &str) -> bool {
    !zone.is_empty()
        && zone.len() <= 64
        && zone.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte))
}

/// A network, or an address as the network of itself alone.
pub fn parse_network(text: &str) -> Option<IpNet> {
    let Some((address, length)) = text.split_once('/') else { return parse(text).map(IpNet::from) };
    let written: IpNet = format!("{address}/{length}").parse().ok()?;
    // All of a network within those of IPv4 that are written as IPv6.
    match (written.addr().to_canonical(), written.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(length)) if written.addr().is_ipv6() => {
            Ipv4Net::new(address, length).ok().map(IpNet::from)
        }
        _ => Some(written),
    }
}

/// Where a request came from, as proxies write it in `X-Forwarded-For` and, without its quotation marks, in `Forwarded` (RFC
/// 7239, section 6): an address with a port or without, in brackets or not. None where it says no address: `unknown`, and names
/// that hide one (`_gateway`).
pub fn parse_node(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return parse(address).filter(|_| fits && address.contains(':'));
    }
    match text.rsplit_once(':') {
        // More colons than one are an address of IPv6 without a port.
        Some((address, port)) if !address.contains(':') => parse(address).filter(|_| is_port(port)),
        _ => parse(text),
    }
}

/// A number, or a name that hides one.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(name) => {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(address: Option<IpAddr>) -> String {
        address.map_or("none".to_owned(), |address| address.to_string())
    }

    #[test]
    fn every_form_of_an_address_is_one_address() {
        for (written, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:C000:0201", "192.0.2.1"),
            ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1%eth0", "192.0.2.1"),
            ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
            ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
            ("2001:db8::0:1", "2001:db8::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("::", "::"),
            ("::1", "::1"),
            ("::192.0.2.1", "::c000:201"),
            ("fe80::1%eth0", "fe80::1"),
            ("fe80::1%25eth0", "fe80::1"),
            ("fe80::1%25", "fe80::1"),
        ] {
            assert_eq!(text(parse(written)), expected, "{written}");
        }
        for none in [
            "",
            " ",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "01.2.3.4",
            "0x1.2.3.4",
            "16909060",
            "1.2.3.4 ",
            " 1.2.3.4",
            "1.2.3.4/32",
            "1.2.3.4%eth0",
            "1.2.3.4:80",
            "[::1]",
            "::1%",
            "::1%a/b",
            ":::",
            "1::2::3",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "12345::",
            "g::",
            "localhost",
            "unknown",
            "１.2.3.4",
            "1.2.3.4\0",
        ] {
            assert_eq!(parse(none), None, "{none:?}");
        }
    }

    #[test]
    fn nodes_as_proxies_write_them() {
        for (written, expected) in [
            ("192.0.2.43", "192.0.2.43"),
            ("192.0.2.43:47011", "192.0.2.43"),
            ("192.0.2.43:_hidden", "192.0.2.43"),
            ("[2001:db8:cafe::17]:4711", "2001:db8:cafe::17"),
            ("[2001:DB8:cafe::17]", "2001:db8:cafe::17"),
            ("[2001:db8:cafe::17]:_p", "2001:db8:cafe::17"),
            ("[::ffff:192.0.2.43]:80", "192.0.2.43"),
            ("[fe80::1%eth0]:80", "fe80::1"),
            ("2001:db8:cafe::17", "2001:db8:cafe::17"),
            ("::ffff:192.0.2.43", "192.0.2.43"),
            ("unknown", "none"),
            ("_gateway", "none"),
            ("_1.2.3.4", "none"),
            ("unknown:80", "none"),
            ("192.0.2.43:", "none"),
            ("192.0.2.43:65536", "none"),
            ("192.0.2.43:+80", "none"),
            ("192.0.2.43:_", "none"),
            ("192.0.2.43:port", "none"),
            ("[192.0.2.43]", "none"),
            ("[::1", "none"),
            ("[::1]80", "none"),
            ("[::1]:", "none"),
            ("::1]", "none"),
            ("[]", "none"),
            ("", "none"),
        ] {
            assert_eq!(text(parse_node(written)), expected, "{written}");
        }
    }

    #[test]
    fn networks_are_of_the_family_that_addresses_are_of() {
        for (written, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::ffff:10.0.0.0/90", "::ffff:10.0.0.0/90"),
        ] {
            assert_eq!(
                parse_network(written).map(|network| network.to_string()),
                Some(expected.to_owned()),
                "{written}"
            );
        }
        for none in ["", "10.0.0.0/33", "10.0.0.0/", "ten", "10.0.0.0/8/8", "::1%eth0/64", "1.2.3/8"] {
            assert_eq!(parse_network(none), None, "{none}");
        }
    }
}
