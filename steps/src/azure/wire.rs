//! Sends requests: over sockets, or to a service in this process.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use twinspan_engine::BoxFuture;

use super::cloud::Cloud;
use super::reading::{asks_for_token, only_reads};
use super::redaction;

/// Longest time to connect, including TLS. Everything after that is limited by the attempt's timeout.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);

/// Responses of these services are much shorter; longer ones are not read to the end.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// A service that responds to requests without a socket: the embedded simulator, or a test.
pub trait InProcess: Send + Sync {
    /// Handles `request`, whose URL is absolute.
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>>;
}

/// Why there is no complete response. For a write it matters whether the request may have arrived.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportFault {
    /// No connection: nothing was sent.
    #[error("no connection: {0}")]
    Refused(String),
    /// No connection in time: nothing was sent.
    #[error("no connection in time")]
    TimedOut,
    /// The request may have been sent, and there was no response.
    #[error("sent, but no response arrived: {0}")]
    Lost(String),
    /// The response began and was cut off.
    #[error("the response was cut off: {0}")]
    Truncated(String),
    /// This wire does not send requests that may change state: nothing was sent.
    #[error("stopped, because it may change state and only reads are allowed: {0}")]
    Forbidden(String),
}

impl TransportFault {
    /// Whether the remote may have received the request.
    pub fn may_have_arrived(&self) -> bool {
        matches!(self, TransportFault::Lost(_) | TransportFault::Truncated(_))
    }

    /// The reason, as the transport reports it.
    pub(crate) fn reason(&self) -> &str {
        match self {
            TransportFault::TimedOut => "no connection in time",
            TransportFault::Refused(reason)
            | TransportFault::Lost(reason)
            | TransportFault::Truncated(reason)
            | TransportFault::Forbidden(reason) => reason,
        }
    }

    /// The advice if nothing could be sent to `place`.
    pub(crate) fn advice(place: &str) -> String {
        format!("check that this machine reaches {place}")
    }
}

/// Why the sockets could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct WireError {
    what: &'static str,
    reason: String,
}

/// Sends requests. Cheap to clone: the connections are shared.
#[derive(Clone)]
pub struct Wire {
    way: Direction,
    /// Refuses requests that may change state.
    reads_only: bool,
}

#[derive(Clone)]
enum Direction {
    Sockets {
        reads: reqwest::Client,
        /// A new connection for each write: the remote may close a pooled one just as it is used, and then it is
        /// unknown whether the write arrived.
        writes: reqwest::Client,
    },
    InProcess(Arc<dyn InProcess>),
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (&self.way, self.reads_only) {
            (Direction::Sockets { .. }, false) => "Wire(sockets)",
            (Direction::Sockets { .. }, true) => "Wire(sockets, reads only)",
            (Direction::InProcess(_), false) => "Wire(in process)",
            (Direction::InProcess(_), true) => "Wire(in process, reads only)",
        })
    }
}

