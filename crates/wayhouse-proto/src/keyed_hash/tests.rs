use super::*;

/// The standard library's hasher is SipHash-1-3 under the key (0, 0): a reference for the same octets.
fn reference(octets: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(octets);
    hasher.finish()
}

#[test]
fn equals_siphash_1_3_for_every_tail_length() {
    let zero = KeyedState { key: (0, 0) };
    let octets: Vec<u8> = (0..64).collect();
    for end in 0..octets.len() {
        assert_eq!(zero.octets(&octets[..end]), reference(&octets[..end]), "{end} octets");
    }
}

#[test]
fn pieces_hash_like_the_whole() {
    let zero = KeyedState { key: (0, 0) };
    let octets: Vec<u8> = (100..140).collect();
    for cut in 0..octets.len() {
        let mut hasher = zero.build_hasher();
        hasher.write(&octets[..cut]);
        hasher.write(&octets[cut..]);
        assert_eq!(hasher.finish(), reference(&octets), "cut at {cut}");
    }
    let mut hasher = zero.build_hasher();
    hasher.write_u8(1);
    hasher.write_u16(0x0302);
    hasher.write_u32(0x0706_0504);
    hasher.write_u64(0x0f0e_0d0c_0b0a_0908);
    assert_eq!(hasher.finish(), reference(&(1..=15).collect::<Vec<u8>>()));
}

#[test]
fn another_key_gives_another_hash() {
    let mut rng = Rng::new(7);
    let (a, b) = (KeyedState::new(&mut rng), KeyedState::new(&mut rng));
    assert_ne!(a.octets(b"wayhouse"), b.octets(b"wayhouse"));
    assert_eq!(a.octets(b"wayhouse"), a.octets(b"wayhouse"));
}
