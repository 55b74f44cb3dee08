//! Arbitrary octets from a server into the clients of the DNS: what is asked, what is pushed, what is registered. Neither
//! panics nor leaves its bounds, and all of it comes to rest.
//!
//! The input is a list of steps: `kind (1) | length (1) | octets`. Most steps become one framed message, some with the
//! message ID that is waited for, so that these are reached without luck.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wayhouse_proto::crypto::{Algorithm, SigningKey};
use wayhouse_proto::dns::client::follower::{Follower, Settings, Wish};
use wayhouse_proto::dns::client::query::{Outcome, Query, Way};
use wayhouse_proto::dns::client::requester::{self, Requester};
use wayhouse_proto::dns::client::service_view::ServiceView;
use wayhouse_proto::dns::client::srp_update::{Offer, OfferedService};
use wayhouse_proto::dns::client::stateful_requester::{self, StatefulRequester};
use wayhouse_proto::dns::client::zone_walk::ZoneWalk;
use wayhouse_proto::dns::client::{Answer, Asked};
use wayhouse_proto::dns::dso_session;
use wayhouse_proto::dns::instances::Instance;
use wayhouse_proto::dns::limits::ClientLimits;
use wayhouse_proto::dns::push;
use wayhouse_proto::rng::Rng;
use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::{Message, Name, Rtype};

const LIMITS: ClientLimits = ClientLimits { records_max: 20, record_octets_max: 4_000, questions_max: 10 };
/// Steps without time passing, at most.
const ROUNDS_MAX: usize = 1_000;

fn service() -> Name {
    Name::parse("_a._b.c").expect("a name")
}

fn follower(now: Instant, pick: u8) -> Follower {
    let (dialect, dso) = match pick % 3 {
        0 => (PushDialect::Rfc8765, DsoDialect::Rfc8490),
        1 => (PushDialect::Push10, DsoDialect::SessionSignal02),
        _ => (PushDialect::Push12, DsoDialect::SessionSignal03),
    };
    let session = dso_session::Settings { dialect: dso, operations: push::operations(dialect), ..Default::default() };
    let settings = Settings {
        session: Arc::new(session),
        dialect,
        instance: Instance::Named(service(), 853),
        poll_interval: (pick & 0x40 != 0).then(|| Duration::from_secs(5)),
        limits: LIMITS,
    };
    Follower::new(now, settings)
}

/// Does what the follower wishes, as a caller would; `answer` is what polls bring.
fn settle(follower: &mut Follower, now: Instant, can_connect: bool, answer: Option<&Answer>, out: &mut Vec<u8>) {
    for round in 0.. {
        assert!(round < ROUNDS_MAX, "it comes to rest");
        while follower.poll_event().is_some() {}
        let view = ServiceView::of_type(follower.records(), &service());
        follower.set_wanted(now, &view.wanted, out);
        match follower.poll_wish(now) {
            Some(Wish::Connect) if can_connect => follower.handle_connected(now, out),
            Some(Wish::Connect) => follower.handle_connect_failed(now),
            Some(Wish::Ask(asked)) => follower.handle_answer(now, &asked, answer),
            Some(Wish::Close(_)) => {}
            None => break,
        }
    }
    assert!(follower.records().len() <= LIMITS.records_max && follower.records().octets() <= LIMITS.record_octets_max);
}

fn offer() -> Offer {
    Offer {
        zone: service(),
        host: "host".to_owned(),
        addresses: vec![[192, 0, 2, 1].into()],
        services: vec![OfferedService {
            instance: "instance".to_owned(),
            service: service(),
            subtypes: Vec::new(),
            port: 1,
            attributes: Vec::new(),
        }],
    }
}

/// Both kinds of registration, and what they sent last.
struct Requesters {
    srp: Requester,
    stateful: StatefulRequester,
    last_update: Vec<u8>,
    last_step: Vec<u8>,
    signatures: u32,
}

