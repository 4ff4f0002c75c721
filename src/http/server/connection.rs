//! One connection: TLS where there is a certificate, HTTP/1.1 or HTTP/2, and an end when it does nothing for too long.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Version};
use axum::response::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::activity::{Activity, Patience, Watched};
use super::places::TakenPlace;
use super::{BACKLOG_TIMEOUT, ServerSettings};

/// Fields in a request's head, and bytes of all of them.
const MAX_HEADERS: usize = 100;
const MAX_HEAD_BYTES: u32 = 32 * 1024;
/// Requests at once on one connection.
const MAX_STREAMS: u32 = 100;
/// Bytes of bodies that nobody has read yet, of one request and of a connection (HTTP/2): its least.
const STREAM_WINDOW: u32 = 32 * 1024;
const CONNECTION_WINDOW: u32 = 65_535;
/// How long a connection that is over may take to say so.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);

/// Put on a request that came over our own TLS.
#[derive(Clone, Copy)]
pub struct Encrypted;

#[derive(Clone)]
pub(super) struct Connections {
    router: Router,
    settings: Arc<ServerSettings>,
    /// Says that connections are to finish what they do and end.
    stop: CancellationToken,
}

impl Connections {
    pub fn new(router: Router, settings: ServerSettings, stop: CancellationToken) -> Self {
        Self { router, settings: Arc::new(settings), stop }
    }

    /// Serves it to its end. A client that breaks off is its own business.
    pub async fn serve(self, stream: TcpStream, peer: SocketAddr, place: TakenPlace) {
        if let Some(certificate) = self.settings.certificate.clone() {
            let agreed = tokio::time::timeout(self.settings.header_timeout, certificate.accept(stream)).await;
            if let Ok(Ok(stream)) = agreed {
                self.speak(stream, peer, true).await;
            }
        } else {
            self.speak(stream, peer, false).await;
        }
        drop(place);
    }

    async fn speak<S>(self, stream: S, peer: SocketAddr, encrypted: bool)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let activity = Activity::begin();
        let asked = activity.clone();
        let router = self.router;
        let service = service_fn(move |request| answer(router.clone(), request, peer, encrypted, asked.clone()));
        let mut http = auto::Builder::new(TokioExecutor::new());
        // How long a head may take is watched here: the library's own time ends quiet connections with it.
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(MAX_HEADERS)
            .max_buf_size(usize::try_from(MAX_HEAD_BYTES).unwrap_or(usize::MAX));
        http.http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD_BYTES)
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .keep_alive_timeout(Duration::from_secs(10));
        let stream = TokioIo::new(Watched { stream, activity: activity.clone() });
        let mut connection = pin!(http.serve_connection(stream, service));

        let patience = Patience { head: self.settings.header_timeout, idle: self.settings.idle_timeout };
        let mut over = pin!(activity.is_over(patience));
        tokio::select! {
            _ = connection.as_mut() => return,
            () = over.as_mut() => {
                connection.as_mut().graceful_shutdown();
                if tokio::time::timeout(FAREWELL_TIMEOUT, connection.as_mut()).await.is_ok() {
                    return;
                }
                // A request may have been on its way: it is answered.
                over.set(activity.is_over(patience));
            }
            () = is_to_stop(&self.stop, &activity) => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! { _ = connection => {} () = over => {} }
    }
}

/// Waits until the server stops, and for what a new connection was made to ask.
async fn is_to_stop(stop: &CancellationToken, activity: &Activity) {
    stop.cancelled().await;
    let until = Instant::now() + BACKLOG_TIMEOUT;
    while activity.is_new() && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    peer: SocketAddr,
    encrypted: bool,
    activity: Arc<Activity>,
) -> Result<Response, Infallible> {
    let busy = activity.request(request.version() == Version::HTTP_2);
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    if encrypted {
        request.extensions_mut().insert(Encrypted);
    }
    let response = router.oneshot(request).await?;
    let answering = busy.answered();
    Ok(response.map(|body| {
        Body::new(body.map_frame(move |portion| {
            answering.progress();
            portion
        }))
    }))
}
