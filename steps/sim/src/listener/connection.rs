//! Serves one port: accepts connections, handles TLS and HTTP, calls the origin, and ends requests as it says.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Either, Full, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::socket::{Cut, Socket};
use super::{Origin, Reply};

/// The limit of ARM.
const LARGEST_BODY: usize = 4 * 1024 * 1024;
const HANDSHAKE: Duration = Duration::from_secs(10);

/// One of the three hosts.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) base: Arc<str>,
    pub(super) origin: Arc<dyn Origin>,
    pub(super) tls: TlsAcceptor,
    pub(super) stopped: watch::Receiver<bool>,
}

/// Accepts connections until it is stopped, then waits for them to end.
pub(super) async fn accept(listener: TcpListener, host: Host) {
    let mut connections = JoinSet::new();
    let mut stopped = host.stopped.clone();
    loop {
        tokio::select! {
            // The sender is dropped together with the simulator.
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    connections.spawn(connection(tcp, host.clone()));
                }
                Err(error) => {
                    // Most likely out of file descriptors: retrying at once would only spin.
                    tracing::warn!(%error, "cannot accept a connection");
                    pause(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(tcp: TcpStream, host: Host) {
    // Otherwise small responses wait for the client's acknowledgement.
    let _ = tcp.set_nodelay(true);
    let (socket, cut) = Socket::new(tcp);
    let stream = match tokio::time::timeout(HANDSHAKE, host.tls.accept(socket)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake took too long"),
    };
    let service = service_fn(|request| {
        let (host, cut) = (host.clone(), cut.clone());
        async move { exchange(request, &host, &cut).await }
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut stopped = host.stopped.clone();
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = %error, "connection ended");
    }
}

/// The origin requires that there be no response.
#[derive(Debug, thiserror::Error)]
#[error("cut on purpose")]
struct Severed;

type Answer = Response<Either<Full<Bytes>, HalfBody>>;

async fn exchange(request: Request<Incoming>, host: &Host, cut: &Cut) -> Result<Answer, Severed> {
    let request = match whole(request, &host.base).await {
        Ok(request) => request,
        Err(status) => return Ok(refuse(status)),
    };
    match in_its_time(host.origin.answer(request)).await {
        Reply::Whole(response) => Ok(response.map(|body| Either::Left(Full::new(body)))),
        Reply::Half(response) => {
            let cut = cut.clone();
            Ok(response.map(|body| Either::Right(HalfBody::new(body, cut))))
        }
        Reply::Closed => {
            cut.close();
            Err(Severed)
        }
        Reply::Reset => {
            cut.reset();
            Err(Severed)
        }
        Reply::Silence | Reply::Later(..) => std::future::pending().await,
    }
}

/// Waits for a delayed reply, in a separate task: a request that has arrived is processed even if its client has gone.
async fn in_its_time(reply: Reply) -> Reply {
    let Reply::Later(..) = reply else { return reply };
    let waiting = tokio::spawn(async move {
        let mut reply = reply;
        while let Reply::Later(time, then) = reply {
            pause(time).await;
            reply = then();
        }
        reply
    });
    // The panic hook has already reported a panic in the task.
    waiting.await.unwrap_or(Reply::Reset)
}

/// Reads the body and makes the URI absolute, with the host of this port regardless of the name that the client used.
async fn whole(request: Request<Incoming>, base: &str) -> Result<Request<Bytes>, StatusCode> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    if !path.starts_with('/') {
        // `OPTIONS *` and CONNECT address no resource.
        return Err(StatusCode::BAD_REQUEST);
    }
    parts.uri = format!("{base}{path}").parse::<Uri>().map_err(|_| StatusCode::BAD_REQUEST)?;
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        // The announced length is too large: refuse without reading.
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let body = Limited::new(body, LARGEST_BODY).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST }
    })?;
    Ok(Request::from_parts(parts, body.to_bytes()))
}

fn refuse(status: StatusCode) -> Answer {
    let mut response = Response::new(Either::Left(Full::default()));
    *response.status_mut() = status;
    response
}

/// The first half of a body, with the length of the complete body announced.
struct HalfBody {
    whole: u64,
    half: Option<Bytes>,
    waited: bool,
    cut: Cut,
}

impl HalfBody {
    fn new(body: Bytes, cut: Cut) -> Self {
        let half = body.slice(..body.len() / 2);
        HalfBody { whole: body.len() as u64, half: Some(half), waited: false, cut }
    }
}

impl Body for HalfBody {
    type Data = Bytes;
    type Error = Severed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Severed>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.waited {
            // Lets the connection send what it has before the cut.
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.cut.close();
        Poll::Ready(Some(Err(Severed)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.whole)
    }
}

#[expect(clippy::disallowed_methods, reason = "a slow server is slow in real time")]
async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}
