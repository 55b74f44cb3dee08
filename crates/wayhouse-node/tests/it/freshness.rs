use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use crate::house::{Answer, Ask, House, LAMP, PHONE, delete, get, post};

fn careful() -> House {
    House::with(|config| config.directory.require_freshness = true)
}

fn echo_of(answer: &Answer) -> Vec<u8> {
    answer.option(number::ECHO).expect("an Echo").to_vec()
}

/// Sends a request, repeats it with the Echo of a challenge, and returns the last answer.
fn ask_fresh(house: &mut House, from: &str, request: Ask) -> Answer {
    let challenge = house.ask(from, request.clone());
    if challenge.code != Code::UNAUTHORIZED {
        return challenge;
    }
    house.ask(from, request.option(number::ECHO, &echo_of(&challenge)))
}

#[test]
fn rd26_a_change_without_echo_is_challenged_and_done_with_it() {
    let mut house = careful();
    let challenge = house.ask(LAMP, post("/rd?ep=lamp").links("</x>"));
    assert_eq!(challenge.code, Code::UNAUTHORIZED);
    assert!(house.endpoints("").is_empty());
    let echo = echo_of(&challenge);
    assert!((1..=40).contains(&echo.len()));
    let created = house.ask(LAMP, post("/rd?ep=lamp").links("</x>").option(number::ECHO, &echo));
    let location = created.location();
    // Sent ahead: the answer's Echo does for the next change.
    let updated = house.ask(LAMP, post(&location).option(number::ECHO, &echo_of(&created)));
    assert_eq!(updated.code, Code::CHANGED);
    let removed = house.ask(LAMP, delete(&location).option(number::ECHO, &echo_of(&updated)));
    assert_eq!(removed.code, Code::DELETED);
}

#[test]
fn rd26_a_replayed_change_is_refused() {
    let mut house = careful();
    let created = ask_fresh(&mut house, LAMP, post("/rd?ep=lamp").links("</x>"));
    let location = created.location();
    let update = post(&format!("{location}?et=old")).option(number::ECHO, &echo_of(&created));
    assert_eq!(house.ask(LAMP, update.clone()).code, Code::CHANGED);
    let newer = ask_fresh(&mut house, LAMP, post(&format!("{location}?et=new")));
    assert_eq!(newer.code, Code::CHANGED);
    // The old update, captured and sent again.
    assert_eq!(house.ask(LAMP, update).code, Code::UNAUTHORIZED);
    assert_eq!(house.endpoints("et=new").len(), 1);
}

#[test]
fn rd26_a_replayed_registration_does_not_bring_back_what_was_removed() {
    let mut house = careful();
    let challenge = house.ask(LAMP, post("/rd?ep=lamp"));
    let registration = post("/rd?ep=lamp").option(number::ECHO, &echo_of(&challenge));
    let location = house.ask(LAMP, registration.clone()).location();
    assert_eq!(ask_fresh(&mut house, LAMP, delete(&location)).code, Code::DELETED);
    assert_eq!(house.ask(LAMP, registration).code, Code::UNAUTHORIZED);
    assert!(house.endpoints("").is_empty());
}

#[test]
fn rd26_forged_values_prove_nothing() {
    let mut house = careful();
    let echo = echo_of(&house.ask(LAMP, post("/rd?ep=lamp")));
    let mut numbered = echo.clone();
    numbered[0] = 0xff;
    let mut cut = echo.clone();
    cut.pop();
    for forged in [numbered, cut, vec![0; 16], vec![1], vec![7; 40]] {
        let answer = house.ask(LAMP, post("/rd?ep=lamp").option(number::ECHO, &forged));
        assert_eq!(answer.code, Code::UNAUTHORIZED, "{forged:?}");
    }
    // From another address it is somebody else's.
    assert_eq!(house.ask(PHONE, post("/rd?ep=lamp").option(number::ECHO, &echo)).code, Code::UNAUTHORIZED);
    assert_eq!(house.ask(LAMP, post("/rd?ep=lamp").option(number::ECHO, &echo)).code, Code::CREATED);
}

#[test]
fn rd26_changes_of_others_do_not_make_a_value_old() {
    let mut house = careful();
    let created = ask_fresh(&mut house, LAMP, post("/rd?ep=lamp"));
    ask_fresh(&mut house, PHONE, post("/rd?ep=phone"));
    let update = post(&created.location()).option(number::ECHO, &echo_of(&created));
    assert_eq!(house.ask(LAMP, update).code, Code::CHANGED);
}

#[test]
fn rd26_reading_needs_no_echo_and_without_the_setting_nothing_does() {
    let mut house = careful();
    assert_eq!(house.ask(PHONE, get("/rd-lookup/ep")).code, Code::CONTENT);
    let mut house = House::new();
    let created = house.ask(LAMP, post("/rd?ep=lamp"));
    assert_eq!((created.code, created.option(number::ECHO)), (Code::CREATED, None));
}
