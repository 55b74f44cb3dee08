use std::ops::ControlFlow;
use std::time::Instant;

use wayhouse_wire::coap::link_format::LinkFormat;

use super::*;
use crate::{Credentials, Limits, Origin, Page, Refusal, Registration, Registry, Update};

const ENOUGH: usize = 1 << 20;
const HALL: &str = "coap://[ff35:30:2001:db8:f1:0:8000:1]";

#[allow(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
fn registry() -> (Registry, Instant) {
    (Registry::new(Limits::default(), 1, "/reg/"), Instant::now())
}

/// A registry with these registrations: name, base, attributes (`name=value&…`), links.
fn registry_of(rows: &[(&str, &str, &str, &str)]) -> Registry {
    let (mut registry, now) = registry();
    for (name, base, attributes, links) in rows {
        register(&mut registry, now, name, base, attributes, links).expect("nothing speaks against it");
    }
    registry
}

fn register(
    registry: &mut Registry,
    now: Instant,
    endpoint_name: &str,
    base: &str,
    attributes: &str,
    links: &str,
) -> Result<EntryId, Refusal> {
    let attributes: Vec<(&str, &str)> = attributes.split('&').filter_map(|one| one.split_once('=')).collect();
    let registration = Registration {
        endpoint_name,
        sector: "",
        base,
        is_base_explicit: true,
        lifetime_s: 60,
        attributes: &attributes,
        links,
        origin: Origin::Directory,
        credentials: &Credentials::anonymous(),
        source: None,
        link_scope: None,
        services: None,
    };
    Ok(registry.register(now, &registration)?.id)
}

fn all(registry: &mut Registry) -> Vec<CoapGroup> {
    page(registry, Page::ALL)
}

fn page(registry: &mut Registry, page: Page) -> Vec<CoapGroup> {
    let mut groups = Vec::new();
    registry.groups(ENOUGH).list(page, &mut |_, group| {
        groups.push(group);
        ControlFlow::Continue(())
    });
    groups
}

fn authorities(groups: &[CoapGroup]) -> Vec<String> {
    groups.iter().map(|group| group.authority.to_string()).collect()
}

fn words<'a>(words: impl IntoIterator<Item = &'a Box<str>>) -> String {
    words.into_iter().map(|word| &**word).collect::<Vec<_>>().join(" ")
}

fn application_names(group: &CoapGroup) -> String {
    words(group.application_groups.iter().map(|application| &application.name))
}

/// The members of the only CoAP group, each with its application groups.
fn members(registry: &mut Registry) -> Vec<String> {
    let group = all(registry).pop().expect("there is one");
    let (members, is_cut) = registry.groups(ENOUGH).members(&group, 100);
    assert!(!is_cut);
    let shown =
        members.iter().map(|one| format!("{}:{}", one.registrant.endpoint_name, words(&one.application_groups)));
    let mut shown: Vec<String> = shown.collect();
    shown.sort();
    shown
}

#[test]
fn gc1_the_default_port_names_the_same_group() {
    let of = |uri: &str| Authority::of_uri(uri);
    assert_eq!(of("coap://grp.example"), of("coap://GRP.example:5683/"));
    assert_eq!(of("coap://[ff15::1234]"), of("coap://[FF15:0::1234]:5683/gp/x?y"));
    assert_ne!(of("coap://grp.example"), of("coap://grp.example:5685"));
    assert_eq!(of("coap://[ff15::1234]:5685").map(|group| group.to_string()).as_deref(), Ok("[ff15::1234]:5685"));
    assert_eq!(of("coap://224.0.1.187").map(|group| group.uri()).as_deref(), Ok("coap://224.0.1.187"));
    assert_eq!(of("coaps://[ff15::1234]"), Err(NoGroup::NotCoap));
    assert_eq!(of("coap+tcp://grp.example"), Err(NoGroup::NotCoap));
    assert_eq!(of("urn:x"), Err(NoGroup::NotCoap));
    assert_eq!(of("coap://[2001:db8::1]"), Err(NoGroup::Unicast));
    assert_eq!(of("coap://192.0.2.1"), Err(NoGroup::Unicast));
    assert_eq!(of(&format!("coap://{}", "x".repeat(121))), Err(NoGroup::TooLong));

    let mut registry = registry_of(&[
        ("lights", "coap://[ff15::1234]", "et=core.rd-group", "</light>"),
        ("blinds", "coap://[ff15:0:0::1234]:5683", "et=core.rd-group", "</blind>"),
    ]);
    let groups = all(&mut registry);
    assert_eq!(authorities(&groups), ["[ff15::1234]"]);
    assert_eq!((words(&groups[0].names).as_str(), groups[0].registrations.len()), ("blinds lights", 2));
}

