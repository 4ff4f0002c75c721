//! Single values: secrets, numbers within bounds, durations, addresses. Each refuses with what it would have taken.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::time::Duration;

use ipnet::IpNet;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::address::parse_network;

/// Text that must not be seen: it prints as `***` and its memory is cleared when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// A whole number from `LEAST` to `MOST`.
pub(super) fn whole<'de, const LEAST: u64, const MOST: u64, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    from_text(deserializer, format!("a whole number from {LEAST} to {MOST}"), |text| {
        digits(text).filter(|number| (LEAST..=MOST).contains(number)).and_then(|number| T::try_from(number).ok())
    })
}

/// The same where nothing may stand too.
pub(super) fn whole_or_none<'de, const LEAST: u64, const MOST: u64, T, D>(
    deserializer: D,
) -> Result<Option<T>, D::Error>
where
    T: TryFrom<u64>,
    D: Deserializer<'de>,
{
    struct Whole<const LEAST: u64, const MOST: u64>(u64);

    impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Whole<LEAST, MOST> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            whole::<LEAST, MOST, u64, D>(deserializer).map(Self)
        }
    }

    let number = Option::<Whole<LEAST, MOST>>::deserialize(deserializer)?;
    Ok(number.and_then(|Whole(number)| T::try_from(number).ok()))
}

/// A length of time: `90s`, `15m`, `12h`, `7d`, or a bare number of seconds.
pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let expected = "a length of time such as 90s, 15m, 12h, 7d or a bare number of seconds, \
                    more than zero and at most 3650d";
    from_text(deserializer, expected, parse_duration)
}

/// The same where nothing may stand too.
pub(super) fn duration_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    struct Length(Duration);

    impl<'de> Deserialize<'de> for Length {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            duration(deserializer).map(Self)
        }
    }

    Ok(Option::<Length>::deserialize(deserializer)?.map(|Length(length)| length))
}

fn parse_duration(text: &str) -> Option<Duration> {
    // Far beyond any use, and small enough that no date it is added to overflows.
    const LONGEST: u64 = 3650 * 86_400;
    let (count, unit) = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)]
        .into_iter()
        .find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, unit)))
        .unwrap_or((text, 1));
    let seconds = digits(count)?.checked_mul(unit)?;
    (1..=LONGEST).contains(&seconds).then(|| Duration::from_secs(seconds))
}

/// Digits and nothing else; Rust's own parser also takes a plus sign.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `host:port`; the host may be a name, an address, or an IPv6 address in brackets.
pub(super) fn listen_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    from_text(deserializer, "host:port such as 127.0.0.1:8000 or [::1]:8000", |text| {
        let (host, port) = text.rsplit_once(':')?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let good_host = match bracketed {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty() && !host.contains([':', '/', '[', ']', '@']) && !host.contains(char::is_whitespace)
            }
        };
        let good_port = digits(port).is_some_and(|port| port <= 65_535);
        (good_host && good_port).then(|| text.to_owned())
    })
}

pub(super) fn listen_address_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Address(String);

    impl<'de> Deserialize<'de> for Address {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            listen_address(deserializer).map(Self)
        }
    }

    Ok(Option::<Address>::deserialize(deserializer)?.map(|Address(address)| address))
}

/// A value as an error may show it: not too long, and no URL, because those carry passwords.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.contains("://") {
        "a URL".to_owned()
    } else if text.chars().count() > LONGEST {
        format!("{:?}...", text.chars().take(LONGEST).collect::<String>())
    } else {
        format!("{text:?}")
    }
}

/// Networks; a bare address is a network of its own.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let items = Vec::<String>::deserialize(deserializer)?;
    let read = |item: &String| {
        parse_network(item).ok_or_else(|| {
            let found = quoted(item);
            D::Error::custom(format!("addresses and networks such as 10.0.0.0/8, 127.0.0.1; {found} is neither"))
        })
    };
    items.iter().map(read).collect()
}

/// What browsers send as `Origin`: a scheme and a host, perhaps a port, and nothing after it.
pub(super) fn origins<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let items = Vec::<String>::deserialize(deserializer)?;
    match items.iter().find(|item| !is_origin(item)) {
        Some(wrong) => Err(D::Error::custom(format!(
            "origins such as https://admin.example.com, without a path; {wrong:?} is none"
        ))),
        None => Ok(items),
    }
}

/// One such origin, where something stands.
pub(super) fn origin_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    match Option::<String>::deserialize(deserializer)? {
        Some(text) if !is_origin(&text) => {
            Err(D::Error::custom(format!("a URL such as https://id.example.com, without a path; {text:?} is none")))
        }
        origin => Ok(origin),
    }
}

fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '*', '@', '?', '#', ',']) && host.is_ascii())
}

fn from_text<'de, D, T>(
    deserializer: D,
    expected: impl Display,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_any(FromText { expected, parse, value: PhantomData })
}

struct FromText<X, P, T> {
    expected: X,
    parse: P,
    value: PhantomData<T>,
}

impl<X: Display, P: FnOnce(&str) -> Option<T>, T> Visitor<'_> for FromText<X, P, T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expected.fmt(formatter)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::custom(self.expected))
    }
}
