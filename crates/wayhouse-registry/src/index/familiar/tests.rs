use std::collections::BTreeSet;

use wayhouse_wire::coap::link_format::LinkFormat;

use super::*;

/// What the only link of a document leads to as a familiar one.
fn found(links: &FamiliarLinks, document: &str, postings: &Postings) -> Option<Vec<PostingNumber>> {
    let link = LinkFormat::trusted(document).links().next().expect("there is one");
    let spot = FamiliarLinks::spot(&link)?;
    links.find(spot, &link, postings).map(Iterator::collect)
}

fn note(links: &mut FamiliarLinks, document: &str, numbers: &[PostingNumber], postings: &Postings) {
    let link = LinkFormat::trusted(document).links().next().expect("there is one");
    let spot = FamiliarLinks::spot(&link).expect("it can become familiar");
    links.note(spot, &link, numbers.iter().copied(), postings);
}

fn three_postings() -> Postings {
    let mut postings = Postings::default();
    for number in 0..3 {
        assert_eq!(postings.create(), number);
    }
    postings
}

const LIGHT: &str = "</s/1>;rt=\"light\";if=\"core.s\"";

#[test]
fn a_link_becomes_familiar_when_it_is_read_a_second_time() {
    let (mut links, postings) = (FamiliarLinks::default(), three_postings());
    assert_eq!(found(&links, LIGHT, &postings), None);
    note(&mut links, LIGHT, &[0, 2], &postings);
    assert_eq!(found(&links, LIGHT, &postings), None);
    note(&mut links, LIGHT, &[0, 2], &postings);
    assert_eq!(found(&links, LIGHT, &postings), Some(vec![0, 2]));
    for other in ["</s/1>;rt=\"light\"", "</s/2>;rt=\"light\";if=\"core.s\"", "</s/1>;rt=\"lamps\";if=\"core.s\""] {
        assert_eq!(found(&links, other, &postings), None, "{other}");
    }
}

#[test]
fn links_that_share_a_place_are_told_apart() {
    let (mut links, postings) = (FamiliarLinks::default(), three_postings());
    note(&mut links, LIGHT, &[0], &postings);
    note(&mut links, LIGHT, &[0], &postings);
    let link = |document| LinkFormat::trusted(document).links().next().expect("there is one");
    let spot = FamiliarLinks::spot(&link(LIGHT)).expect("it can become familiar");
    for other in ["</s/1>;rt=\"lamps\";if=\"core.s\"", "</s/9>;rt=\"light\";if=\"core.s\""] {
        assert!(links.find(spot, &link(other), &postings).is_none(), "{other}");
    }
}

#[test]
fn a_link_whose_posting_has_gone_is_read_again() {
    let (mut links, mut postings) = (FamiliarLinks::default(), three_postings());
    note(&mut links, LIGHT, &[0, 1], &postings);
    note(&mut links, LIGHT, &[0, 1], &postings);
    assert!(!postings.change(1, |_| {}), "it is empty");
    assert_eq!(found(&links, LIGHT, &postings), None);
    assert_eq!(postings.create(), 1, "another value has the number");
    assert_eq!(found(&links, LIGHT, &postings), None);
    note(&mut links, LIGHT, &[0, 2], &postings);
    assert_eq!(found(&links, LIGHT, &postings), Some(vec![0, 2]));
}

#[test]
fn links_that_depend_on_the_base_or_are_large_do_not_become_familiar() {
    let long = format!("</s>;title=\"{}\"", "x".repeat(OCTETS_MAX));
    for document in ["<coap://[2001:db8::1]/s>;rt=\"light\"", "<//host/s>", "<s>", &*long] {
        let link = LinkFormat::trusted(document).links().next().expect("there is one");
        assert!(FamiliarLinks::spot(&link).is_none(), "{document}");
    }
    let (mut links, mut postings) = (FamiliarLinks::default(), Postings::default());
    let many: Vec<PostingNumber> = (0..=POSTINGS_MAX).map(|_| postings.create()).collect();
    note(&mut links, LIGHT, &many, &postings);
    note(&mut links, LIGHT, &many, &postings);
    assert_eq!(found(&links, LIGHT, &postings), None);
}

#[test]
fn links_that_differ_little_have_places_of_their_own() {
    let place = |document: &str| {
        let link = LinkFormat::trusted(document).links().next().expect("there is one");
        FamiliarLinks::spot(&link).expect("it can become familiar").place()
    };
    for (front, back) in
        [("</x>;ct=", ""), ("</x>;rt=lamp;ct=1", ""), ("</x>;rt=l", ";if=a"), ("</", ">;rt=light;if=core.s")]
    {
        let places: BTreeSet<usize> = (10..60).map(|number| place(&format!("{front}{number}{back}"))).collect();
        assert!(places.len() >= 45, "{front}: {} places for 50", places.len());
    }
}
