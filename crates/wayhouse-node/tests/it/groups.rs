use std::time::Duration;

use wayhouse_node::config::{ApplicationGroup, Group, Interfaces};
use wayhouse_node::face::operator::Entry;
use wayhouse_node::face::operator::groups::{Configured, ShownGroup, Wanted};
use wayhouse_node::{Command, Config, Reply, limits};
use wayhouse_registry::{Lease, Origin, Page, Refusal, Restored};
use wayhouse_wire::coap::Code;

use crate::house::{House, LAMP, PHONE, delete, get, post};

const ALL_COAP_NODES: &str = "ff02::fd";
/// The listener for port 5685.
const EXTRA: u16 = 1;

fn group(name: &str, addresses: &[&str], port: u16, application_groups: &[&str]) -> Group {
    Group {
        name: name.into(),
        addresses: addresses.iter().map(|address| address.parse().expect("an address in a test")).collect(),
        port,
        application_groups: application_groups
            .iter()
            .map(|text| ApplicationGroup::parse(text).expect("an application group"))
            .collect(),
        interfaces: Interfaces::All,
        ..Group::default()
    }
}

/// As in the draft's App. C: gp1 and gp2 in one CoAP group, gp5 in another; and one that this node only knows.
fn configure(config: &mut Config) {
    config.listener_ports = vec![5683, 5685];
    config.groups = vec![
        group("grp.example", &["ff35:30:2001:db8:f1:0:8000:1"], 5685, &["gp1 g.light", "gp2 g.temp"]),
        group("grp2.example", &["ff15::5", "239.0.0.5"], 5683, &["gp5 g.lock", "/state?lock g.lock"]),
        Group { interfaces: Interfaces::None, ..group("far", &["ff15::6"], 5683, &["gp6 g.far"]) },
    ];
}

fn house() -> House {
    let mut house = House::with(configure);
    house.node.enter_groups(house.now).expect("they are in order");
    house.drain();
    house
}

/// What a question brings by multicast; nothing means silence.
fn heard(house: &mut House, path: &str, to: &str, listener: u16) -> Option<Vec<String>> {
    house.send(PHONE, get(path).by_group(to, listener));
    house.advance(Duration::from_secs(60));
    let answer = house.sent.pop();
    assert!(house.sent.is_empty());
    answer.map(|answer| answer.links())
}

fn groups(house: &mut House, wanted: Wanted, page: Page) -> (Vec<ShownGroup>, bool) {
    match house.node.command(house.now, Command::Groups { wanted, page }) {
        Ok(Reply::Groups { groups, is_cut }) => (groups, is_cut),
        other => panic!("{other:?}"),
    }
}

fn authorities(groups: &[ShownGroup]) -> Vec<String> {
    groups.iter().map(|shown| shown.group.authority.to_string()).collect()
}

