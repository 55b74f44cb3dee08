use super::*;

#[test]
fn sr16_a_lease_is_answered_in_the_form_it_had() {
    let long = UpdateLease { lease_s: 7200, key_lease_s: Some(1_209_600) };
    let short = UpdateLease { lease_s: 1800, key_lease_s: None };
    for (lease, data) in [(long, &[0, 0, 0x1c, 0x20, 0, 0x12, 0x75, 0][..]), (short, &[0, 0, 7, 8])] {
        assert_eq!(UpdateLease::decode(data), Ok(lease));
        let mut encoded = Vec::new();
        lease.encode(&mut encoded);
        assert_eq!(encoded, data);
        assert_eq!(lease.octets(&mut [0; 8]), data);
    }
    assert_eq!(long.effective_key_lease_s(), 1_209_600);
    assert_eq!(short.effective_key_lease_s(), 1800, "the lease covers the KEY too");
    for octets in (0..20).filter(|octets| ![4, 8].contains(octets)) {
        assert!(UpdateLease::decode(&[0; 20][..octets]).is_err(), "{octets}");
    }
}
