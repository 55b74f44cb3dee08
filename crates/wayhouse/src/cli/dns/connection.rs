//! A connection to a name server: plain TCP, or TLS over it.
//!
//! Everything goes through [`Connection::next`], which may be dropped at any time without losing anything.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use wayhouse_proto::dns::dso_session::Close;

use super::tls::{Session, TlsFault, Trust};
use crate::cli::exit::Fault;

/// How long the handshakes may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectFault {
    /// Nobody there, or not in time.
    #[error("{0}")]
    Unreachable(#[from] io::Error),
    /// TLS did not come about.
    #[error("{0}")]
    Tls(#[from] TlsFault),
    /// The command line asks for something impossible.
    #[error("{}", .0.what)]
    Misuse(Fault),
}

/// A connection.
pub(super) struct Connection {
    stream: TcpStream,
    protection: Protection,
    /// What is to leave.
    outgoing: Vec<u8>,
}

enum Protection {
    Plain,
    Tls(Box<Session>),
}

impl Connection {
    /// Connects; with TLS where somebody is to be believed, to a host of that name.
    pub(super) async fn open(
        remote: SocketAddr,
        host: &str,
        trust: Option<&Trust>,
    ) -> Result<Connection, ConnectFault> {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(remote)).await.map_err(|_| late())??;
        let mut connection = Connection { stream, protection: Protection::Plain, outgoing: Vec::new() };
        if let Some(trust) = trust {
            let session = Session::new(host, trust).map_err(ConnectFault::Misuse)?;
            tokio::time::timeout(PATIENCE, connection.shake_hands(session)).await.map_err(|_| late())??;
        }
        Ok(connection)
    }
    async fn shake_hands(&mut self, mut session: Session) -> Result<(), ConnectFault> {
        let mut arrived = Vec::new();
        loop {
            let is_over = session.shake_hands(&arrived)?;
            session.take_outgoing(&mut self.outgoing);
            if is_over {
                self.protection = Protection::Tls(Box::new(session));
                return Ok(());
            }
            arrived.clear();
            if !self.pass(&mut arrived).await? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }

    /// Sends octets; they leave with the next call of [`Connection::next`].
    pub(super) fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.protection {
            Protection::Plain => self.outgoing.extend_from_slice(octets),
            Protection::Tls(session) => {
                session.put(octets).map_err(io::Error::other)?;
                session.take_outgoing(&mut self.outgoing);
            }
        }
        Ok(())
    }
    /// Appends what arrives next; `false` at the end.
    pub(super) async fn next(&mut self, plain: &mut Vec<u8>) -> io::Result<bool> {
        let before = plain.len();
        loop {
            let goes_on = match &mut self.protection {
                Protection::Plain => self.pass(plain).await?,
                Protection::Tls(_) => {
                    let mut arrived = Vec::new();
                    let goes_on = self.pass(&mut arrived).await?;
                    let Protection::Tls(session) = &mut self.protection else { unreachable!("it was TLS above") };
                    let is_closed = session.take(&arrived, plain).map_err(io::Error::other)?;
                    session.take_outgoing(&mut self.outgoing);
                    goes_on && !is_closed
                }
            };
            if plain.len() > before || !goes_on {
                return Ok(plain.len() > before || goes_on);
            }
        }
    }
    /// Moves octets of the transport until some arrived; `false` at the end.
    async fn pass(&mut self, arrived: &mut Vec<u8>) -> io::Result<bool> {
        loop {
            let interest =
                if self.outgoing.is_empty() { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
            let ready = self.stream.ready(interest).await?;
            if ready.is_writable() && !self.outgoing.is_empty() {
                match self.stream.try_write(&self.outgoing) {
                    Ok(octets) => drop(self.outgoing.drain(..octets)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            if ready.is_readable() || ready.is_read_closed() {
                let mut buffer = [0; 16 << 10];
                match self.stream.try_read(&mut buffer) {
                    Ok(0) => return Ok(false),
                    Ok(octets) => {
                        arrived.extend_from_slice(&buffer[..octets]);
                        return Ok(true);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Ends the connection: TLS close_notify and FIN behind what was sent, or RST (PU31, DS59).
    pub(super) async fn close(mut self, how: Close) {
        if how == Close::Abort {
            // Without lingering the system sends RST.
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
            return;
        }
        if let Protection::Tls(session) = &mut self.protection {
            session.finish();
            session.take_outgoing(&mut self.outgoing);
        }
        let farewell = async {
            while !self.outgoing.is_empty() {
                self.stream.writable().await?;
                match self.stream.try_write(&self.outgoing) {
                    Ok(octets) => drop(self.outgoing.drain(..octets)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            tokio::io::AsyncWriteExt::shutdown(&mut self.stream).await
        };
        // Who does not take it in time, or is gone, goes without.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}
