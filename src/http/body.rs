//! What is read of requests' bodies: as much as whoever sends it may send, and of all together no more than there is memory
//! for. What JSON will take is counted in its bytes, before anything is made of it.
//!
//! Ordinary requests are never kept waiting by large ones: the first [`FREE`] bytes of each cost nothing.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::{StatusCode, Version};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::App;
use super::request::About;
use super::shares::{Share, Shares};

/// Bytes of each body that are counted with nobody's, and the same of what its values take.
const FREE: usize = 16 * 1024;
/// What a value takes in memory beside its text, and an object or a list beside that: as JSON, as a variable that is
/// checked, and as one that is run.
const VALUE_BYTES: usize = 200;
const CONTAINER_BYTES: usize = 1200;
/// How long is waited for the memory that values take.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(1);

/// Who sends a body, as far as it is known before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    Stranger,
    /// Somebody with a credential that holds.
    Known,
}

/// How much is read of bodies.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Bytes of one, of whoever has a credential that holds.
    pub bytes: usize,
    /// Bytes of one of anybody else.
    pub stranger_bytes: usize,
    /// JSON values in one.
    pub values: usize,
    /// The same of a stranger.
    pub stranger_values: usize,
    /// Bytes that are read at once of all, half of them from one address. Strangers have a quarter of both by themselves.
    pub bytes_at_once: usize,
    /// How long a client may take to send one.
    pub timeout: Duration,
}

/// The bodies of strangers, or those of everybody else.
struct Bodies {
    bytes: Arc<Semaphore>,
    bytes_by_address: Arc<Shares>,
    /// Memory for the values of JSON.
    memory: Arc<Semaphore>,
    memory_by_address: Arc<Shares>,
    /// What one address may have of it, and one request.
    memory_each: usize,
    max_bytes: usize,
    max_values: usize,
}

impl Bodies {
    fn new(max_bytes: usize, max_values: usize, bytes_at_once: usize) -> Self {
        // Values are there for longer than the text that they are made of.
        let memory = 3 * bytes_at_once;
        Self {
            bytes: Arc::new(Semaphore::new(bytes_at_once)),
            bytes_by_address: Shares::new(bytes_at_once / 2, Vec::new()),
            memory: Arc::new(Semaphore::new(memory)),
            memory_by_address: Shares::new(memory / 2, Vec::new()),
            memory_each: memory / 2,
            max_bytes,
            max_values,
        }
    }
}

/// What there is of all bodies.
pub struct AllBodies {
    strangers: Bodies,
    known: Bodies,
}

impl AllBodies {
    pub fn new(limits: &BodyLimits) -> Self {
        let stranger_bytes = limits.stranger_bytes.min(limits.bytes);
        let stranger_values = limits.stranger_values.min(limits.values);
        Self {
            strangers: Bodies::new(stranger_bytes, stranger_values, limits.bytes_at_once / 4),
            known: Bodies::new(limits.bytes, limits.values, limits.bytes_at_once),
        }
    }

    fn of(&self, sender: Sender) -> &Bodies {
        match sender {
            Sender::Stranger => &self.strangers,
            Sender::Known => &self.known,
        }
    }
}

/// Why a body is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error(
        "the body is larger than {0} bytes, which is what may be sent without a credential that holds: sign in first"
    )]
    TooLargeForStrangers(usize),
    #[error("the request holds more than {0} JSON values: send it in parts")]
    TooManyValues(usize),
    #[error("the body took too long")]
    TooSlow,
    #[error("the body broke off")]
    BrokeOff,
    #[error("too many large bodies at once: send it again in a moment")]
    Busy,
}

impl BodyError {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) | Self::TooLargeForStrangers(_) | Self::TooManyValues(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BrokeOff => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Bytes of a body that are counted, until they are dropped.
struct Counted<'a> {
    bodies: &'a Bodies,
    address: Option<IpAddr>,
    of_all: Option<OwnedSemaphorePermit>,
    of_address: Option<Share>,
    bytes: usize,
}

