//! The `Idempotency-Key` header, as draft-ietf-httpapi-idempotency-key-header has it: a mutation that is sent again under the
//! same key is done once, and answered as it was.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use crate::identity::{Before, Identity, Repeatable};

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Tells that an answer is that of an earlier request.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The lengths of a key. Shorter ones are guessed, and meet by chance.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=255;
/// Longer answers are not kept.
const MAX_ANSWER: usize = 256 * 1024;

/// The key that a request came with, with or without quotation marks; or what is wrong with it.
pub fn key_in(headers: &HeaderMap) -> Result<Option<String>, String> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_key = LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_key || values.next().is_some() {
        let (least, most) = (LENGTHS.start(), LENGTHS.end());
        return Err(format!(
            "Idempotency-Key: send one of {least} to {most} visible ASCII characters, such as a random UUID"
        ));
    }
    Ok(Some(text.to_owned()))
}

/// Why a request under a key is not run.
pub fn refusal(before: &Before) -> Option<(StatusCode, &'static str)> {
    match before {
        Before::Answered(_) => None,
        Before::OtherRequest => Some((
            StatusCode::UNPROCESSABLE_ENTITY,
            "another request came with this Idempotency-Key: take a new key for a new request",
        )),
        Before::Unanswered => Some((
            StatusCode::CONFLICT,
            "what this Idempotency-Key stands for was done, and its answer is lost: look up what is there now",
        )),
    }
}

/// An answer that was given before.
pub fn replayed(answer: Vec<u8>, mut like: Response) -> Response {
    like.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    *like.status_mut() = StatusCode::OK;
    *like.body_mut() = Body::from(answer);
    like
}

/// The same answer, kept for whoever asks for it again.
pub async fn kept(identity: &Identity, repeatable: &Repeatable, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    // It lies in memory.
    let answer = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if parts.status == StatusCode::OK && answer.len() <= MAX_ANSWER {
        // What was asked for is done. Whoever asks again learns that, if not the answer.
        if let Err(error) = identity.keep_answer(repeatable, &answer).await {
            tracing::warn!(%error, "answer_not_kept");
        }
    }
    Response::from_parts(parts, Body::from(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_taken_or_refused() {
        let uuid = "8e03978e-40d5-43e8-bc93-6894a57f9324";
        let table = [
            (vec![], Ok(None)),
            (vec![uuid.to_owned()], Ok(Some(uuid))),
            (vec![format!("\"{uuid}\"")], Ok(Some(uuid))),
            (vec!["a".repeat(16)], Ok(Some("aaaaaaaaaaaaaaaa"))),
            (vec!["a".repeat(15)], Err(())),
            (vec!["a".repeat(256)], Err(())),
            (vec![String::new()], Err(())),
            (vec!["with a space in it".to_owned()], Err(())),
            (vec![uuid.to_owned(), uuid.to_owned()], Err(())),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in &values {
                headers.append(IDEMPOTENCY_KEY, value.parse().expect("a header"));
            }
            let key = key_in(&headers);
            assert_eq!(key.as_ref().map(Option::as_deref).map_err(|_| ()), expected, "{values:?}");
        }
    }
}
