use wayhouse_wire::dns::Rcode;
use wayhouse_wire::dns::dso_tlv::INFINITE_MS;

use super::*;
use crate::dns::dso_session::SessionFault;

#[allow(clippy::disallowed_methods, reason = "virtual time starts somewhere")]
fn start() -> Instant {
    Instant::now()
}

fn named(text: &str, port: u16) -> Instance {
    Instance::Named(Name::parse(text).expect("a name"), port)
}

fn sent_away(delay_ms: u32) -> End {
    End { how: Close::Graceful, why: Reason::RetryDelay { rcode: Rcode::NOERROR, delay_ms } }
}

#[test]
fn ds55_an_instance_is_what_it_is_called_not_what_it_resolves_to() {
    assert_eq!(named("Push.Example", 853), named("push.example", 853));
    assert_ne!(named("push.example", 853), named("push.example", 53));
    let address = Instance::Address("192.0.2.1:853".parse().expect("an address"));
    assert_ne!(address, named("push.example", 853));
}

#[test]
fn ds23_no_session_here_is_remembered_for_an_hour() {
    let (now, instance) = (start(), named("push.example", 853));
    let check = |note: &dyn Fn(&mut Instances)| {
        let mut instances = Instances::new(10);
        assert_eq!(instances.advice(now, &instance), Advice::WithDso);
        note(&mut instances);
        let until = now + WITHOUT_DSO;
        assert_eq!(instances.advice(until - Duration::from_millis(1), &instance), Advice::WithoutDso(until));
        assert_eq!(instances.advice(until, &instance), Advice::WithDso);
        instances.note_success(&instance);
        assert_eq!(instances.advice(now, &instance), Advice::WithDso);
    };
    check(&|instances| instances.note_without_dso(now, &instance));
    check(&|instances| instances.note_drop(now, &instance, true));
    let not_established = End { how: Close::Abort, why: Reason::NotEstablished };
    check(&|instances| instances.note_end(now, &instance, &not_established));
    // DS49: so it is with a server that breaks the rules.
    let fault = End { how: Close::Abort, why: Reason::Fault(SessionFault::UnknownResponse) };
    check(&|instances| instances.note_end(now, &instance, &fault));
}

#[test]
fn ds49_one_unexplained_drop_is_forgiven() {
    let (now, instance) = (start(), named("push.example", 853));
    let mut instances = Instances::new(10);
    instances.note_drop(now, &instance, false);
    assert_eq!(instances.advice(now, &instance), Advice::WithDso);
    instances.note_drop(now, &instance, false);
    assert_eq!(instances.advice(now, &instance), Advice::WithoutDso(now + WITHOUT_DSO));
    // A success in between starts the count anew.
    let mut instances = Instances::new(10);
    for _ in 0..3 {
        instances.note_drop(now, &instance, false);
        instances.note_success(&instance);
    }
    assert_eq!(instances.advice(now, &instance), Advice::WithDso);
}

#[test]
fn ds43_ds48_a_client_stays_away_for_as_long_as_it_was_told() {
    let (now, instance) = (start(), named("push.example", 853));
    for delay_ms in [0, 10_000, INFINITE_MS] {
        let mut instances = Instances::new(10);
        instances.note_end(now, &instance, &sent_away(delay_ms));
        let until = now + Duration::from_millis(u64::from(delay_ms));
        if delay_ms > 0 {
            assert_eq!(instances.advice(until - Duration::from_millis(1), &instance), Advice::Wait(until));
        }
        assert_eq!(instances.advice(until, &instance), Advice::WithDso);
        assert_eq!(instances.advice(now, &named("other.example", 853)), Advice::WithDso);
    }
}

#[test]
fn ds45_delays_are_spread_over_the_clients() {
    let delays: Vec<u32> = (0..10).map(|index| spread_delay_ms(60_000, index, 10)).collect();
    assert_eq!((delays[0], delays[1], delays[9]), (30_000, 33_000, 57_000));
    assert_eq!(spread_delay_ms(INFINITE_MS, 5, 1), INFINITE_MS / 2 + 1);
    assert_eq!(spread_delay_ms(0, 0, 0), 0);
}

#[test]
fn what_is_remembered_is_bounded() {
    let now = start();
    let mut instances = Instances::new(3);
    for index in 0..20 {
        instances.note_end(now, &named(&format!("host{index}.example"), 853), &sent_away(1_000 * (20 - index)));
    }
    assert_eq!(instances.table.len(), 3);
    // What is over goes first.
    instances.note_without_dso(now + Duration::from_secs(100), &named("new.example", 853));
    assert_eq!(instances.table.len(), 1);
}
