//! Accepting connections: so many at a time, none of them idle for long.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

use super::limits;

/// A listener that accepts no more connections than [`limits::CONNECTIONS_MAX`] at a time.
#[derive(Debug)]
pub struct BoundedListener {
    listener: TcpListener,
    places: Arc<Semaphore>,
}

impl BoundedListener {
    /// Bounds a listener.
    pub fn new(listener: TcpListener) -> BoundedListener {
        BoundedListener { listener, places: Arc::new(Semaphore::new(limits::CONNECTIONS_MAX)) }
    }
}

impl Listener for BoundedListener {
    type Io = BoundedStream;
    type Addr = Connection;

    async fn accept(&mut self) -> (BoundedStream, Connection) {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("the semaphore is never closed");
        loop {
            let failure = match self.listener.accept().await {
                Ok((stream, _)) => match stream.local_addr() {
                    Ok(local) => {
                        // Events are small and must not wait for the acknowledgment of the ones before.
                        let _ = stream.set_nodelay(true);
                        return (BoundedStream::new(stream, place), Connection { local });
                    }
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            tracing::debug!(%failure, "an HTTP connection was not accepted");
            // Without file descriptors accepting fails at once, again and again.
            if !matches!(failure.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }

    fn local_addr(&self) -> io::Result<Connection> {
        self.listener.local_addr().map(|local| Connection { local })
    }
}

/// What the guard needs to know of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    /// The address at which the client reached us.
    pub local: SocketAddr,
}

impl Connected<IncomingStream<'_, BoundedListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, BoundedListener>) -> Connection {
        *stream.remote_addr()
    }
}

/// A connection that gives its place back when it ends, and ends when it is idle.
#[derive(Debug)]
pub struct BoundedStream {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl BoundedStream {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit) -> BoundedStream {
        BoundedStream { stream, idle: Box::pin(tokio::time::sleep(limits::IDLE_MAX)), _place: place }
    }
    fn touch(&mut self) {
        self.idle.as_mut().reset(Instant::now() + limits::IDLE_MAX);
    }
    /// Fails once the connection has been idle for too long.
    fn poll_idle(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.idle.as_mut().poll(context).map(|()| io::ErrorKind::TimedOut.into())
    }
}

impl AsyncRead for BoundedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(outcome) => {
                this.touch();
                Poll::Ready(outcome)
            }
            Poll::Pending => this.poll_idle(context).map(Err),
        }
    }
}

impl AsyncWrite for BoundedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write(context, bytes) {
            Poll::Ready(outcome) => {
                this.touch();
                Poll::Ready(outcome)
            }
            Poll::Pending => this.poll_idle(context).map(Err),
        }
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_write_vectored(context, slices) {
            Poll::Ready(outcome) => {
                this.touch();
                Poll::Ready(outcome)
            }
            Poll::Pending => this.poll_idle(context).map(Err),
        }
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }
    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
