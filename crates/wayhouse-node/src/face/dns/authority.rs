//! Questions and their answers, out of the index alone (RFC 1034 §4.3.2 without delegations, aliases and wildcards).
//!
//! | asked for | answered |
//! |---|---|
//! | a name of a zone, a type it has | the set, AA; additional records as DN10 wants them |
//! | a name of a zone, a type it has not, or only names below it exist | NOERROR, nothing, SOA (RFC 2308 §2.2) |
//! | another name below a zone | NXDOMAIN, SOA (RFC 2308 §2.1) |
//! | a name of no zone, another class, a transfer | REFUSED |
//! | type ANY | over UDP one of the sets, over TCP all (RFC 8482 §4.1, §4.4) |
//! | several questions, none, or what cannot be read | FORMERR (RFC 9619) |
//! | another opcode | NOTIMP |
//! | an EDNS version above 0 | BADVERS (RFC 6891 §6.1.3) |

use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::edns::{OPT_OCTETS, option};
use wayhouse_wire::dns::name::NAME_OCTETS_MAX;
use wayhouse_wire::dns::{
    Class, Edns, Flags, Full, Header, Message, MessageWriter, Opcode, OptRcode, Question, Rcode, Rtype, Section,
};

use super::composer::{self, Composer, Places};
use super::cookie::COOKIE_OCTETS;
use super::index::{Folded, Found, Index, NodeId, Set};

/// Octets of a message over UDP for a client that does not say what it takes (RFC 1035 §4.2.1).
pub(super) const UDP_OCTETS_DEFAULT: usize = 512;

/// Padded queries get answers of a multiple of this (RFC 8467 §4.1).
const PADDING_BLOCK_OCTETS: usize = 468;
static PADDING: [u8; PADDING_BLOCK_OCTETS] = [0; PADDING_BLOCK_OCTETS];

/// How an answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// The most octets that we send.
    pub(super) octets_max: u16,
    /// Whether it is a datagram.
    pub(super) is_datagram: bool,
    /// Whether nothing but the question may go back, with TC.
    pub(super) is_curt: bool,
    /// The cookie to give.
    pub(super) cookie: Option<[u8; COOKIE_OCTETS]>,
    /// Whether it is encrypted, so that padding hides something.
    pub(super) pads: bool,
}

/// Answers the query of a header with an error and nothing else.
pub(super) fn refuse(header: Header, rcode: Rcode, out: &mut Vec<u8>) {
    let kept = header.flags.0 & Flags::RD.0;
    let flags = Flags::new(header.flags.opcode(), rcode).with(Flags::QR).with(Flags(kept));
    out.extend_from_slice(&Header { id: header.id, flags, counts: [0; 4] }.to_octets());
}

/// Appends the answer to a message that is no response.
pub(super) fn answer(index: &Index, composer: &mut Composer, query: &Message<'_>, way: Way, out: &mut Vec<u8>) {
    let Composer { compressor, places } = composer;
    let header = query.header;
    if header.flags.opcode() != Opcode::QUERY {
        return refuse(header, Rcode::NOTIMP, out);
    }
    let edns = query.edns();
    let octets_max = match (way.is_datagram, edns) {
        (true, None) => UDP_OCTETS_DEFAULT,
        (true, Some(edns)) => usize::from(edns.udp_octets_max.min(way.octets_max)).max(UDP_OCTETS_DEFAULT),
        (false, _) => usize::from(u16::MAX),
    };
    let kept = header.flags.0 & (Flags::RD.0 | Flags::CD.0);
    let flags = Flags::new(Opcode::QUERY, Rcode::NOERROR).with(Flags::QR).with(Flags(kept));
    let mut writer = MessageWriter::new(out, compressor, header.id, flags, octets_max);
    let reserved = edns.map_or(0, |_| OPT_OCTETS + way.cookie.map_or(0, |_| 4 + COOKIE_OCTETS));
    writer.reserve(reserved);

    let mut rcode = OptRcode::NOERROR;
    match query.question() {
        _ if edns.is_some_and(|edns| edns.version > 0) => rcode = OptRcode::BADVERS,
        Some(question) => {
            let mut buffer = [0; NAME_OCTETS_MAX];
            let flat = match question.name.flat() {
                Some(flat) => flat,
                None => question.name.flatten(&mut buffer),
            };
            if writer.question_whole(flat, question.rtype, question.class).is_ok() {
                places.begin();
                let mut reply = Reply { index, writer: &mut writer, places, way };
                rcode = reply.fill(&question, flat);
            }
        }
        // RFC 7873 §5.4: who only wants a cookie asks nothing.
        None if header.counts[0] == 0 && way.cookie.is_some() => {}
        None => rcode = OptRcode::FORMERR,
    }
    let basic = writer.header().flags;
    writer.set_flags(Flags(basic.0 & !15 | u16::from(rcode.rcode().to_int())));
    writer.release(reserved);
    if let Some(edns) = edns {
        add_opt(&mut writer, &edns, rcode, way);
    }
    writer.finish();
}

fn add_opt(writer: &mut MessageWriter<'_>, edns: &Edns<'_>, rcode: OptRcode, way: Way) {
    let opt = Opt { udp_octets_max: way.octets_max, rcode, is_dnssec_ok: edns.is_dnssec_ok };
    let cookie = way.cookie.as_ref().map(|cookie| (option::COOKIE, &cookie[..]));
    // RFC 7830 §4: whoever pads is padded to.
    if way.pads && edns.option(option::PADDING).is_some() {
        let cookie_octets = cookie.map_or(0, |(_, cookie)| 4 + cookie.len());
        let padding = (option::PADDING, padding(writer.octets() + OPT_OCTETS + cookie_octets + 4));
        let padded = match cookie {
            Some(cookie) => writer.opt(opt, &[cookie, padding]),
            None => writer.opt(opt, &[padding]),
        };
        if padded.is_ok() {
            return;
        }
    }
    // There is room for it: it was kept free.
    let _ = writer.opt(opt, cookie.as_slice());
}

