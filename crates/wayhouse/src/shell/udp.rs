//! UDP sockets: datagrams in batches, with the destination address and interface of each.
//!
//! The one file with unsafe code: it calls `recvmmsg`, `sendmmsg` and `setsockopt`. All buffers are made once; a
//! datagram costs no allocation. These roles share one table of sockets:
//!
//! - *listeners*, one per configured address, IPv4 and IPv6 apart;
//! - *multicast sockets*, one per listener on a wildcard address: they alone join groups, the well-known ones and those
//!   that the configuration names for their port. What they receive is told as received by their listener;
//! - *group sockets*, bound to a group's address: they receive for a whole process what goes to that group, and their
//!   datagrams tell so by themselves (`Meta::group`);
//! - *DNS listeners*, one per configured address;
//! - *client sockets* on ephemeral ports, opened when the first datagram wants to leave from them.
#![allow(unsafe_code)]

mod joining;
mod messages;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::task::{Context, Poll};

use libc::{c_int, c_void};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use wayhouse_proto::io::{Meta, SocketId};

use super::counters::ShellCounters;
pub use joining::Membership;
use messages::{Cuts, IN_ORDER, Messages};

/// Datagrams of one system call. More gains nothing measurable, and a turn of the loop stays short.
pub const BATCH: usize = 64;
/// Room for one datagram: none that IP can carry is cut. The odd part keeps the starts of the buffers from falling
/// into one set of the processor's cache; pages that no datagram reaches stay untouched.
const DATAGRAM_OCTETS: usize = (64 << 10) + 320;
/// Room for the control messages of one datagram: an address and an interface.
const CONTROL_OCTETS: usize = 64;
/// Wanted size of the system's receive and send buffers: a burst of some thousand small datagrams. The system may grant less.
const SOCKET_BUFFER_OCTETS: usize = 4 << 20;
/// Routers that a request to a group may pass: those of a site, no more (RFC 1112 §6.1 and practice).
const MULTICAST_HOPS: u32 = 16;
/// How often in a row the system may refuse to cut before it is not asked to any more.
const REFUSALS_MAX: u32 = 16;
/// Datagrams that may wait for one socket whose send buffer is full. Reaction: further ones are dropped and counted.
const BACKLOG_MAX: usize = 4096;

/// One datagram to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// From which socket.
    pub socket: SocketId,
    /// To whom.
    pub remote: SocketAddr,
    /// Source address to use.
    pub local: Option<IpAddr>,
    /// Interface to leave by, 0 for any. Followed where the address alone does not say it: multicast and link-local.
    pub interface: u32,
    /// Where its octets stand in the buffer given to [`Sockets::send`].
    pub octets: Range<usize>,
}

/// Something that a socket is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// The n-th socket has datagrams.
    ToReceive(usize),
    /// The n-th socket takes again what waits for it.
    ToSend(usize),
}

/// All UDP sockets of the daemon, and the buffers they share.
#[derive(Debug)]
pub struct Sockets {
    sockets: Vec<UdpSocket>,
    /// Index of the socket of each listener.
    listeners: Vec<usize>,
    /// Index of the socket of each DNS listener.
    dns: Vec<usize>,
    multicast: Vec<MulticastSocket>,
    memberships: Vec<Membership>,
    /// What is joined: index of the socket, group, link.
    joined: BTreeSet<(usize, IpAddr, u32)>,
    /// Memberships that a link named in the configuration does not take, once they are told: group, link.
    refused: BTreeSet<(IpAddr, u32)>,
    /// Index of each client socket, that of group requests included, by whether it is for IPv6. `None`: it could not be opened.
    clients: BTreeMap<(SocketId, bool), Option<usize>>,
    /// Which socket is asked first, so that a busy one does not hide the others.
    first_asked: usize,
    incoming: Incoming,
    outgoing: OutgoingBatch,
    counters: Arc<ShellCounters>,
}

/// A socket that joins groups.
#[derive(Debug, Clone, Copy)]
struct MulticastSocket {
    /// Which of all sockets it is.
    index: usize,
    serves: Serves,
}

