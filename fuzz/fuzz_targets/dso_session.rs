//! Any octets, in any pieces and at any time, into a session of any side and dialect: it neither panics nor leaves its
//! bounds, comes to rest, and what it sends is well-formed.
//!
//! The input is one octet for side and dialect, then a list of steps: `kind (1) | length (1) | octets`. Most steps become
//! one framed message, so that these are reached without luck.
#![no_main]

use std::sync::Arc;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use wayhouse_proto::dns::dso_session::{Happened, Role, Session, Settings};
use wayhouse_proto::dns::limits::SessionLimits;
use wayhouse_proto::dns::push;
use wayhouse_wire::dialect::{DsoDialect, PushDialect};
use wayhouse_wire::dns::dso_tlv::dso_type;
use wayhouse_wire::dns::{DsoMessage, Header, Opcode, Rcode};

const OPERATIONS_MAX: usize = 4;
/// Wake-ups in a row without time passing, at most.
const ROUNDS_MAX: usize = 100;

fn drain(session: &mut Session, now: Instant, out: &mut Vec<u8>) {
    loop {
        let answer = match session.poll(now, out) {
            None => return,
            Some(Happened::Request { id, .. }) => (id, if id % 3 == 0 { Rcode::REFUSED } else { Rcode::NOERROR }),
            Some(_) => continue,
        };
        let _ = session.respond(now, answer.0, answer.1, Some(1), out, |_| {});
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&pick, mut rest)) = input.split_first() else { return };
    let (dialect, push_dialect) = match pick % 3 {
        0 => (DsoDialect::Rfc8490, PushDialect::Rfc8765),
        1 => (DsoDialect::SessionSignal02, PushDialect::Push10),
        _ => (DsoDialect::SessionSignal03, PushDialect::Push12),
    };
    let role = if pick & 0x80 == 0 { Role::Server } else { Role::Client };
    let limits = SessionLimits {
        message_octets_max: 600,
        their_operations_max: OPERATIONS_MAX,
        own_operations_max: OPERATIONS_MAX,
        abandoned_max: 1,
    };
    let operations = push::operations(push_dialect);
    let settings = Settings { dialect, operations, limits, is_implicit: pick & 0x40 != 0, ..Settings::default() };
    let mut now = Instant::now();
    let mut session = Session::new(now, role, Arc::new(settings));
    let mut out = Vec::new();
    while let [kind, length, behind @ ..] = rest {
        let octets = usize::from(*length).min(behind.len());
        let (bytes, next) = behind.split_at(octets);
        rest = next;
        let _ = match kind % 16 {
            0 => session.keep_alive(now, &mut out).map(|_| ()),
            1 => session.request(now, dso_type::SUBSCRIBE, &mut out, |_| {}).map(|_| ()),
            2 => session.tell(now, dso_type::PUSH, &mut out, |_| {}),
            3 => session.cancel(now, u16::from(*length), Rcode::NOTAUTH, None, &mut out),
            4 => session.shut_down(now, Rcode::SERVFAIL, 1, &mut out),
            5 => {
                session.abandon(u16::from(*length));
                session.release(u16::from(*length));
                Ok(())
            }
            6 => {
                now += Duration::from_secs(u64::from(*length));
                Ok(())
            }
            7 => session.request_about(now, u16::from(*length), dso_type::UNSUBSCRIBE, &mut out, |_| {}),
            8 => session.send_dns(now, bytes, &mut out),
            9 => {
                session.handle_early_data(bytes);
                Ok(())
            }
            10 => {
                session.handle_data(bytes);
                Ok(())
            }
            _ => {
                session.handle_data(&[&(bytes.len() as u16).to_be_bytes()[..], bytes].concat());
                Ok(())
            }
        };
        drain(&mut session, now, &mut out);
        let mut rounds = 0;
        while session.poll_timeout().is_some_and(|wakeup| wakeup.at <= now) {
            session.handle_timeout(now, &mut out);
            drain(&mut session, now, &mut out);
            rounds += 1;
            assert!(rounds < ROUNDS_MAX, "it comes to rest");
        }
        assert!(session.memory_octets() < 8192, "within its bounds: {}", session.memory_octets());
    }
    let mut sent = &out[..];
    while let Some((length, behind)) = sent.split_first_chunk() {
        let (message, behind) = behind.split_at(usize::from(u16::from_be_bytes(*length)));
        sent = behind;
        if Header::peek(message).is_some_and(|header| header.flags.opcode() == Opcode::DSO && header.counts == [0; 4]) {
            let _ = DsoMessage::decode(message, dialect);
        }
    }
});