#[test]
fn gc2_gc6_a_group_registration_is_a_coap_group() {
    let mut registry = registry_of(&[
        ("lights", HALL, "et=core.rd-group", "</light>;rt=light,</color>"),
        ("also", "coap://224.0.1.200:5690", "et=x&et=core.rd-group", ""),
        ("named", "coap://grp.example:5685", "et=core.rd-group", "</gp/gp1>;rt=g.light"),
        // No groups: one endpoint, another scheme, another type, a type that a link only claims.
        ("one", "coap://[2001:db8::1]", "et=core.rd-group", ""),
        ("tcp", "coap+tcp://grp.example", "et=core.rd-group", ""),
        ("other", "coap://[ff15::1]", "et=core.rd-ep", ""),
        ("claim", "coap://[ff15::2]", "", "</x>;et=core.rd-group"),
    ]);
    let groups = all(&mut registry);
    assert_eq!(
        authorities(&groups),
        ["224.0.1.200:5690", "[ff35:30:2001:db8:f1:0:8000:1]", "grp.example:5685"],
        "in order of their authorities"
    );
    assert_eq!(groups[1].authority.scope(), Some(Scope::SiteLocal));
    assert_eq!((groups[2].authority.scope(), words(&groups[2].names).as_str()), (None, "grp.example named"));
    assert_eq!(authorities(&page(&mut registry, Page { first: 1, count: 1 })), ["[ff35:30:2001:db8:f1:0:8000:1]"]);
    assert_eq!(page(&mut registry, Page { first: 3, count: 1 }), []);
}

#[test]
fn gc3_application_groups_are_named_in_path_query_authority_or_not_at_all() {
    let check = |name: &str, base: &str, links: &str, expected: &str| {
        let mut registry = registry_of(&[(name, base, "et=core.rd-group", links)]);
        let found = all(&mut registry).remove(0).application_groups;
        let found: Vec<String> =
            found.iter().map(|one| format!("{} {:?} {}", one.name, one.naming, words(&one.types))).collect();
        assert_eq!(found.join(", "), expected, "{links}");
    };
    // Draft App. B.1 to B.3.
    check("x", "coap://grp.example:5685", "</gp/gp1/light>", "gp1 Path ");
    check("x", "coap://grp.example:5685", "</base/gp/gp1>;rt=\"a g.light\"", "gp1 Path g.light");
    check("x", HALL, "</g/gp1>;rt=g.light", "gp1 Path g.light");
    check("x", HALL, "</light?foo=bar&gp=gp1>", "gp1 Query ");
    check("x", HALL, "</light?gp1>;rt=g.light", "gp1 Query g.light");
    check("x", HALL, "</gp/gp1>;rt=oic.d.light;gpt=light", "gp1 Path light");
    check("gp1", "coap://gp1.grp.example", "</light>", "gp1 Authority ");
    check("grp.example:5685", "coap://grp.example:5685", "</light>", "grp.example:5685 Authority ");
    check("55685", "coap://[ff15::1]:55685", "</light>", "55685 Authority ");
    // RFC 9176 App. A.
    check("lights", HALL, "</light>;rt=tag:example.com,2020:light", "lights Implicit ");
    check("lights", HALL, "", "lights Implicit ");
    // What names none: no group resource, no name behind the delimiter.
    check("lights", HALL, "</light?on>,</gp>,</gp/>,</x?gp=>,</x?gpx=1>", "lights Implicit ");
    check("x", HALL, "</gp/gp2>;rt=g.temp,</gp/gp1>;rt=g.light,</gp/gp1/on>", "gp1 Path g.light, gp2 Path g.temp");
    check("x", HALL, "<coap://[ff35:30:2001:db8:f1::8000:1]:5683/gp/gp1>;rt=g.light", "gp1 Path g.light");
    check("x", "coap://grp.example", "<coap://grp.example/gp/gp1>", "gp1 Path ");
    // Elsewhere is not here.
    check("lights", HALL, "<coap://elsewhere.example/gp/gp1>;rt=g.light", "lights Implicit ");
}