impl Wire {
    /// A wire over HTTPS that trusts the machine's certificates and the cloud's own.
    pub fn sockets(cloud: &Cloud) -> Result<Self, WireError> {
        let builder = || {
            let mut builder = reqwest::Client::builder()
                .retry(reqwest::retry::never())
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .connect_timeout(CONNECT_WITHIN);
            if let Some(pem) = cloud.trusted_root() {
                let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| WireError {
                    what: "the root certificate cannot be read",
                    reason: causes(&error),
                })?;
                if certificates.is_empty() {
                    return Err(WireError {
                        what: "the root certificate cannot be read",
                        reason: "the file contains no certificate in PEM form".to_owned(),
                    });
                }
                builder = builder.tls_certs_merge(certificates);
            }
            Ok(builder)
        };
        let build = |builder: reqwest::ClientBuilder| {
            builder.build().map_err(|error| WireError {
                what: "the HTTP client cannot be set up",
                reason: causes(&error),
            })
        };
        let way = Direction::Sockets {
            reads: build(builder()?)?,
            writes: build(builder()?.http1_only().pool_max_idle_per_host(0))?,
        };
        Ok(Wire { way, reads_only: false })
    }

    /// A wire to `service`, without a socket.
    pub fn in_process(service: Arc<dyn InProcess>) -> Self {
        Wire { way: Direction::InProcess(service), reads_only: false }
    }

    /// The same wire for reads only: a request that may change state is refused as an internal error (bug).
    #[must_use]
    pub fn reads_only(self) -> Self {
        Wire { reads_only: true, ..self }
    }

    pub(crate) async fn send(
        &self,
        request: Request<Bytes>,
        write: bool,
    ) -> Result<Response<Bytes>, TransportFault> {
        let (verb, path) = (request.method(), request.uri().path());
        if self.reads_only && (write || !(only_reads(verb, path) || asks_for_token(verb, path))) {
            return Err(TransportFault::Forbidden(format!("{verb} {}", redaction::target(path))));
        }
        match &self.way {
            Direction::InProcess(service) => service.call(request).await,
            // The identity service of the machine: a proxy cannot reach it and must not see its responses. Requests
            // are too rare to keep a connection.
            Direction::Sockets { .. } if is_link_local(request.uri()) => {
                let client = reqwest::Client::builder()
                    .no_proxy()
                    .retry(reqwest::retry::never())
                    .redirect(reqwest::redirect::Policy::none())
                    .connect_timeout(CONNECT_WITHIN)
                    .build()
                    .map_err(|error| TransportFault::Refused(causes(&error)))?;
                over_sockets(&client, request).await
            }
            Direction::Sockets { reads, writes } => {
                over_sockets(if write { writes } else { reads }, request).await
            }
        }
    }
}

/// Whether the address is in `169.254.0.0/16`, the addresses of the machine's own platform.
fn is_link_local(address: &http::Uri) -> bool {
    let host = address.host().and_then(|host| host.parse::<std::net::Ipv4Addr>().ok());
    host.is_some_and(|host| host.is_link_local())
}

