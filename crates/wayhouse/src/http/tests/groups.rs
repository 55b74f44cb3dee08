use std::ops::ControlFlow;

use wayhouse_node::face::operator::groups::{Configured, ShownGroup, Wanted};
use wayhouse_registry::{Credentials, Limits, Origin, Page, Registration, Registry};

use super::{assert_problem, serve};
use crate::api::v1;

/// What a node shows of a registry with a group, a member and a Group Manager.
fn groups() -> Vec<ShownGroup> {
    let mut registry = Registry::new(Limits::default(), 1, "/reg/");
    let now = crate::shell::clock::Clock::start().now();
    for (endpoint_name, base, attributes, links, origin) in [
        ("hall", "coap://[ff15::1]:5685", &[("et", "core.rd-group")][..], "</gp/gp1>;rt=g.light", Origin::Configured),
        ("lamp", "coap://[2001:db8::1]", &[], "</gp/gp1>;rt=g.light", Origin::Directory),
        ("gm", "coap://gm.example", &[], "</g/s1>;rt=core.osc.gm;sec-gp=s1;app-gp=gp1", Origin::Directory),
    ] {
        let registration = Registration {
            endpoint_name,
            sector: "",
            base,
            is_base_explicit: true,
            lifetime_s: 60,
            attributes,
            links,
            origin,
            credentials: &Credentials::anonymous(),
            source: None,
            link_scope: None,
            services: None,
        };
        registry.register(now, &registration).expect("a good registration");
    }
    let mut shown = Vec::new();
    registry.groups(1 << 20).list(Page::ALL, &mut |view, group| {
        let (members, has_more_members) = view.members(&group, 10);
        let configured = Some(Configured { is_member: true, members_expected: 50, rate_octets_s: 1_000 });
        shown.push(ShownGroup { group, members, has_more_members, configured });
        ControlFlow::Continue(())
    });
    shown
}

#[tokio::test]
async fn gc6_groups_are_listed_with_all_that_belongs_to_them() {
    let served = serve().await;
    served.node.set_groups(groups());
    let page: v1::GroupPage = served.client.get("/api/v1/groups?count=3&page=2").await.json();
    assert_eq!((page.page, page.count, page.has_more, page.groups.len()), (2, 3, true, 1));
    assert_eq!(served.node.last_wanted(), Some((Wanted::All, Page { first: 6, count: 3 })));
    let group = &page.groups[0];
    assert_eq!((group.authority.as_str(), group.uri.as_str()), ("[ff15::1]:5685", "coap://[ff15::1]:5685"));
    assert_eq!(
        (group.address.as_deref(), group.port, group.scope.as_deref()),
        (Some("ff15::1"), 5685, Some("site-local"))
    );
    assert_eq!(group.names, ["hall"]);
    let application = &group.application_groups[0];
    assert_eq!((application.name.as_str(), application.naming), ("gp1", v1::Naming::Path));
    assert_eq!((&application.types[0][..], &application.resources[0][..]), ("g.light", "/gp/gp1"));
    assert_eq!(
        (&application.security_groups[0][..], &application.learned_from),
        ("s1", &vec![group.registrations[0].id.clone()])
    );
    assert_eq!(group.security_groups[0].join_uris, ["coap://gm.example/g/s1"]);
    assert_eq!(group.registrations[0].origin, v1::Origin::Configured);
    assert_eq!((group.members[0].endpoint_name.as_str(), &group.members[0].application_groups[0][..]), ("lamp", "gp1"));
    assert_eq!((group.is_member, group.members_expected, group.rate_octets_s), (true, Some(50), Some(1_000)));
}

#[tokio::test]
async fn groups_are_asked_for_by_name_or_address() {
    let served = serve().await;
    let all = Page { first: 0, count: 50 };
    for (query, wanted) in [
        ("name=hall", Wanted::Named("hall".to_owned())),
        ("address=ff15::1", Wanted::At("ff15::1".parse().expect("an address"))),
        ("address=%5Bff15::1%5D", Wanted::At("ff15::1".parse().expect("an address"))),
        ("address=239.0.0.1", Wanted::At([239, 0, 0, 1].into())),
    ] {
        assert_eq!(served.client.get(&format!("/api/v1/groups?{query}")).await.status, 200);
        assert_eq!(served.node.last_wanted(), Some((wanted, all)), "{query}");
    }
    for query in [
        "address=hall",
        "name=a&address=ff15::1",
        "name=a&name=b",
        "count=0",
        "rt=g.light",
        "page=18446744073709551615",
    ] {
        assert_problem(&served.client.get(&format!("/api/v1/groups?{query}")).await, 400);
    }
}
