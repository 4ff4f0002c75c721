//! What a request's head must be before anything is made of it: what could be taken in two ways, by us and by what stands
//! before or behind us, is refused (RFC 9110, 9112 and 9113).

use axum::extract::{MatchedPath, Request};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Body;

use super::request::About;
use super::{authzen, cookie, graphql, oauth, rest};

/// What stands once, or not at all: which of two would be meant, nobody can tell.
const ONCE: [HeaderName; 7] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    header::CONTENT_TYPE,
    HeaderName::from_static("idempotency-key"),
    header::ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-device-id"),
];

/// What is wrong with a head.
#[derive(Debug, PartialEq, Eq)]
struct Wrong {
    status: StatusCode,
    problem: String,
}

fn bad(problem: impl Into<String>) -> Wrong {
    Wrong { status: StatusCode::BAD_REQUEST, problem: problem.into() }
}

/// Lets requests pass whose head is as it must be.
pub async fn check(request: Request, next: Next) -> Response {
    let has_body = !request.body().is_end_stream();
    let Err(wrong) = check_head(request.version(), request.uri().authority(), request.headers(), has_body) else {
        return next.run(request).await;
    };
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let mut response = match (route, request.extensions().get::<About>()) {
        ("/graphql", Some(about)) => graphql::not_taken(about, request.headers(), wrong.status, wrong.problem),
        (route, _) if route.starts_with("/oauth2/") => oauth::refuse(wrong.status, "invalid_request", &wrong.problem),
        (route, _) if route.starts_with("/access/") => authzen::Refusal(wrong.status, wrong.problem).into_response(),
        _ => rest::with_detail(wrong.status, &wrong.problem),
    };
    if wrong.status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        response.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    response
}

fn check_head(
    version: Version,
    authority: Option<&Authority>,
    headers: &HeaderMap,
    has_body: bool,
) -> Result<(), Wrong> {
    check_host(version, authority, headers)?;
    if let Some(name) = ONCE.iter().find(|name| headers.get_all(*name).iter().nth(1).is_some()) {
        return Err(bad(format!("the header `{name}` stands more than once: send it once")));
    }
    // One header or several may hold cookies, as HTTP/2 has them.
    if cookie::stands_twice(headers) {
        return Err(bad("the cookie of the refresh token stands more than once: send it once"));
    }
    let codings = |name| headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let is = |coding: &[u8], name: &str| coding.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
    let is_nothing = |coding: &[u8]| coding.trim_ascii().is_empty();
    if has_body && !codings(header::CONTENT_ENCODING).all(|coding| is(coding, "identity") || is_nothing(coding)) {
        let problem = "the body has a Content-Encoding, and none is taken: send it as it is".to_owned();
        return Err(Wrong { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, problem });
    }
    if !codings(header::TRANSFER_ENCODING).all(|coding| is(coding, "chunked") || is_nothing(coding)) {
        let problem = "the body has a Transfer-Encoding beside chunked, and none is taken: send it as it is".to_owned();
        return Err(Wrong { status: StatusCode::NOT_IMPLEMENTED, problem });
    }
    Ok(())
}

fn check_host(version: Version, authority: Option<&Authority>, headers: &HeaderMap) -> Result<(), Wrong> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("the header `host` stands more than once: send it once"));
    }
    let Some(host) = host else {
        return match version {
            Version::HTTP_11 => Err(bad("the header `host` is missing: send the name by which this server was found")),
            _ => Ok(()),
        };
    };
    // It may be empty, where the client knows no name.
    let read: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
    let is_host = read.as_ref().is_some_and(|host| !host.as_str().contains('@') && !host.host().is_empty());
    if !host.is_empty() && !is_host {
        return Err(bad("the header `host` names no host"));
    }
    // HTTP/2 has its own place for it, and whoever stands before us may have looked at the other one.
    match (authority, read) {
        (Some(authority), Some(host)) if version >= Version::HTTP_2 && *authority != host => {
            Err(bad("the header `host` names another host than the request"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(version: Version, authority: &str, headers: &[(&'static str, &'static str)], has_body: bool) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let authority: Option<Authority> = authority.parse().ok();
        check_head(version, authority.as_ref(), &map, has_body).map_or_else(|wrong| wrong.status.as_u16(), |()| 200)
    }

    #[test]
    fn a_request_names_one_host() {
        for (version, authority, hosts, expected) in [
            (Version::HTTP_11, "", &[][..], 400),
            (Version::HTTP_11, "a.example", &[], 400),
            (Version::HTTP_10, "", &[], 200),
            (Version::HTTP_2, "a.example", &[], 200),
            (Version::HTTP_11, "", &["a.example"], 200),
            (Version::HTTP_11, "", &["a.example:8443"], 200),
            (Version::HTTP_11, "", &["[2001:db8::1]:8443"], 200),
            (Version::HTTP_11, "", &[""], 200),
            (Version::HTTP_11, "", &["a.example", "a.example"], 400),
            (Version::HTTP_10, "", &["a.example", "b.example"], 400),
            (Version::HTTP_2, "a.example", &["a.example", "a.example"], 400),
            (Version::HTTP_2, "a.example", &["A.example"], 200),
            (Version::HTTP_2, "a.example", &["b.example"], 400),
            (Version::HTTP_11, "", &["a@b.example"], 400),
            (Version::HTTP_11, "", &["a b"], 400),
            (Version::HTTP_11, "", &["a.example/x"], 400),
            (Version::HTTP_11, "", &[":80"], 400),
            (Version::HTTP_11, "", &["a.example, b.example"], 400),
        ] {
            let headers: Vec<_> = hosts.iter().map(|host| ("host", *host)).collect();
            assert_eq!(of(version, authority, &headers, false), expected, "{version:?} {authority} {hosts:?}");
        }
    }

    #[test]
    fn codings_that_are_not_taken_are_refused() {
        for (name, value, has_body, expected) in [
            ("content-encoding", "gzip", true, 415),
            ("content-encoding", "GZIP", true, 415),
            ("content-encoding", "identity, br", true, 415),
            ("content-encoding", "nonsense", true, 415),
            ("content-encoding", "identity", true, 200),
            ("content-encoding", " Identity ", true, 200),
            ("content-encoding", "", true, 200),
            ("content-encoding", "gzip", false, 200),
            ("transfer-encoding", "chunked", true, 200),
            ("transfer-encoding", "Chunked", true, 200),
            ("transfer-encoding", "gzip, chunked", true, 501),
            ("transfer-encoding", "identity", true, 501),
        ] {
            let headers = [("host", "a"), (name, value)];
            assert_eq!(of(Version::HTTP_11, "", &headers, has_body), expected, "{name}: {value}");
        }
    }
}
