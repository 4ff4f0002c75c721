//! The header `Forwarded` (RFC 7239), read from its right end: what stands left of a trusted proxy's word was written by others,
//! and must not change how that word is read.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

use crate::address;

/// What one proxy says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Who asked it; None where it does not say, or hides it.
    pub address: Option<IpAddr>,
    /// By which scheme.
    pub proto: Option<String>,
}

/// What proxies say, the nearest first.
pub fn elements(headers: &HeaderMap) -> impl Iterator<Item = Element> + '_ {
    let lines = headers.get_all(header::FORWARDED).iter().rev();
    lines
        .flat_map(|line| Parts { rest: Some(line.as_bytes()), separator: b',' })
        .filter(|part| !part.is_empty())
        .map(element)
}

/// The parts of a line from its right end, spaces around them left out. What stands between quotation marks is one part; no word
/// that we read has an escaped one in it.
struct Parts<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let line = self.rest.take()?;
        let mut in_quotes = false;
        let place = line.iter().rposition(|byte| {
            in_quotes ^= *byte == b'"';
            *byte == self.separator && !in_quotes
        });
        let (rest, part) = match place {
            Some(place) => (line.get(..place), line.get(place + 1..)),
            None => (None, Some(line)),
        };
        self.rest = rest;
        part.map(<[u8]>::trim_ascii)
    }
}

fn element(part: &[u8]) -> Element {
    let (mut nodes, mut protos) = (Vec::new(), Vec::new());
    for pair in (Parts { rest: Some(part), separator: b';' }) {
        let Some((name, value)) = std::str::from_utf8(pair).ok().and_then(|pair| pair.split_once('=')) else {
            continue;
        };
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        match name {
            name if name.eq_ignore_ascii_case("for") => nodes.push(value),
            name if name.eq_ignore_ascii_case("proto") => protos.push(value),
            _ => {}
        }
    }
    // Each may stand once.
    let address = if let [node] = nodes.as_slice() { address::parse_node(node) } else { None };
    let proto = if let [proto] = protos.as_slice() { Some((*proto).to_owned()) } else { None };
    Element { address, proto }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(lines: &[&'static str]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::FORWARDED, HeaderValue::from_static(line));
        }
        let told = |element: Element| {
            let address = element.address.map_or_else(String::new, |address| address.to_string());
            (address, element.proto.unwrap_or_default())
        };
        elements(&headers).map(told).collect()
    }

    #[test]
    fn the_nearest_proxys_word_comes_first() {
        let table: [(&[&str], &[(&str, &str)]); 12] = [
            (&[], &[]),
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"], &[("192.0.2.60", "http")]),
            (&["For=\"[2001:DB8:cafe::17]:4711\""], &[("2001:db8:cafe::17", "")]),
            (&["for=192.0.2.43, for=198.51.100.17"], &[("198.51.100.17", ""), ("192.0.2.43", "")]),
            (&["for=192.0.2.43", "for=198.51.100.17"], &[("198.51.100.17", ""), ("192.0.2.43", "")]),
            (&["proto=https; for=\"192.0.2.43:47011\" ;host=a"], &[("192.0.2.43", "https")]),
            (&["for=unknown", "for=_SEVKISEK"], &[("", ""), ("", "")]),
            (&["for=192.0.2.43;for=192.0.2.44;proto=http;proto=https"], &[("", "")]),
            (&["for=\"1.2.3.4, for=192.0.2.43"], &[("192.0.2.43", ""), ("", "")]),
            (&["for=\"1.2.3.4, 5.6.7.8\", for=192.0.2.43"], &[("192.0.2.43", ""), ("", "")]),
            (&["for=192.0.2.43;ext=\"a;b,c\""], &[("192.0.2.43", "")]),
            (&[" , for=192.0.2.43 , "], &[("192.0.2.43", "")]),
        ];
        for (lines, expected) in table {
            let found = read(lines);
            let found: Vec<_> = found.iter().map(|(address, proto)| (address.as_str(), proto.as_str())).collect();
            assert_eq!(found, expected, "{lines:?}");
        }
    }
}
