//! What lookups show, and in which order.

use super::*;

/// A house with a lamp, a door with no links, and a meter.
fn furnished() -> House {
    let mut house = house();
    let lamp = "</light>;rt=\"light dimmer\";if=a,</temp>;rt=temperature;title=\"a \\\"warm\\\" lamp\"";
    house.register(&Registration {
        sector: "floor1",
        attributes: &[("et", "lamp"), ("et", "sensor")],
        ..plain("lamp", lamp)
    });
    house.register(&Registration { base: "coap://h2:61616", ..plain("door", "") });
    let meter =
        "</temp>;rt=temperature;if=b,<http://www.example.com/m>;anchor=\"/temp\";rel=describedby,</power>;rt=\"\"";
    house.register(&Registration { base: "coap://h3", attributes: &[("et", "sensor")], ..plain("meter", meter) });
    house
}

fn check(house: &mut House, query: &str, names: &str, targets: &str) {
    assert_eq!(house.names(query), names, "endpoints for {query}");
    assert_eq!(house.targets(query), targets, "resources for {query}");
}

const ALL_TARGETS: &str = "/light /temp /temp http://www.example.com/m /power";

#[test]
fn rd31_all_criteria_must_match_and_a_name_may_repeat() {
    let mut house = furnished();
    check(&mut house, "", "lamp door meter", ALL_TARGETS);
    check(&mut house, "rt=temperature&if=b", "meter", "/temp");
    check(&mut house, "rt=light&rt=dimmer", "lamp", "/light");
    check(&mut house, "et=lamp&et=sensor", "lamp", "/light /temp");
    check(&mut house, "rt=light&rt=nothing", "", "");
    check(&mut house, "ep=lamp&d=floor1", "lamp", "/light /temp");
    check(&mut house, "ep=lamp&d=floor2", "", "");
}

#[test]
fn rd32_values_match_whole_by_prefix_or_as_one_of_several() {
    let mut house = furnished();
    check(&mut house, "rt=light", "lamp", "/light");
    check(&mut house, "rt=dimmer", "lamp", "/light");
    check(&mut house, "rt=light dimmer", "", "");
    check(&mut house, "rt=dim*", "lamp", "/light");
    check(&mut house, "rt=t*", "lamp meter", "/temp /temp");
    check(&mut house, "et=sensor", "lamp meter", ALL_TARGETS);
    check(&mut house, "et=l*", "lamp", "/light /temp");
    check(&mut house, "if=*", "lamp meter", "/light /temp");
    check(&mut house, "d=*", "lamp", "/light /temp");
    check(&mut house, "d=", "", "");
    check(&mut house, "title=a \"warm\" lamp", "lamp", "/temp");
    check(&mut house, "title=a *", "lamp", "/temp");
    check(&mut house, "title=a", "", "");
    check(&mut house, "rel=describedby", "meter", "http://www.example.com/m");
    check(&mut house, "rt=temperature*", "lamp meter", "/temp /temp");
    check(&mut house, "RT=temperature", "", "");
}

#[test]
fn rd33_registrants_match_by_their_links_and_links_by_their_registrant() {
    let mut house = furnished();
    check(&mut house, "ep=meter", "meter", "/temp http://www.example.com/m /power");
    check(&mut house, "base=coap://h1", "lamp", "/light /temp");
    // Different criteria may be met by different links of a registrant, but one link must meet them all.
    check(&mut house, "rt=light&rt=temperature", "lamp", "");
    check(&mut house, "et=lamp&rt=temperature", "lamp", "/temp");
    // RD29: the type of every registration resource is an attribute like any other.
    check(&mut house, "rt=core.rd-ep", "lamp door meter", ALL_TARGETS);
    check(&mut house, "rt=core.rd*", "lamp door meter", ALL_TARGETS);
    check(&mut house, "rt=core.rd-ep&if=b", "meter", "/temp");
}

