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

#[test]
fn links_come_and_go() {
    let mut up = BTreeSet::new();
    take(&[link_message(RTM_NEWLINK, 1, IFF_UP), link_message(RTM_NEWLINK, 2, 0)].concat(), &mut up);
    assert_eq!(up, BTreeSet::from([1]));
    take(&link_message(RTM_NEWLINK, 2, IFF_UP | 0x1000), &mut up);
    assert_eq!(up, BTreeSet::from([1, 2]));
    take(&link_message(RTM_NEWLINK, 1, 0), &mut up);
    take(&link_message(RTM_DELLINK, 2, IFF_UP), &mut up);
    assert_eq!(up, BTreeSet::new());
}

#[test]
fn broken_messages_are_passed_over() {
    let whole = link_message(RTM_NEWLINK, 7, IFF_UP);
    for cut in 0..whole.len() {
        let mut up = BTreeSet::new();
        take(&whole[..cut], &mut up);
        assert!(up.is_empty());
    }
    // A length of zero must not be read for ever.
    take(&[0; 64], &mut BTreeSet::new());
}

#[tokio::test(flavor = "current_thread")]
async fn the_machine_has_links() {
    let mut links = Links::follow().expect("a routing socket");
    poll_fn(|context| links.poll_change(context)).await;
    assert!(links.up().count() >= 1, "at least the loopback link is up");
}
