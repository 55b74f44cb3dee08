use super::*;

fn option(text: &str) -> Result<(u16, Vec<u8>), String> {
    text.parse::<ExtraOption>().map(|option| (option.number, option.value))
}

#[test]
fn options_by_number_and_name() {
    assert_eq!(option("14=300"), Ok((14, vec![1, 44])));
    assert_eq!(option("max-age=0"), Ok((14, vec![])));
    assert_eq!(option("Uri-Query=a=b"), Ok((15, b"a=b".to_vec())));
    assert_eq!(option("ETag=0x0102"), Ok((4, vec![1, 2])));
    assert_eq!(option("If-None-Match"), Ok((5, vec![])));
    assert_eq!(option("65001=0x"), Ok((65001, vec![])));
    assert_eq!(option("65001=7"), Ok((65001, vec![7])));
    assert_eq!(option("65001=seven"), Ok((65001, b"seven".to_vec())));
}

#[test]
fn options_of_the_engine_are_not_given_by_hand() {
    for text in ["Observe=0", "6=0", "Block1=0", "Block2=0", "Echo=0x01", "Request-Tag=0x01"] {
        assert!(option(text).is_err(), "{text}");
    }
}

#[test]
fn values_of_the_wrong_kind_are_refused() {
    for text in ["Max-Age=soon", "If-None-Match=1", "Nonsense=1", "70000=1", "ETag=0x1"] {
        assert!(option(text).is_err(), "{text}");
    }
}

#[test]
fn content_formats_by_number_and_name() {
    let number = |text: &str| text.parse::<ContentFormat>().map(|format| format.0);
    assert_eq!(number("65000"), Ok(65000));
    assert_eq!(number("json"), Ok(50));
    assert_eq!(number("cbor"), Ok(60));
    assert_eq!(number("link-format"), Ok(40));
    assert_eq!(number("text"), Ok(0));
    assert_eq!(number("text/plain"), Ok(0));
    assert_eq!(number("application/senml+cbor"), Ok(112));
    assert!(number("klingon").is_err());
}

#[test]
fn block_sizes_become_exponents() {
    assert_eq!("16".parse(), Ok(BlockSize(0)));
    assert_eq!("1024".parse(), Ok(BlockSize(6)));
    for text in ["0", "8", "48", "2048", "x"] {
        assert!(text.parse::<BlockSize>().is_err(), "{text}");
    }
}