/// What a message of so many octets is padded with (RFC 8467 §4.1).
pub(super) fn padding(octets: usize) -> &'static [u8] {
    let missing = octets.next_multiple_of(PADDING_BLOCK_OCTETS) - octets;
    &PADDING[..missing.min(usize::from(u16::MAX).saturating_sub(octets))]
}

/// An answer in the making.
struct Reply<'r, 'w> {
    index: &'r Index,
    writer: &'r mut MessageWriter<'w>,
    places: &'r mut Places,
    way: Way,
}

impl Reply<'_, '_> {
    /// Answers a question, whose name is given in one piece as well.
    fn fill(&mut self, question: &Question<'_>, flat: &[u8]) -> OptRcode {
        match question.rtype {
            Rtype::AXFR | Rtype::IXFR => return OptRcode::REFUSED,
            Rtype::OPT | Rtype::TSIG => return OptRcode::FORMERR,
            // MAILB and MAILA, and what there may be of their kind (RFC 6895 §3.1).
            other if (128..255).contains(&other.to_int()) => return OptRcode::NOTIMP,
            _ => {}
        }
        if !matches!(question.class, Class::IN | Class::ANY) {
            return OptRcode::REFUSED;
        }
        let (zone, node) = match self.index.lookup(&Folded::new(question.name)) {
            Found::Outside => return OptRcode::REFUSED,
            Found::Nowhere(zone) => (zone, None),
            Found::At(zone, node) => (zone, Some(node)),
        };
        let flags = self.writer.header().flags;
        self.writer.set_flags(flags.with(Flags::AA));
        if self.way.is_curt {
            self.writer.truncate();
            return OptRcode::NOERROR;
        }
        if let Some(node) = node {
            self.places.note_question(self.index, node, flat);
        }
        let outcome = match node {
            Some(node) if question.rtype == Rtype::ANY => self.any(node),
            Some(node) => self.index.set(node, question.rtype).map(|set| self.set(Section::Answer, node, set)),
            None => None,
        };
        match outcome {
            Some(Ok(())) => {
                self.additional(question.rtype);
                OptRcode::NOERROR
            }
            Some(Err(Full)) if self.way.is_datagram => {
                self.writer.truncate();
                OptRcode::NOERROR
            }
            // More than any message holds. There is no other way to ask but a subscription: as much as fits, and TC, which
            // says that it is not all (RFC 2181 §9).
            Some(Err(Full)) => {
                let flags = self.writer.header().flags;
                self.writer.set_flags(flags.with(Flags::TC));
                OptRcode::NOERROR
            }
            None => {
                let (soa, ttl_s) = self.index.soa(zone);
                let minimum = soa.last_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
                let apex = self.index.name(self.index.apex(zone));
                let ttl_s = ttl_s.min(minimum);
                self.writer.remember_question(flat);
                if self.writer.record(Section::Authority, apex, Rtype::SOA, Class::IN, ttl_s, soa).is_err() {
                    self.writer.truncate();
                }
                if node.is_some() { OptRcode::NOERROR } else { OptRcode::NXDOMAIN }
            }
        }
    }

    /// RFC 8482: a datagram gets one set, so that asking for everything amplifies nothing.
    fn any(&mut self, node: NodeId) -> Option<Result<(), Full>> {
        let sets = self.index.sets(node);
        let most = if self.way.is_datagram { 1 } else { sets.len() };
        sets.first()?;
        Some(sets.iter().take(most).try_for_each(|set| self.set(Section::Answer, node, *set)))
    }

    fn set(&mut self, section: Section, node: NodeId, set: Set) -> Result<(), Full> {
        composer::write_set(self.writer, self.places, self.index, section, node, set)
    }

    /// DN10: what whoever asked will ask next, as far as there is room. What does not fit is left out without TC
    /// (RFC 2181 §9).
    fn additional(&mut self, rtype: Rtype) {
        let leads = self.places.take_leads();
        let _ = match rtype {
            Rtype::PTR => leads.iter().try_for_each(|instance| self.instance(*instance)),
            Rtype::SRV | Rtype::NS => leads.iter().try_for_each(|host| self.host(*host)),
            _ => Ok(()),
        };
        self.places.give_leads(leads);
    }

    fn instance(&mut self, instance: NodeId) -> Result<(), Full> {
        let index = self.index;
        for rtype in [Rtype::SRV, Rtype::TXT] {
            if let Some(set) = index.set(instance, rtype) {
                self.set(Section::Additional, instance, set)?;
            }
        }
        let Some(services) = index.set(instance, Rtype::SRV) else { return Ok(()) };
        index.data(services).filter_map(|datum| datum.target).try_for_each(|host| self.host(host))
    }

    /// The addresses of a host, unless they stand there already: many services may be on one.
    fn host(&mut self, host: NodeId) -> Result<(), Full> {
        if !self.places.is_untold(host) {
            return Ok(());
        }
        for rtype in [Rtype::A, Rtype::AAAA] {
            if let Some(set) = self.index.set(host, rtype) {
                self.set(Section::Additional, host, set)?;
            }
        }
        self.places.tell(host);
        Ok(())
    }
}