#[test]
fn gc4_nosec_is_no_security_group() {
    for name in ["NoSec", "nosec", "NOSEC"] {
        assert!(is_no_security_group(name));
        let mut registry = registry_of(&[
            ("x", HALL, &format!("et=core.rd-group&sec-gp={name}&sec-gp=hall"), "</gp/gp1>;rt=g.light;sec-gp=NoSec"),
            ("gm", "coap://gm.example", "", &format!("</g>;rt=core.osc.gm;sec-gp={name};app-gp=gp1")),
        ]);
        let group = all(&mut registry).remove(0);
        assert_eq!(words(group.security_groups.iter().map(|one| &one.name)), "hall");
        assert_eq!(words(&group.application_groups[0].security_groups), "hall");
    }
    assert!(!is_no_security_group("NoSecrets"));
}

#[test]
fn gc5_gc6_security_groups_are_many_to_many() {
    let mut registry = registry_of(&[
        ("floor", HALL, "et=core.rd-group", "</gp/gp1>;rt=g.light,</gp/gp2>;rt=g.light;sec-gp=s2,</gp/gp3>;rt=g.temp"),
        ("other", "coap://grp2.example", "et=core.rd-group&sec-gp=s1", "</gp/gp5>;rt=g.lock"),
        // As in draft-tiloca-core-oscore-discovery.
        (
            "gm1",
            "coap://[2001:db8::ab]",
            "",
            "</ace-group/s1>;ct=261;rt=\"core.osc.gm\";if=\"ace.group\";sec-gp=\"s1\";app-gp=\"gp1\";app-gp=\"gp2\",\
             <coap://as.example.com/token>;rel=authorization-server;anchor=\"coap://[2001:db8::ab]/ace-group/s1\"",
        ),
    ]);
    let groups = all(&mut registry);
    let floor = &groups[0];
    let shown: Vec<String> = floor
        .security_groups
        .iter()
        .map(|one| format!("{}: {} at {}", one.name, words(&one.application_groups), words(&one.join_uris)))
        .collect();
    assert_eq!(shown, ["s1: gp1 gp2 at coap://[2001:db8::ab]/ace-group/s1", "s2: gp2 at "]);
    let of: Vec<String> = floor.application_groups.iter().map(|one| words(&one.security_groups)).collect();
    assert_eq!(of, ["s1", "s1 s2", ""]);
    let other = &groups[1];
    assert_eq!((other.security_groups.len(), words(&other.security_groups[0].application_groups).as_str()), (1, ""));
    assert_eq!(words(&other.application_groups[0].security_groups), "s1", "it protects the whole CoAP group");
}