async fn over_sockets(
    client: &reqwest::Client,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, TransportFault> {
    let request = request.try_into().map_err(|error| TransportFault::Refused(causes(&error)))?;
    let mut answer = client.execute(request).await.map_err(fault)?;
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| TransportFault::Truncated(causes(&error)))? {
        if body.len() + chunk.len() > LONGEST_BODY {
            return Err(TransportFault::Truncated(format!("it is longer than {LONGEST_BODY} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(body.freeze());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

fn fault(error: reqwest::Error) -> TransportFault {
    if error.is_connect() {
        if error.is_timeout() {
            return TransportFault::TimedOut;
        }
        return TransportFault::Refused(causes(&error));
    }
    if error.is_builder() {
        return TransportFault::Refused(causes(&error));
    }
    TransportFault::Lost(causes(&error))
}

/// The chain of causes in one line, without the URL (which may contain a signature).
fn causes(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        cause = inner.source();
    }
    if texts.is_empty() {
        texts.push(if error.is_timeout() {
            "time-out".to_owned()
        } else {
            "connection closed early".to_owned()
        });
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Sends `answer` on each connection and closes it; an empty answer closes without a response. Counts the
    /// connections.
    async fn listener(answer: &'static str) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                tokio::spawn(async move {
                    let mut buffer = vec![0; 4096];
                    // A connection that stays open serves several requests.
                    while socket.read(&mut buffer).await.is_ok_and(|length| length > 0) {
                        if answer.is_empty() || socket.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                        if answer.contains("close") {
                            return;
                        }
                    }
                });
            }
        });
        (address, connections)
    }

    fn wire(address: &str) -> Wire {
        let cloud = Cloud::custom(address, "https://localhost:1", address).unwrap();
        Wire::sockets(&cloud).unwrap()
    }

    fn request(address: &str) -> Request<Bytes> {
        Request::get(format!("{address}/x")).body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn a_whole_answer_comes_back() {
        let (address, _) = listener("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: b\r\n\r\nhi").await;
        let answer = wire(&address).send(request(&address), false).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"hi"[..]));
        assert_eq!(answer.headers()["x-a"], "b");
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let (address, connections) = listener(
            "HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        )
        .await;
        let answer = wire(&address).send(request(&address), false).await.unwrap();
        assert_eq!(answer.status().as_u16(), 302);
        assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn each_write_has_its_own_connection() {
        let (address, connections) = listener("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        let wire = wire(&address);
        let count = || connections.load(std::sync::atomic::Ordering::SeqCst);
        for _ in 0..3 {
            wire.send(request(&address), false).await.unwrap();
        }
        assert_eq!(count(), 1, "reads share one");
        for _ in 0..3 {
            wire.send(request(&address), true).await.unwrap();
        }
        assert_eq!(count(), 4, "writes do not");
    }

    #[tokio::test]
    async fn faults_say_whether_the_request_may_have_arrived() {
        // A port that was free a moment ago and is closed now.
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let closed = format!("http://{closed}");
        let fault = wire(&closed).send(request(&closed), true).await.unwrap_err();
        assert!(matches!(fault, TransportFault::Refused(_)), "{fault:?}");
        assert!(!fault.may_have_arrived());

        let (silent, connections) = listener("").await;
        let fault = wire(&silent).send(request(&silent), true).await.unwrap_err();
        assert!(matches!(fault, TransportFault::Lost(_)), "{fault:?}");
        assert!(fault.may_have_arrived());
        assert_eq!(
            connections.load(std::sync::atomic::Ordering::SeqCst),
            1,
            "a lost write is not sent again"
        );

        let (half, _) =
            listener("HTTP/1.1 200 OK\r\ncontent-length: 9\r\nconnection: close\r\n\r\nhalf").await;
        let fault = wire(&half).send(request(&half), true).await.unwrap_err();
        assert!(matches!(fault, TransportFault::Truncated(_)), "{fault:?}");
        assert!(fault.may_have_arrived());
    }

    /// Responds to every request, and records it.
    #[derive(Default)]
    struct Anything(std::sync::Mutex<Vec<String>>);

    impl InProcess for Anything {
        fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>> {
            self.0.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
            Box::pin(async { Ok(Response::new(Bytes::new())) })
        }
    }

    #[tokio::test]
    async fn a_wire_for_reads_stops_everything_else_whatever_the_caller_says() {
        let there = Arc::new(Anything::default());
        let wire = Wire::in_process(there.clone()).reads_only();
        let asked = [
            ("GET", "/subscriptions/s", false, true),
            ("HEAD", "/subscriptions/s", false, true),
            ("POST", "/t/oauth2/v2.0/token", false, true),
            (
                "POST",
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkManagers/m/listDeploymentStatus",
                false,
                true,
            ),
            ("POST", "/providers/Microsoft.ResourceGraph/resources", false, true),
            // A request that its caller declares as a write is refused, too.
            ("GET", "/subscriptions/s", true, false),
            ("PUT", "/subscriptions/s/resourceGroups/g", false, false),
            ("PUT", "/subscriptions/s/resourceGroups/g", true, false),
            ("PATCH", "/v1.0/users/u", false, false),
            ("DELETE", "/v1.0/users/u", true, false),
            ("POST", "/v1.0/invitations", false, false),
            ("POST", "/subscriptions/s/providers/Microsoft.Network/register", false, false),
            (
                "POST",
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkManagers/m/commit",
                false,
                false,
            ),
        ];
        let mut carried = Vec::new();
        for (verb, path, write, passes) in asked {
            let request = Request::builder().method(verb).uri(format!("https://arm.example{path}"));
            let answer = wire.send(request.body(Bytes::new()).unwrap(), write).await;
            assert_eq!(answer.is_ok(), passes, "{verb} {path}");
            match answer {
                Ok(_) => carried.push(format!("{verb} {path}")),
                Err(fault) => {
                    assert!(matches!(fault, TransportFault::Forbidden(_)), "{verb} {path}: {fault:?}");
                    assert!(!fault.may_have_arrived());
                }
            }
        }
        assert_eq!(*there.0.lock().unwrap(), carried, "nothing else arrived");
        assert_eq!(carried.len(), 5);
    }

    #[test]
    fn a_root_certificate_that_is_none_is_refused() {
        let cloud = Cloud::named("public").unwrap().root_certificate(b"not a certificate".to_vec());
        let message = Wire::sockets(&cloud).unwrap_err().to_string();
        assert!(message.starts_with("the root certificate cannot be read"), "{message}");
    }
}
