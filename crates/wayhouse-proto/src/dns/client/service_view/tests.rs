use wayhouse_wire::dns::Class;

use super::super::OwnedRecord;
use super::*;
use crate::dns::limits::ClientLimits;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn put(records: &mut RecordSet, owner: &str, rtype: Rtype, rdata: Vec<u8>) {
    let record = OwnedRecord { name: name(owner), rtype, class: Class::IN, ttl_s: 1, rdata: rdata.into() };
    records.put(record, None).unwrap();
}

fn questions(view: &ServiceView) -> Vec<String> {
    view.wanted.iter().map(|asked| format!("{} {}", asked.name, asked.rtype)).collect()
}

#[test]
fn a_view_grows_with_what_is_known_and_says_what_to_ask_next() {
    let mut records = RecordSet::new(ClientLimits::default());
    let service = name("_coap._udp.d");
    assert_eq!(questions(&ServiceView::of_type(&records, &service)), ["_coap._udp.d. PTR"]);
    put(&mut records, "_coap._udp.d", Rtype::PTR, name("Lamp._coap._udp.d").wire().to_vec());
    let view = ServiceView::of_type(&records, &service);
    assert_eq!(questions(&view).len(), 3, "{:?}", questions(&view));
    assert!(!view.instances[0].is_complete());
    let srv = [&[0, 0, 0, 0, 0x16, 0x33], name("h.d").wire()].concat();
    put(&mut records, "lamp._COAP._udp.d", Rtype::SRV, srv);
    put(&mut records, "lamp._coap._udp.d", Rtype::TXT, b"\x05a=b=c\x03a=x\x01B\x02=z\x03c=\xff".to_vec());
    put(&mut records, "h.d", Rtype::A, vec![192, 0, 2, 7]);
    put(&mut records, "h.d", Rtype::AAAA, vec![0; 16]);
    put(&mut records, "h.d", Rtype::AAAA, vec![0; 15]);
    let view = ServiceView::of_type(&records, &service);
    assert_eq!(view.wanted.len(), 5);
    let lamp = &view.instances[0];
    assert!(lamp.is_complete());
    assert_eq!(lamp.target.as_ref().map(|target| (target.port, target.host.to_string())), Some((5683, "h.d.".into())));
    assert_eq!(lamp.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), ["::", "192.0.2.7"]);
    assert_eq!(lamp.attribute("A").as_deref(), Some("b=c"), "the first counts");
    assert_eq!(lamp.attributes[1], ("B".to_owned(), None));
    assert_eq!(lamp.attributes[2], ("c".to_owned(), Some(vec![0xff])));
    assert_eq!(ServiceView::of_instance(&records, &name("lamp._coap._udp.d")).instances[0].target, lamp.target);
}

#[test]
fn types_are_listed_below_a_name_of_their_own() {
    let mut records = RecordSet::new(ClientLimits::default());
    let types = types_name(name("home.arpa").as_ref()).unwrap();
    assert_eq!(types.to_string(), "_services._dns-sd._udp.home.arpa.");
    for service in ["_z._udp.home.arpa", "_a._tcp.home.arpa", "_A._tcp.home.arpa"] {
        put(&mut records, "_services._dns-sd._udp.home.arpa", Rtype::PTR, name(service).wire().to_vec());
    }
    assert_eq!(pointers(&records, &types).len(), 2);
}
