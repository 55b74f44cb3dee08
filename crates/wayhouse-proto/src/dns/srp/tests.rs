use wayhouse_wire::dns::compressor::Opt;
use wayhouse_wire::dns::edns::option;
use wayhouse_wire::dns::{Compressor, Flags, Message, MessageWriter, Opcode, OptRcode, Rcode, Section};

use super::*;
use crate::crypto::{Algorithm, SigningKey};
use crate::dns::sig0;

const APPLE: &[u8] = include_bytes!("../../../../wayhouse-wire/vectors/sig0/apple-srp-update.bin");
const NSUPDATE: &[u8] = include_bytes!("../../../../wayhouse-wire/vectors/sig0/nsupdate-sig0.bin");

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name in a test")
}

/// Reads an update of `example`, its records written as `NAME CLASS TTL TYPE DATA`, one a line: classes `add`, `delete` and
/// `remove` (one record); the key is always the same, except for `KEY other`. Names end with `.` where they are not below
/// the zone.
fn read(lines: &str) -> Result<String, SrpFault> {
    read_with(lines, &[0, 0, 28, 32, 0, 18, 117, 0], true)
}

fn read_with(lines: &str, lease: &[u8], is_signed: bool) -> Result<String, SrpFault> {
    let key = SigningKey::new(Algorithm::EcdsaP256Sha256, &[7; 32]).expect("a key");
    let rdata = |octet: u8| {
        let mut rdata = Vec::new();
        Key::encode(0, 13, &key.public_key(), &mut rdata);
        rdata[10] ^= octet;
        rdata
    };
    let (mut out, mut compressor) = (Vec::new(), Compressor::default());
    let flags = Flags::new(Opcode::UPDATE, Rcode::NOERROR);
    let mut writer = MessageWriter::new(&mut out, &mut compressor, 7, flags, 65_535);
    writer.question(name("example").as_ref(), Rtype::SOA, Class::IN).expect("room");
    let full = |text: &str| match text.strip_suffix('.') {
        Some(absolute) => name(absolute),
        None if text == "@" => name("example"),
        None => name(&format!("{text}.example")),
    };
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        let (section, words) = match words[0] {
            "needs" => (Section::Answer, &words[1..]),
            _ => (Section::Authority, &words[..]),
        };
        let owner = full(words[0]);
        let (class, ttl_s, rtype, data) = match words[1] {
            "delete" => (Class::ANY, 0, words.get(2).copied().unwrap_or("ANY"), &[][..]),
            "remove" => (Class::NONE, 0, words[2], &words[3..]),
            _ => (Class::IN, words[2].parse().expect("a number"), words[3], &words[4..]),
        };
        let rtype: Rtype = rtype.parse().expect("a type");
        let data = match (rtype, data) {
            (_, []) if class != Class::IN => Vec::new(),
            (Rtype::A | Rtype::AAAA, [address]) => match address.parse().expect("an address") {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            },
            (Rtype::KEY, data) => rdata(u8::from(data == ["other"])),
            (Rtype::PTR | Rtype::CNAME, [target]) => full(target).wire().to_vec(),
            (Rtype::SRV, [port, target]) => {
                let port: u16 = port.parse().expect("a port");
                [&[0, 1, 0, 2], &port.to_be_bytes()[..], full(target).wire()].concat()
            }
            (Rtype::TXT, strings) => {
                strings.iter().flat_map(|text| [&[text.len() as u8], text.as_bytes()].concat()).collect()
            }
            _ => vec![1],
        };
        writer.record(section, owner.as_ref(), rtype, class, ttl_s, &data).expect("room");
    }
    let opt = Opt { udp_octets_max: 1232, rcode: OptRcode::NOERROR, is_dnssec_ok: false };
    if !lease.is_empty() {
        writer.opt(opt, &[(option::UPDATE_LEASE, lease)]).expect("room");
    }
    writer.finish();
    if is_signed {
        sig0::sign(&key, name("lamp.example").as_ref(), 1, 1_000_000, None, &mut out, 0);
    }
    let message = Message::decode(&out).expect("well-formed");
    ServiceUpdate::read(&Update::of(message).expect("one zone")).map(|update| show(&update))
}

fn show(update: &ServiceUpdate<'_>) -> String {
    let HostDescription { name, addresses, ttl_s, .. } = &update.host;
    let mut text = format!("{name} {addresses:?} {ttl_s}");
    for ServiceDescription { name, offer } in &update.services {
        text += &match offer {
            None => format!("; {name} gone"),
            Some(offer) => {
                let subtypes: Vec<_> = offer.subtypes.iter().map(|label| String::from_utf8_lossy(label)).collect();
                format!("; {name} {} {} {}", offer.port, offer.texts.len(), subtypes.join("+"))
            }
        };
    }
    text
}