/// Which groups a socket joins.
#[derive(Debug, Clone, Copy)]
enum Serves {
    /// The configured ones of its port, and, where it is of everybody, the well-known ones.
    All { is_of_everybody: bool },
    /// The one that it is bound to.
    One(IpAddr),
}

/// One socket.
#[derive(Debug)]
struct UdpSocket {
    fd: AsyncFd<Socket>,
    id: SocketId,
    bound: SocketAddr,
    /// Whether the system cuts what goes to one peer into datagrams itself.
    cuts: bool,
    /// How often in a row it refused to.
    refusals: u32,
    backlog: Option<Backlog>,
}

/// What waits for a socket whose send buffer is full.
#[derive(Debug)]
struct Backlog {
    /// The same socket, watched for room. Only then: watching always would wake the loop for every datagram sent.
    writable: AsyncFd<Socket>,
    waiting: VecDeque<(Outgoing, Box<[u8]>)>,
}

impl Sockets {
    /// No sockets.
    pub fn new(counters: Arc<ShellCounters>) -> Sockets {
        Sockets {
            sockets: Vec::new(),
            listeners: Vec::new(),
            dns: Vec::new(),
            multicast: Vec::new(),
            memberships: Vec::new(),
            joined: BTreeSet::new(),
            refused: BTreeSet::new(),
            clients: BTreeMap::new(),
            first_asked: 0,
            incoming: Incoming::new(),
            outgoing: OutgoingBatch::new(),
            counters,
        }
    }

    /// Opens the next listener (`SocketId::Listener` counts them in this order) and, on a wildcard address when wanted,
    /// its multicast socket. Returns the address it got.
    ///
    /// # Errors
    /// When the address is not ours or taken.
    pub fn listen(&mut self, address: SocketAddr, wants_multicast: bool) -> io::Result<SocketAddr> {
        self.open_listener(address, wants_multicast, true)
    }

    /// Opens a listener for configured groups of a port that no other listener serves, on the wildcard address.
    ///
    /// # Errors
    /// As [`Sockets::listen`].
    pub fn listen_for_groups(&mut self, port: u16, is_ipv4: bool) -> io::Result<SocketAddr> {
        let any: IpAddr = if is_ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        self.open_listener(SocketAddr::new(any, port), true, false)
    }

    /// Opens the next DNS listener (`SocketId::Dns` counts them in this order). Returns the address it got.
    ///
    /// # Errors
    /// As [`Sockets::listen`].
    pub fn listen_for_dns(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = open(address)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::new(socket, SocketId::Dns(self.dns.len() as u16))?;
        let bound = socket.bound;
        self.dns.push(self.sockets.len());
        self.sockets.push(socket);
        Ok(bound)
    }

    fn open_listener(
        &mut self,
        address: SocketAddr,
        wants_multicast: bool,
        is_of_everybody: bool,
    ) -> io::Result<SocketAddr> {
        let id = SocketId::Listener(self.listeners.len() as u16);
        let mut wanted = address;
        let multicast = if wants_multicast && address.ip().is_unspecified() {
            // Bound first, so that the listener is the later one, which Linux prefers for unicast. Should unicast
            // arrive here all the same, it is handled as if it had arrived there.
            let socket = open(address)?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            wanted.set_port(local_address(&socket)?.port());
            Some(UdpSocket::new(socket, id)?)
        } else {
            None
        };
        let socket = open(wanted)?;
        socket.set_reuse_address(multicast.is_some())?;
        socket.bind(&wanted.into())?;
        keep(&socket)?;
        let socket = UdpSocket::new(socket, id)?;
        let bound = socket.bound;
        self.listeners.push(self.sockets.len());
        self.sockets.push(socket);
        if let Some(multicast) = multicast {
            multicast.fd.get_ref().set_reuse_port(true)?;
            self.multicast.push(MulticastSocket { index: self.sockets.len(), serves: Serves::All { is_of_everybody } });
            self.sockets.push(multicast);
        }
        Ok(bound)
    }