#[test]
fn rd34_href_is_a_resolved_target_or_a_registration() {
    let mut house = furnished();
    check(&mut house, "href=coap://h1/temp", "lamp", "/temp");
    check(&mut house, "href=coap://h1/t*", "lamp", "/temp");
    check(&mut house, "href=coap://h*", "lamp meter", "/light /temp /temp /power");
    check(&mut house, "href=coap://h1*", "lamp", "/light /temp");
    check(&mut house, "href=http://www.example.com/m", "meter", "http://www.example.com/m");
    check(&mut house, "href=http:*", "meter", "http://www.example.com/m");
    check(&mut house, "href=/temp", "", "");
    check(&mut house, "href=coap://h1", "", "");
    check(&mut house, "anchor=coap://h3/temp", "meter", "http://www.example.com/m");
    check(&mut house, "anchor=*", "meter", "http://www.example.com/m");
    check(&mut house, "anchor=/temp", "", "");
    let id = house.registry.by_name("", "door").unwrap().registrant.id;
    check(&mut house, &format!("href={PREFIX}{id}"), "door", "");
    let id = house.registry.by_name("floor1", "lamp").unwrap().registrant.id;
    check(&mut house, &format!("href={PREFIX}{id}"), "lamp", "/light /temp");
    check(&mut house, &format!("href=coap://directory.example{PREFIX}{id}"), "lamp", "/light /temp");
    check(&mut house, &format!("href={PREFIX}{}*", &id.to_string()[..9]), "lamp", "/light /temp");
    check(&mut house, "href=/reg/*", "lamp door meter", ALL_TARGETS);
    check(&mut house, "href=/*", "lamp door meter", ALL_TARGETS);
    check(&mut house, "href=/other/*", "", "");
}

#[test]
fn rd35_the_lifetime_is_no_attribute() {
    let mut house = furnished();
    check(&mut house, "lt=60", "", "");
    check(&mut house, "lt=*", "", "");
}

#[test]
fn rr15_provenance_filters_by_registration_resource() {
    let mut house = furnished();
    let id = house.registry.by_name("", "meter").unwrap().registrant.id;
    check(&mut house, "provenance=/*", "lamp door meter", ALL_TARGETS);
    check(&mut house, &format!("provenance={PREFIX}{id}"), "meter", "/temp http://www.example.com/m /power");
    check(&mut house, &format!("provenance={PREFIX}{id}&rt=temperature"), "meter", "/temp");
    check(&mut house, "provenance=coap:*", "", "");
    check(&mut house, "provenance=coap://h1/temp", "", "");
}

#[test]
fn rd36_pages_are_cut_from_one_stable_order() {
    let mut house = house();
    for index in 0..700 {
        let links = format!("</a{index}>;rt=x,</b{index}>;rt=y,</c{index}>;rt=x;if=i");
        let name = index.to_string();
        house.register(&Registration { attributes: &[("et", ["p", "q"][index % 2])], ..plain(&name, &links) });
    }
    for query in ["", "rt=x", "et=q", "et=q&rt=x", "rt=x&if=i", "ep=*", "rt=y&et=p", "if=*", "ep=1*", "title=*"] {
        let names = house.names(query);
        let targets = house.targets(query);
        for count in [60, 256, 1000] {
            let (mut paged_names, mut paged_targets) = (Vec::new(), Vec::new());
            for page in 0..2100 / count + 2 {
                let page = Page { first: page * count, count };
                paged_names.push(house.names_on(query, page));
                paged_targets.push(house.targets_on(query, page));
            }
            let join =
                |pages: Vec<String>| pages.into_iter().filter(|page| !page.is_empty()).collect::<Vec<_>>().join(" ");
            assert_eq!(join(paged_names), names, "{query} by {count}");
            assert_eq!(join(paged_targets), targets, "{query} by {count}");
        }
    }
    assert_eq!(house.names_on("et=q", Page { first: 300, count: 2 }), "601 603");
    assert_eq!(house.targets_on("rt=x", Page { first: 1001, count: 2 }), "/c500 /a501");
    assert_eq!(house.names_on("", Page { first: u64::MAX, count: u64::MAX }), "");
    assert_eq!(house.names_on("", Page { first: 5, count: 0 }), "");
}

#[test]
fn rd36_a_change_of_an_entry_does_not_move_it() {
    let mut house = house();
    for name in ["a", "b", "c"] {
        house.register(&plain(name, ""));
    }
    house.register(&plain("a", "</new>"));
    house.pass(seconds(30));
    let id = house.register(&Registration { lifetime_s: 90, ..plain("b", "") });
    assert_eq!(house.names(""), "a b c");
    house.registry.evict(house.now, id).unwrap();
    house.register(&plain("d", ""));
    assert_eq!(house.names(""), "a d c");
}

