use super::*;

#[test]
fn keys_are_ordered_as_their_octets_are() {
    let mut values: Vec<Vec<u8>> =
        vec![vec![], vec![0], vec![0, 0], vec![255; 22], vec![255; 23], vec![0; 22], vec![0; 23]];
    for length in [1, 7, 8, 9, 15, 16, 17, 21, 22, 23, 40] {
        for last in [0, b'a', 255] {
            let mut value = vec![b'a'; length - 1];
            value.push(last);
            values.push(value);
        }
    }
    let key = |value: &[u8]| Key::short(value).unwrap_or_else(|| Key::long(value));
    for one in &values {
        assert_eq!(key(one).as_octets(), one);
        for other in &values {
            assert_eq!(key(one).cmp(&key(other)), one.cmp(other), "{one:?} {other:?}");
            assert_eq!(key(one) == key(other), one == other);
        }
    }
    assert_eq!(size_of::<Key>(), 24);
}
