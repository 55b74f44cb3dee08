//! Many devices in one process: their sockets, the groups they share, and the one loop that drives them.
//!
//! ```text
//! listener n ──────────────▶ the device it belongs to ─┐
//! group socket ────────────▶ every device              ├─▶ drain ─▶ datagrams ─▶ the device's own listener (GC34)
//! client socket n ─────────▶ device n, group answers   │        └─▶ events
//! alarm ───────────────────▶ devices that are due     ─┘
//! ```
//! A device at rest costs nothing: it stands in the order of wake-ups, and nobody looks at it before.

use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use wayhouse_node::Device;
use wayhouse_node::device::{Event, Settings};
use wayhouse_proto::io::{Destination, Meta, SocketId};

use super::clock::{Alarm, Clock};
use super::counters::ShellCounters;
use super::links::{self, Links};
use super::udp::{Outgoing, Ready, Sockets};

/// Full batches read from one socket in a turn.
const BATCHES_PER_TURN: usize = 4;
/// Datagrams gathered before they are sent: a request to a group has all devices answer at once.
const OUTGOING_MAX: usize = 1024;

/// The devices.
#[derive(Debug)]
pub struct Fleet {
    crew: Crew,
    sockets: Sockets,
    links: Option<Links>,
    /// Names of the links to join groups on; all without any.
    interfaces: Vec<String>,
    /// Groups that are other ones on each link, and so have a socket for each.
    link_local: Vec<SocketAddrV6>,
    /// The links for which they have one.
    link_local_joined: BTreeSet<(SocketAddrV6, u32)>,
    clock: Clock,
    alarm: Alarm,
}

/// What happens next.
#[derive(Debug)]
enum Input {
    Datagrams(Ready),
    Links,
    Due,
}

/// The devices and what they have to say.
#[derive(Debug, Default)]
struct Crew {
    members: Vec<Member>,
    /// The device of each listener.
    owners: Vec<usize>,
    /// When each device wants to be woken.
    due: BTreeSet<(Instant, usize)>,
    octets: Vec<u8>,
    outgoing: Vec<Outgoing>,
    events: VecDeque<(usize, Event)>,
}

/// One device.
#[derive(Debug)]
struct Member {
    device: Device,
    /// Its listeners for IPv4 and for IPv6, by number.
    listeners: [Option<u16>; 2],
    /// Where it listens.
    addresses: Vec<SocketAddr>,
    wakeup: Option<Instant>,
}

impl Fleet {
    /// No devices. Needs a runtime around it.
    ///
    /// # Errors
    /// When the system has no timer to give.
    pub fn new(interfaces: Vec<String>) -> io::Result<Fleet> {
        let clock = Clock::start();
        let sockets = Sockets::new(Arc::new(ShellCounters::default()));
        let alarm = Alarm::new(clock)?;
        Ok(Fleet {
            crew: Crew::default(),
            sockets,
            links: None,
            interfaces,
            link_local: Vec::new(),
            link_local_joined: BTreeSet::new(),
            clock,
            alarm,
        })
    }

    /// Opens the listeners of the next device, one for each family at most; returns where they are. All or none.
    ///
    /// # Errors
    /// When an address is not ours or taken.
    pub fn listen(&mut self, addresses: &[SocketAddr]) -> io::Result<Vec<SocketAddr>> {
        let device = self.crew.owners.last().map_or(0, |last| last + 1);
        let bound = self.sockets.listen_beside_groups_all(addresses)?;
        self.crew.owners.extend(bound.iter().map(|_| device));
        Ok(bound)
    }
    /// Adds the device of the listeners that were opened last.
    pub fn add(&mut self, settings: Settings, addresses: Vec<SocketAddr>, seed: u64) {
        let number = self.crew.members.len();
        let mut listeners = [None; 2];
        for (listener, _) in self.crew.owners.iter().enumerate().filter(|(_, owner)| **owner == number) {
            let is_ipv6 = self.sockets.is_listener_ipv6(listener);
            listeners[usize::from(is_ipv6)] = Some(listener as u16);
        }
        let now = self.clock.now();
        let device = Device::new(now, settings, seed);
        self.crew.members.push(Member { device, listeners, addresses, wakeup: None });
        self.crew.drain(number);
    }
    /// Opens the socket of a group; of one that is bound to a link, as soon as a link is there.
    ///
    /// # Errors
    /// When its port is taken by somebody who does not share it.
    pub fn listen_to_group(&mut self, group: SocketAddr) -> io::Result<()> {
        if self.links.is_none() {
            self.links = Some(Links::follow()?);
        }
        match group {
            SocketAddr::V6(group) if is_link_local(group) && group.scope_id() == 0 => {
                self.link_local.push(group);
                Ok(())
            }
            group => self.sockets.listen_to_group(group),
        }
    }

