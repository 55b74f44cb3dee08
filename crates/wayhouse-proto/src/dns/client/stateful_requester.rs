//! Registers a host and its services in several messages, as draft-lemon-stateful-dnssd-00 has it (SR30–SR36).
//!
//! ```text
//!   claim HOST ──YXDOMAIN──> replace its addresses ──refused──> next host name, claim
//!      │                        │
//!      └────────> human name ──refused──> next human name
//!                     │
//!                 reverse names ──> services ──> read the TTL ──80 %──> replace … again
//!   remove(): the services go, the names stay
//! ```
//!
//! Use as [`super::requester`]; some of the messages are questions.
//!
//! # Deviations
//! The draft adds SRV records to the name of the service type. Here each instance has its SRV and TXT, and the type a PTR to
//! it, or nobody who browses as RFC 6763 says would find it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use wayhouse_wire::dns::sig0::Key;
use wayhouse_wire::dns::{
    Class, Compressor, Flags, Full, Header, Message, MessageWriter, Name, Opcode, Rcode, Rtype, Section, UpdateLease,
};

use super::requester::{ANSWER_WAIT, Event, INITIAL_DELAY_MAX, NAMES_MAX, pause_after};
use super::srp_update::{Offer, OfferFault, OfferNames, write_address, write_service_records};
use crate::crypto::SigningKey;
use crate::dns::sig0::sign;
use crate::io::Wakeup;
use crate::rng::Rng;

/// The part of the TTL after which everything is refreshed (SR36).
const REFRESH_PART: f64 = 0.8;
/// Octets kept for the signature.
const SIGNATURE_OCTETS: usize = 400;

/// What to register, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Time to live to ask for, seconds; what the server shows counts (SR36).
    pub ttl_s: u32,
    /// Whether to wait a random time first.
    pub is_delayed: bool,
    /// For each address that leads back to the host, its name in a reverse zone, and that zone (SR32).
    pub reverse: Vec<(Name, Name)>,
}

/// The name that says whether a domain takes such updates (SR30).
///
/// # Errors
/// `NameTooLong`.
pub fn detection_name(domain: &Name) -> Result<Name, wayhouse_wire::DecodeError> {
    Name::from_labels([&b"_mldnssd"[..]].into_iter().chain(domain.labels()))
}

/// The name that tells the reverse zone for an address (SR32).
///
/// # Errors
/// `NameTooLong`.
pub fn reverse_zones_name(domain: &Name, address: IpAddr) -> Result<Name, wayhouse_wire::DecodeError> {
    let label: &[u8] = if address.is_ipv4() { b"_inaddr_zone" } else { b"_ipv6_zone" };
    Name::from_labels([label].into_iter().chain(domain.labels()))
}

/// What is asked next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Claim,
    Replace,
    Human,
    Reverse(usize),
    Service(usize),
    Lifetime,
    Remove(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Due,
    Asking,
    Over,
}

/// One registration.
#[derive(Debug)]
pub struct StatefulRequester {
    settings: Settings,
    offer: Offer,
    names: OfferNames,
    host_number: u32,
    human_number: u32,
    key: SigningKey,
    key_rdata: Vec<u8>,
    rng: Rng,
    phase: Phase,
    step: Step,
    at: Option<Instant>,
    id: u16,
    failures: u32,
    is_claimed: bool,
    is_registered: bool,
    is_leaving: bool,
    events: VecDeque<Event>,
}

