use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::edns::option;
use wayhouse_wire::dns::{Compressor, Flags, MessageWriter, OptRcode};

use super::super::srp_update::tests::{WALL_S, key, offer};
use super::super::start;
use super::*;

/// A requester whose registrar is the test, in virtual time.
struct Bench {
    now: Instant,
    requester: Requester,
    sent: Vec<u8>,
}

const ASKED: UpdateLease = UpdateLease { lease_s: 1_000, key_lease_s: Some(2_000) };

impl Bench {
    fn new(is_delayed: bool, seed: u64) -> Bench {
        let settings = Settings { lease: ASKED, is_delayed, key_lease_after_s: 2_000 };
        let now = start();
        let requester = Requester::new(now, settings, offer(), key(), seed).expect("a possible offer");
        Bench { now, requester, sent: Vec::new() }
    }
    /// Lets time pass up to what is due; tells how long.
    fn passes(&mut self) -> Duration {
        let at = self.requester.poll_timeout().expect("something is due").at.max(self.now);
        let passed = at - self.now;
        self.now = at;
        self.requester.handle_timeout(self.now);
        passed
    }
    fn sends(&mut self) -> bool {
        let mut sent = Vec::new();
        let is_sent = self.requester.poll_transmit(self.now, WALL_S, &mut sent);
        if is_sent {
            self.sent = sent;
        }
        is_sent
    }
    fn asked_lease(&self) -> UpdateLease {
        Message::decode(&self.sent).unwrap().edns().unwrap().update_lease().unwrap().unwrap()
    }
    fn answer(&self, rcode: Rcode, lease: Option<UpdateLease>) -> Vec<u8> {
        let (mut out, mut compressor) = (Vec::new(), Compressor::default());
        let id = Header::peek(&self.sent).unwrap().id;
        let flags = Flags::new(Opcode::UPDATE, rcode).with(Flags::QR);
        let mut writer = MessageWriter::new(&mut out, &mut compressor, id, flags, 512);
        if let Some(lease) = lease {
            let opt = Opt { udp_octets_max: 1_232, rcode: OptRcode::from_rcode(rcode), is_dnssec_ok: false };
            writer.opt(opt, &[(option::UPDATE_LEASE, lease.octets(&mut [0; 8]))]).unwrap();
        }
        writer.finish();
        out
    }
    fn answers(&mut self, rcode: Rcode, lease: Option<UpdateLease>) -> Vec<Event> {
        let bytes = self.answer(rcode, lease);
        self.requester.handle_message(self.now, &bytes);
        self.events()
    }
    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.requester.poll_event()).collect()
    }
    fn registered() -> Bench {
        let mut bench = Bench::new(false, 1);
        bench.passes();
        assert!(bench.sends());
        assert_eq!(bench.answers(Rcode::NOERROR, Some(ASKED)).len(), 1);
        bench
    }
}

#[test]
fn the_first_registration_waits_a_random_time() {
    let delays: Vec<_> = (0..50).map(|seed| Bench::new(true, seed).passes()).collect();
    assert!(delays.iter().all(|delay| *delay <= INITIAL_DELAY_MAX));
    assert!(delays.iter().max() > Some(&Duration::from_secs(2)) && delays.iter().min() < Some(&Duration::from_secs(1)));
    assert_eq!(Bench::new(false, 1).passes(), Duration::ZERO);
}

#[test]
fn sr16_sr24_what_is_granted_counts_from_when_it_was_asked_for() {
    let mut bench = Bench::new(false, 1);
    bench.passes();
    assert!(bench.sends());
    assert_eq!(bench.asked_lease(), ASKED);
    assert!(!bench.sends(), "SR4: one after the other");
    let asked_at = bench.now;
    bench.now += Duration::from_secs(9);
    let granted = UpdateLease { lease_s: 100, key_lease_s: Some(200) };
    let names = bench.requester.names().clone();
    let registered = |is_refresh| Event::Registered { names: names.clone(), lease: granted, is_refresh };
    assert_eq!(bench.answers(Rcode::NOERROR, Some(granted)), [registered(false)]);
    bench.passes();
    let refreshed_after = bench.now - asked_at;
    assert!((80..=85).contains(&refreshed_after.as_secs()), "{refreshed_after:?}");
    assert!(bench.sends());
    assert_eq!(bench.answers(Rcode::NOERROR, Some(granted)), [registered(true)]);
}

#[test]
fn a_registrar_that_says_nothing_of_leases_grants_what_was_asked() {
    let mut bench = Bench::new(false, 1);
    bench.passes();
    bench.sends();
    assert!(matches!(&bench.answers(Rcode::NOERROR, None)[..], [Event::Registered { lease: ASKED, .. }]));
    assert!((800..=850).contains(&bench.passes().as_secs()));
}