impl Requesters {
    /// The octets as answers to what was sent last.
    fn take(&mut self, now: Instant, bytes: &[u8], is_end: bool) {
        let answer = |sent: &[u8]| match (bytes.get(2..), sent.first_chunk::<2>()) {
            (Some(rest), Some(id)) => [&id[..], rest].concat(),
            _ => bytes.to_vec(),
        };
        self.srp.handle_message(now, &answer(&self.last_update));
        self.stateful.handle_message(now, &answer(&self.last_step));
        if is_end {
            self.srp.remove(now);
            self.stateful.remove(now);
        }
    }
    fn go_on(&mut self, now: Instant) {
        self.srp.handle_timeout(now);
        self.stateful.handle_timeout(now);
        let (mut update, mut step) = (Vec::new(), Vec::new());
        if self.signatures < 8 && self.srp.poll_transmit(now, 1_790_000_000, &mut update) {
            assert!(Message::decode(&update).is_ok_and(|update| update.sig0().is_some()));
            (self.last_update, self.signatures) = (update, self.signatures + 1);
        }
        if self.signatures < 8 && self.stateful.poll_transmit(now, 1_790_000_000, &mut step) {
            assert!(Message::decode(&step).is_ok());
            (self.last_step, self.signatures) = (step, self.signatures + 1);
        }
        while self.srp.poll_event().is_some() {}
        while self.stateful.poll_event().is_some() {}
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&pick, mut rest)) = input.split_first() else { return };
    let (mut now, mut out) = (Instant::now(), Vec::new());
    let mut follower = follower(now, pick);
    follower.set_wanted(now, &BTreeSet::from([Asked::internet(service(), Rtype::PTR)]), &mut out);
    let way = if pick & 0x20 == 0 { Way::Datagram } else { Way::Stream };
    let mut query = Query::new(now, Asked::internet(service(), Rtype::SOA), true, way, 1);
    let mut walk = ZoneWalk::new(service(), service());
    // Signing is slow: half of the inputs do without.
    let mut requesters = (pick & 0x10 != 0).then(|| {
        let key = || SigningKey::new(Algorithm::EcdsaP256Sha256, &[7; 32]).expect("a scalar in range");
        let possible = "the offer is possible";
        let settings =
            stateful_requester::Settings { ttl_s: 60, is_delayed: false, reverse: vec![(service(), service())] };
        Requesters {
            srp: Requester::new(now, requester::Settings::default(), offer(), key(), 1).expect(possible),
            stateful: StatefulRequester::new(now, settings, offer(), key(), 1).expect(possible),
            last_update: Vec::new(),
            last_step: Vec::new(),
            signatures: 0,
        }
    });
    while let [kind, length, behind @ ..] = rest {
        let (bytes, next) = behind.split_at(usize::from(*length).min(behind.len()));
        rest = next;
        let answer = Message::decode(bytes).ok().and_then(|message| Answer::copy(&message).ok());
        let can_connect = kind & 0x80 == 0;
        match kind % 8 {
            0 => now += Duration::from_secs(u64::from(*length) * 10),
            1 => follower.handle_data(now, bytes, &mut out),
            2 => follower.handle_closed(now),
            3 => {
                query.handle_message(now, bytes);
                let mut ours = bytes.to_vec();
                if let Some(id) = ours.first_chunk_mut() {
                    *id = query.id().to_be_bytes();
                }
                query.handle_message(now, &ours);
                if let Some(answer) = &answer {
                    let _ = walk.handle_answer(answer, &mut Rng::new(1));
                    let _ = walk.asked();
                }
            }
            4 => {
                if let Some(requesters) = &mut requesters {
                    requesters.take(now, bytes, kind & 0x40 != 0);
                }
            }
            _ => follower.handle_data(now, &[&(bytes.len() as u16).to_be_bytes()[..], bytes].concat(), &mut out),
        }
        follower.handle_timeout(now, &mut out);
        settle(&mut follower, now, can_connect, answer.as_ref(), &mut out);
        query.handle_timeout(now);
        let mut message = Vec::new();
        query.poll_transmit(&mut message);
        if query.poll_outcome() == Some(Outcome::Truncated) {
            query.over_stream(now);
        }
        if let Some(requesters) = &mut requesters {
            requesters.go_on(now);
        }
        out.clear();
    }
});
