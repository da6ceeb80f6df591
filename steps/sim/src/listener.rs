//! Serves a simulated Azure over HTTPS on real sockets.
//!
//! The sign-in host must own its root path, so each host (ARM, sign-in, Graph) has its own port. The ports are bound
//! first, because the world must know its own addresses; [`Bound::serve`] then starts to serve them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::service::Hosts;

mod certificate;
mod connection;
mod ready;
mod served;
mod socket;

pub(crate) use certificate::valid_around;
pub use ready::write_ready;
pub use served::Served;

/// How a request ends on the socket.
pub enum Reply {
    /// The complete response.
    Whole(Response<Bytes>),
    /// Another reply, after this much real time; computed even if the client has gone by then.
    Later(Duration, Box<dyn FnOnce() -> Reply + Send>),
    /// Status and headers of the response and half of its body; then the connection is cut.
    Half(Response<Bytes>),
    /// No response; the connection is closed without a TLS close_notify.
    Closed,
    /// No response; the connection is reset.
    Reset,
    /// Never a response; the connection stays open.
    Silence,
}

/// The service behind the sockets. Called concurrently by many connections.
pub trait Origin: Send + Sync + 'static {
    /// Handles one request. Its URI is absolute and begins with one of the addresses of [`Bound::hosts`].
    fn answer(&self, request: Request<Bytes>) -> Reply;
}

/// Options of the listener.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address and port of the ARM host. Port 0: any free ports; port P: P, P+1 (sign-in) and P+2 (Graph).
    pub listen: SocketAddr,
    /// File for the root certificate (PEM).
    pub ca_file: PathBuf,
    /// Real time now: the certificates are valid around it.
    pub now: Timestamp,
}

/// Why the simulator cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Not a loopback address.
    #[error(
        "{0} is not a loopback address; the simulator has no real authentication and is served on loopback only"
    )]
    NotLoopback(IpAddr),
    /// There is no room for three ports from here.
    #[error("port {0} leaves no room for the sign-in and Graph ports; choose a port up to 65533, or 0")]
    PortTooHigh(u16),
    /// A port cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// Its address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The certificates cannot be created.
    #[error("cannot create the simulator's certificates: {0}")]
    Certificate(String),
    /// A file cannot be written.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Bound ports and a written certificate, before requests are served.
#[derive(Debug)]
pub struct Bound {
    listeners: [(TcpListener, String); 3],
    hosts: Hosts,
    ca_file: PathBuf,
    tls: Arc<tokio_rustls::rustls::ServerConfig>,
}

impl Bound {
    /// Binds the three ports and writes the root certificate.
    pub async fn bind(options: &Options) -> Result<Bound, ListenError> {
        let ip = options.listen.ip();
        if !ip.is_loopback() {
            return Err(ListenError::NotLoopback(ip));
        }
        let first = options.listen.port();
        if first > u16::MAX - 2 {
            return Err(ListenError::PortTooHigh(first));
        }
        let port = |n: u16| if first == 0 { 0 } else { first + n };
        let name = if ip == IpAddr::V4(Ipv4Addr::LOCALHOST) { "localhost".to_owned() } else { literal(ip) };
        let arm = bind_one(SocketAddr::new(ip, port(0)), &name).await?;
        let login = bind_one(SocketAddr::new(ip, port(1)), &name).await?;
        let graph = bind_one(SocketAddr::new(ip, port(2)), &name).await?;
        let authority = certificate::Authority::new(options.now)?;
        let ca_file = write_certificate(&options.ca_file, authority.pem())?;
        let hosts = Hosts { arm: arm.1.clone(), login: login.1.clone(), graph: graph.1.clone() };
        Ok(Bound { listeners: [arm, login, graph], hosts, ca_file, tls: authority.server_config()? })
    }

    /// Addresses of the hosts.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The root certificate, as an absolute path.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Starts to serve requests.
    pub fn serve(self, origin: Arc<dyn Origin>) -> Running {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (listener, base) in self.listeners {
            let host = connection::Host {
                base: Arc::from(base),
                origin: Arc::clone(&origin),
                tls: TlsAcceptor::from(Arc::clone(&self.tls)),
                stopped: stopped.clone(),
            };
            tasks.spawn(connection::accept(listener, host));
        }
        Running { hosts: self.hosts, ca_file: self.ca_file, stop, tasks }
    }
}

/// A running simulator. Dropping it stops it at once.
#[derive(Debug)]
pub struct Running {
    hosts: Hosts,
    ca_file: PathBuf,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Addresses of the hosts.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The root certificate, as an absolute path.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Accepts no more connections, waits at most `grace` for requests in flight, and returns.
    pub async fn stop(mut self, grace: Duration) {
        // An error means that every task has ended already.
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, all).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

async fn bind_one(address: SocketAddr, name: &str) -> Result<(TcpListener, String), ListenError> {
    let listener =
        TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })?;
    let port = listener.local_addr().map_err(|source| ListenError::Bind { address, source })?.port();
    Ok((listener, format!("https://{name}:{port}")))
}

fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn write_certificate(path: &Path, pem: &str) -> Result<PathBuf, ListenError> {
    let fail = |source| ListenError::Write { path: path.to_owned(), source };
    let absolute = std::path::absolute(path).map_err(fail)?;
    std::fs::write(&absolute, pem).map_err(fail)?;
    Ok(absolute)
}

#[cfg(test)]
mod tests;