impl StatefulRequester {
    /// A registration that begins after the random delay.
    ///
    /// # Errors
    /// When a name of the offer cannot be one.
    pub fn new(
        now: Instant,
        settings: Settings,
        offer: Offer,
        key: SigningKey,
        seed: u64,
    ) -> Result<StatefulRequester, OfferFault> {
        let names = OfferNames::with_numbers(&offer, 1, 1)?;
        let mut rng = Rng::new(seed);
        let delay_ms = if settings.is_delayed { rng.below(INITIAL_DELAY_MAX.as_millis() as u64 + 1) } else { 0 };
        let mut key_rdata = Vec::new();
        Key::encode(0, key.algorithm().number(), &key.public_key(), &mut key_rdata);
        Ok(StatefulRequester {
            settings,
            offer,
            names,
            host_number: 1,
            human_number: 1,
            key,
            key_rdata,
            rng,
            phase: Phase::Waiting,
            step: Step::Claim,
            at: Some(now + Duration::from_millis(delay_ms)),
            id: 0,
            failures: 0,
            is_claimed: false,
            is_registered: false,
            is_leaving: false,
            events: VecDeque::new(),
        })
    }
    /// The names as they are tried or registered.
    pub fn names(&self) -> &OfferNames {
        &self.names
    }
    /// Whether nothing more will happen.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Takes the services back; the names stay, which the draft prefers (SR36).
    pub fn remove(&mut self, now: Instant) {
        match self.phase {
            Phase::Over => {}
            Phase::Asking => self.is_leaving = true,
            Phase::Waiting | Phase::Due if !matches!(self.step, Step::Remove(_)) => self.begin_removal(now),
            Phase::Waiting | Phase::Due => {}
        }
    }
    fn begin_removal(&mut self, now: Instant) {
        self.is_leaving = false;
        if self.is_claimed {
            self.go(now, Step::Remove(0));
        } else {
            self.end(Event::Removed);
        }
    }
    fn go(&mut self, now: Instant, step: Step) {
        (self.step, self.phase, self.at) = (step, Phase::Due, Some(now));
    }
    fn end(&mut self, event: Event) {
        (self.phase, self.at, self.is_registered) = (Phase::Over, None, false);
        self.events.push_back(event);
    }

    /// Appends the message to send, without a length in front; `false` when none is due. `wall_s` is the time for its
    /// signature, seconds since 1970.
    pub fn poll_transmit(&mut self, now: Instant, wall_s: u64, out: &mut Vec<u8>) -> bool {
        if self.phase != Phase::Due {
            return false;
        }
        self.id = self.rng.next_u64() as u16;
        let start = out.len();
        if let Err(fault) = self.write(out) {
            out.truncate(start);
            self.end(Event::Impossible(fault));
            return false;
        }
        if self.step != Step::Lifetime {
            // SR33: every update by the key of the host.
            let key_tag = Key::decode(&self.key_rdata).map(|key| key.tag()).unwrap_or_default();
            sign(&self.key, self.names.host.as_ref(), key_tag, wall_s, None, out, start);
        }
        (self.phase, self.at) = (Phase::Asking, Some(now + ANSWER_WAIT));
        true
    }
    fn write(&self, out: &mut Vec<u8>) -> Result<(), OfferFault> {
        let mut compressor = Compressor::default();
        let opcode = if self.step == Step::Lifetime { Opcode::QUERY } else { Opcode::UPDATE };
        let flags = Flags::new(opcode, Rcode::NOERROR);
        let mut writer = MessageWriter::new(out, &mut compressor, self.id, flags, usize::from(u16::MAX));
        writer.reserve(SIGNATURE_OCTETS);
        let (host, ttl_s) = (self.names.host.as_ref(), self.settings.ttl_s);
        if self.step == Step::Lifetime {
            let rtype = self.offer.addresses.first().map_or(Rtype::A, address_type);
            writer.question(host, rtype, Class::IN)?;
            writer.finish();
            return Ok(());
        }
        let zone = match self.step {
            Step::Reverse(index) => &self.settings.reverse[index].1,
            _ => &self.offer.zone,
        };
        writer.question(zone.as_ref(), Rtype::SOA, Class::IN)?;
        match self.step {
            // SR34: only where nobody has the name; its key comes with it.
            Step::Claim => {
                writer.record(Section::Answer, host, Rtype::ANY, Class::NONE, 0, &[])?;
                self.write_host(&mut writer)?;
            }
            Step::Replace => {
                for rtype in [Rtype::A, Rtype::AAAA] {
                    writer.record(Section::Authority, host, rtype, Class::ANY, 0, &[])?;
                }
                self.write_host(&mut writer)?;
            }
            // SR35
            Step::Human => {
                let human = self.human_name()?;
                writer.record(
                    Section::Authority,
                    human.as_ref(),
                    Rtype::PTR,
                    Class::IN,
                    ttl_s,
                    self.names.host.wire(),
                )?;
            }
            Step::Reverse(index) => {
                let name = self.settings.reverse[index].0.as_ref();
                writer.record(Section::Authority, name, Rtype::PTR, Class::IN, ttl_s, self.names.host.wire())?;
            }
            Step::Service(index) => {
                let (service, instance) = (&self.offer.services[index], &self.names.instances[index]);
                write_service_records(&mut writer, &self.offer, service, instance, &self.names.host, ttl_s)?;
            }
            Step::Remove(index) => {
                let (service, instance) = (&self.offer.services[index], &self.names.instances[index]);
                let browse = self.offer.zone.prefixed(service.service.as_ref())?;
                writer.record(Section::Authority, browse.as_ref(), Rtype::PTR, Class::NONE, 0, instance.wire())?;
                for subtype in &service.subtypes {
                    let name = Name::from_labels([subtype.as_bytes(), b"_sub"].into_iter().chain(browse.labels()))?;
                    writer.record(Section::Authority, name.as_ref(), Rtype::PTR, Class::NONE, 0, instance.wire())?;
                }
                writer.record(Section::Authority, instance.as_ref(), Rtype::ANY, Class::ANY, 0, &[])?;
            }
            Step::Lifetime => {}
        }
        writer.finish();
        Ok(())
    }
    fn write_host(&self, writer: &mut MessageWriter<'_>) -> Result<(), Full> {
        let (host, ttl_s) = (self.names.host.as_ref(), self.settings.ttl_s);
        for address in &self.offer.addresses {
            write_address(writer, host, *address, ttl_s)?;
        }
        writer.record(Section::Authority, host, Rtype::KEY, Class::IN, ttl_s, &self.key_rdata)
    }
    /// What people call the host: the first label of its first service.
    fn human_name(&self) -> Result<Name, OfferFault> {
        let label = self.names.instances.first().and_then(|instance| instance.labels().next());
        Ok(Name::from_labels(label.into_iter().chain(self.offer.zone.labels()))?)
    }

