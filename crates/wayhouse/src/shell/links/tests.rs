use std::future::poll_fn;

use super::*;

fn link_message(kind: u16, index: u32, flags: u32) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend_from_slice(&32u32.to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.resize(HEADER_OCTETS + 4, 0);
    message.extend_from_slice(&index.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.resize(HEADER_OCTETS + LINK_OCTETS, 0);
    message
}

/// The same with attributes: one that is none of ours, and the name.
fn named_link(index: u32, name: &str) -> Vec<u8> {
    let mut message = link_message(RTM_NEWLINK, index, IFF_UP);
    for (kind, data) in [(4, &[1, 2, 3][..]), (IFLA_IFNAME, format!("{name}\0").as_bytes())] {
        message.extend_from_slice(&(4 + data.len() as u16).to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(data);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let octets = message.len() as u32;
    message[..4].copy_from_slice(&octets.to_ne_bytes());
    message
}

fn indexes(up: &BTreeMap<u32, String>) -> Vec<u32> {
    up.keys().copied().collect()
}

#[test]
fn links_have_names() {
    let mut up = BTreeMap::new();
    take(&[named_link(1, "lo"), named_link(2, "eth0")].concat(), &mut up);
    assert_eq!(up, BTreeMap::from([(1, "lo".to_owned()), (2, "eth0".to_owned())]));
    take(&link_message(RTM_NEWLINK, 2, IFF_UP), &mut up);
    take(&named_link(1, "lo1"), &mut up);
    assert_eq!(up, BTreeMap::from([(1, "lo1".to_owned()), (2, "eth0".to_owned())]));
    let whole = named_link(7, "wlan0");
    for cut in LINK_OCTETS + HEADER_OCTETS..whole.len() {
        let mut octets = whole[..cut].to_vec();
        octets[..4].copy_from_slice(&(cut as u32).to_ne_bytes());
        take(&octets, &mut up);
    }
    // An attribute of no length must not be read for ever.
    assert_eq!(name_in(&[0; 16]), None);
}

#[test]
fn links_come_and_go() {
    let mut up = BTreeMap::new();
    take(&[link_message(RTM_NEWLINK, 1, IFF_UP), link_message(RTM_NEWLINK, 2, 0)].concat(), &mut up);
    assert_eq!(indexes(&up), [1]);
    take(&link_message(RTM_NEWLINK, 2, IFF_UP | 0x1000), &mut up);
    assert_eq!(indexes(&up), [1, 2]);
    take(&link_message(RTM_NEWLINK, 1, 0), &mut up);
    take(&link_message(RTM_DELLINK, 2, IFF_UP), &mut up);
    assert_eq!(indexes(&up), [0; 0]);
}

#[test]
fn broken_messages_are_passed_over() {
    let whole = link_message(RTM_NEWLINK, 7, IFF_UP);
    for cut in 0..whole.len() {
        let mut up = BTreeMap::new();
        take(&whole[..cut], &mut up);
        assert!(up.is_empty());
    }
    // A length of zero must not be read for ever.
    take(&[0; 64], &mut BTreeMap::new());
}

#[tokio::test(flavor = "current_thread")]
async fn the_machine_has_links() {
    let mut links = Links::follow().expect("a routing socket");
    poll_fn(|context| links.poll_change(context)).await;
    assert!(links.up().any(|(_, name)| name == "lo"), "at least the loopback link is up");
}