#[test]
fn gc6_members_are_found_by_their_links() {
    let mut registry = registry_of(&[
        (
            "hall",
            "coap://[ff15::1]:5685",
            "et=core.rd-group&gp-name=grp.example",
            "</gp/gp1>;rt=g.light,</gp/gp2>;rt=g.temp",
        ),
        ("s1", "coap://[2001:db8::1]", "", "</gp/gp1>;rt=g.light"),
        ("s2", "coap://[2001:db8::2]", "", "</gp/gp1>;rt=g.light,</gp/gp2>;rt=g.temp,</other>"),
        ("s3", "coap://[2001:db8::3]", "", "<coap://[FF15::1]:5685/gp/gp2>;rt=g.temp"),
        ("s4", "coap://[2001:db8::4]", "", "<coap://grp.example:5685/gp/gp1>;rt=g.light"),
        ("s5", "coap://[2001:db8::5]", "", "<coap://[2001:db8::5]/gp/gp1>;rt=g.light"),
        ("s6", "coap://[2001:db8::6]", "", "<coap://[ff15::1]:5685/anything>"),
        // No members: another port, a resource that is none of a group, another group, a guest's authority.
        ("n1", "coap://[2001:db8::11]", "", "<coap://[ff15::1]/gp/gp1>;rt=g.light"),
        ("n2", "coap://[2001:db8::12]", "", "</gp/gp1>;rt=light"),
        ("n3", "coap://[2001:db8::13]", "", "</gp/gp3>;rt=g.light"),
        ("n4", "coap://[2001:db8::14]", "", "<coap://other.example/gp/gp1>;rt=g.light"),
        ("n5", "coap://[2001:db8::15]", "", "<coap://[2001:db8::16]/gp/gp1>;rt=g.light"),
    ]);
    assert_eq!(members(&mut registry), ["s1:gp1", "s2:gp1 gp2", "s3:gp2", "s4:gp1", "s5:gp1", "s6:"]);
    let group = all(&mut registry).remove(0);
    let (some, is_cut) = registry.groups(ENOUGH).members(&group, 2);
    assert_eq!((some.len(), is_cut), (2, true));
}

#[test]
fn gc6_an_implicit_application_group_has_members_by_the_authority_alone() {
    let mut registry = registry_of(&[
        ("lights", HALL, "et=core.rd-group", "</light>"),
        ("s1", "coap://[2001:db8::1]", "", &format!("<{HALL}/light>")),
        ("n1", "coap://[2001:db8::2]", "", "</lights>;rt=g.light"),
    ]);
    assert_eq!(members(&mut registry), ["s1:"]);
}

#[test]
fn groups_come_and_go_with_their_registrations() {
    let (mut registry, now) = registry();
    let anybody = Credentials::anonymous();
    let id = register(&mut registry, now, "lights", HALL, "et=core.rd-group", "</gp/gp1>;rt=g.light").unwrap();
    let member = register(&mut registry, now, "s1", "coap://[2001:db8::1]", "", "</gp/gp1>;rt=g.light").unwrap();
    assert_eq!(members(&mut registry), ["s1:gp1"]);
    let update = Update { base: Some(("coap://[ff15::9]:5690", true)), ..Update::default() };
    registry.update(now, id, &update, &anybody).unwrap();
    assert_eq!(authorities(&all(&mut registry)), ["[ff15::9]:5690"]);
    registry.update(now, member, &Update { links: Some("</x>"), ..Update::default() }, &anybody).unwrap();
    assert_eq!(members(&mut registry), [""; 0]);
    registry.update(now, member, &Update { links: Some("</gp/gp1>;gpt=1"), ..Update::default() }, &anybody).unwrap();
    assert_eq!(members(&mut registry), ["s1:gp1"]);
    registry.update(now, id, &Update { attributes: &[("et", "other")], ..Update::default() }, &anybody).unwrap();
    assert_eq!(all(&mut registry), []);
    registry
        .update(now, id, &Update { attributes: &[("et", "core.rd-group")], ..Update::default() }, &anybody)
        .unwrap();
    assert_eq!(all(&mut registry).len(), 1);
    registry.expire(now + std::time::Duration::from_secs(61), 10);
    assert_eq!(all(&mut registry), []);
}