#[test]
fn gc6_configured_groups_are_looked_up_like_any_other() {
    let mut house = house();
    let found = house.endpoints("et=core.rd-group");
    let bases: Vec<&str> = found.iter().filter_map(|link| link.split("base=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(found.len(), 4, "{found:?}");
    for base in
        ["coap://[ff35:30:2001:db8:f1:0:8000:1]:5685", "coap://[ff15::5]", "coap://239.0.0.5", "coap://[ff15::6]"]
    {
        assert!(bases.contains(&base), "{base} in {bases:?}");
    }
    assert_eq!(
        house.resources("ep=grp.example"),
        [
            "<coap://[ff35:30:2001:db8:f1:0:8000:1]:5685/gp/gp1>;rt=\"g.light\"",
            "<coap://[ff35:30:2001:db8:f1:0:8000:1]:5685/gp/gp2>;rt=\"g.temp\"",
        ]
    );
    // A commissioning tool's are there, too (RFC 9176 App. A).
    house.register(LAMP, "ep=lights&et=core.rd-group&base=coap://[ff35:30:2001:db8:f1::8000:1]", "</light>;rt=light");
    assert_eq!(house.endpoints("et=core.rd-group&rt=light").len(), 1);
    assert_eq!(house.endpoints("et=core.rd-group").len(), 5);
}

#[test]
fn gc6_security_groups_are_found_by_application_group() {
    let mut house = house();
    house.register(
        LAMP,
        "ep=gm&base=coap://gm.example",
        "</ace-group/a>;rt=core.osc.gm;sec-gp=a;app-gp=gp1;app-gp=gp2,</ace-group/b>;rt=core.osc.gm;sec-gp=b;app-gp=gp3",
    );
    let found = house.resources("rt=core.osc.gm&app-gp=gp2");
    assert_eq!(found, ["<coap://gm.example/ace-group/a>;rt=core.osc.gm;sec-gp=a;app-gp=gp1;app-gp=gp2"]);
    assert_eq!(house.resources("sec-gp=b").len(), 1);
    assert_eq!(house.resources("sec-gp=*").len(), 2);
    let (shown, _) = groups(&mut house, Wanted::Named("grp.example".into()), Page::ALL);
    let protected: Vec<Vec<&str>> = shown[0]
        .group
        .application_groups
        .iter()
        .map(|one| one.security_groups.iter().map(|name| &**name).collect())
        .collect();
    assert_eq!(protected, [["a"], ["a"]]);
}

#[test]
fn configured_groups_belong_to_the_configuration() {
    let mut house = house();
    let location = house.endpoints("ep=grp.example")[0].split('>').next().expect("a target")[1..].to_owned();
    let again = "/rd?ep=grp.example&et=core.rd-group&base=coap://[ff15::bad]";
    assert_eq!(house.ask(LAMP, post(again).links("</x>")).code, Code::FORBIDDEN);
    assert_eq!(house.ask(LAMP, post(&format!("{location}?lt=1"))).code, Code::FORBIDDEN);
    assert_eq!(house.ask(LAMP, delete(&location)).code, Code::FORBIDDEN);
    // An operator changes it where it stands.
    let (shown, _) = groups(&mut house, Wanted::Named("grp.example".into()), Page::ALL);
    let id = shown[0].group.registrations[0].id;
    assert!(matches!(house.node.command(house.now, Command::Remove(id)), Err(Refusal::Configured)));
    let entry = Entry {
        endpoint_name: "grp.example".into(),
        base: "coap://[ff15::bad]".into(),
        lifetime_s: 60,
        ..Entry::default()
    };
    assert!(matches!(house.node.command(house.now, Command::Register(entry)), Err(Refusal::Configured)));
    house.advance(Duration::from_secs(10 * 365 * 86_400));
    assert_eq!(house.endpoints("et=core.rd-group").len(), 4);
}

#[test]
fn a_store_brings_no_configured_group_back() {
    let mut first = house();
    let change = first.changes.iter().find(|change| change.after.is_some()).expect("groups were entered").clone();
    let registrant = (*change.after.expect("filtered")).clone();
    assert_eq!(registrant.origin, Origin::Configured);
    let mut house = House::with(|_| {});
    let lease = Lease { lifetime_s: 60, renewed: house.now };
    let restored = Restored { registrant: registrant.clone(), lease };
    assert_eq!(house.node.restore(house.now, restored), Err(Refusal::Configured));

    // Where a registrant of the same name was kept, the configuration goes before.
    let mut house = House::with(configure);
    let registrant =
        wayhouse_registry::Registrant { origin: Origin::Directory, owner: Default::default(), ..registrant };
    let base = "coap://[2001:db8::7]".into();
    let restored = Restored { registrant: wayhouse_registry::Registrant { base, ..registrant }, lease };
    assert_eq!(house.node.restore(house.now, restored), Ok(()));
    house.node.enter_groups(house.now).expect("they are in order");
    assert_eq!(house.endpoints("base=coap://[2001:db8::7]"), [""; 0]);
    assert_eq!(house.endpoints("et=core.rd-group").len(), 4);
    first.drain();
}

#[test]
fn gc7_a_coap_group_is_told_its_application_groups_by_relative_references() {
    let mut house = house();
    let by = "ff35:30:2001:db8:f1:0:8000:1";
    let both = vec!["</gp/gp1>;rt=\"g.light\"".to_owned(), "</gp/gp2>;rt=\"g.temp\"".to_owned()];
    assert_eq!(heard(&mut house, "/.well-known/core?rt=g.*", by, EXTRA), Some(both.clone()));
    assert_eq!(heard(&mut house, "/.well-known/core?href=/gp/*", by, EXTRA), Some(both.clone()));
    assert_eq!(heard(&mut house, "/.well-known/core", by, EXTRA), Some(both.clone()), "GC39: nothing else");
    assert_eq!(heard(&mut house, "/.well-known/core?rt=g.temp", by, EXTRA), Some(both[1..].to_vec()));
    assert_eq!(heard(&mut house, "/.well-known/core?rt=g.lock", by, EXTRA), None);
    assert_eq!(heard(&mut house, "/.well-known/core?rt=core.rd", by, EXTRA), None);
    // The same address with another port is another CoAP group, and one that this node is not in.
    let elsewhere = heard(&mut house, "/.well-known/core?rt=g.light", by, 0).expect("an answer");
    assert!(elsewhere[0].starts_with("<coap://"), "{elsewhere:?}");
}

#[test]
fn gc7_across_groups_references_are_absolute() {
    let mut house = house();
    let mut ask = |query: &str| heard(&mut house, &format!("/.well-known/core?{query}"), ALL_COAP_NODES, 0);
    let gp1 = "<coap://[ff35:30:2001:db8:f1:0:8000:1]:5685/gp/gp1>;rt=\"g.light\"".to_owned();
    let gp5 =
        ["<coap://239.0.0.5/gp/gp5>;rt=\"g.lock\"".to_owned(), "<coap://[ff15::5]/gp/gp5>;rt=\"g.lock\"".to_owned()];
    assert_eq!(ask("href=/gp/gp1"), Some(vec![gp1.clone()]));
    assert_eq!(ask("rt=g.light"), Some(vec![gp1.clone()]));
    assert_eq!(ask("href=/gp/gp5"), Some(gp5.to_vec()));
    assert_eq!(ask("href=coap://*&rt=g.light"), Some(vec![gp1.clone()]));
    assert_eq!(ask("rt=g.*").map(|links| links.len()), Some(6));
    assert_eq!(ask("href=/gp/gp6"), None, "a group that this node only knows");
    assert_eq!(ask("gpt=*"), None);
    // All that discovery told before, it tells still.
    assert_eq!(ask("rt=core.rd"), Some(vec!["</rd>;rt=\"core.rd\";ct=40".to_owned()]));
    let unicast = house.ask(PHONE, get("/.well-known/core?rt=g.light")).links();
    assert_eq!(unicast, [gp1]);
}

#[test]
fn gc39_a_member_answers_for_the_resources_of_the_group_asked() {
    let mut house = house();
    let by = "ff35:30:2001:db8:f1:0:8000:1";
    let mut ask = |path: &str, to: &str, listener: u16| {
        house.send(PHONE, get(path).by_group(to, listener));
        house.advance(Duration::from_secs(60));
        house.sent.pop().map(|answer| answer.code)
    };
    assert_eq!(ask("/gp/gp1", by, EXTRA), Some(Code::CONTENT));
    assert_eq!(ask("/state?lock", "ff15::5", 0), Some(Code::CONTENT));
    assert_eq!(ask("/state?on&lock", "239.0.0.5", 0), Some(Code::CONTENT));
    for (path, to, listener) in [
        ("/gp/gp1", by, 0),
        ("/gp/gp5", by, EXTRA),
        ("/gp/gp1", ALL_COAP_NODES, 0),
        ("/gp/gp6", "ff15::6", 0),
        ("/state", "ff15::5", 0),
        ("/gp/gp1/x", by, EXTRA),
        ("/", by, EXTRA),
    ] {
        assert_eq!(ask(path, to, listener), None, "{path} {to}");
    }
    let answer = house.ask(PHONE, get("/gp/gp1"));
    assert!(answer.text().starts_with("wayhouse "), "{}", answer.text());
    assert_eq!(house.ask(PHONE, post("/gp/gp1")).code, Code::METHOD_NOT_ALLOWED);
    assert_eq!(house.ask(PHONE, get("/gp/gp6")).code, Code::NOT_FOUND);
}

#[test]
fn gc41_gc42_registered_groups_have_their_ports_checked() {
    let mut house = house();
    let refused = house.ask(LAMP, post("/rd?ep=x&et=core.rd-group&base=coap://[ff15::9]:5684").links("</x>"));
    assert_eq!(refused.code, Code::BAD_REQUEST);
    house.register(LAMP, "ep=x&et=core.rd-group&base=coap://[ff15::6]:5690", "");
    let (shown, _) = groups(&mut house, Wanted::At("ff15::6".parse().expect("an address")), Page::ALL);
    let ports: Vec<Vec<u16>> = shown.iter().map(|one| one.group.other_ports.iter().copied().collect()).collect();
    assert_eq!(ports, [[5690], [5683]]);
}

#[test]
fn an_operator_sees_groups_and_their_members() {
    let mut house = house();
    house.register(LAMP, "ep=lamp", "</gp/gp1>;rt=g.light");
    let (shown, is_cut) = groups(&mut house, Wanted::All, Page::ALL);
    assert_eq!(
        (authorities(&shown), is_cut),
        (
            vec![
                "239.0.0.5".into(),
                "[ff15::5]".into(),
                "[ff15::6]".into(),
                "[ff35:30:2001:db8:f1:0:8000:1]:5685".into()
            ],
            false
        )
    );
    let hall = &shown[3];
    assert_eq!(&*hall.members[0].registrant.endpoint_name, "lamp");
    assert!(hall.members[0].application_groups.contains("gp1") && !hall.has_more_members);
    let told = Configured { is_member: true, members_expected: 50, rate_octets_s: 1_000 };
    assert_eq!(hall.configured, Some(told));
    assert_eq!(shown[2].configured, Some(Configured { is_member: false, ..told }));
    // Both addresses have the name.
    let (named, _) = groups(&mut house, Wanted::Named("GRP2.example".into()), Page::ALL);
    assert_eq!(authorities(&named), ["239.0.0.5", "[ff15::5]"]);
    let (second, is_cut) = groups(&mut house, Wanted::All, Page { first: 1, count: 2 });
    assert_eq!((authorities(&second), is_cut), (vec!["[ff15::5]".into(), "[ff15::6]".into()], true));
    let (nothing, is_cut) = groups(&mut house, Wanted::Named("x".into()), Page { first: u64::MAX, count: 1 });
    assert_eq!((nothing.len(), is_cut), (0, false));
}

#[test]
fn an_answer_about_groups_is_bounded() {
    let mut house = House::new();
    let links = format!("</gp/gp1>;rt=g.light;title=\"{}\"", "t".repeat(60_000));
    let registrations = limits::GROUP_OCTETS_MAX / 60_000 + 2;
    for number in 0..registrations {
        let query = format!("ep=g{number}&et=core.rd-group&base=coap://[ff15::1]");
        let entry = Entry {
            endpoint_name: format!("g{number}"),
            base: "coap://[ff15::1]".into(),
            lifetime_s: 60,
            attributes: vec![("et".into(), "core.rd-group".into())],
            links: links.clone(),
            ..Entry::default()
        };
        assert!(house.node.command(house.now, Command::Register(entry)).is_ok(), "{query}");
    }
    house.register(LAMP, "ep=z&et=core.rd-group&base=coap://[ff15::2]", "");
    let (shown, is_cut) = groups(&mut house, Wanted::All, Page::ALL);
    assert_eq!((authorities(&shown), is_cut), (vec!["[ff15::1]".into()], true));
    assert!(shown[0].group.registrations.len() < registrations);
    let (rest, is_cut) = groups(&mut house, Wanted::All, Page { first: 1, count: 1 });
    assert_eq!((authorities(&rest), is_cut), (vec!["[ff15::2]".into()], false));
}

#[test]
fn gc4_gc41_gc42_mistakes_in_the_configuration_are_told() {
    let check = |change: &dyn Fn(&mut Group), expected: &[(&str, &str)]| {
        let mut config =
            Config { groups: vec![group("hall", &["ff15::1"], 5683, &["gp1 g.light"])], ..Config::default() };
        change(&mut config.groups[0]);
        let found: Vec<_> =
            config.group_problems().into_iter().map(|(number, problem)| (number, problem.key, problem.why)).collect();
        let expected: Vec<_> = expected.iter().map(|&(key, why)| (0, key, why)).collect();
        assert_eq!(found, expected);
    };
    let application = |text: &str| vec![ApplicationGroup::parse(text).expect("words")];
    check(&|_| {}, &[]);
    check(&|group| group.name.clear(), &[("name", "it is empty, too long, or has control characters")]);
    check(&|group| group.name = "x".repeat(61), &[("name", "it is empty, too long, or has control characters")]);
    check(&|group| group.addresses.clear(), &[("addresses", "there is no address")]);
    check(
        &|group| group.addresses.push([192, 0, 2, 1].into()),
        &[("addresses", "an address is not a multicast address")],
    );
    check(&|group| group.port = 5684, &[("port", "this port must not be used for groups")]);
    check(&|group| group.security_groups = vec!["nOsEC".into()], &[("security_groups", "NoSec is no security group")]);
    check(
        &|group| group.members_expected = 0,
        &[("members", "with nothing there would be no time to spread answers over")],
    );
    for taken in ["/rd", "/.well-known/core", "/", "/a/b/c/d/e/f/g", "/reg/0000000000000"] {
        check(
            &|group| group.application_groups = application(taken),
            &[("application_groups", "the resource of one cannot be served under that path")],
        );
    }
    for odd in ["a>b", "gp1 g.\"", "a#b"] {
        check(
            &|group| group.application_groups = application(odd),
            &[("application_groups", "one cannot be written as a link")],
        );
    }
    let mut config = Config {
        groups: vec![group("hall", &["ff15::1", "ff15::2"], 5683, &[]), group("hall-2", &["ff15::1"], 5685, &[])],
        ..Config::default()
    };
    assert_eq!(config.group_problems().len(), 1);
    let warnings: Vec<_> = config.group_warnings().into_iter().map(|(number, problem)| (number, problem.key)).collect();
    assert_eq!(warnings, [(1, "port")]);
    config.groups = vec![group("a", &["ff15::1"], 5683, &[]); limits::GROUPS_MAX + 1];
    assert!(config.group_problems().iter().any(|(_, problem)| problem.why == "there are too many groups"));
}

#[test]
fn gc3_application_groups_are_written_as_they_are_read() {
    for (text, resource, again) in [
        ("gp1 g.light", "/gp/gp1", "gp1 g.light"),
        ("/gp/gp1", "/gp/gp1", "gp1"),
        ("/light?gp=gp1 g.light oic.r.light", "/light?gp=gp1", "/light?gp=gp1 g.light oic.r.light"),
        ("/gp/gp1/light", "/gp/gp1/light", "/gp/gp1/light"),
    ] {
        let read = ApplicationGroup::parse(text).expect("words");
        assert_eq!((read.resource.as_str(), read.to_string().as_str()), (resource, again));
        assert_eq!(ApplicationGroup::parse(&read.to_string()), Some(read));
    }
    assert_eq!(ApplicationGroup::parse("  "), None);
}

#[test]
fn gc81_an_unprotected_member_does_not_listen_to_the_whole_internet() {
    let problems = |address: &str, interfaces: Interfaces| {
        let group = Group {
            name: "hall".into(),
            addresses: vec![address.parse().expect("an address")],
            interfaces,
            ..Group::default()
        };
        Config { groups: vec![group], ..Config::default() }.group_problems().len()
    };
    for address in ["ff0e::17", "ff1e::17", "224.1.2.3", "232.0.0.1"] {
        assert_eq!(problems(address, Interfaces::All), 1, "{address}");
        assert_eq!(problems(address, Interfaces::None), 0, "only known by name: {address}");
    }
    for address in ["ff02::17", "ff05::17", "ff35:30:2001:db8:f1:0:8000:1", "239.1.2.3", "224.0.0.200"] {
        assert_eq!(problems(address, Interfaces::All), 0, "{address}");
    }
}
