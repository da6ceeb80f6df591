//! A socket that can be cut below TLS, so that the client sees a fault as on a real network.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

const WHOLE: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

/// Cuts its socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut(Arc<AtomicU8>);

impl Cut {
    /// Ends the connection without a TLS close_notify; bytes already written still arrive.
    pub(super) fn close(&self) {
        self.0.store(CLOSED, Ordering::Release);
    }

    /// Ends the connection with a reset; bytes in flight may be lost.
    pub(super) fn reset(&self) {
        self.0.store(RESET, Ordering::Release);
    }

    fn state(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

/// A TCP stream with a [`Cut`].
#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    cut: Cut,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream) -> (Self, Cut) {
        let cut = Cut::default();
        (Socket { tcp, cut: cut.clone() }, cut)
    }

    fn broken<T>(&self) -> Option<Poll<io::Result<T>>> {
        (self.cut.state() != WHOLE).then(|| Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.cut.state() == RESET {
            // A socket that refuses the option is closed normally: there is still no response.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.broken() {
            Some(broken) => broken,
            None => Pin::new(&mut self.tcp).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.broken() {
            Some(broken) => broken,
            None => Pin::new(&mut self.tcp).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.broken() {
            Some(broken) => broken,
            None => Pin::new(&mut self.tcp).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.broken() {
            Some(broken) => broken,
            None => Pin::new(&mut self.tcp).poll_shutdown(cx),
        }
    }
}
