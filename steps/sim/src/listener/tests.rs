//! Tests of real sockets, with an origin that replies as the path says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::CONTENT_TYPE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;

#[derive(Default)]
struct Echo {
    asked: AtomicUsize,
    /// Number of requests to `/held` that were processed when due; tests wait for it to change.
    done: tokio::sync::watch::Sender<usize>,
}

impl Origin for Echo {
    fn answer(&self, request: Request<Bytes>) -> Reply {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let text = format!("{} {} {}", request.method(), request.uri(), request.body().len());
        let response =
            Response::builder().header(CONTENT_TYPE, "text/plain").body(Bytes::from(text)).unwrap();
        match request.uri().path() {
            "/half" => Reply::Half(response),
            "/closed" => Reply::Closed,
            "/reset" => Reply::Reset,
            "/silence" => Reply::Silence,
            "/held" => {
                let done = self.done.clone();
                let then = move || {
                    done.send_modify(|count| *count += 1);
                    Reply::Whole(response)
                };
                Reply::Later(Duration::from_millis(30), Box::new(then))
            }
            "/slow" => Reply::Later(Duration::from_millis(1), Box::new(|| Reply::Whole(response))),
            _ => Reply::Whole(response),
        }
    }
}

fn options(dir: &tempfile::TempDir) -> Options {
    Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        ca_file: dir.path().join("ca.pem"),
        now: "2026-11-23T09:00:00Z".parse().unwrap(),
    }
}

async fn served(dir: &tempfile::TempDir) -> (Running, Arc<Echo>) {
    let bound = Bound::bind(&options(dir)).await.unwrap();
    let echo = Arc::new(Echo::default());
    (bound.serve(Arc::clone(&echo) as Arc<dyn Origin>), echo)
}

async fn dial(running: &Running, base: &str, name: &'static str, alpn: &[u8]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(running.ca_file()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let port: u16 = base.rsplit(':').next().unwrap().parse().unwrap();
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), tcp).await.unwrap()
}

/// Sends a GET and reads until the server ends the connection; returns what arrived and how it ended.
async fn get(running: &Running, base: &str, path: &str) -> (String, std::io::Result<()>) {
    let mut stream = dial(running, base, "localhost", b"http/1.1").await;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    let end = stream.read_to_end(&mut seen).await.map(|_| ());
    (String::from_utf8(seen).unwrap(), end)
}

#[tokio::test]
async fn each_host_has_a_port_and_sees_its_own_absolute_address() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = served(&dir).await;
    let at = running.hosts().clone();
    assert!(at.arm != at.login && at.login != at.graph);
    for base in [&at.arm, &at.login, &at.graph] {
        let (seen, end) = get(&running, base, "/a%20b?api-version=1&x=%2F").await;
        end.unwrap();
        assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
        assert!(seen.ends_with(&format!("GET {base}/a%20b?api-version=1&x=%2F 0")), "{seen}");
    }
}

#[tokio::test]
async fn the_certificate_covers_the_names_of_loopback_and_both_protocols() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = served(&dir).await;
    assert!(running.ca_file().is_absolute());
    let arm = running.hosts().arm.clone();
    for name in ["localhost", "127.0.0.1", "::1"] {
        let stream = dial(&running, &arm, name, b"h2").await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    }
}

#[tokio::test]
async fn half_a_body_arrives_and_then_the_connection_ends_without_farewell() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = served(&dir).await;
    let arm = running.hosts().arm.clone();
    let (seen, end) = get(&running, &arm, "/half").await;
    let body = format!("GET {arm}/half 0");
    assert!(seen.contains(&format!("content-length: {}", body.len())), "{seen}");
    assert!(seen.ends_with(&format!("\r\n\r\n{}", &body[..body.len() / 2])), "{seen}");
    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn closed_and_reset_give_no_byte_of_an_answer_although_the_origin_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (running, echo) = served(&dir).await;
    let arm = running.hosts().arm.clone();
    let (seen, end) = get(&running, &arm, "/closed").await;
    assert_eq!((seen.as_str(), end.unwrap_err().kind()), ("", io::ErrorKind::UnexpectedEof));
    let (seen, end) = get(&running, &arm, "/reset").await;
    assert_eq!((seen.as_str(), end.unwrap_err().kind()), ("", io::ErrorKind::ConnectionReset));
    assert_eq!(echo.asked.load(Ordering::SeqCst), 2);
    let (seen, end) = get(&running, &arm, "/slow").await;
    end.unwrap();
    assert!(seen.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_request_that_has_arrived_is_done_although_its_client_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (running, echo) = served(&dir).await;
    let arm = running.hosts().arm.clone();
    let mut done = echo.done.subscribe();
    let mut stream = dial(&running, &arm, "localhost", b"http/1.1").await;
    stream.write_all(b"PUT /held HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let arrived = tokio::time::timeout(Duration::from_secs(10), async {
        while echo.asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    });
    arrived.await.unwrap();
    drop(stream);
    tokio::time::timeout(Duration::from_secs(10), done.wait_for(|count| *count == 1)).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_a_request_is_refused_and_the_next_one_is_answered() {
    let dir = tempfile::tempdir().unwrap();
    let (running, echo) = served(&dir).await;
    let arm = running.hosts().arm.clone();
    let long = format!("PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", 64 * 1024 * 1024);
    for (bytes, status) in [
        ("\u{1}\u{2}nonsense\r\n\r\n", "400"),
        ("GET  HTTP/9\r\n\r\n", "400"),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "400"),
        ("PUT /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "400"),
        (long.as_str(), "413"),
    ] {
        let mut stream = dial(&running, &arm, "localhost", b"http/1.1").await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut seen = vec![0; 12];
        stream.read_exact(&mut seen).await.unwrap();
        assert_eq!(String::from_utf8(seen).unwrap(), format!("HTTP/1.1 {status}"), "{bytes:?}");
    }
    assert_eq!(echo.asked.load(Ordering::SeqCst), 0);
    assert!(get(&running, &arm, "/").await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn stop_ends_a_silent_request_after_the_grace_and_frees_the_port() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = served(&dir).await;
    let arm = running.hosts().arm.clone();
    let mut stream = dial(&running, &arm, "localhost", b"http/1.1").await;
    stream.write_all(b"GET /silence HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.stop(Duration::from_millis(20)).await;
    let mut seen = Vec::new();
    assert!(stream.read_to_end(&mut seen).await.is_err() && seen.is_empty());
    let port: u16 = arm.rsplit(':').next().unwrap().parse().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn only_loopback_and_only_where_three_ports_fit() {
    let dir = tempfile::tempdir().unwrap();
    let mut wide = options(&dir);
    wide.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(Bound::bind(&wide).await, Err(ListenError::NotLoopback(_))));
    let mut high = options(&dir);
    high.listen = "127.0.0.1:65534".parse().unwrap();
    assert!(matches!(Bound::bind(&high).await, Err(ListenError::PortTooHigh(65534))));
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut busy = options(&dir);
    busy.listen = taken.local_addr().unwrap();
    assert!(matches!(Bound::bind(&busy).await, Err(ListenError::Bind { .. } | ListenError::PortTooHigh(_))));
}

#[test]
fn the_ready_file_appears_whole_and_leaves_nothing_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ready.json");
    write_ready(&path, &serde_json::json!({"arm": "https://localhost:1"})).unwrap();
    write_ready(&path, &serde_json::json!({"arm": "https://localhost:2"})).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"arm\":\"https://localhost:2\"}\n");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert!(write_ready(&dir.path().join("no/such/dir"), &serde_json::Value::Null).is_err());
}