    /// Takes a message that came from the server.
    pub fn handle_message(&mut self, now: Instant, bytes: &[u8]) {
        let opcode = if self.step == Step::Lifetime { Opcode::QUERY } else { Opcode::UPDATE };
        let is_ours = |header: &Header| {
            self.phase == Phase::Asking
                && header.is_response()
                && header.id == self.id
                && header.flags.opcode() == opcode
        };
        let Some(header) = Header::peek(bytes).filter(is_ours) else { return };
        let rcode = header.flags.rcode();
        if self.is_leaving && !matches!(self.step, Step::Remove(_)) {
            self.is_claimed |= rcode == Rcode::NOERROR;
            self.begin_removal(now);
            return;
        }
        match (self.step, rcode) {
            (_, Rcode::SERVFAIL) => self.fail(now, Some(rcode)),
            (Step::Lifetime, _) => self.take_lifetime(now, bytes),
            (step, Rcode::NOERROR) => self.take_success(now, step),
            (Step::Claim, Rcode::YXDOMAIN) => self.go(now, Step::Replace),
            // It belongs to another key.
            (Step::Replace, _) => self.take_next_host(now),
            (Step::Human | Step::Service(_), _) => self.take_next_human(now),
            // They should not fail, and the host is found without.
            (Step::Reverse(index), _) => self.go_behind_reverse(now, index),
            (Step::Remove(index), _) => self.go_behind_removal(now, index),
            (Step::Claim, _) => self.fail(now, Some(rcode)),
        }
    }
    fn take_success(&mut self, now: Instant, step: Step) {
        self.failures = 0;
        match step {
            Step::Claim | Step::Replace => {
                self.is_claimed = true;
                self.go(now, Step::Human);
            }
            Step::Human if self.settings.reverse.is_empty() => self.go(now, Step::Service(0)),
            Step::Human => self.go(now, Step::Reverse(0)),
            Step::Reverse(index) => self.go_behind_reverse(now, index),
            Step::Service(index) if index + 1 < self.offer.services.len() => self.go(now, Step::Service(index + 1)),
            Step::Service(_) | Step::Lifetime => self.go(now, Step::Lifetime),
            Step::Remove(index) => self.go_behind_removal(now, index),
        }
    }
    fn go_behind_reverse(&mut self, now: Instant, index: usize) {
        let next = index + 1;
        self.go(now, if next < self.settings.reverse.len() { Step::Reverse(next) } else { Step::Service(0) });
    }
    fn go_behind_removal(&mut self, now: Instant, index: usize) {
        if index + 1 < self.offer.services.len() {
            self.go(now, Step::Remove(index + 1));
        } else {
            self.end(Event::Removed);
        }
    }
    /// SR36: what the server shows, or what was asked for where it shows nothing.
    fn take_lifetime(&mut self, now: Instant, bytes: &[u8]) {
        let shown = Message::decode(bytes).ok().and_then(|message| {
            let ours = message.records(Section::Answer).filter(|record| record.name == self.names.host.as_ref());
            ours.map(|record| record.ttl_s).min()
        });
        let ttl_s = shown.filter(|ttl_s| *ttl_s > 0).unwrap_or(self.settings.ttl_s).max(2);
        let refresh_in = Duration::from_secs(u64::from(ttl_s)).mul_f64(REFRESH_PART);
        (self.phase, self.step, self.at) = (Phase::Waiting, Step::Replace, Some(now + refresh_in));
        let is_refresh = std::mem::replace(&mut self.is_registered, true);
        let lease = UpdateLease { lease_s: ttl_s, key_lease_s: None };
        self.events.push_back(Event::Registered { names: self.names.clone(), lease, is_refresh });
    }
    fn take_next_host(&mut self, now: Instant) {
        self.host_number += 1;
        self.is_claimed = false;
        self.rename(now, Step::Claim, self.host_number);
    }
    fn take_next_human(&mut self, now: Instant) {
        self.human_number += 1;
        self.rename(now, Step::Human, self.human_number);
    }
    fn rename(&mut self, now: Instant, step: Step, number: u32) {
        self.events.push_back(Event::Taken(self.names.clone()));
        self.is_registered = false;
        if number > NAMES_MAX {
            self.end(Event::GivenUp);
            return;
        }
        match OfferNames::with_numbers(&self.offer, self.host_number, self.human_number) {
            Ok(names) => {
                self.names = names;
                self.go(now, step);
            }
            Err(error) => self.end(Event::Impossible(error.into())),
        }
    }
    /// The message could not be sent, or the connection ended before the answer.
    pub fn handle_failure(&mut self, now: Instant) {
        if self.phase == Phase::Asking {
            self.fail(now, None);
        }
    }
    fn fail(&mut self, now: Instant, rcode: Option<Rcode>) {
        if self.is_leaving && !matches!(self.step, Step::Remove(_)) {
            self.begin_removal(now);
            return;
        }
        let again_in = pause_after(self.failures, &mut self.rng);
        self.failures = self.failures.saturating_add(1);
        (self.phase, self.at) = (Phase::Waiting, Some(now + again_in));
        self.events.push_back(Event::Failed { rcode, again_in });
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.at.is_some_and(|at| at <= now) {
            match self.phase {
                Phase::Waiting => self.phase = Phase::Due,
                Phase::Asking => self.fail(now, None),
                Phase::Due | Phase::Over => {}
            }
        }
    }
    /// When [`StatefulRequester::handle_timeout`] is wanted.
    pub fn poll_timeout(&self) -> Option<Wakeup> {
        let why = if self.phase == Phase::Waiting { "registration is due" } else { "server did not answer" };
        self.at.map(|at| Wakeup { at, why })
    }
    /// What happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

fn address_type(address: &IpAddr) -> Rtype {
    if address.is_ipv4() { Rtype::A } else { Rtype::AAAA }
}

#[cfg(test)]
mod tests;