    /// Opens the next listener for one of many endpoints of this process: one that joins no groups by itself, and lives beside
    /// group sockets, and beside listeners on other addresses with the same port, those of another process included.
    ///
    /// # Errors
    /// As [`Sockets::listen`].
    fn listen_beside_groups(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = open(address)?;
        let is_wildcard = address.ip().is_unspecified();
        socket.set_reuse_address(is_wildcard)?;
        socket.set_reuse_port(!is_wildcard)?;
        socket.bind(&address.into())?;
        keep(&socket)?;
        let id = SocketId::Listener(self.listeners.len() as u16);
        let socket = UdpSocket::new(socket, id)?;
        let bound = socket.bound;
        self.listeners.push(self.sockets.len());
        self.sockets.push(socket);
        Ok(bound)
    }

    /// The same for several addresses of one endpoint: all, or none.
    ///
    /// # Errors
    /// As for one.
    pub fn listen_beside_groups_all(&mut self, addresses: &[SocketAddr]) -> io::Result<Vec<SocketAddr>> {
        let (listeners, sockets) = (self.listeners.len(), self.sockets.len());
        let bound: io::Result<_> = addresses.iter().map(|address| self.listen_beside_groups(*address)).collect();
        if bound.is_err() {
            self.listeners.truncate(listeners);
            self.sockets.truncate(sockets);
        }
        bound
    }
    /// Whether a listener is for IPv6.
    pub fn is_listener_ipv6(&self, listener: usize) -> bool {
        self.listeners.get(listener).is_some_and(|index| self.sockets[*index].bound.is_ipv6())
    }