#[test]
fn addresses_and_names_lead_to_one_another() {
    let mut registry = registry_of(&[
        ("All-West", "coap://[ff15::1234]", "et=core.rd-group&gp-name=Group1.Example", ""),
        ("alias", "coap://[ff15::1234]:5683", "et=core.rd-group&gp-name=group1.alias.example", ""),
        ("v4", "coap://239.0.0.1", "et=core.rd-group&gp-name=group1.example", ""),
        ("far", "coap://[ff15::12]", "et=core.rd-group&gp-name=group1.example.net", ""),
        ("lamp", "coap://[2001:db8::1]", "gp-name=group1.example", ""),
    ]);
    let mut groups = registry.groups(ENOUGH);
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let expected = BTreeSet::from([(address("239.0.0.1"), 5683), (address("ff15::1234"), 5683)]);
    assert_eq!(groups.addresses_named("GROUP1.example"), expected);
    assert_eq!(groups.addresses_named("all-west").len(), 1);
    assert!(groups.addresses_named("group1").is_empty());
    assert_eq!(words(&groups.names_at(address("ff15::1234"))), "alias all-west group1.alias.example group1.example");
    assert!(groups.names_at(address("2001:db8::1")).is_empty());
    assert_eq!(groups.of(&Authority::of_uri("coap://[ff15::12]").unwrap()).len(), 1);
    assert!(groups.of(&Authority::of_uri("coap://[ff15::1]").unwrap()).is_empty());
}

#[test]
fn gc41_port_5684_is_refused_for_groups() {
    let (mut registry, now) = registry();
    let base = "coap://[ff15::1]:5684";
    let refused = Err(Refusal::Invalid { what: "base", why: "port 5684 must not be used for groups" });
    assert_eq!(register(&mut registry, now, "x", base, "et=core.rd-group", ""), refused);
    assert_eq!(register(&mut registry, now, "x", "coap://grp.example:5684", "et=core.rd-group", ""), refused);
    // Only groups: a device behind DTLS is where it belongs.
    register(&mut registry, now, "y", "coaps://[2001:db8::1]:5684", "", "").unwrap();
    let id = register(&mut registry, now, "x", "coap://[ff15::1]", "et=core.rd-group", "").unwrap();
    let update = Update { base: Some((base, true)), ..Update::default() };
    assert_eq!(registry.update(now, id, &update, &Credentials::anonymous()).map(|_| id), refused);
}

#[test]
fn gc42_other_ports_on_the_same_address_are_pointed_out() {
    let mut registry = registry_of(&[
        ("a", "coap://[ff15::1]", "et=core.rd-group", ""),
        ("b", "coap://[ff15::1]:5685", "et=core.rd-group", ""),
        ("c", "coap://[ff15::11]:5685", "et=core.rd-group", ""),
        // What a name stands for is not known.
        ("d", "coap://grp.example", "et=core.rd-group", ""),
        ("e", "coap://grp.example:5685", "et=core.rd-group", ""),
    ]);
    let found: Vec<(String, Vec<u16>)> = all(&mut registry)
        .iter()
        .filter(|group| !group.other_ports.is_empty())
        .map(|group| (group.authority.to_string(), group.other_ports.iter().copied().collect()))
        .collect();
    assert_eq!(found, [("[ff15::1]".to_owned(), vec![5685]), ("[ff15::1]:5685".to_owned(), vec![5683])]);
}

#[test]
fn gc43_all_coap_nodes_have_the_scopes_that_every_node_serves() {
    let scopes = ALL_COAP_NODES_V6.map(|address| Scope::of(address.into()));
    assert_eq!(scopes, [Scope::LinkLocal, Scope::AdminLocal, Scope::SiteLocal]);
    assert!(ALL_COAP_NODES_V6.iter().all(|address| address.segments()[7] == 0xfd));
    assert_eq!(ALL_COAP_NODES_V4.to_string(), "224.0.1.187");
    for (address, scope) in [
        ("ff01::1", "interface-local"),
        ("ff33::1", "realm-local"),
        ("ff18::1", "organization-local"),
        ("ff0e::1", "global"),
        ("ff0f::1", "other"),
        ("224.0.0.5", "link-local"),
        ("224.0.1.187", "global"),
        ("239.255.0.1", "site-local"),
        ("239.192.0.1", "organization-local"),
        ("239.1.2.3", "admin-local"),
    ] {
        assert_eq!(Scope::of(address.parse().unwrap()).as_str(), scope, "{address}");
    }
}

