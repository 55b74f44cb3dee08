//! Random registrations by update, compared with a model that knows nothing but leases: who gets which name, what is
//! shown, and that nothing is left in the end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use wayhouse_proto::rng::Rng;
use wayhouse_wire::dns::{Rcode, Rtype};

use crate::dns_update_leases::restarted;
use crate::house::House;
use crate::requester::{WALL_S, house, requester};

const HOSTS: [&str; 4] = ["a", "b", "c", "d"];
const LABELS: [&str; 3] = ["one", "two", "three"];
const ZONE: &str = "services.home.arpa";

/// A service, or a name that was one.
#[derive(Debug, Clone)]
struct Instance {
    renewed: Instant,
    lease: Duration,
    key_lease: Duration,
    is_offered: bool,
}

#[derive(Debug)]
struct Host {
    key: u8,
    renewed: Instant,
    lease: Duration,
    key_lease: Duration,
    instances: BTreeMap<&'static str, Instance>,
}

impl Host {
    fn is_active(&self, now: Instant) -> bool {
        now < self.renewed + self.lease
    }
    /// Until when any of its names is reserved, once it is not active any more.
    fn reserved_until(&self) -> Instant {
        let of_instances = self.instances.values().map(|instance| instance.renewed + instance.key_lease);
        of_instances.chain([self.renewed + self.key_lease]).max().expect("one at least")
    }
}

#[derive(Debug, Default)]
struct Model {
    hosts: BTreeMap<&'static str, Host>,
}

impl Model {
    /// Lets end what has ended.
    fn settle(&mut self, now: Instant) {
        self.hosts.retain(|_, host| {
            // While the host is away, the names that were reserved when it left stay so with it.
            let until = now.min(host.renewed + host.lease);
            host.instances.retain(|_, instance| {
                instance.is_offered &= until < instance.renewed + instance.lease;
                instance.is_offered || until < instance.renewed + instance.key_lease
            });
            if !host.is_active(now) {
                host.instances.values_mut().for_each(|instance| instance.is_offered = false);
            }
            host.is_active(now) || now < host.reserved_until()
        });
    }
    fn update(
        &mut self,
        now: Instant,
        (name, key): (&'static str, u8),
        services: &[(&'static str, bool)],
        (lease_s, key_lease_s): (u64, u64),
    ) -> Rcode {
        let holder = |label: &str| self.hosts.iter().find(|(_, host)| host.instances.contains_key(label));
        let is_taken = |label: &str| holder(label).is_some_and(|(_, host)| host.key != key);
        if self.hosts.get(name).is_some_and(|host| host.key != key) || services.iter().any(|(label, _)| is_taken(label))
        {
            return Rcode::YXDOMAIN;
        }
        if lease_s == 0 && (key_lease_s == 0 || !self.hosts.contains_key(name)) {
            self.hosts.remove(name);
            return Rcode::NOERROR;
        }
        let (lease, key_lease) = (Duration::from_secs(lease_s), Duration::from_secs(key_lease_s));
        let had = self.hosts.remove(name).map(|host| host.instances).unwrap_or_default();
        let mut instances = had;
        if lease_s == 0 {
            instances.values_mut().for_each(|instance| instance.is_offered = false);
        }
        for (label, is_offered) in services {
            let is_offered = *is_offered && lease_s > 0;
            instances.insert(label, Instance { renewed: now, lease, key_lease, is_offered });
        }
        self.hosts.insert(name, Host { key, renewed: now, lease, key_lease, instances });
        self.settle(now);
        Rcode::NOERROR
    }
    /// The host that offers each service.
    fn offered(&self, label: &str) -> Option<&'static str> {
        let is_offering = |host: &&Host| host.instances.get(label).is_some_and(|instance| instance.is_offered);
        self.hosts.iter().find(|(_, host)| is_offering(host)).map(|(name, _)| *name)
    }
}

fn compare(house: &mut House, model: &Model, seed: u64, step: u32) {
    for name in HOSTS {
        let is_there = house.rcode(&format!("{name}.{ZONE}"), Rtype::AAAA) == Rcode::NOERROR;
        let wanted = model.hosts.get(name).is_some_and(|host| host.is_active(house.now));
        assert_eq!(is_there, wanted, "seed {seed}, step {step}: host {name} {:?}", model.hosts.get(name));
    }
    for label in LABELS {
        let instance = format!("{label}._coap._udp.{ZONE}");
        let shown: Vec<String> = match model.offered(label) {
            Some(host) => vec![format!("{instance}. SRV 5683 {host}.{ZONE}.")],
            None => Vec::new(),
        };
        let answers = crate::resolver::question(&instance, Rtype::SRV);
        assert_eq!(house.dig(&answers).answers, shown, "seed {seed}, step {step}: {label} {model:?}");
    }
}

#[test]
fn sr13_sr17_sr18_sr26_random_updates_do_what_a_naive_model_does() {
    for seed in 0..3 {
        let mut rng = Rng::new(seed);
        let mut house = house();
        let empty = house.node.counters().dns.records;
        let start = house.now;
        let mut model = Model::default();
        for step in 0..120 {
            house.advance(Duration::from_millis(1 + rng.below(40_000)));
            model.settle(house.now);
            if rng.below(12) == 0 {
                house = restarted(&mut house);
            }
            let name = HOSTS[rng.below(HOSTS.len() as u64) as usize];
            // Mostly the key that has it. No two hosts have one: that services move with their key is another test.
            let key = match (model.hosts.get(name), rng.below(4)) {
                (Some(host), 1..) => host.key,
                _ => 16 * (1 + rng.below(2) as u8) + name.as_bytes()[0] % 16,
            };
            let mut requester = requester(name, key);
            requester.wall_s = WALL_S + (house.now - start).as_secs();
            house.node.set_wall_clock(house.now, requester.wall_s);
            let mut services = Vec::new();
            for label in LABELS {
                if rng.below(3) == 0 {
                    services.push((label, rng.below(4) > 0));
                }
            }
            let leases = match rng.below(8) {
                0 => (0, 0),
                1 => (0, 200),
                _ => (30 + rng.below(60), 90 + rng.below(200)),
            };
            requester.lines = requester.host_lines(&["2001:db8::a"]);
            for (label, is_offered) in &services {
                requester.lines += &match is_offered {
                    true => requester.service(label, "_coap._udp", 5683, "x"),
                    false => format!("{label}._coap._udp delete\n"),
                };
            }
            let mut requester = requester.lease(&[leases.0 as u32, leases.1 as u32]);
            let wanted = model.update(house.now, (name, key), &services, leases);
            let granted = house.update(&mut requester);
            assert_eq!(
                granted.rcode, wanted,
                "seed {seed}, step {step}: {name} {key} {services:?} {leases:?} {model:?}"
            );
            compare(&mut house, &model, seed, step);
        }
        // In the end everything is over, and nothing is left.
        house.advance_s(1_000);
        assert_eq!(house.node.counters().dns.records, empty, "seed {seed}");
        assert_eq!((house.node.counters().registrants, house.node.counters().octets), (0, 0), "seed {seed}");
        for name in HOSTS {
            let mut anybody = requester(name, 9).lamp();
            house.node.set_wall_clock(house.now, WALL_S);
            assert_eq!(house.update(&mut anybody).rcode, Rcode::NOERROR, "seed {seed}");
        }
    }
}
