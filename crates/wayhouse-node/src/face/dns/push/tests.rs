use std::sync::Arc;

use wayhouse_proto::dns::dso_session::{Happened, Role, Settings};
use wayhouse_proto::dns::push;
use wayhouse_proto::keyed_hash::KeyedState;
use wayhouse_proto::rng::Rng;

use wayhouse_wire::dns::push_tlv::encode_subscribe;
use wayhouse_wire::dns::{DsoWriter, Header};

use super::*;

/// All connections together have so many subscriptions; what goes makes room.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn pu18_all_connections_together_have_so_many_subscriptions() {
    let zone = Name::parse("example").unwrap();
    let mut index = Index::new(KeyedState::new(&mut Rng::new(1)));
    index.add_zone(&zone, vec![0; 22].into(), 60).unwrap();
    let mut compressor = Compressor::default();
    let settings = Settings { operations: push::operations(PushDialect::Rfc8765), ..Settings::default() };
    let now = Instant::now();
    let mut session = Session::new(now, Role::Server, Arc::new(settings));
    let mut listening = Listening::new(PushDialect::Rfc8765);
    let mut push = Push::new();
    let question = Question { name: zone.as_ref(), rtype: Rtype::ANY, class: Class::IN };
    let mut subscribe = |push: &mut Push, listening: &mut Listening, id: u16| {
        let mut message = vec![0; 2];
        encode_subscribe(&mut DsoWriter::request(&mut message, id), &question);
        let octets = message.len() as u16 - 2;
        message[..2].copy_from_slice(&octets.to_be_bytes());
        session.handle_data(&message);
        let mut out = Vec::new();
        let wish = match session.poll(now, &mut out) {
            Some(Happened::Request { dso_type, message, .. }) => Wish::read(dso_type, &message, listening.dialect()),
            happened => panic!("{happened:?} is no request"),
        };
        let mut telling = Telling { now, index: &index, compressor: &mut compressor, out: &mut out };
        push.handle(&mut telling, StreamId(1), &mut session, listening, wish);
        Header::peek(&out[2..]).unwrap().flags.rcode()
    };
    push.subscriptions = DNS_SUBSCRIPTIONS_MAX;
    assert_eq!(subscribe(&mut push, &mut listening, 7), Rcode::REFUSED);
    push.subscriptions -= 1;
    assert_eq!(subscribe(&mut push, &mut listening, 8), Rcode::NOERROR);
    assert_eq!(push.subscriptions, DNS_SUBSCRIPTIONS_MAX);
    push.forget(StreamId(1), &listening);
    assert_eq!(push.subscriptions, DNS_SUBSCRIPTIONS_MAX - 1);
}

#[test]
fn pu18_a_name_with_too_much_to_tell_is_told_apart() {
    let name = |text: &str| Name::parse(text).unwrap();
    let mut index = Index::new(KeyedState::new(&mut Rng::new(1)));
    index.add_zone(&name("example"), vec![0; 22].into(), 60).unwrap();
    for octet in 0..5 {
        index.add(&name("many.example"), Rtype::TXT, 60, vec![octet].into()).unwrap();
    }
    index.add(&name("many.example"), Rtype::A, 60, vec![10, 0, 0, 1].into()).unwrap();
    let found = find(&index, &name("many.example"));
    let check = |rtype, most| has_at_most(&index, found, rtype, most);
    assert!(check(Rtype::TXT, 5) && !check(Rtype::TXT, 4));
    assert!(check(Rtype::ANY, 6) && !check(Rtype::ANY, 5));
    assert!(check(Rtype::A, 1) && check(Rtype::SRV, 0));
    assert!(has_at_most(&index, find(&index, &name("nobody.example")), Rtype::ANY, 0));
}