#[test]
fn reading_ends_where_its_bound_is_met() {
    let links = format!("</gp/gp1>;rt=g.light;title=\"{}\"", "t".repeat(1000));
    let mut registry = registry_of(&[
        ("a", HALL, "et=core.rd-group", &links),
        ("b", HALL, "et=core.rd-group", &links),
        ("s", "coap://[2001:db8::1]", "", &links),
    ]);
    let mut groups = registry.groups(1_500);
    let group = groups.at("ff35:30:2001:db8:f1:0:8000:1".parse().unwrap()).remove(0);
    assert_eq!((group.registrations.len(), groups.is_exhausted()), (1, true));
    assert_eq!(groups.members(&group, 10), (vec![], true));
    let mut groups = registry.groups(ENOUGH);
    assert_eq!(groups.members(&group, 10).0.len(), 1);
    assert!(!groups.is_exhausted());
}

#[test]
fn what_protects_everything_is_bounded_like_text() {
    let links: Vec<String> = (0..50).map(|number| format!("</gp/a{number}>;rt=g.x")).collect();
    let security: Vec<String> = (0..30).map(|number| format!("&sec-gp={number:060}")).collect();
    let mut registry = registry_of(&[("a", HALL, &format!("et=core.rd-group{}", security.concat()), &links.join(","))]);
    let mut protecting = |octets_max| {
        let mut groups = registry.groups(octets_max);
        let group = groups.at("ff35:30:2001:db8:f1:0:8000:1".parse().unwrap()).remove(0);
        let names = group.application_groups.iter().map(|one| one.security_groups.len()).sum::<usize>();
        (names, groups.is_exhausted())
    };
    assert_eq!(protecting(ENOUGH), (50 * 30, false));
    let (names, is_exhausted) = protecting(10_000);
    assert!(is_exhausted && names < 10_000 / 60, "{names}");
}

#[test]
fn hostile_registrations_do_no_harm() {
    let long = "x".repeat(200);
    let odd = format!(
        "</gp/{long}>;rt=g.x,<//gp/x>;rt=g.y,</gp/%zz>;rt=\"g. g.\",</?gp=&gp=a>;rt=g.,<coap://[ff15::1/gp/x>;rt=g.x,\
         <coap://:0/gp/a>;rt=g.x,<coap://[>;gpt,<coap://2>,<coap://{long}/gp/b>;rt=g.x,</>;rt=g.x"
    );
    assert!(LinkFormat::parse(odd.as_bytes()).is_ok());
    let mut registry = registry_of(&[
        ("[ff15::1]", "coap://[ff15::1]", "et=core.rd-group&gp-name=&app-gp=&sec-gp=", &odd),
        ("[ff15::1]:", "coap://[2001:db8::1]", "", &odd),
        (&long[..63], &format!("coap://{long}"), "et=core.rd-group", ""),
    ]);
    let groups = all(&mut registry);
    assert_eq!((authorities(&groups), application_names(&groups[0]).as_str()), (vec!["[ff15::1]".to_owned()], "%zz x"));
    let (members, _) = registry.groups(ENOUGH).members(&groups[0], 10);
    assert_eq!(members.len(), 1);
}

/// However it is written, quoted or escaped, a type or the attribute that marks a group resource is seen.
#[test]
fn gc7_a_group_resource_is_known_however_it_is_written() {
    let is_group = |text: &str| {
        let links = LinkFormat::parse(text.as_bytes()).expect("well-formed");
        is_group_resource(&links.links().next().expect("there is one"))
    };
    for text in
        ["</a>;rt=g.light", "</a>;rt=\"x g.light\"", "</a>;rt=\"\\g\\.light\"", "</a>;gpt=light", "</a>;if=x;gpt"]
    {
        assert!(is_group(text), "{text}");
    }
    for text in
        ["</a>", "</g.light>", "</a>;rt=light", "</a>;rt=\"xg.light\"", "</a>;title=\"g.light gpt\"", "</a>;gp=x"]
    {
        assert!(!is_group(text), "{text}");
    }
}
