//! What a connection does, and since when it has done nothing: clients that hold one for nothing lose it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long a connection may go on without something to do.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// From the first byte of a request's head to its last (HTTP/1.1), and to the first request.
    pub head: Duration,
    /// From one request to the next, and from one portion of an answer that is taken to the next.
    pub idle: Duration,
}

/// What a connection is busy with.
pub(super) struct Activity {
    state: Mutex<State>,
}

struct State {
    /// Requests whose answers are being made.
    requests: u64,
    /// Answers that are being taken.
    answers: u64,
    /// When the last request or answer was over, or a portion of one was taken.
    last: Instant,
    /// Since when a request's head has been on its way; it is not waited for while an answer is taken.
    head_since: Option<Instant>,
    /// No request has come yet.
    is_new: bool,
    /// Heads are not waited for one by one: other frames come between them.
    is_http2: bool,
}

/// A request whose answer is being made.
pub(super) struct Busy(Arc<Activity>);

/// An answer that is being taken.
pub(super) struct Answering(Arc<Activity>);

impl Activity {
    pub fn begin() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self {
            state: Mutex::new(State {
                requests: 0,
                answers: 0,
                last: now,
                head_since: Some(now),
                is_new: true,
                is_http2: false,
            }),
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn request(self: &Arc<Self>, is_http2: bool) -> Busy {
        self.with(|state| {
            state.requests += 1;
            state.head_since = None;
            state.is_new = false;
            state.is_http2 = is_http2;
        });
        Busy(self.clone())
    }

    pub fn is_new(&self) -> bool {
        self.with(|state| state.is_new)
    }

    /// Waits until it has done nothing for longer than there is patience for.
    pub async fn is_over(&self, patience: Patience) {
        while !self.has_tried(patience) {
            tokio::time::sleep(patience.head.min(patience.idle) / 4).await;
        }
    }

    fn has_tried(&self, patience: Patience) -> bool {
        self.with(|state| {
            let slow = state.head_since.is_some_and(|since| since.elapsed() >= patience.head);
            state.requests == 0 && (slow && state.answers == 0 || state.last.elapsed() >= patience.idle)
        })
    }
}

impl Busy {
    /// The answer is made, and now goes to the client.
    pub fn answered(self) -> Answering {
        self.0.with(|state| state.answers += 1);
        Answering(self.0.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.requests -= 1;
            state.last = Instant::now();
        });
    }
}

impl Answering {
    /// A portion was taken.
    pub fn progress(&self) {
        self.0.with(|state| state.last = Instant::now());
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.answers -= 1;
            state.last = Instant::now();
            // The next head may have begun meanwhile.
            state.head_since = state.head_since.map(|_| state.last);
        });
    }
}

/// A stream whose first byte between two requests begins a head.
pub(super) struct Watched<S> {
    pub stream: S,
    pub activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.with(|state| {
                if state.requests == 0 && state.head_since.is_none() && !state.is_http2 {
                    state.head_since = Some(Instant::now());
                }
            });
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
