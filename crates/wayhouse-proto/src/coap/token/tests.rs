use std::collections::BTreeSet;

use super::{RandomTokens, SequentialTokens, TOKEN_OCTETS_MAX, Token};
use crate::rng::Rng;

#[test]
fn cr6_a_token_is_kept_octet_by_octet() {
    let octets: Vec<u8> = (0..TOKEN_OCTETS_MAX as u8).collect();
    for length in 0..=TOKEN_OCTETS_MAX {
        let token = Token::new(&octets[..length]).expect("short enough");
        assert_eq!(token.as_slice(), &octets[..length]);
        assert_eq!(token, token.clone());
        if length > 0 {
            assert_ne!(token, Token::new(&octets[..length - 1]).unwrap());
        }
    }
    // Sheet §22: longer ones are refused (5.03), not cut.
    assert_eq!(Token::new(&[0; TOKEN_OCTETS_MAX + 1]), None);
    assert_ne!(Token::new(&[0]), Token::new(&[0, 0]));
    assert_eq!(format!("{:?}", Token::new(&[0x0a, 0xff]).unwrap()), "0aff");
    assert_eq!(Token::EMPTY.as_slice(), b"");
    assert!(size_of::<Token>() <= 24);
}

#[test]
fn cr7_tokens_over_datagrams_are_eight_octets_without_pattern() {
    let mut tokens = RandomTokens::new(&mut Rng::new(7));
    let made: Vec<Token> = (0..10_000).map(|_| tokens.next_token()).collect();
    let distinct: BTreeSet<&Token> = made.iter().collect();
    assert_eq!(distinct.len(), made.len());
    // Every bit is set in about half of them.
    for bit in 0..64 {
        let set = made.iter().filter(|token| token[bit / 8] >> (bit % 8) & 1 == 1).count();
        assert!((4_700..5_300).contains(&set), "bit {bit}: {set}");
    }
    let other = RandomTokens::new(&mut Rng::new(8)).next_token();
    assert_ne!(other, made[0], "another seed, other tokens");
}

#[test]
fn cr7_tokens_of_a_connection_count_from_zero_and_never_return() {
    let mut tokens = SequentialTokens::default();
    let mut seen = BTreeSet::new();
    for number in 0..70_000_u64 {
        let token = tokens.next_token();
        let value = token.iter().fold(0, |value, octet| value << 8 | u64::from(*octet));
        assert_eq!(value, number);
        assert!(!token.is_empty(), "the empty token is for signalling");
        assert!(seen.insert(token));
    }
    assert_eq!(seen.iter().map(|token| token.len()).max(), Some(3));
}