impl Counted<'_> {
    /// Whether there is room for so many in all.
    fn grow(&mut self, bytes: usize) -> bool {
        let more = bytes.saturating_sub(FREE.max(self.bytes));
        if more == 0 {
            return true;
        }
        let Some(permit) =
            u32::try_from(more).ok().and_then(|more| self.bodies.bytes.clone().try_acquire_many_owned(more).ok())
        else {
            return false;
        };
        match &mut self.of_all {
            Some(held) => held.merge(permit),
            None => self.of_all = Some(permit),
        }
        self.bytes = bytes;
        match (&mut self.of_address, self.address) {
            (Some(share), _) => share.grow(more),
            (None, Some(address)) => {
                self.of_address = self.bodies.bytes_by_address.take(address, more);
                self.of_address.is_some()
            }
            (None, None) => true,
        }
    }
}

/// A whole body.
pub struct Whole<'a> {
    pub bytes: Vec<u8>,
    counted: Counted<'a>,
}

/// All of a request's body, within the limits of size and time.
pub async fn read<'a>(app: &'a App, about: &About, sender: Sender, body: Body) -> Result<Whole<'a>, BodyError> {
    let bodies = app.bodies.of(sender);
    let counted = Counted { bodies, address: about.client.address(), of_all: None, of_address: None, bytes: 0 };
    let whole = collect(counted, body, bodies.max_bytes);
    match tokio::time::timeout(app.options.bodies.timeout, whole).await {
        Ok(Err(BodyError::TooLarge(limit))) if sender == Sender::Stranger && limit < app.options.bodies.bytes => {
            Err(BodyError::TooLargeForStrangers(limit))
        }
        Ok(read) => read,
        Err(_) => Err(BodyError::TooSlow),
    }
}

async fn collect(mut counted: Counted<'_>, mut body: Body, limit: usize) -> Result<Whole<'_>, BodyError> {
    // What is announced is believed where it is too much.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge(limit));
    }
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::BrokeOff)?.into_data() else { continue };
        let length = bytes.len() + data.len();
        if length > limit {
            return Err(BodyError::TooLarge(limit));
        }
        if !counted.grow(length) {
            return Err(BodyError::Busy);
        }
        if length > bytes.capacity() {
            // Doubling it would take what nobody has counted.
            bytes.reserve_exact(data.len().max(FREE));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Whole { bytes, counted })
}

/// The memory that values take, until it is dropped. None where they are few.
pub struct Memory(Option<(OwnedSemaphorePermit, Option<Share>)>);

impl Memory {
    /// Of what was taken for all forms of the values, one remains.
    pub fn keep_one_form(&mut self) {
        if let Some((permit, share)) = &mut self.0 {
            let others = permit.num_permits() / 3 * 2;
            drop(permit.split(others));
            if let Some(share) = share {
                share.shrink(others);
            }
        }
    }
}

/// Why a body is no JSON that is taken.
pub enum JsonError {
    Body(BodyError),
    Json(serde_json::Error),
}

impl From<BodyError> for JsonError {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl Whole<'_> {
    /// The value that it is, with the memory that it takes.
    pub async fn json(self) -> Result<(Value, Memory), JsonError> {
        let memory = memory_for(self.counted.bodies, self.counted.address, &[&self.bytes]).await?;
        let built = serde_json::from_slice(&self.bytes).map_err(JsonError::Json);
        // Only now: the text is there while it is waited for memory.
        drop(self);
        Ok((built?, memory))
    }

    /// Whether it holds no more values than may be sent, where each of these bytes begins another one.
    pub fn check_values(&self, separator: u8) -> Result<(), BodyError> {
        let limit = self.counted.bodies.max_values;
        let values = self.bytes.split(|byte| *byte == separator).count();
        if values > limit { Err(BodyError::TooManyValues(limit)) } else { Ok(()) }
    }
}

/// The memory for the values of texts that came in a URL, all at once: who waits for more while holding some could keep
/// others waiting who do the same.
pub async fn memory_of(app: &App, about: &About, sender: Sender, texts: &[&[u8]]) -> Result<Memory, BodyError> {
    memory_for(app.bodies.of(sender), about.client.address(), texts).await
}

