use super::*;

fn subjects(names: &[&str]) -> Credentials {
    Credentials { subjects: names.iter().map(|&name| name.into()).collect(), ..Credentials::default() }
}

#[test]
fn all_stored_information_must_be_present_in_the_new_credentials() {
    let anonymous = Credentials::anonymous();
    let one = subjects(&["a@ca"]);
    let two = subjects(&["a@ca", "b@ca"]);
    let key = Credentials { public_key: Some([1; 32]), ..Credentials::default() };
    let other_key = Credentials { public_key: Some([2; 32]), ..Credentials::default() };
    let session = Credentials { session: Some(7), ..Credentials::default() };
    let address = Credentials { address: Some([192, 0, 2, 1].into()), ..Credentials::default() };
    let everything = [&anonymous, &one, &two, &key, &other_key, &session, &address];
    for given in everything {
        assert!(given.cover(&anonymous), "{given:?}");
        assert!(given.cover(given));
    }
    assert!(two.cover(&one));
    assert!(!one.cover(&two));
    assert!(!anonymous.cover(&one));
    for stored in &everything[3..] {
        for given in everything {
            assert_eq!(given.cover(stored), given == *stored, "{given:?} for {stored:?}");
        }
    }
    let both = Credentials { session: Some(7), ..two.clone() };
    assert!(both.cover(&session) && both.cover(&two) && !two.cover(&both));
}
