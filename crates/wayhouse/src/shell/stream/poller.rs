//! Which sockets are ready: an event queue of the system, watched by the runtime as one descriptor.
//!
//! The runtime learns of ten thousand connections by one; who has nothing to say costs nothing. Readiness is told for as long
//! as it lasts, and in turn: what a turn of the loop leaves over is met again behind what others have.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::{Context, Poll, ready};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use wayhouse_proto::io::StreamId;

use super::super::udp::watch;

/// Sockets asked for at a time.
const EVENTS: usize = 64;
/// What tells listeners from connections.
const LISTENER_BIT: u64 = 1 << 63;

/// What a socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// The n-th listener.
    Listener(usize),
    /// A connection.
    Connection(StreamId),
}

impl Token {
    fn to_data(self) -> EventData {
        EventData::new_u64(match self {
            Token::Listener(index) => LISTENER_BIT | index as u64,
            Token::Connection(StreamId(id)) => id,
        })
    }
    fn of_data(data: EventData) -> Token {
        match data.u64() {
            listener if listener & LISTENER_BIT != 0 => Token::Listener((listener & !LISTENER_BIT) as usize),
            id => Token::Connection(StreamId(id)),
        }
    }
}

/// The queue.
#[derive(Debug)]
pub(super) struct Poller {
    queue: AsyncFd<OwnedFd>,
    /// What was found, and how many of it were fetched.
    ready: Vec<(Token, EventFlags)>,
    fetched: usize,
}

impl Poller {
    /// A queue with no sockets.
    pub(super) fn new() -> io::Result<Poller> {
        let queue = watch(epoll::create(CreateFlags::CLOEXEC)?, Interest::READABLE)?;
        Ok(Poller { queue, ready: Vec::with_capacity(EVENTS), fetched: 0 })
    }

    /// Watches a socket, which is forgotten when it is closed.
    pub(super) fn add(&self, socket: impl AsFd, token: Token, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(self.queue.get_ref(), socket, token.to_data(), flags)?)
    }
    /// Watches a socket for something else.
    pub(super) fn change(&self, socket: impl AsFd, token: Token, flags: EventFlags) {
        let outcome = epoll::modify(self.queue.get_ref(), socket, token.to_data(), flags);
        debug_assert!(outcome.is_ok(), "an open socket that is watched can be watched otherwise: {outcome:?}");
    }

    /// Waits until a socket is ready.
    pub(super) fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.fetched == self.ready.len() {
            // The runtime's own queue does not fail while it runs.
            let Ok(mut guard) = ready!(self.queue.poll_read_ready(context)) else { return Poll::Pending };
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let mut found = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS];
            let count = epoll::wait(self.queue.get_ref(), &mut found[..], Some(&at_once)).unwrap_or(0);
            self.ready.clear();
            self.ready.extend(found[..count].iter().map(|event| (Token::of_data(event.data), event.flags)));
            self.fetched = 0;
            if count == 0 {
                guard.clear_ready();
            }
        }
        Poll::Ready(())
    }

    /// The next ready socket of those that [`Poller::poll_ready`] found.
    pub(super) fn next(&mut self) -> Option<(Token, EventFlags)> {
        let found = self.ready.get(self.fetched).copied()?;
        self.fetched += 1;
        Some(found)
    }
}