async fn memory_for(bodies: &Bodies, address: Option<IpAddr>, texts: &[&[u8]]) -> Result<Memory, BodyError> {
    let (mut all_values, mut takes) = (0, 0);
    for text in texts {
        let (values, containers) = count(text);
        all_values += values;
        takes += text.len() + values * VALUE_BYTES + containers * CONTAINER_BYTES;
    }
    if all_values > bodies.max_values {
        return Err(BodyError::TooManyValues(bodies.max_values));
    }
    if takes <= FREE {
        return Ok(Memory(None));
    }
    // One that takes more than one may have has all of that by itself.
    let takes = takes.min(bodies.memory_each);
    // Before it is waited: no address stands in the line with more than it may have.
    let share = match address {
        Some(address) => Some(bodies.memory_by_address.take(address, takes).ok_or(BodyError::Busy)?),
        None => None,
    };
    let permits = u32::try_from(takes).unwrap_or(u32::MAX);
    let permit = tokio::time::timeout(MEMORY_TIMEOUT, bodies.memory.clone().acquire_many_owned(permits)).await;
    let permit = permit.ok().and_then(Result::ok).ok_or(BodyError::Busy)?;
    Ok(Memory(Some((permit, share))))
}

/// At most how many values a JSON text holds, and how many of them are objects and lists. Of a text that is none, up to where
/// it ceases to be one.
fn count(text: &[u8]) -> (usize, usize) {
    let (mut values, mut containers) = (1, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b',' => values += 1,
            b'{' | b'[' => {
                values += 1;
                containers += 1;
            }
            _ => {}
        }
    }
    (values, containers)
}

/// A body that is taken in to its end where it is refused before: a client that is still sending would not see the answer,
/// because its connection were reset. Only where it is no larger than one that somebody may send.
pub struct Arriving {
    body: Body,
    left: usize,
    timeout: Duration,
}

impl Arriving {
    /// This body; that of HTTP/2 as it is, where a request is ended without its connection.
    pub fn of(app: &App, version: Version, body: Body) -> Body {
        let BodyLimits { bytes, timeout, .. } = app.options.bodies;
        if version >= Version::HTTP_2 || body.is_end_stream() {
            return body;
        }
        Body::new(Self { body, left: bytes, timeout })
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let bytes = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        self.left = self.left.saturating_sub(bytes);
        if !matches!(frame, Some(Ok(_))) {
            self.left = 0;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let announced = usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX);
        if self.left == 0 || announced > self.left || self.body.is_end_stream() {
            return;
        }
        let (mut rest, mut left, timeout) = (std::mem::take(&mut self.body), self.left, self.timeout);
        let take_in = async move {
            while let Some(Ok(frame)) = rest.frame().await {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let Some(fewer) = left.checked_sub(bytes) else { return };
                left = fewer;
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(tokio::time::timeout(timeout, take_in).await) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(value: &Value) -> (usize, usize) {
        match value {
            Value::Array(items) => items.iter().map(built).fold((1, 1), |(a, b), (c, d)| (a + c, b + d)),
            Value::Object(members) => members.values().map(built).fold((1, 1), |(a, b), (c, d)| (a + c, b + d)),
            _ => (1, 0),
        }
    }

    #[test]
    fn no_value_is_built_that_was_not_counted() {
        for text in [
            "1",
            "\"a,b{[\"",
            r#""\\\",{""#,
            r#"{"a":{"b":[1,2,{"c":null}]},"d,e":"\",{"}"#,
            "[[],[],{}]",
            " [ 1 , \"x\" , [ ] ] ",
            r#"{"":0}"#,
        ] {
            let value: Value = serde_json::from_str(text).expect("JSON");
            let (values, containers) = built(&value);
            let counted = count(text.as_bytes());
            // An empty list or object is counted with a member.
            assert!(
                counted.0 >= values && counted.0 <= values + containers && counted.1 == containers,
                "{text}: {counted:?}"
            );
        }
        // What is no JSON ends where it is none: nothing that is built before is left out.
        for text in [r"[1,2\", r#"["a\"#, "{\"a\":1,,", "[1 \\\" , {"] {
            assert!(serde_json::from_str::<Value>(text).is_err() && count(text.as_bytes()).0 >= 2, "{text}");
        }
    }
}
