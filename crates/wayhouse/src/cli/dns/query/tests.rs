use super::*;

#[test]
fn addresses_have_names_of_their_own() {
    let check =
        |address: &str, expected: &str| assert_eq!(Name::reverse(address.parse().unwrap()).to_string(), expected);
    check("192.0.2.7", "7.2.0.192.in-addr.arpa.");
    check("fd00::a7", "7.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.");
}