    /// A device and where it listens.
    pub fn device(&self, number: usize) -> (&Device, &[SocketAddr]) {
        let member = &self.crew.members[number];
        (&member.device, &member.addresses)
    }
    /// All devices.
    pub fn devices(&self) -> impl Iterator<Item = (&Device, &[SocketAddr])> {
        self.crew.members.iter().map(|member| (&member.device, &member.addresses[..]))
    }
    /// The next event: of which device, and what.
    pub fn poll_event(&mut self) -> Option<(usize, Event)> {
        self.crew.events.pop_front()
    }
    /// Has all devices remove their registrations.
    pub fn leave(&mut self) {
        let now = self.clock.now();
        for number in 0..self.crew.members.len() {
            self.crew.members[number].device.leave(now);
            self.crew.drain(number);
            self.flush_if_full();
        }
        self.flush();
    }
    /// Whether no device is registered any more.
    pub fn is_gone(&self) -> bool {
        self.crew.members.iter().all(|member| member.device.is_gone())
    }

    /// Waits until the links are known and the groups are joined on them: from here on requests to groups are heard.
    pub async fn join_first(&mut self) {
        if let Some(links) = &mut self.links {
            poll_fn(|context| links.poll_change(context)).await;
            self.join();
        }
    }

    /// Waits for what happens next, and applies it. May be dropped while it waits.
    pub async fn turn(&mut self) {
        self.flush();
        let input = poll_fn(|context| self.poll_input(context)).await;
        match input {
            Input::Datagrams(Ready::ToReceive(socket)) => self.take_datagrams(socket),
            Input::Datagrams(Ready::ToSend(socket)) => self.sockets.send_backlog(socket),
            Input::Links => self.join(),
            Input::Due => {}
        }
        // Whatever else happens, nobody waits longer than asked for.
        self.wake();
        self.flush();
    }

    fn poll_input(&mut self, context: &mut Context<'_>) -> Poll<Input> {
        if let Some(links) = &mut self.links
            && links.poll_change(context).is_ready()
        {
            return Poll::Ready(Input::Links);
        }
        if let Poll::Ready(ready) = self.sockets.poll_ready(context) {
            return Poll::Ready(Input::Datagrams(ready));
        }
        self.alarm.poll(context, self.crew.due.first().map(|(at, _)| *at)).map(|()| Input::Due)
    }

    fn take_datagrams(&mut self, socket: usize) {
        for _ in 0..BATCHES_PER_TURN {
            let now = self.clock.now();
            let (count, may_have_more) = self.sockets.receive(socket);
            for number in 0..count {
                if let Some((meta, bytes)) = self.sockets.datagram(socket, number) {
                    self.crew.take(now, &meta, bytes);
                }
                self.flush_if_full();
            }
            if !may_have_more {
                break;
            }
        }
    }

    /// Joins all groups on all links that are wanted and up; again whenever one comes.
    fn join(&mut self) {
        let wanted: Vec<u32> = self.interfaces.iter().filter_map(|name| links::index_of(name).ok()).collect();
        let is_wanted = |link: &u32| self.interfaces.is_empty() || wanted.contains(link);
        let links: Vec<u32> = self.links.iter().flat_map(Links::up).map(|(link, _)| link).filter(is_wanted).collect();
        for (group, link) in self.link_local.iter().flat_map(|group| links.iter().map(|link| (*group, *link))) {
            let mut on_link = group;
            on_link.set_scope_id(link);
            // A link without IPv6 refuses; it is asked again when that changes.
            if !self.link_local_joined.contains(&(group, link)) && self.sockets.listen_to_group(on_link.into()).is_ok()
            {
                self.link_local_joined.insert((group, link));
            }
        }
        // Only configured memberships look at the names, and devices have none.
        self.sockets.join_groups(links.into_iter().map(|link| (link, "")));
    }

