//! What stands on every answer so that browsers keep other sites away from it, and which other sites may use the API.

use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::Response;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::client::BACKGROUND;

/// What browsers are told where a handler has said nothing else: nothing of an answer is a page, to be kept, or to be shown
/// inside another one.
const PROTECTION: [(HeaderName, &str); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];
/// A year of TLS only (RFC 6797).
pub const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");

pub async fn protect(mut response: Response) -> Response {
    let shared = response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    for (name, value) in PROTECTION {
        // Answers that another site may read must not be kept from it.
        if !(shared && name == "cross-origin-resource-policy") {
            response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
        }
    }
    response
}

/// Lets pages of these origins use the API with a token of their own: no cookie goes along. None where there are none.
pub fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    if origins.is_empty() {
        return None;
    }
    let asked = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("x-device-id"),
        BACKGROUND,
        HeaderName::from_static("x-request-id"),
    ];
    let told = ["x-request-id", "idempotency-replayed", "ratelimit", "ratelimit-policy", "retry-after"]
        .map(HeaderName::from_static);
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers(asked)
            .expose_headers(told)
            .max_age(Duration::from_mins(10)),
    )
}