    /// Opens the socket of a group; it joins with [`Sockets::join_groups`].
    ///
    /// # Errors
    /// When the port is taken by somebody who does not share it.
    pub fn listen_to_group(&mut self, group: SocketAddr) -> io::Result<()> {
        let socket = open(group)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&group.into())?;
        let serves = Serves::One(group.ip());
        self.multicast.push(MulticastSocket { index: self.sockets.len(), serves });
        self.sockets.push(UdpSocket::new(socket, SocketId::Group)?);
        Ok(())
    }

    /// Waits until a socket has something to receive, or takes again what waits for it.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Ready> {
        let count = self.sockets.len();
        for step in 0..count {
            let index = (self.first_asked + step) % count;
            let socket = &self.sockets[index];
            if let Some(backlog) = &socket.backlog
                && backlog.writable.poll_write_ready(context).is_ready()
            {
                return Poll::Ready(Ready::ToSend(index));
            }
            if socket.fd.poll_read_ready(context).is_ready() {
                self.first_asked = index + 1;
                return Poll::Ready(Ready::ToReceive(index));
            }
        }
        Poll::Pending
    }

    /// Reads what is there, [`BATCH`] at most; returns how many datagrams there are and whether there may be more.
    /// They are then read with [`Sockets::datagram`].
    pub fn receive(&mut self, index: usize) -> (usize, bool) {
        let mut count = 0;
        let socket = &self.sockets[index];
        let incoming = &mut self.incoming;
        // Less than a full batch means that the system had no more at that moment: readiness is given back without
        // asking once more.
        let outcome = socket.fd.try_io(Interest::READABLE, |socket| {
            count = incoming.receive(socket)?;
            if count < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
        if count > 0 {
            self.counters.batches_in.add(1);
            self.counters.datagrams_in.add(count as u64);
        }
        let may_have_more = match outcome {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => false,
            Err(error) => {
                // A pending error of the socket; reading it has cleared it.
                tracing::debug!(%error, "receiving failed");
                true
            }
        };
        (count, may_have_more)
    }

    /// The n-th datagram that [`Sockets::receive`] read from a socket; `None` when it is not for us.
    pub fn datagram(&self, index: usize, number: usize) -> Option<(Meta, &[u8])> {
        let datagram = self.incoming.datagram(&self.sockets[index], number);
        if datagram.is_none() {
            self.counters.datagrams_in_dropped.add(1);
        }
        datagram
    }

    /// Sends datagrams whose octets stand in `octets`. What cannot be sent is dropped and counted: UDP promises nothing.
    pub fn send(&mut self, octets: &[u8], outgoing: &[Outgoing]) {
        let mut rest = outgoing;
        while let Some(first) = rest.first() {
            let is_same =
                |other: &Outgoing| other.socket == first.socket && other.remote.is_ipv4() == first.remote.is_ipv4();
            let run = rest.iter().take(BATCH).take_while(|other| is_same(other)).count();
            let (now, later) = rest.split_at(run);
            rest = later;
            match self.socket_for(first) {
                Some(index) => self.send_run(index, octets, now),
                None => self.counters.datagrams_out_dropped.add(run as u64),
            }
        }
    }

    /// Sends what waits for a socket.
    pub fn send_backlog(&mut self, index: usize) {
        let Some(backlog) = self.sockets[index].backlog.take() else { return };
        for (outgoing, octets) in backlog.waiting {
            self.send_run(index, &octets, &[outgoing]);
        }
    }

    /// Sends datagrams of one socket, those to one peer in order; those that find its buffer full wait.
    fn send_run(&mut self, index: usize, octets: &[u8], run: &[Outgoing]) {
        let cuts = if self.sockets[index].cuts && run.len() > 1 { Cuts::All } else { Cuts::None };
        self.send_cut(index, octets, run, cuts);
    }

    /// As [`Sockets::send_run`]; `cuts` tells for which peers the system may be given several datagrams in one.
    fn send_cut(&mut self, index: usize, octets: &[u8], run: &[Outgoing], cuts: Cuts) {
        let socket = &mut self.sockets[index];
        // What waits goes first.
        let is_free = socket.backlog.is_none();
        if is_free {
            self.outgoing.fill(octets, run, socket.bound.ip().is_unspecified(), cuts);
            while !self.outgoing.messages.is_sent() {
                let messages_left = self.outgoing.messages.left_range().len();
                match self.outgoing.send(socket.fd.get_ref()) {
                    Ok(count) => {
                        // Only a message that was cut tells that the system still does.
                        if count > messages_left - self.outgoing.messages.left_range().len() {
                            socket.refusals = 0;
                        }
                        self.counters.batches_out.add(1);
                        self.counters.datagrams_out.add(count as u64);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if self.outgoing.messages.first_len() > 1 && messages::is_about_cutting(&error) => {
                        // The way to the peer has narrower bounds, or the system: each of its datagrams for itself.
                        tracing::debug!(%error, "datagrams are sent one by one");
                        socket.refusals += 1;
                        socket.cuts = socket.refusals < REFUSALS_MAX;
                        let left = self.outgoing.messages.left().iter();
                        let rest: Vec<Outgoing> = left.map(|&number| run[usize::from(number)].clone()).collect();
                        let cuts = if cuts == Cuts::All { Cuts::AllBut(rest[0].remote) } else { Cuts::None };
                        return self.send_cut(index, octets, &rest, cuts);
                    }
                    Err(error) => {
                        // The first one of the rest is refused (no route, too large, forbidden); the others may pass.
                        tracing::debug!(%error, "a datagram was refused");
                        self.counters.datagrams_out_dropped.add(self.outgoing.messages.skip() as u64);
                    }
                }
            }
        }
        let left = if is_free { self.outgoing.messages.left() } else { &IN_ORDER[..run.len()] };
        for &number in left {
            let waiting = &run[usize::from(number)];
            if !socket.keep(waiting, &octets[waiting.octets.clone()]) {
                self.counters.datagrams_out_dropped.add(1);
            }
        }
    }

    /// The index of the socket a datagram leaves from; client sockets are opened here.
    fn socket_for(&mut self, outgoing: &Outgoing) -> Option<usize> {
        let is_ipv6 = outgoing.remote.is_ipv6();
        match outgoing.socket {
            SocketId::Listener(number) => {
                let is_fit = |&index: &usize| self.sockets[index].bound.is_ipv6() == is_ipv6;
                let own = self.listeners.get(usize::from(number)).copied().filter(is_fit);
                // A listener of the other family cannot reach the peer; the first that can stands in.
                own.or_else(|| self.listeners.iter().copied().find(is_fit))
            }
            // Questions and answers are of one socket, and so of one family.
            SocketId::Dns(number) => self.dns.get(usize::from(number)).copied(),
            id @ (SocketId::Client(_) | SocketId::Group) => {
                if let Some(&known) = self.clients.get(&(id, is_ipv6)) {
                    return known;
                }
                let opened = self.open_client(id, is_ipv6);
                if let Err(error) = &opened {
                    tracing::warn!(%error, ?id, "a client socket cannot be opened");
                }
                let index = opened.ok();
                self.clients.insert((id, is_ipv6), index);
                index
            }
        }
    }

    fn open_client(&mut self, id: SocketId, is_ipv6: bool) -> io::Result<usize> {
        let any: IpAddr = if is_ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let address = SocketAddr::new(any, 0);
        let socket = open(address)?;
        socket.bind(&address.into())?;
        set_multicast_hops(&socket, is_ipv6)?;
        self.sockets.push(UdpSocket::new(socket, id)?);
        Ok(self.sockets.len() - 1)
    }
}

impl UdpSocket {
    fn new(socket: Socket, id: SocketId) -> io::Result<UdpSocket> {
        let bound = local_address(&socket)?;
        let cuts = can_cut(&socket);
        Ok(UdpSocket { fd: watch(socket, Interest::READABLE)?, id, bound, cuts, refusals: 0, backlog: None })
    }

    /// Lets a datagram wait for room; whether there was place for it.
    fn keep(&mut self, outgoing: &Outgoing, octets: &[u8]) -> bool {
        if self.backlog.is_none() {
            let Ok(socket) = self.fd.get_ref().try_clone() else { return false };
            let Ok(writable) = watch(socket, Interest::WRITABLE) else { return false };
            self.backlog = Some(Backlog { writable, waiting: VecDeque::new() });
        }
        let waiting = &mut self.backlog.as_mut().expect("made above").waiting;
        if waiting.len() >= BACKLOG_MAX {
            return false;
        }
        waiting.push_back((Outgoing { octets: 0..octets.len(), ..outgoing.clone() }, octets.into()));
        true
    }
}

/// A socket with every option but its address.
fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))?;
    // Without the right to more, the system grants what it allows; that works too.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_OCTETS);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_OCTETS);
    let needs_destination = address.ip().is_unspecified() || address.ip().is_multicast();
    if address.is_ipv4() {
        // Without this, every wildcard socket receives what any program on the machine has joined.
        socket.set_multicast_all_v4(false)?;
        if needs_destination {
            set_flag(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO)?;
        }
    } else {
        socket.set_only_v6(true)?;
        socket.set_multicast_all_v6(false)?;
        if needs_destination {
            set_flag(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)?;
        }
    }
    Ok(socket)
}