#[test]
fn sr13_a_taken_name_gives_way_to_the_next_and_the_key_stays() {
    let mut bench = Bench::new(false, 1);
    bench.passes();
    for number in 2..=NAMES_MAX {
        assert!(bench.sends());
        assert!(matches!(&bench.answers(Rcode::YXDOMAIN, None)[..], [Event::Taken(_)]));
        assert!(bench.requester.names().host.to_string().starts_with(&format!("desk-{number}.")));
    }
    assert!(bench.sends());
    let key = super::super::srp_update::tests::key().public_key();
    assert!(bench.sent.windows(key.len()).any(|window| window == key), "SR5: the same key");
    assert!(matches!(&bench.answers(Rcode::YXDOMAIN, None)[..], [Event::Taken(_), Event::GivenUp]));
    assert!(bench.requester.is_over());
}

#[test]
fn sr14_refusals_and_silence_are_met_with_longer_and_longer_pauses() {
    let mut bench = Bench::new(false, 1);
    bench.passes();
    let mut pauses = Vec::new();
    for round in 0..12 {
        assert!(bench.sends());
        let events = match round % 3 {
            0 => bench.answers(Rcode::REFUSED, None),
            1 => {
                // Only the code of a refusal counts, however broken the rest is.
                let mut broken = bench.answer(Rcode::SERVFAIL, None);
                broken[5] = 9;
                bench.requester.handle_message(bench.now, &broken);
                bench.events()
            }
            _ => {
                assert_eq!(bench.passes(), ANSWER_WAIT);
                bench.events()
            }
        };
        let [Event::Failed { rcode, again_in }] = events[..] else { panic!("{events:?}") };
        assert_eq!(rcode, [Some(Rcode::REFUSED), Some(Rcode::SERVFAIL), None][round % 3]);
        assert_eq!(bench.passes(), again_in);
        pauses.push(again_in.as_secs());
    }
    assert!((2..=3).contains(&pauses[0]) && (4..=5).contains(&pauses[1]), "{pauses:?}");
    assert!(pauses[11] >= 900 && pauses[11] <= 1_125, "{pauses:?}");
}

#[test]
fn strange_messages_are_ignored() {
    let mut bench = Bench::new(false, 1);
    bench.passes();
    bench.sends();
    let right = bench.answer(Rcode::NOERROR, Some(ASKED));
    for (at, bit) in [(0, 1), (2, 0x80), (2, 0x08)] {
        let mut wrong = right.clone();
        wrong[at] ^= bit;
        bench.requester.handle_message(bench.now, &wrong);
        bench.requester.handle_message(bench.now, &wrong[..7]);
        assert_eq!(bench.events(), []);
    }
    bench.requester.handle_message(bench.now, &right);
    assert_eq!(bench.events().len(), 1);
    bench.requester.handle_message(bench.now, &right);
    assert_eq!(bench.events(), [], "an answer counts once");
}

#[test]
fn a_lease_that_could_not_be_renewed_ends() {
    let mut bench = Bench::registered();
    let mut is_expired = false;
    let begun = bench.now;
    while !is_expired {
        bench.passes();
        if bench.sends() {
            bench.requester.handle_failure(bench.now);
        }
        is_expired = bench.events().contains(&Event::Expired);
    }
    assert_eq!(bench.now - begun, Duration::from_secs(1_000));
    assert!(!bench.requester.is_registered());
    while !bench.sends() {
        bench.passes();
    }
    assert!(matches!(&bench.answers(Rcode::NOERROR, Some(ASKED))[..], [Event::Registered { is_refresh: false, .. }]));
}

#[test]
fn sr18_the_end_removes_what_is_registered_and_keeps_the_name() {
    let mut bench = Bench::registered();
    bench.requester.remove(bench.now);
    assert!(bench.sends());
    assert_eq!(bench.asked_lease(), UpdateLease { lease_s: 0, key_lease_s: Some(2_000) });
    assert_eq!(bench.answers(Rcode::NOERROR, None), [Event::Removed]);
    assert!(bench.requester.is_over() && bench.requester.poll_timeout().is_none());

    let mut early = Bench::new(true, 1);
    early.requester.remove(early.now);
    assert_eq!((early.sends(), early.events()), (false, vec![Event::Removed]));
}

#[test]
fn sr4_a_removal_waits_for_the_answer_under_way() {
    let asking = || {
        let mut bench = Bench::new(false, 1);
        bench.passes();
        bench.sends();
        bench.requester.remove(bench.now);
        assert!(!bench.sends(), "not before the answer");
        bench
    };
    let mut granted = asking();
    assert!(matches!(&granted.answers(Rcode::NOERROR, Some(ASKED))[..], [Event::Registered { .. }]));
    assert!(granted.sends());
    assert_eq!(granted.asked_lease().lease_s, 0);
    let mut silent = asking();
    assert_eq!(silent.passes(), ANSWER_WAIT);
    assert!(silent.sends(), "it may have been registered");
    let mut refused = asking();
    assert_eq!(refused.answers(Rcode::REFUSED, None), [Event::Removed]);
    let mut taken = asking();
    assert!(matches!(&taken.answers(Rcode::YXDOMAIN, None)[..], [Event::Taken(_), Event::Removed]));
}
