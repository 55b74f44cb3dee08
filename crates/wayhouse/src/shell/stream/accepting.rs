//! How connections come to be: accepted, counted, refused beyond the bounds.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::event::epoll::EventFlags;
use wayhouse_proto::io::StreamId;

use super::connection::Connection;
use super::poller::Token;
use super::{ACCEPT_REST, HANDSHAKE_MAX, Service, StreamEvent, Streams, tls};

impl Streams {
    /// Accepts as many connections at a listener as this turn may.
    pub(super) fn accept(&mut self, now: Instant, index: usize) {
        while self.turn.accepts > 0 {
            let Some(listener) = self.listeners.get(index) else { return };
            let service = listener.service();
            match listener.accept() {
                Ok(None) => return,
                Ok(Some((socket, remote))) => {
                    self.turn.accepts -= 1;
                    let bound = match service {
                        Service::Coap => self.bounds.coap,
                        Service::Dns(_) | Service::DnsOverTls(_) => self.bounds.dns,
                    };
                    if !self.counted(service).has_room(bound, remote.ip()) {
                        self.counters.of(service).refused.add(1);
                        continue;
                    }
                    self.open(now, socket, remote, service);
                }
                Err(error) => {
                    tracing::debug!(%error, "a connection cannot be accepted");
                    self.watch_listeners(EventFlags::empty());
                    self.resting_until = Some(now + ACCEPT_REST);
                    return;
                }
            }
        }
    }

    /// Has connections be told of, or not.
    pub(super) fn watch_listeners(&self, flags: EventFlags) {
        for (index, listener) in self.listeners.iter().enumerate() {
            self.poller.change(listener.socket(), Token::Listener(index), flags);
        }
    }

    fn open(&mut self, now: Instant, socket: OwnedFd, remote: SocketAddr, service: Service) {
        let session = match service {
            Service::Coap | Service::Dns(_) => None,
            Service::DnsOverTls(_) => match self.tls.as_ref().map(tls::TlsServer::accept) {
                Some(Ok(session)) => Some(Box::new(session)),
                // The library is out of memory.
                Some(Err(_)) | None => return self.counters.tls_failed.add(1),
            },
        };
        self.last_id += 1;
        let id = StreamId(self.last_id);
        if let Err(error) = self.poller.add(&socket, Token::Connection(id), EventFlags::IN) {
            return tracing::debug!(%error, "a connection cannot be watched");
        }
        let is_protected = session.is_some();
        let connection = Connection::new(socket, remote, service, session);
        let local = connection.local().unwrap_or(remote);
        self.connections.insert(id, connection);
        self.counted(service).add(remote.ip());
        self.counters.of(service).accepted.add(1);
        self.counters.streams_open.set(self.coap.all() as u64);
        if is_protected {
            self.set_deadline(id, now + HANDSHAKE_MAX);
        } else {
            self.told.push_back(StreamEvent::Opened { id, remote, local, service });
        }
    }
}