/// Settles who may bind to the port of a listener from here on: nobody to the same address, another daemon of this kind included.
/// On a port of all addresses, sockets of this user that also ask for it (group sockets, listeners on one address) may.
///
/// Linux lets two sockets overlap when both allow reuse of the address, or both of the port; what matters is how they stand
/// when the second is bound. Unicast goes to the more specific address.
fn keep(listener: &Socket) -> io::Result<()> {
    listener.set_reuse_address(false)?;
    listener.set_reuse_port(local_address(listener)?.ip().is_unspecified())
}

/// Lets requests to groups pass routers, as far as the scope of the group allows: by itself the system keeps them on the link.
pub fn set_multicast_hops(socket: &Socket, is_ipv6: bool) -> io::Result<()> {
    match is_ipv6 {
        true => socket.set_multicast_hops_v6(MULTICAST_HOPS),
        false => socket.set_multicast_ttl_v4(MULTICAST_HOPS),
    }
}

/// Has the runtime watch a descriptor for readiness.
pub(super) fn watch<T>(descriptor: T, interest: Interest) -> io::Result<AsyncFd<T>>
where
    T: AsRawFd + Into<OwnedFd>,
{
    // SAFETY: what can become an `OwnedFd` owns its descriptor, which thus stays open and the same until it is dropped.
    unsafe { AsyncFd::register_with_interest(descriptor, interest) }.map_err(io::Error::from)
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    Ok(socket.local_addr()?.as_socket().expect("it is an IP socket"))
}

fn set_flag(socket: &Socket, level: c_int, name: c_int) -> io::Result<()> {
    let on: c_int = 1;
    // SAFETY: the descriptor is open, and the pointer and length name a living integer.
    let outcome = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(&on).cast(), size_of::<c_int>() as u32)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Room for control messages, aligned as their headers must be.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_OCTETS]);