const HOST: &str = "lamp delete
    lamp add 120 A 192.0.2.1
    lamp add 120 AAAA 2001:db8::1
    lamp add 120 KEY\n";
const SERVICE: &str = "_coap._udp add 120 PTR Lamp._coap._udp
    _light._sub._coap._udp add 120 PTR Lamp._coap._udp
    Lamp._coap._udp delete
    Lamp._coap._udp add 120 SRV 5683 lamp
    Lamp._coap._udp add 120 TXT path=/l rt=light\n";

fn with(lines: &str) -> Result<String, SrpFault> {
    read(&format!("{HOST}{SERVICE}{lines}"))
}

#[test]
fn sr7_sr8_sr9_sr10_a_host_and_its_services_are_read() {
    let host = "lamp. [192.0.2.1, 2001:db8::1] 120";
    assert_eq!(read(HOST), Ok(host.into()));
    assert_eq!(with(""), Ok(format!("{host}; Lamp._coap._udp. 5683 1 _light")));
    // Services first, the host last: descriptions may stand in any order.
    assert_eq!(read(&format!("{SERVICE}{HOST}")), Ok(format!("{host}; Lamp._coap._udp. 5683 1 _light")));
    // The host goes; a service goes, with and without telling its PTR.
    assert_eq!(read("lamp delete\nlamp add 0 KEY"), Ok("lamp. [] 0".into()));
    let gone = Ok(format!("{host}; Lamp._coap._udp. gone"));
    assert_eq!(read(&format!("{HOST}Lamp._coap._udp delete")), gone);
    let told = format!("{HOST}_coap._udp remove PTR Lamp._coap._udp\nLamp._coap._udp delete");
    assert_eq!(read(&told), gone);
    // A service may show the host's key.
    assert!(with("Lamp._coap._udp add 120 KEY").is_ok());
    // Subtypes of letters in another case are the same.
    let shouted = with("_LIGHT._sub._coap._udp add 120 PTR Lamp._coap._udp");
    assert_eq!(shouted, Ok(format!("{host}; Lamp._coap._udp. 5683 1 _light")));
}

#[test]
fn sr7_there_is_exactly_one_host_with_one_key() {
    let checks = [
        (SERVICE, SrpFault::NoHost),
        ("lamp delete\nlamp add 120 A 192.0.2.1", SrpFault::NoKey),
        ("lamp delete\nlamp add 120 KEY\nswitch delete\nswitch add 120 KEY", SrpFault::SeveralHosts),
        ("lamp delete\nlamp add 120 KEY\nlamp add 120 KEY other", SrpFault::SeveralKeys),
        ("lamp delete\nlamp delete\nlamp add 120 KEY", SrpFault::DeletedTwice),
        ("@ delete\n@ add 120 KEY", SrpFault::ForbiddenName),
        ("_tcp delete\n_tcp add 120 KEY", SrpFault::ForbiddenName),
        ("a.b._coap._udp delete\na.b._coap._udp add 120 KEY", SrpFault::ForbiddenName),
        ("b._dns-sd._udp delete\nb._dns-sd._udp add 120 KEY", SrpFault::ForbiddenName),
        ("_services._DNS-SD._udp delete\n_services._DNS-SD._udp add 120 KEY", SrpFault::ForbiddenName),
        ("x._dns-push-tls._tcp delete\nx._dns-push-tls._tcp add 120 KEY", SrpFault::ForbiddenName),
        ("lamp delete\nlamp add 120 KEY\nlamp add 120 A ::1", SrpFault::MalformedData),
    ];
    for (lines, fault) in checks {
        assert_eq!(read(lines), Err(fault), "{lines}");
    }
}

#[test]
fn sr8_a_service_is_whole_and_at_its_host() {
    let host = |lines: &str| read(&format!("{HOST}{lines}"));
    let checks = [
        ("L._coap._udp delete\nL._coap._udp add 9 SRV 1 lamp", SrpFault::Incomplete),
        ("L._coap._udp delete\nL._coap._udp add 9 TXT a", SrpFault::Incomplete),
        ("L._coap._udp delete\nL._coap._udp add 9 SRV 1 switch\nL._coap._udp add 9 TXT a", SrpFault::OtherHost),
        ("L._coap._udp delete\nL._coap._udp add 9 SRV 1 lamp\nL._coap._udp add 9 SRV 2 lamp", SrpFault::SeveralServers),
        ("L._coap._udp delete\nL._coap._udp add 9 KEY other", SrpFault::SeveralKeys),
        ("L._coap._udp add 9 SRV 1 lamp\nL._coap._udp add 9 TXT a\nL._coap._udp delete", SrpFault::NotDeleted),
        ("L._coap._udp delete\nL._coap._udp add 9 A 192.0.2.1", SrpFault::Foreign),
        ("lamp add 9 SRV 1 lamp", SrpFault::Foreign),
        ("L._coap._udp delete\nL._coap._udp add 9 SRV 1 lamp\nL._coap._udp add 9 TXT", SrpFault::MalformedData),
    ];
    for (lines, fault) in checks {
        assert_eq!(host(lines), Err(fault), "{lines}");
    }
}