    fn wake(&mut self) {
        let now = self.clock.now();
        // A device that wants to be woken at once again has its turn after all others.
        let due: Vec<usize> =
            self.crew.due.iter().take_while(|(at, _)| *at <= now).map(|(_, number)| *number).collect();
        for number in due {
            self.crew.members[number].device.handle_timeout(now);
            self.crew.drain(number);
            self.flush_if_full();
        }
    }

    fn flush_if_full(&mut self) {
        if self.crew.outgoing.len() >= OUTGOING_MAX {
            self.flush();
        }
    }
    fn flush(&mut self) {
        if !self.crew.outgoing.is_empty() {
            self.sockets.send(&self.crew.octets, &self.crew.outgoing);
            self.crew.outgoing.clear();
        }
        self.crew.octets.clear();
    }
}

impl Crew {
    /// Hands a datagram to whom it concerns.
    fn take(&mut self, now: Instant, meta: &Meta, bytes: &[u8]) {
        let (number, socket) = match meta.socket {
            _ if meta.is_multicast => {
                for number in 0..self.members.len() {
                    self.hand(now, number, &Meta { socket: LISTENER, ..*meta }, bytes);
                }
                return;
            }
            SocketId::Listener(listener) => (self.owners[usize::from(listener)], LISTENER),
            SocketId::Client(number) => (usize::from(number), SocketId::Group),
            SocketId::Group | SocketId::Dns(_) => return,
        };
        self.hand(now, number, &Meta { socket, ..*meta }, bytes);
    }
    fn hand(&mut self, now: Instant, number: usize, meta: &Meta, bytes: &[u8]) {
        let Some(member) = self.members.get_mut(number) else { return };
        member.device.handle_datagram(now, meta, bytes);
        self.drain(number);
    }

    /// Takes everything that a device has to say.
    fn drain(&mut self, number: usize) {
        let member = &mut self.members[number];
        let mut start = self.octets.len();
        while let Some(transmit) = member.device.poll_transmit(&mut self.octets) {
            let Destination::Datagram { socket, remote, local, interface } = transmit.to else {
                self.octets.truncate(start);
                continue;
            };
            let from = match socket {
                SocketId::Listener(_) => {
                    member.listeners[usize::from(remote.is_ipv6())].map(|own| (SocketId::Listener(own), local))
                }
                // Answers come back to a port of this device alone, and from the address that others know it by.
                SocketId::Client(_) | SocketId::Group | SocketId::Dns(_) => {
                    Some((SocketId::Client(number as u16), member.own_address(remote)))
                }
            };
            match from {
                Some((socket, local)) => {
                    let octets = start..self.octets.len();
                    self.outgoing.push(Outgoing { socket, remote, local, interface, octets });
                    start = self.octets.len();
                }
                // It has no address of that family.
                None => self.octets.truncate(start),
            }
        }
        while let Some(event) = member.device.poll_event() {
            self.events.push_back((number, event));
        }
        let wakeup = member.device.poll_timeout().map(|wakeup| wakeup.at);
        if wakeup != member.wakeup {
            if let Some(at) = std::mem::replace(&mut member.wakeup, wakeup) {
                self.due.remove(&(at, number));
            }
            self.due.extend(wakeup.map(|at| (at, number)));
        }
    }
}

impl Member {
    /// The address of its own that can reach somebody, where it has one.
    fn own_address(&self, remote: SocketAddr) -> Option<IpAddr> {
        let own = self.addresses.iter().map(SocketAddr::ip);
        own.into_iter().find(|own| own.is_ipv4() == remote.is_ipv4() && !own.is_unspecified())
    }
}

/// What a device calls its listener: it knows of one.
const LISTENER: SocketId = SocketId::Listener(0);

/// Whether a group is another one on each link (RFC 4291 §2.7).
fn is_link_local(group: SocketAddrV6) -> bool {
    group.ip().is_multicast() && group.ip().segments()[0] & 0xf <= 2
}