/// The buffers of received datagrams. The message headers point into the other vectors, which are never resized.
struct Incoming {
    octets: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    _vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    /// Headers that the last call wrote to and that must be set anew.
    used: usize,
}

impl std::fmt::Debug for Incoming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").field("used", &self.used).finish_non_exhaustive()
    }
}

impl Incoming {
    fn new() -> Incoming {
        // SAFETY: all-zero octets are valid for these structures of integers and pointers.
        let (name, header): (libc::sockaddr_storage, libc::mmsghdr) = unsafe { (zeroed(), zeroed()) };
        let mut octets = vec![0u8; BATCH * DATAGRAM_OCTETS];
        let mut names = vec![name; BATCH];
        let mut controls = vec![Control([0; CONTROL_OCTETS]); BATCH];
        let mut vectors: Vec<libc::iovec> = octets
            .chunks_exact_mut(DATAGRAM_OCTETS)
            .map(|room| libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: DATAGRAM_OCTETS })
            .collect();
        let mut headers = vec![header; BATCH];
        for (index, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_name = ptr::from_mut(&mut names[index]).cast();
            header.msg_hdr.msg_iov = &mut vectors[index];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = ptr::from_mut(&mut controls[index]).cast();
        }
        Incoming { octets, names, controls, _vectors: vectors, headers, used: BATCH }
    }

    fn receive(&mut self, socket: &Socket) -> io::Result<usize> {
        for header in &mut self.headers[..self.used] {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as u32;
            header.msg_hdr.msg_controllen = CONTROL_OCTETS as _;
            header.msg_hdr.msg_flags = 0;
        }
        // SAFETY: the descriptor is open; every header points to one name, one vector and one control buffer of this
        // value, which live as long as it does, are not moved, and have the lengths given.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        if count < 0 {
            // The system may have written to any of the headers before it failed.
            self.used = BATCH;
            return Err(io::Error::last_os_error());
        }
        self.used = count as usize;
        Ok(self.used)
    }

    fn datagram(&self, socket: &UdpSocket, number: usize) -> Option<(Meta, &[u8])> {
        let header = &self.headers[number];
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        let remote = read_name(&self.names[number]).filter(|remote| remote.port() != 0)?;
        let start = number * DATAGRAM_OCTETS;
        let bytes = &self.octets[start..start + header.msg_len as usize];
        let mut meta = Meta { socket: socket.id, remote, local: None, interface: 0, is_multicast: false, group: None };
        let control = &self.controls[number].0[..header.msg_hdr.msg_controllen.min(CONTROL_OCTETS)];
        match read_destination(control) {
            Some(destination) if destination.is_broadcast => return None,
            Some(destination) => {
                meta.interface = destination.interface;
                meta.is_multicast = destination.address.is_multicast();
                *(if meta.is_multicast { &mut meta.group } else { &mut meta.local }) = Some(destination.address);
            }
            // Bound to one address: that is the destination.
            None if !socket.bound.ip().is_unspecified() => {
                meta.local = Some(socket.bound.ip());
                if let SocketAddr::V6(bound) = socket.bound {
                    meta.interface = bound.scope_id();
                }
            }
            None => {}
        }
        Some((meta, bytes))
    }
}

/// Where a datagram was sent to.
struct DatagramDestination {
    address: IpAddr,
    interface: u32,
    is_broadcast: bool,
}

/// Reads IP_PKTINFO or IPV6_PKTINFO.
///
/// A control message is a length (that of a word, itself included), a level and a type (four octets each), and data;
/// the next one starts at a multiple of a word. One such option is set on a socket, so that the first message is it.
fn read_destination(control: &[u8]) -> Option<DatagramDestination> {
    const WORD: usize = size_of::<usize>();
    let octets = usize::from_ne_bytes(*control.first_chunk()?);
    let field = |at: usize| Some(c_int::from_ne_bytes(*control.get(at..)?.first_chunk()?));
    let (level, kind) = (field(WORD)?, field(WORD + 4)?);
    let data = control.get(WORD + 8..octets)?;
    match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // `struct in_pktinfo`: interface (4), our address (4), address in the header (4).
            let info: &[u8; 12] = data.first_chunk()?;
            let interface = u32::from_ne_bytes([info[0], info[1], info[2], info[3]]);
            let own = Ipv4Addr::new(info[4], info[5], info[6], info[7]);
            let address = Ipv4Addr::new(info[8], info[9], info[10], info[11]);
            let is_broadcast = address != own && !address.is_multicast();
            Some(DatagramDestination { address: address.into(), interface, is_broadcast })
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            // `struct in6_pktinfo`: address (16), interface (4).
            let info: &[u8; 20] = data.first_chunk()?;
            let address: [u8; 16] = *info.first_chunk()?;
            let interface = u32::from_ne_bytes([info[16], info[17], info[18], info[19]]);
            Some(DatagramDestination { address: Ipv6Addr::from(address).into(), interface, is_broadcast: false })
        }
        _ => None,
    }
}

