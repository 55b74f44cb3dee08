//! What was acknowledged survives: an orderly stop, and a kill in the midst of registrations.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use rustix::process::Signal;
use wayhouse_wire::coap::Code;

use super::device::Device;
use super::running::Running;

const LINKS: &str = "</sensors/temp>;rt=temperature-c;if=sensor,</sensors/light>;rt=light-lux;if=sensor,\
                     </t>;anchor=\"/sensors/temp\";rel=alternate,</fw>;rt=firmware;ct=42";
/// Devices that register at the same time.
const DEVICES: usize = 4;
/// Registrations under way per device.
const WINDOW: usize = 16;

#[test]
fn registrations_survive_an_orderly_restart() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let mut device = Device::new(daemon.coap());
    let kept = device.register(&["ep=kept", "d=upstairs", "lt=500", "et=lamp"], LINKS);
    let removed = device.register(&["ep=removed"], LINKS);
    let renewed = device.register(&["ep=renewed", "lt=100"], LINKS);
    let segments = |path: &str| path.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
    let path = segments(&removed);
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    assert_eq!(device.ask(Code::DELETE, &path, &[], "").code, Code::DELETED);
    let path = segments(&renewed);
    let path: Vec<_> = path.iter().map(String::as_str).collect();
    assert_eq!(device.ask(Code::POST, &path, &["lt=1000"], "").code, Code::CHANGED);
    let before = [device.look_up("kept"), device.look_up("renewed")];
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().0.success());

    let daemon = Running::start(directory.path());
    assert_eq!(daemon.announced("restored"), 2);
    let mut device = Device::new(daemon.coap());
    assert_eq!([device.look_up("kept"), device.look_up("renewed")], before);
    assert!(before[0].starts_with(&format!("<{kept}>")), "{}", before[0]);
    assert_eq!(device.look_up("removed"), "");
    // Registering again finds the entry of the former life.
    assert_eq!(device.register(&["ep=kept", "d=upstairs"], LINKS), kept);
}

/// What one device knows when the daemon has died under it.
#[derive(Default)]
struct Memory {
    acknowledged: BTreeMap<String, String>,
    under_way: BTreeSet<String>,
}

/// Registers names until the daemon dies; counts acknowledgments in `acknowledged`.
fn register_until_death(server: SocketAddr, number: usize, acknowledged: &AtomicUsize, everyone: &Barrier) -> Memory {
    let mut device = Device::new(server);
    let mut memory = Memory::default();
    let mut sent = 0u32;
    everyone.wait();
    loop {
        while memory.under_way.len() < WINDOW {
            let name = format!("node-{number}-{sent}");
            let query = [&*format!("ep={name}"), "lt=3600"];
            memory.under_way.insert(name);
            if device.send(Code::POST, &sent.to_be_bytes(), &["rd"], &query, LINKS).is_err() {
                return memory;
            }
            sent += 1;
        }
        let Ok(answer) = device.receive() else { return memory };
        assert_eq!(answer.code, Code::CREATED);
        let token: [u8; 4] = answer.token[..].try_into().expect("our token");
        let name = format!("node-{number}-{}", u32::from_be_bytes(token));
        assert!(memory.under_way.remove(&name), "answered once");
        memory.acknowledged.insert(name, format!("/{}", answer.location.join("/")));
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

/// `WAYHOUSE_TEST_REGISTRATIONS` raises the number of registrations in whose midst the daemon is killed.
#[test]
fn nothing_acknowledged_is_lost_when_the_daemon_is_killed() {
    let wanted = std::env::var("WAYHOUSE_TEST_REGISTRATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let server = daemon.coap();
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let everyone = Arc::new(Barrier::new(DEVICES + 1));
    let devices: Vec<_> = (0..DEVICES)
        .map(|number| {
            let (acknowledged, everyone) = (Arc::clone(&acknowledged), Arc::clone(&everyone));
            std::thread::spawn(move || register_until_death(server, number, &acknowledged, &everyone))
        })
        .collect();
    everyone.wait();
    while acknowledged.load(Ordering::SeqCst) < wanted / 2 {
        assert!(devices.iter().all(|device| !device.is_finished()), "a device gave up before the kill");
        std::thread::yield_now();
    }
    daemon.kill();
    let memories: Vec<_> = devices.into_iter().map(|device| device.join().expect("a device does not panic")).collect();

    let daemon = Running::start(directory.path());
    let mut device = Device::new(daemon.coap());
    let mut found = 0;
    for memory in &memories {
        for (name, location) in &memory.acknowledged {
            let shown = device.look_up(name);
            assert!(shown.starts_with(&format!("<{location}>")), "{name} was at {location}, now: {shown}");
            found += 1;
        }
        // What was not answered may have been written or not.
        found += memory.under_way.iter().filter(|name| !device.look_up(name).is_empty()).count();
    }
    assert!(found >= wanted / 2);
    // Beyond what was acknowledged or under way there is nothing.
    assert_eq!(daemon.announced("restored"), found);
    assert_eq!(daemon.announced("damaged"), 0);
    assert_eq!(daemon.announced("missing_changes"), 0);
}

/// A second crash right after the first start loses nothing either.
#[test]
fn restored_registrations_survive_another_kill() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Running::start(directory.path());
    let mut device = Device::new(daemon.coap());
    let locations: Vec<_> = (0..50).map(|n| device.register(&[&format!("ep=node{n}"), "lt=3600"], LINKS)).collect();
    daemon.kill();
    for _ in 0..3 {
        let daemon = Running::start(directory.path());
        assert_eq!(daemon.announced("restored"), 50);
        let mut device = Device::new(daemon.coap());
        for (number, location) in locations.iter().enumerate() {
            assert!(device.look_up(&format!("node{number}")).starts_with(&format!("<{location}>")));
        }
        daemon.kill();
    }
}
