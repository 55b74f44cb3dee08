use super::*;

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn baker(secret: &str) -> Baker {
    let secret = octets(secret);
    let word = |at: usize| u64::from_le_bytes(secret[at..at + 8].try_into().unwrap());
    Baker { secret: (word(0), word(8)) }
}

/// RFC 9018 appendix A.1.
#[test]
fn cookies_are_those_of_rfc_9018() {
    let baker = baker("e5e973e5a6b2a43f48e7dc849e37bfcf");
    let client: [u8; 8] = octets("2464c4abcf10c957").try_into().unwrap();
    let address = "198.51.100.100".parse().unwrap();
    let asked = Cookie { client, server: &[] };
    let (is_valid, given) = baker.judge(&asked, address, 1_559_731_985);
    assert!(!is_valid);
    assert_eq!(given[..], octets("2464c4abcf10c957010000005cf79f111f8130c3eee29480"));
}

#[test]
fn a_cookie_is_good_for_its_address_and_an_hour() {
    let baker = baker("e5e973e5a6b2a43f48e7dc849e37bfcf");
    let home: IpAddr = "2001:db8::1".parse().unwrap();
    let (_, given) = baker.judge(&Cookie { client: [7; 8], server: &[] }, home, 10_000);
    let shown = Cookie { client: [7; 8], server: &given[8..] };
    assert_eq!(baker.judge(&shown, home, 10_000), (true, given));
    assert_eq!(baker.judge(&shown, home, 11_799), (true, given));
    let (is_valid, renewed) = baker.judge(&shown, home, 11_800);
    assert!(is_valid && renewed != given, "from half an hour on there is a new one");
    assert!(baker.judge(&shown, home, 13_600).0);
    assert!(!baker.judge(&shown, home, 13_601).0);
    assert!(baker.judge(&shown, home, 9_700).0);
    assert!(!baker.judge(&shown, home, 9_699).0);
    assert!(!baker.judge(&shown, "2001:db8::2".parse().unwrap(), 10_000).0);
    assert!(!baker.judge(&Cookie { client: [8; 8], server: &given[8..] }, home, 10_000).0);
}