fn read_name(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the storage is larger than and aligned for any address, and its family says which one it holds.
            let name = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
            Some(SocketAddrV4::new(address, u16::from_be(name.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let name = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
            // The flow label is none of the peer's identity.
            Some(SocketAddrV6::new(address, u16::from_be(name.sin6_port), 0, name.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// The headers of messages to send. They point into the other vectors, which are never resized.
struct OutgoingBatch {
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    /// Of the datagrams, in the order in which they leave.
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    messages: Messages,
}

impl std::fmt::Debug for OutgoingBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutgoingBatch").field("messages", &self.messages).finish_non_exhaustive()
    }
}

impl OutgoingBatch {
    fn new() -> OutgoingBatch {
        // SAFETY: all-zero octets are valid for these structures of integers and pointers.
        let (name, header): (libc::sockaddr_storage, libc::mmsghdr) = unsafe { (zeroed(), zeroed()) };
        let mut names = vec![name; BATCH];
        let mut controls = vec![Control([0; CONTROL_OCTETS]); BATCH];
        let vectors = vec![libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH];
        let mut headers = vec![header; BATCH];
        for (index, header) in headers.iter_mut().enumerate() {
            header.msg_hdr.msg_name = ptr::from_mut(&mut names[index]).cast();
            header.msg_hdr.msg_control = ptr::from_mut(&mut controls[index]).cast();
        }
        OutgoingBatch { names, controls, vectors, headers, messages: Messages::new() }
    }

    /// Describes the datagrams of `run`, [`BATCH`] at most; their octets must stay until they are sent. `cuts` tells for
    /// which peers several may leave as one message.
    fn fill(&mut self, octets: &[u8], run: &[Outgoing], is_wildcard: bool, cuts: Cuts) {
        self.messages.arrange(run, cuts);
        for (vector, &number) in self.vectors.iter_mut().zip(self.messages.order()) {
            let bytes = &octets[run[usize::from(number)].octets.clone()];
            *vector = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast::<c_void>(), iov_len: bytes.len() };
        }
        // One pointer to all of them: a message has several.
        let vectors = self.vectors.as_mut_ptr();
        let mut position = 0;
        for (index, message) in self.messages.all().iter().enumerate() {
            let first = &run[usize::from(message.first)];
            let control = &mut self.controls[index].0;
            let mut control_octets = write_source(control, first, is_wildcard);
            if message.count > 1 {
                control_octets += write_cut(&mut control[control_octets..], first.octets.len() as u16);
            }
            let header = &mut self.headers[index].msg_hdr;
            header.msg_iov = vectors.wrapping_add(position);
            header.msg_iovlen = usize::from(message.count) as _;
            header.msg_namelen = write_name(&mut self.names[index], first.remote);
            header.msg_controllen = control_octets as _;
            position += usize::from(message.count);
        }
    }

    /// Sends some of the messages that are left; returns how many datagrams were taken, one at least.
    fn send(&mut self, socket: &Socket) -> io::Result<usize> {
        let headers = &mut self.headers[self.messages.left_range()];
        // SAFETY: the descriptor is open. Every header points to a name and a control buffer of this value and to as many of
        // its vectors as it says; these point to the octets given to `fill`, which `Sockets::send_run` still borrows.
        let count = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), headers.len() as u32, libc::MSG_DONTWAIT as _)
        };
        if count < 0 { Err(io::Error::last_os_error()) } else { Ok(self.messages.pass(count as usize)) }
    }
}

