use wayhouse_wire::dns::Class;

use super::*;

fn srv(priority: u16, weight: u16, host: &str) -> OwnedRecord {
    let mut rdata = [priority, weight, 53].map(u16::to_be_bytes).concat();
    Name::parse(host).unwrap().as_ref().append_to(&mut rdata);
    OwnedRecord { name: Name::root(), rtype: Rtype::SRV, class: Class::IN, ttl_s: 1, rdata: rdata.into() }
}

fn hosts(records: &[OwnedRecord], seed: u64) -> Vec<String> {
    order(records, &mut Rng::new(seed)).iter().map(|target| target.host.to_string()).collect()
}

#[test]
fn priorities_come_in_order_and_weights_share() {
    let records = [srv(2, 0, "last"), srv(1, 1, "light"), srv(1, 9, "heavy"), srv(0, 0, "first")];
    let mut heavy_first = 0;
    for seed in 0..500 {
        let hosts = hosts(&records, seed);
        assert_eq!((hosts[0].as_str(), hosts[3].as_str()), ("first.", "last."));
        heavy_first += usize::from(hosts[1] == "heavy.");
    }
    assert!((350..500).contains(&heavy_first), "{heavy_first} of 500");
}

#[test]
fn the_root_as_host_means_that_there_is_none() {
    assert_eq!(hosts(&[srv(0, 0, ".")], 1), [""; 0]);
    let mut short = srv(0, 0, "host");
    short.rdata = short.rdata[..5].into();
    assert_eq!(hosts(&[short], 1), [""; 0]);
}
