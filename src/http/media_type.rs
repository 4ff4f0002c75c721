//! The media types of GraphQL's answers, and which of them a client accepts (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

pub const RESPONSE_JSON: &str = "application/graphql-response+json";
pub const JSON: &str = "application/json";

pub fn content_type(media_type: &str) -> HeaderValue {
    HeaderValue::from_static(if media_type == JSON {
        "application/json; charset=utf-8"
    } else {
        "application/graphql-response+json; charset=utf-8"
    })
}

/// The best media type that the client accepts; the newer one where it leaves the choice to us.
pub fn acceptable(headers: &HeaderMap) -> Option<&'static str> {
    if !headers.contains_key(header::ACCEPT) {
        return Some(RESPONSE_JSON);
    }
    let ranges = ranges(headers, header::ACCEPT);
    let candidates = [RESPONSE_JSON, JSON].map(|media_type| (media_type, quality(&ranges, media_type)));
    let best = candidates.into_iter().reduce(|best, next| if next.1 > best.1 { next } else { best })?;
    (best.1 > 0.0).then_some(best.0)
}

/// Whether a page is asked for by name, and no less than an answer would be.
pub fn prefers_page(headers: &HeaderMap) -> bool {
    let ranges = ranges(headers, header::ACCEPT);
    let page =
        ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case("text/html")).map_or(0.0, |(_, quality)| *quality);
    page > 0.0 && [RESPONSE_JSON, JSON].iter().all(|media_type| quality(&ranges, media_type) <= page)
}

/// Whether a request's body is said to be JSON in UTF-8. Where it is not said, it is not: what another site's page can send
/// without asking has another type or none.
pub fn is_json(headers: &HeaderMap) -> bool {
    is_in_utf8(headers, |kind| kind.eq_ignore_ascii_case(JSON))
}

/// The same, or a type made of it, such as `application/merge-patch+json`, which no page sends without asking either.
pub fn is_json_of_any_kind(headers: &HeaderMap) -> bool {
    let is_made_of_it = |kind: &str| {
        let kind = kind.to_ascii_lowercase();
        kind.strip_prefix("application/")
            .and_then(|kind| kind.strip_suffix("+json"))
            .is_some_and(|kind| !kind.is_empty())
    };
    is_in_utf8(headers, |kind| kind.eq_ignore_ascii_case(JSON) || is_made_of_it(kind))
}

fn is_in_utf8(headers: &HeaderMap, is_meant: impl Fn(&str) -> bool) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    // `utf8` is no registered name, and what many clients write.
    let is_utf8 = |value: &str| ["utf-8", "utf8"].iter().any(|name| value.eq_ignore_ascii_case(name));
    parts.next().is_some_and(is_meant)
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset") || is_utf8(value.trim().trim_matches('"'))
        })
}

/// What a header such as Accept lists, each with its quality.
pub fn ranges(headers: &HeaderMap, name: HeaderName) -> Vec<(&str, f32)> {
    let accept = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|value| value.split(',')).map(range).collect()
}

/// How much a type is wanted: the most specific range that covers it decides.
fn quality(ranges: &[(&str, f32)], media_type: &str) -> f32 {
    let covering = [media_type, "application/*", "*/*"];
    let found =
        covering.iter().find_map(|covering| ranges.iter().find(|(range, _)| range.eq_ignore_ascii_case(covering)));
    found.map_or(0.0, |(_, quality)| *quality)
}

/// A media range and its quality, of one part of an Accept header.
fn range(part: &str) -> (&str, f32) {
    let mut parameters = part.split(';').map(str::trim);
    let range = parameters.next().unwrap_or_default();
    let quality = parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .filter(|quality| (0.0..=1.0).contains(quality))
        .unwrap_or(1.0);
    (range, quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_in_utf8_is_read() {
        let says =
            |content_type| HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        for accepted in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; charset=utf8",
        ] {
            assert!(is_json(&says(accepted)) && is_json_of_any_kind(&says(accepted)), "{accepted}");
        }
        for of_its_kind in ["application/merge-patch+json", "Application/vnd.a.b+JSON; charset=utf8"] {
            assert!(is_json_of_any_kind(&says(of_its_kind)) && !is_json(&says(of_its_kind)), "{of_its_kind}");
        }
        for refused in [
            "",
            "text/plain",
            "application/json; charset=latin1",
            "multipart/form-data",
            "application/jsonp",
            "application/+json",
            "text/a+json",
            "application/a+json; charset=latin1",
        ] {
            assert!(!is_json(&says(refused)) && !is_json_of_any_kind(&says(refused)), "{refused}");
        }
        assert!(!is_json(&HeaderMap::new()), "without a type");
    }
}