#[test]
fn sr9_a_pointer_says_what_its_service_does() {
    let checks = [
        ("_coap._udp add 120 PTR Other._coap._udp", SrpFault::StrayPointer),
        ("_coap._udp remove PTR Lamp._coap._udp", SrpFault::StrayPointer),
        ("_coap._udp add 120 PTR lamp", SrpFault::StrayPointer),
        ("_ipp._tcp add 120 PTR Lamp._coap._udp", SrpFault::OtherType),
        ("_x._sub._ipp._tcp add 120 PTR Lamp._coap._udp", SrpFault::OtherType),
        ("_x._other._coap._udp add 120 PTR Lamp._coap._udp", SrpFault::OtherType),
        ("S._coap._udp delete\n_coap._udp add 120 PTR S._coap._udp", SrpFault::StrayPointer),
    ];
    for (lines, fault) in checks {
        assert_eq!(with(lines), Err(fault), "{lines}");
    }
}

#[test]
fn sr6_the_frame_of_an_update_is_checked() {
    let lines = format!("{HOST}{SERVICE}");
    let lease = |octets: &[u8]| read_with(&lines, octets, true);
    assert!(lease(&[0, 0, 28, 32]).is_ok(), "the short form");
    assert_eq!(lease(&[]), Err(SrpFault::NoLease));
    assert_eq!(lease(&[0, 0, 1]), Err(SrpFault::NoLease));
    assert_eq!(lease(&[0, 0, 28, 33, 0, 0, 28, 32]), Err(SrpFault::LeaseAboveKeyLease));
    assert_eq!(read_with(&lines, &[0, 0, 28, 32], false), Err(SrpFault::Unsigned));
    assert_eq!(read(&format!("needs lamp delete\n{HOST}")), Err(SrpFault::Prerequisites));
}

#[test]
fn sr11_nothing_else_is_allowed() {
    for lines in [
        "lamp add 120 CNAME switch",
        "lamp delete A",
        "lamp remove A 192.0.2.1",
        "other add 120 MX",
        "_coap._udp delete PTR",
    ] {
        assert_eq!(with(lines), Err(SrpFault::Foreign), "{lines}");
    }
    assert_eq!(with("switch add 120 A 192.0.2.1"), Err(SrpFault::NotDeleted));
    assert_eq!(with("lamp.org. delete"), Err(SrpFault::Update(UpdateFault::OutsideZone)));
}

#[test]
fn sr15_times_to_live_in_a_set_are_equal() {
    for lines in [
        "lamp add 60 A 192.0.2.2",
        "lamp add 60 AAAA 2001:db8::2",
        "Lamp._coap._udp add 60 TXT more",
        "_coap._udp add 60 PTR Lamp._coap._udp",
    ] {
        assert_eq!(with(lines), Err(SrpFault::UnequalTtl), "{lines}");
    }
    assert!(with("lamp add 120 A 192.0.2.2").is_ok());
}

#[test]
fn what_is_more_than_anybody_needs_is_refused() {
    let many = |line: &str, count: usize| -> String {
        (0..count).map(|number| line.replace('#', &number.to_string()) + "\n").collect()
    };
    assert_eq!(with(&many("lamp add 120 A 192.0.2.#", 20)), Err(SrpFault::TooMuch));
    assert_eq!(with(&many("Lamp._coap._udp add 120 TXT n=#", 20)), Err(SrpFault::TooMuch));
    assert_eq!(with(&many("_t#._sub._coap._udp add 120 PTR Lamp._coap._udp", 20)), Err(SrpFault::TooMuch));
    assert_eq!(with(&many("L#._coap._udp delete", 70)), Err(SrpFault::TooMuch));
    assert_eq!(with(&many("lamp add 120 A 192.0.2.1", 1_100)), Err(SrpFault::TooMuch));
}

#[test]
fn sr12_what_others_sent_is_told_apart() {
    let read = |bytes| {
        ServiceUpdate::read(&Update::of(Message::decode(bytes).expect("captured")).expect("one zone"))
            .map(|update| show(&update))
    };
    assert_eq!(read(APPLE), Ok("srp-api-test. [10.91.1.2] 3600; srp-api-test._ipps._tcp. 53 1 ".into()));
    assert_eq!(read(NSUPDATE), Err(SrpFault::NoLease));
    let lease = Message::decode(APPLE).expect("captured").edns().and_then(|edns| edns.update_lease());
    assert_eq!(lease, Some(Ok(UpdateLease { lease_s: 30, key_lease_s: Some(604_800) })));
}
