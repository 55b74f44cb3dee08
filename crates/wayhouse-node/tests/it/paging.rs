use wayhouse_wire::coap::Code;

use crate::house::{House, LAMP, PHONE, get};

fn furnished() -> House {
    let mut house = House::new();
    for n in 0..7 {
        house.register(LAMP, &format!("ep=node{n}&base=coap://node{n}.example"), "</a>;rt=x,</b>;rt=y");
    }
    house
}

#[test]
fn rd36_pages_are_disjoint_and_complete() {
    let mut house = furnished();
    for (path, total) in [("/rd-lookup/ep?rt=x", 7), ("/rd-lookup/res?if=*&rt=*", 0), ("/rd-lookup/res?rt=*", 14)] {
        let whole = house.ask(PHONE, get(path)).links_in_order();
        assert_eq!(whole.len(), total, "{path}");
        let mut pages = Vec::new();
        for page in 0..6 {
            let part = house.ask(PHONE, get(&format!("{path}&page={page}&count=3"))).links_in_order();
            let expected = total.saturating_sub(page * 3).min(3);
            assert_eq!(part.len(), expected, "{path} page {page}");
            pages.extend(part);
        }
        assert_eq!(pages, whole, "{path}");
    }
}

#[test]
fn rd36_count_alone_is_the_first_page() {
    let mut house = furnished();
    assert_eq!(house.resources("count=5").len(), 5);
    assert_eq!(house.endpoints("count=5").len(), 5);
    assert_eq!(house.endpoints("count=0").len(), 0);
    assert_eq!(house.endpoints("count=100").len(), 7);
    assert_eq!(house.endpoints("page=9223372036854775807&count=9").len(), 0);
}

#[test]
fn rd36_page_needs_count_and_both_are_numbers() {
    let mut house = furnished();
    for query in [
        "page=0",
        "page=1&count=",
        "count=x",
        "count=-1",
        "count",
        "page=&count=2",
        "count=1&count=1",
        "page=0&page=0&count=1",
    ] {
        for path in ["/rd-lookup/ep", "/rd-lookup/res"] {
            assert_eq!(house.ask(PHONE, get(&format!("{path}?{query}"))).code, Code::BAD_REQUEST, "{query}");
        }
    }
}

#[test]
fn rd36_what_one_answer_cannot_hold_is_refused_not_shortened() {
    let mut house = House::with(|config| config.directory.lookup_results_max = 5);
    for n in 0..6 {
        house.register(LAMP, &format!("ep=node{n}"), "</a>");
    }
    for query in ["", "?count=6", "?count=100", "?page=0&count=6"] {
        let answer = house.ask(PHONE, get(&format!("/rd-lookup/ep{query}")));
        assert_eq!(answer.code, Code::BAD_REQUEST, "{query}");
        assert!(answer.text().contains("count"), "{}", answer.text());
    }
    assert_eq!(house.endpoints("count=5").len(), 5);
    assert_eq!(house.endpoints("page=1&count=5").len(), 1);
    assert_eq!(house.endpoints("ep=node5").len(), 1);
    let mut house = House::with(|config| config.coap.limits.body_octets_max = 200);
    for n in 0..6 {
        house.register(LAMP, &format!("ep=node{n}"), "</a>");
    }
    assert_eq!(house.ask(PHONE, get("/rd-lookup/ep")).code, Code::BAD_REQUEST);
    assert_eq!(house.endpoints("count=1").len(), 1);
}
