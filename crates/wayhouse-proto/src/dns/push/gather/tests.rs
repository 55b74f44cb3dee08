use wayhouse_wire::dialect::DsoDialect;
use wayhouse_wire::dns::push_tlv::{Changes, PUSH_MESSAGE_OCTETS_MAX};
use wayhouse_wire::dns::{DsoMessage, Rcode};

use super::*;

const RFC: PushDialect = PushDialect::Rfc8765;
const MOST: usize = 1000;

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

/// What the messages say, one list for each of them.
fn told(gathered: &mut Gathered, dialect: PushDialect) -> Vec<Vec<String>> {
    let mut messages = Vec::new();
    let mut compressor = Compressor::default();
    loop {
        let mut out = Vec::new();
        if !gathered.write(&mut DsoWriter::unidirectional(&mut out, Rcode::NOERROR), dialect, &mut compressor) {
            return messages;
        }
        assert!(out.len() <= PUSH_MESSAGE_OCTETS_MAX);
        let message = DsoMessage::decode(&out, DsoDialect::Rfc8490).expect("ours");
        let changes = Changes::decode(&out, &message.primary().expect("a TLV"), dialect).expect("ours");
        let words = changes
            .into_iter()
            .map(|change| format!("{:?} {} {} {}", change.kind, change.name, change.rtype, change.rdata.len()));
        messages.push(words.collect());
    }
}

#[test]
fn pu21_pu23_what_happened_at_once_is_told_at_once_and_each_change_once() {
    let mut gathered = Gathered::default();
    let (a, b) = (name("a.example"), name("b.example"));
    gathered.add(a.as_ref(), Rtype::A, Class::IN, 60, &[1; 4], MOST).expect("few");
    gathered.add(b.as_ref(), Rtype::A, Class::IN, 60, &[1; 4], MOST).expect("few");
    gathered.add(a.as_ref(), Rtype::A, Class::IN, 120, &[1; 4], MOST).expect("few");
    gathered.remove(b.as_ref(), Rtype::A, Class::IN, &[2; 4], MOST).expect("few");
    gathered.remove(b.as_ref(), Rtype::A, Class::IN, &[3; 4], MOST).expect("few");
    gathered.add(name("B.example").as_ref(), Rtype::A, Class::IN, 60, &[3; 4], MOST).expect("few");
    assert_eq!(
        told(&mut gathered, RFC),
        [[
            "Add { ttl_s: 60 } b.example. A 4",
            "Add { ttl_s: 120 } a.example. A 4",
            "RemoveOne b.example. A 4",
            "Add { ttl_s: 60 } b.example. A 4"
        ]]
        .map(|words| words.map(str::to_owned).to_vec())
    );
    assert!(gathered.is_empty() && told(&mut gathered, RFC).is_empty());
}

#[test]
fn pu22_removals_are_as_compact_as_they_can_be() {
    let gather = |left: Left, dialect| {
        let mut gathered = Gathered::default();
        let a = name("a.example");
        for (rtype, data) in [(Rtype::A, 1), (Rtype::A, 2), (Rtype::TXT, 1)] {
            gathered.remove(a.as_ref(), rtype, Class::IN, &[data; 4], MOST).expect("few");
        }
        gathered.condense(dialect, |_, _, _| left);
        told(&mut gathered, dialect).remove(0)
    };
    assert_eq!(gather(Left::OfRrset, RFC).len(), 3);
    assert_eq!(gather(Left::OfName, RFC), ["RemoveRrset a.example. A 0", "RemoveRrset a.example. TXT 0"]);
    assert_eq!(gather(Left::OfOtherClasses, RFC), ["RemoveName a.example. ANY 0"]);
    assert_eq!(gather(Left::Nothing, RFC), ["RemoveEverything a.example. ANY 0"]);
    let draft = PushDialect::Push12;
    assert_eq!(gather(Left::OfOtherClasses, draft), ["RemoveRrset a.example. A 0", "RemoveRrset a.example. TXT 0"]);
    assert_eq!(gather(Left::Nothing, draft), ["RemoveEverything a.example. ANY 0"]);
}

#[test]
fn pu22_no_collective_removal_takes_what_is_added() {
    let mut gathered = Gathered::default();
    let a = name("a.example");
    gathered.remove(a.as_ref(), Rtype::A, Class::IN, &[1; 4], MOST).expect("few");
    gathered.add(a.as_ref(), Rtype::A, Class::IN, 60, &[2; 4], MOST).expect("few");
    // Whoever keeps the records answers too late, and says that nothing is left.
    gathered.condense(RFC, |_, _, _| Left::Nothing);
    assert_eq!(told(&mut gathered, RFC), [["RemoveOne a.example. A 4", "Add { ttl_s: 60 } a.example. A 4"]]);
}

#[test]
fn pu24_more_than_one_message_holds_is_told_in_several() {
    let mut gathered = Gathered::default();
    for index in 0..500 {
        let name = name(&format!("host{index}.example"));
        gathered.add(name.as_ref(), Rtype::TXT, Class::IN, 60, &[7; 200], MOST).expect("few");
    }
    let messages = told(&mut gathered, RFC);
    assert!(messages.len() > 5);
    assert_eq!(messages.iter().map(Vec::len).sum::<usize>(), 500);
    // What no message can hold is left out, and does not hold up the rest.
    let a = name("a.example");
    gathered.add(a.as_ref(), Rtype::TXT, Class::IN, 60, &[7; 17_000], MOST).expect("few");
    gathered.add(a.as_ref(), Rtype::TXT, Class::IN, 60, &[7; 100], MOST).expect("few");
    assert_eq!(told(&mut gathered, RFC), [["Add { ttl_s: 60 } a.example. TXT 100"]]);
}

#[test]
fn pu23_what_is_gathered_is_bounded() {
    let mut gathered = Gathered::default();
    let a = name("a.example");
    for index in 0..3 {
        let result = gathered.add(a.as_ref(), Rtype::A, Class::IN, 60, &[index; 4], 2);
        assert_eq!(result.is_ok(), index < 2);
    }
}
