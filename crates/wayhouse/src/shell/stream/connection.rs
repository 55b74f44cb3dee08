//! One connection: its socket, its TLS session, and what waits to leave.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{Shutdown, getsockname};
use socket2::SockRef;

use super::buffers::Buffers;
use super::{READ_OCTETS, Service, tls};

/// Where a connection stands.
///
/// ```text
///  Handshaking ──▶ Open ──we close──▶ Closing ──all written──▶ Lingering ──▶ gone
///                    └──the peer closes──▶ Ending ──all written──▶ gone
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// TLS is not there yet; nobody knows of the connection.
    Handshaking,
    /// Octets pass both ways.
    Open,
    /// We end it: what waits leaves, then the end. What arrives is dropped.
    Closing,
    /// All has left; the peer may close its side.
    Lingering,
    /// The peer ended it, as the loop was told; what waits leaves.
    Ending,
}

/// What reading brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// So many octets for the node.
    Octets(usize),
    /// The last ones.
    LastOctets(usize),
    /// Nothing, and nothing will pass any more.
    Broken,
}

/// What writing led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// Nothing waits.
    All,
    /// The socket takes no more.
    Part,
    /// Nothing will pass any more.
    Broken,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    session: Option<Box<tls::TlsSession>>,
    pub(super) remote: SocketAddr,
    pub(super) service: Service,
    pub(super) phase: Phase,
    pub(super) deadline: Option<Instant>,
    /// Whether the poller tells when the socket takes octets.
    pub(super) wants_room: bool,
    /// Whether it stays although its peer has ended and nothing waits here: what is to come waits elsewhere.
    pub(super) is_kept: bool,
    /// Whether it stands in the queue of those to write to.
    is_queued: bool,
    /// What is to be encrypted.
    staged: Vec<u8>,
    /// What is to be written, the first `sent` octets of which were.
    outbox: Vec<u8>,
    sent: usize,
}

impl Connection {
    /// A connection that was just accepted.
    pub(super) fn new(
        socket: OwnedFd,
        remote: SocketAddr,
        service: Service,
        session: Option<Box<tls::TlsSession>>,
    ) -> Connection {
        let phase = if session.is_some() { Phase::Handshaking } else { Phase::Open };
        Connection {
            socket,
            session,
            remote,
            service,
            phase,
            deadline: None,
            wants_room: false,
            is_kept: false,
            is_queued: false,
            staged: Vec::new(),
            outbox: Vec::new(),
            sent: 0,
        }
    }
    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }
    pub(super) fn local(&self) -> Option<SocketAddr> {
        getsockname(&self.socket).ok()?.try_into().ok()
    }
    pub(super) fn is_resumed(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_resumed())
    }
    /// Whether what arrived is for the node, and what it says leaves.
    pub(super) fn is_heard(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Ending)
    }
    /// Octets that wait to leave.
    pub(super) fn held(&self) -> usize {
        self.staged.len() + self.outbox.len() - self.sent
    }
    pub(super) fn has_unwritten(&self) -> bool {
        self.held() > 0
    }
    /// Notes that it is to be written to; whether it has to be put into the queue.
    pub(super) fn note_unwritten(&mut self) -> bool {
        !std::mem::replace(&mut self.is_queued, true)
    }
    /// Has octets leave with the next write.
    pub(super) fn stage(&mut self, octets: &[u8], buffers: &mut Buffers) {
        let buffer = if self.session.is_some() { &mut self.staged } else { &mut self.outbox };
        if buffer.capacity() == 0 {
            *buffer = buffers.lend();
        }
        buffer.extend_from_slice(octets);
    }

    /// Reads once. What is for the node stands in the buffers afterwards; what TLS has to say waits to leave.
    pub(super) fn read(&mut self, buffers: &mut Buffers, octets_left: &mut usize) -> Read {
        let octets = match rustix::io::read(&self.socket, &mut buffers.incoming[..READ_OCTETS]) {
            Ok(0) => return Read::LastOctets(0),
            Ok(octets) => octets,
            Err(Errno::AGAIN | Errno::INTR) => return Read::Octets(0),
            Err(_) => return Read::Broken,
        };
        *octets_left = octets_left.saturating_sub(octets);
        if !matches!(self.phase, Phase::Handshaking | Phase::Open) {
            return Read::Octets(0);
        }
        let Some(session) = &mut self.session else {
            buffers.is_plain = false;
            return Read::Octets(octets);
        };
        buffers.is_plain = true;
        if self.outbox.capacity() == 0 {
            self.outbox = buffers.lend();
        }
        let taken = session.take(&mut buffers.incoming, octets, &mut buffers.plain, &mut self.outbox);
        if taken.is_established {
            self.phase = Phase::Open;
        }
        if self.outbox.is_empty() {
            buffers.take_back(&mut self.outbox);
        }
        match taken.end {
            None => Read::Octets(taken.octets),
            Some(tls::End::Closed) => Read::LastOctets(taken.octets),
            Some(tls::End::Failed) => Read::Broken,
        }
    }

    /// Encrypts what was staged and writes as much as the socket takes.
    pub(super) fn write(&mut self, buffers: &mut Buffers) -> Written {
        self.is_queued = false;
        if let Some(session) = &mut self.session
            && self.phase != Phase::Handshaking
        {
            let ends = matches!(self.phase, Phase::Closing | Phase::Ending) && !self.is_kept;
            if self.outbox.capacity() == 0 && (ends || !self.staged.is_empty()) {
                self.outbox = buffers.lend();
            }
            if !self.staged.is_empty() {
                let is_encrypted = session.put(&self.staged, &mut self.outbox);
                buffers.take_back(&mut self.staged);
                if !is_encrypted {
                    return Written::Broken;
                }
            }
            if ends {
                // DS59, PU31: the end of TLS, before that of TCP.
                session.close(&mut self.outbox);
            }
        }
        while self.sent < self.outbox.len() {
            match rustix::net::send(&self.socket, &self.outbox[self.sent..], rustix::net::SendFlags::NOSIGNAL) {
                Ok(octets) => self.sent += octets,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    // What has left gives its room back, before it is most of the buffer.
                    if self.sent >= self.outbox.len() / 2 {
                        self.outbox.drain(..self.sent);
                        self.sent = 0;
                    }
                    return Written::Part;
                }
                Err(_) => return Written::Broken,
            }
        }
        self.sent = 0;
        buffers.take_back(&mut self.outbox);
        Written::All
    }
    /// Ends our side.
    pub(super) fn shut_down(&self) {
        // Where that fails the peer has ended everything.
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }
    /// Has the end of the socket be a reset.
    pub(super) fn reset_on_drop(&self) {
        let outcome: io::Result<()> = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        debug_assert!(outcome.is_ok(), "a socket takes the option: {outcome:?}");
    }
    /// Closes the socket; the buffers are for others.
    pub(super) fn give_back(mut self, buffers: &mut Buffers) {
        buffers.take_back(&mut self.staged);
        buffers.take_back(&mut self.outbox);
    }
}
