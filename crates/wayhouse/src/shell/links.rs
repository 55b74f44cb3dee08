//! The links (network interfaces) of the machine, followed live through a routing socket (rtnetlink).
//!
//! Only what multicast needs is read: the index and name of a link, and whether it is up. Messages that cannot be read are
//! passed over; when the kernel says that some were lost, everything is asked for anew.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::udp::watch;

const RTMGRP_LINK: u32 = 1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const IFF_UP: u32 = 1;
const IFLA_IFNAME: u16 = 3;
/// `struct nlmsghdr`: length (4), type (2), flags (2), sequence (4), port (4).
const HEADER_OCTETS: usize = 16;
/// `struct ifinfomsg`: family (1), padding (1), type (2), index (4), flags (4), change (4).
const LINK_OCTETS: usize = 16;
/// The kernel fills at most this much of one read of a dump.
const READ_OCTETS: usize = 32 << 10;

/// A live list of the links that are up.
#[derive(Debug)]
pub struct Links {
    socket: AsyncFd<OwnedFd>,
    up: BTreeMap<u32, String>,
    buffer: Vec<u8>,
}

impl Links {
    /// Opens the routing socket and asks for the links; they arrive as the first change.
    ///
    /// # Errors
    /// When the system does not allow such a socket.
    pub fn follow() -> io::Result<Links> {
        // Protocol 0 of this family is routing.
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        bind(&socket, &SocketAddrNetlink::new(0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))?;
        let links =
            Links { socket: watch(socket, Interest::READABLE)?, up: BTreeMap::new(), buffer: vec![0; READ_OCTETS] };
        links.ask()?;
        Ok(links)
    }

    /// The links that are up: index and name.
    pub fn up(&self) -> impl Iterator<Item = (u32, &str)> {
        self.up.iter().map(|(index, name)| (*index, name.as_str()))
    }

    /// Waits until something about links or their addresses changed; the list is up to date then.
    pub fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut is_changed = false;
        loop {
            let mut guard = match self.socket.poll_read_ready(context) {
                Poll::Pending if is_changed => return Poll::Ready(()),
                other => match ready!(other) {
                    Ok(guard) => guard,
                    Err(_) => return Poll::Pending,
                },
            };
            match recv(self.socket.get_ref(), &mut self.buffer[..], RecvFlags::empty()) {
                Ok((octets, _)) => {
                    take(&self.buffer[..octets], &mut self.up);
                    is_changed = true;
                }
                Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
                // ENOBUFS: the kernel had more to tell than the socket holds. What was missed is asked for.
                Err(_) => {
                    guard.clear_ready();
                    drop(guard);
                    if let Err(error) = self.ask() {
                        tracing::debug!(%error, "links cannot be asked for");
                    }
                }
            }
        }
    }

    fn ask(&self) -> io::Result<()> {
        let mut request = Vec::with_capacity(HEADER_OCTETS + LINK_OCTETS);
        request.extend_from_slice(&((HEADER_OCTETS + LINK_OCTETS) as u32).to_ne_bytes());
        request.extend_from_slice(&RTM_GETLINK.to_ne_bytes());
        request.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        request.resize(HEADER_OCTETS + LINK_OCTETS, 0);
        send(self.socket.get_ref(), &request, SendFlags::empty())?;
        Ok(())
    }
}

/// Reads a run of routing messages into the list of links that are up.
fn take(mut messages: &[u8], up: &mut BTreeMap<u32, String>) {
    while let Some(header) = messages.first_chunk::<HEADER_OCTETS>() {
        let octets = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let Some(body) = messages.get(HEADER_OCTETS..octets) else { return };
        if let (RTM_NEWLINK | RTM_DELLINK, Some(link)) = (kind, body.first_chunk::<LINK_OCTETS>()) {
            let index = u32::from_ne_bytes([link[4], link[5], link[6], link[7]]);
            let flags = u32::from_ne_bytes([link[8], link[9], link[10], link[11]]);
            if kind == RTM_NEWLINK && flags & IFF_UP != 0 {
                // A message that tells of something else may leave the name out.
                let name = name_in(&body[LINK_OCTETS..]);
                let known = up.entry(index).or_default();
                *known = name.unwrap_or(std::mem::take(known));
            } else {
                up.remove(&index);
            }
        }
        // Messages start at multiples of four.
        messages = messages.get(octets.next_multiple_of(4)..).unwrap_or_default();
    }
}

/// Reads the name of a link from its attributes: `struct rtattr` is length (2, itself included) and type (2), then data.
fn name_in(mut attributes: &[u8]) -> Option<String> {
    while let Some(header) = attributes.first_chunk::<4>() {
        let octets = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let data = attributes.get(4..octets)?;
        if u16::from_ne_bytes([header[2], header[3]]) == IFLA_IFNAME {
            let name = data.split(|&octet| octet == 0).next().unwrap_or_default();
            return Some(String::from_utf8_lossy(name).into_owned());
        }
        attributes = attributes.get(octets.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

/// The index of an interface by its name.
///
/// # Errors
/// When there is none of that name.
pub fn index_of(name: &str) -> io::Result<u32> {
    let any = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    Ok(rustix::net::netdevice::name_to_index(any, name)?)
}

#[cfg(test)]
mod tests;
