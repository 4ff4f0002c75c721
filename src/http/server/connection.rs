//! One connection: TLS where there is a certificate, HTTP/1.1 or HTTP/2, and an end when it does nothing for too long.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tower::ServiceExt;

use super::ServerSettings;
use super::places::TakenPlace;

/// How every HTTP/2 connection begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Fields in a request's head, and bytes of all of them.
const MAX_HEADERS: usize = 100;
const MAX_HEAD_BYTES: u32 = 32 * 1024;
/// Requests at once on one connection.
const MAX_STREAMS: u32 = 100;

/// Put on a request that came over our own TLS.
#[derive(Clone, Copy)]
pub struct Encrypted;

#[derive(Clone)]
pub(super) struct Connections {
    router: Router,
    settings: Arc<ServerSettings>,
}

/// What a connection is busy with.
struct Activity {
    requests: AtomicU64,
    idle_since: Mutex<Instant>,
}

impl Activity {
    fn has_been_idle_for(&self, length: Duration) -> bool {
        let since = *self.idle_since.lock().unwrap_or_else(PoisonError::into_inner);
        self.requests.load(Ordering::Acquire) == 0 && since.elapsed() >= length
    }
}

/// A request under way.
struct Busy(Arc<Activity>);

impl Busy {
    fn with(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Ordering::AcqRel);
        Self(activity.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.idle_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Connections {
    pub fn new(router: Router, settings: ServerSettings) -> Self {
        Self { router, settings: Arc::new(settings) }
    }

    /// Serves it to its end. A client that breaks off is its own business.
    pub async fn serve(self, stream: TcpStream, peer: SocketAddr, watcher: Watcher, place: TakenPlace) {
        let timeout = self.settings.header_timeout;
        if let Some(certificate) = self.settings.certificate.clone() {
            if let Ok(Ok(stream)) = tokio::time::timeout(timeout, certificate.accept(stream)).await {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.speak(stream, is_http2, true, peer, watcher).await;
            }
        } else if let Ok(Ok(is_http2)) = tokio::time::timeout(timeout, begins_http2(&stream)).await {
            self.speak(stream, is_http2, false, peer, watcher).await;
        }
        drop(place);
    }

    async fn speak<S>(self, stream: S, is_http2: bool, encrypted: bool, peer: SocketAddr, watcher: Watcher)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let idle_timeout = self.settings.idle_timeout;
        let activity = Arc::new(Activity { requests: AtomicU64::new(0), idle_since: Mutex::new(Instant::now()) });
        let busy = activity.clone();
        let router = self.router;
        let service = service_fn(move |request: Request<Incoming>| {
            let busy = Busy::with(&busy);
            answer(router.clone(), request, peer, encrypted, busy)
        });
        let stream = TokioIo::new(stream);
        let idle = async {
            while !activity.has_been_idle_for(idle_timeout) {
                tokio::time::sleep(idle_timeout / 4).await;
            }
        };
        let idle = pin!(idle);
        if is_http2 {
            let mut http = http2::Builder::new(TokioExecutor::new());
            http.timer(TokioTimer::new())
                .max_concurrent_streams(MAX_STREAMS)
                .max_header_list_size(MAX_HEAD_BYTES)
                .keep_alive_interval(Some(Duration::from_secs(20)))
                .keep_alive_timeout(Duration::from_secs(10));
            let connection = pin!(watcher.watch(http.serve_connection(stream, service)));
            tokio::select! { _ = connection => {} () = idle => {} }
        } else {
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new())
                .header_read_timeout(self.settings.header_timeout)
                .max_headers(MAX_HEADERS)
                .max_buf_size(usize::try_from(MAX_HEAD_BYTES).unwrap_or(usize::MAX))
                .keep_alive(true);
            let connection = pin!(watcher.watch(http.serve_connection(stream, service)));
            tokio::select! { _ = connection => {} () = idle => {} }
        }
    }
}

/// Whether the first bytes are those of HTTP/2, without taking them.
async fn begins_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut first).await?;
        let begun = first.get(..read).unwrap_or_default();
        if read == 0 || !PREFACE.starts_with(begun) {
            return Ok(false);
        }
        if read == PREFACE.len() {
            return Ok(true);
        }
        // What is there is told again at once until there is more.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    encrypted: bool,
    busy: Busy,
) -> Result<axum::response::Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    if encrypted {
        request.extensions_mut().insert(Encrypted);
    }
    let response = router.oneshot(request).await;
    drop(busy);
    response
}
