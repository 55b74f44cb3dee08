//! Sockets on which connections are accepted.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::Service;

/// Connections that the system may hold ready for us.
const LISTEN_BACKLOG: i32 = 1024;
/// How long sent octets may stay unacknowledged before a connection counts as broken.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a connection may be silent before the system asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// One such socket.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Socket,
    local: SocketAddr,
    service: Service,
}

impl Listener {
    /// Listens at an address.
    pub(super) fn open(address: SocketAddr, service: Service) -> io::Result<Listener> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // For TCP this lets a restarted daemon bind while old connections fade away; it takes no port from anybody.
        socket.set_reuse_address(true)?;
        prepare(&socket);
        socket.bind(&address.into())?;
        socket.listen(LISTEN_BACKLOG)?;
        let local = socket.local_addr()?.as_socket().expect("it is an IP socket");
        Ok(Listener { socket, local, service })
    }
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }
    pub(super) fn service(&self) -> Service {
        self.service
    }
    /// The next connection; `None` when there is none.
    pub(super) fn accept(&self) -> io::Result<Option<(OwnedFd, SocketAddr)>> {
        loop {
            match acceptfrom_with(&self.socket, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((socket, Some(remote))) => match SocketAddr::try_from(remote) {
                    Ok(remote) => return Ok(Some((socket, remote))),
                    Err(error) => return Err(error.into()),
                },
                // It is gone before we saw it.
                Ok((_, None)) | Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Sets what every connection needs; those accepted have it from their listener. None of it is vital. TCP Fast Open is
/// left off (DS54).
fn prepare(socket: &Socket) {
    // DS58: see the deviations of the module above.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
    let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
}