/// Whether the system cuts messages into datagrams (Linux 4.18). One that does not know how would send them as they are.
fn can_cut(socket: &Socket) -> bool {
    let none: c_int = 0;
    // SAFETY: the descriptor is open, and the pointer and length name a living integer.
    let outcome = unsafe {
        let value = ptr::from_ref(&none).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, value, size_of::<c_int>() as u32)
    };
    outcome == 0
}

/// Writes the control message that has the system cut what is sent into datagrams of a size; returns its length. The format
/// is that of [`read_destination`].
fn write_cut(control: &mut [u8], octets: u16) -> usize {
    const WORD: usize = size_of::<usize>();
    const OCTETS: usize = WORD + 8 + size_of::<u16>();
    control[..WORD].copy_from_slice(&OCTETS.to_ne_bytes());
    control[WORD..WORD + 4].copy_from_slice(&libc::SOL_UDP.to_ne_bytes());
    control[WORD + 4..WORD + 8].copy_from_slice(&libc::UDP_SEGMENT.to_ne_bytes());
    control[WORD + 8..OCTETS].copy_from_slice(&octets.to_ne_bytes());
    OCTETS.next_multiple_of(WORD)
}

/// Writes an address; returns its length.
fn write_name(name: &mut libc::sockaddr_storage, address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(address) => {
            // SAFETY: the storage is larger than and aligned for any address.
            let name = unsafe { &mut *ptr::from_mut(name).cast::<libc::sockaddr_in>() };
            name.sin_family = libc::AF_INET as _;
            name.sin_port = address.port().to_be();
            name.sin_addr.s_addr = u32::from(*address.ip()).to_be();
            size_of::<libc::sockaddr_in>() as u32
        }
        SocketAddr::V6(address) => {
            // SAFETY: as above.
            let name = unsafe { &mut *ptr::from_mut(name).cast::<libc::sockaddr_in6>() };
            name.sin6_family = libc::AF_INET6 as _;
            name.sin6_port = address.port().to_be();
            name.sin6_addr.s6_addr = address.ip().octets();
            name.sin6_scope_id = address.scope_id();
            name.sin6_flowinfo = 0;
            size_of::<libc::sockaddr_in6>() as u32
        }
    }
}

/// Writes the control message that fixes source address and interface, where something must be fixed; returns its
/// length, 0 for none. The format is that of [`read_destination`].
fn write_source(control: &mut [u8; CONTROL_OCTETS], outgoing: &Outgoing, is_wildcard: bool) -> usize {
    const WORD: usize = size_of::<usize>();
    let is_link_local = |address: IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    let remote = outgoing.remote.ip();
    let local = outgoing.local.filter(|local| is_wildcard && local.is_ipv4() == remote.is_ipv4());
    // For other destinations the way back need not be the way that the request came.
    let needs_interface = remote.is_multicast() || is_link_local(remote) || local.is_some_and(is_link_local);
    let interface = if needs_interface { outgoing.interface } else { 0 };
    if local.is_none() && interface == 0 {
        return 0;
    }
    let (level, kind, data_octets) = match (remote, local) {
        (IpAddr::V4(_), local) => {
            let source = if let Some(IpAddr::V4(local)) = local { local } else { Ipv4Addr::UNSPECIFIED };
            let data = &mut control[WORD + 8..];
            data[..4].copy_from_slice(&interface.to_ne_bytes());
            data[4..8].copy_from_slice(&source.octets());
            data[8..12].fill(0);
            (libc::IPPROTO_IP, libc::IP_PKTINFO, 12)
        }
        (IpAddr::V6(_), local) => {
            let source = if let Some(IpAddr::V6(local)) = local { local } else { Ipv6Addr::UNSPECIFIED };
            let data = &mut control[WORD + 8..];
            data[..16].copy_from_slice(&source.octets());
            data[16..20].copy_from_slice(&interface.to_ne_bytes());
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, 20)
        }
    };
    let octets = WORD + 8 + data_octets;
    control[..WORD].copy_from_slice(&octets.to_ne_bytes());
    control[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
    control[WORD + 4..WORD + 8].copy_from_slice(&kind.to_ne_bytes());
    octets.next_multiple_of(WORD)
}

#[cfg(test)]
mod tests;