#[test]
fn rd5_an_entry_bound_to_a_link_is_shown_to_questions_from_there_only() {
    let mut house = house();
    let bound =
        |name, scope| Registration { link_scope: Some(scope), base: "coap://[fe80::1]", ..plain(name, "</a>;rt=x") };
    house.register(&bound("on-1", 1));
    house.register(&plain("anywhere", "</b>;rt=x"));
    let id = house.register(&bound("on-2", 2));
    check(&mut house, "", "anywhere", "/b");
    check(&mut house, "rt=x&on=1", "anywhere on-1", "/b /a");
    check(&mut house, "rt=x&on=2", "anywhere on-2", "/b /a");
    check(&mut house, "rt=x&on=3", "anywhere", "/b");
    check(&mut house, &format!("href={PREFIX}{id}"), "", "");
    check(&mut house, "href=coap://[fe80::1]/a&on=1", "on-1", "/a");
    assert_eq!(house.targets_on("rt=x&on=1", Page { first: 1, count: 1 }), "/a");
    let registrant = house.registrant(id);
    assert!(!filter("").matches_registrant(&registrant, PREFIX));
    assert!(filter("on=2").matches_registrant(&registrant, PREFIX));
    // A base that is no longer link-local frees it.
    house.update(id, &Update { base: Some(("coap://h9", true)), link_scope: Some(None), ..Update::default() });
    check(&mut house, "", "anywhere on-2", "/b /a");
    house.update(id, &Update { link_scope: Some(Some(1)), ..Update::default() });
    check(&mut house, "on=1", "anywhere on-1 on-2", "/b /a /a");
}

#[test]
fn long_values_and_stray_parameters_are_found_although_not_indexed() {
    let mut house = house();
    let long = "v".repeat(200);
    let links = format!("</a>;rt={long},</b>;model=m,</c>;et=t;ep=other");
    let base = format!("coap://{}.example", "h".repeat(200));
    house.register(&Registration { base: &base, attributes: &[("model", &long)], ..plain("a", &links) });
    house.register(&Registration { attributes: &[("model", "m"), ("et", "t")], ..plain("b", "</d>") });
    check(&mut house, &format!("rt={long}"), "a", "/a");
    check(&mut house, "rt=v*", "a", "/a");
    check(&mut house, &format!("model={long}"), "a", "/a /b /c");
    check(&mut house, "model=m", "a b", "/b /d");
    check(&mut house, "model=*", "a b", "/a /b /c /d");
    check(&mut house, "et=t", "a b", "/c /d");
    check(&mut house, "ep=other", "a", "/c");
    check(&mut house, &format!("base={base}"), "a", "/a /b /c");
    check(&mut house, &format!("href={base}/b"), "a", "/b");
}

#[test]
fn a_visitor_that_has_enough_is_not_bothered_again() {
    let mut house = furnished();
    let mut visits = 0;
    house.registry.find_links(&Filter::default(), Page::ALL, &mut |_, _| {
        visits += 1;
        ControlFlow::Break(())
    });
    house.registry.find_registrants(&filter("et=sensor"), Page::ALL, &mut |_| {
        visits += 1;
        ControlFlow::Break(())
    });
    assert_eq!(visits, 2);
}

#[test]
fn links_that_many_have_are_found_with_all_who_have_them_and_no_longer_than_they_do() {
    let mut house = house();
    // The same links again and again, with one value in both of them, and one that a registrant has as well.
    let links = "</a>;rt=lamp;if=x;ct=40,</b>;rt=\"lamp meter\";if=x;et=home";
    let register = |house: &mut House, name: &str, base: &str, attributes: &[(&str, &str)]| {
        house.register(&Registration { base, attributes, ..plain(name, links) })
    };
    house.register(&plain("another", "</e>"));
    let names = ["one", "two", "three", "four"];
    let ids: Vec<EntryId> =
        names.iter().map(|name| register(&mut house, name, &format!("coap://{name}"), &[])).collect();
    let five = register(&mut house, "five", "coap://five", &[("et", "home")]);
    check(&mut house, "rt=meter", "one two three four five", "/b /b /b /b /b");
    check(&mut house, "if=x", "one two three four five", "/a /b /a /b /a /b /a /b /a /b");
    check(&mut house, "ct=*", "one two three four five", "/a /a /a /a /a");
    check(&mut house, "et=home", "one two three four five", "/b /b /b /b /a /b");
    for id in ids {
        house.registry.withdraw(house.now, id, &Credentials::anonymous()).expect("it is there");
    }
    check(&mut house, "rt=lamp", "five", "/a /b");
    house.registry.withdraw(house.now, five, &Credentials::anonymous()).expect("it is there");
    // All their postings have gone, and others have the numbers.
    house.register(&plain("other", "</c>;rt=other;if=y,</d>;rt=another"));
    check(&mut house, "rt=lamp", "", "");
    register(&mut house, "six", "coap://six", &[]);
    check(&mut house, "rt=lamp", "six", "/a /b");
    check(&mut house, "if=y", "other", "/c");
    check(&mut house, "rt=other", "other", "/c");
    check(&mut house, "if=*", "six other", "/a /b /c");
}
