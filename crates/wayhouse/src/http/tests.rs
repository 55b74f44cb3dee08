//! The HTTP side against a stand-in for the node, over real connections on loopback.

mod client;
mod fake;
mod groups;

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wayhouse_registry::{ChangeKind, Criterion, Pattern, Refusal};

use super::problem::Problem;
use super::registrants::Question;
use super::{Settings, guard, limits};
use crate::api::v1;
use crate::shell::handle::OperationError;
use client::{Answer, Client, Events};
use fake::{FakeNode, entry};

const TOKEN: &str = "a-token-of-the-operator";

/// A server with a stand-in behind it.
struct Served {
    node: FakeNode,
    client: Client,
    stop: oneshot::Sender<()>,
    server: JoinHandle<anyhow::Result<()>>,
}

async fn serve() -> Served {
    let settings = Settings {
        admin_token: Some(TOKEN.to_owned()),
        host_names: vec!["directory.example".to_owned()],
        directory_uris: vec!["coap://192.0.2.1".to_owned()],
        ..Settings::default()
    };
    serve_with(settings).await
}

async fn serve_with(settings: Settings) -> Served {
    let (node, handle) = FakeNode::start(settings.clock);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let client = Client::new(listener.local_addr().expect("a bound listener"));
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(super::serve(listener, settings, handle, async {
        // A dropped sender stops as well.
        let _ = stopped.await;
    }));
    Served { node, client, stop, server }
}

fn assert_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem: v1::Problem = serde_json::from_str(&answer.body).expect("problem details");
    assert_eq!(problem.status, status);
    assert!(!problem.detail.is_empty());
}

#[tokio::test]
async fn registrants_are_listed_page_by_page() {
    let served = serve().await;
    for name in ["lamp-1", "lamp-2", "lamp-3"] {
        served.node.register(entry(name, "upstairs"));
    }
    let first: v1::RegistrantPage = served.client.get("/api/v1/registrants?count=2").await.json();
    let names: Vec<&str> = first.registrants.iter().map(|one| one.endpoint_name.as_str()).collect();
    assert_eq!((names, first.has_more), (vec!["lamp-1", "lamp-2"], true));
    let last: v1::RegistrantPage = served.client.get("/api/v1/registrants?count=2&page=1").await.json();
    assert_eq!((last.registrants.len(), last.page, last.count, last.has_more), (1, 1, 2, false));

    let lamp = &last.registrants[0];
    assert_eq!((lamp.sector.as_str(), lamp.base.as_str(), lamp.link_count), ("upstairs", "coap://[2001:db8::17]", 2));
    assert_eq!((lamp.origin, lamp.lifetime_s), (v1::Origin::Operator, 3600));
    assert!(lamp.remaining_s <= 3600);
    assert_eq!(lamp.attributes, [v1::Attribute { name: "et".into(), value: "oic.d.light".into() }]);
}

#[tokio::test]
async fn text_and_criteria_reach_the_node() {
    let served = serve().await;
    served.node.register(entry("lamp-1", "upstairs"));
    served.node.register(entry("meter-1", "cellar"));
    let page: v1::RegistrantPage = served.client.get("/api/v1/registrants?text=CELL&rt=light").await.json();
    assert_eq!(page.registrants.len(), 1);
    assert_eq!(page.registrants[0].endpoint_name, "meter-1");
    let attribute = |name: &str, pattern| Criterion::Attribute { name: name.into(), pattern };
    assert_eq!(served.node.last_filter().criteria, [attribute("rt", Pattern::Exact("light".into()))]);

    served.client.get("/api/v1/registrants?ep=lamp-%2A&href=/light&anchor=coap://a*&et=").await;
    let wanted = [
        attribute("ep", Pattern::Prefix("lamp-".into())),
        Criterion::Href(Pattern::Exact("/light".into())),
        Criterion::Anchor(Pattern::Prefix("coap://a".into())),
        attribute("et", Pattern::Exact("".into())),
    ];
    assert_eq!(served.node.last_filter().criteria, wanted);
}

#[test]
fn questions_beyond_a_bound_are_refused() {
    let parse = |query: &str| Question::parse(&format!("/api/v1/registrants?{query}").parse().expect("a URI"));
    assert!(parse("count=500&page=3&text=x").is_ok());
    let long = "x".repeat(limits::CRITERION_OCTETS_MAX + 1);
    let many = "rt=a&".repeat(limits::CRITERIA_MAX + 1);
    for query in ["count=0", "count=501", "count=-1", "count=", "page=x", "=x", &format!("text={long}"), &many] {
        assert!(parse(query).is_err(), "{query}");
    }
}

#[tokio::test]
async fn a_page_beyond_all_numbers_is_refused() {
    let served = serve().await;
    assert_problem(&served.client.get(&format!("/api/v1/registrants?page={}", u64::MAX)).await, 400);
}

#[tokio::test]
async fn a_registrant_shows_its_links_resolved() {
    let served = serve().await;
    let id = served.node.register(entry("lamp-1", ""));
    let detail: v1::RegistrantDetail = served.client.get(&format!("/api/v1/registrants/{id}")).await.json();
    assert_eq!(detail.location, format!("/reg/{id}"));
    assert_eq!(detail.links.len(), 2);
    let light = &detail.links[0];
    assert_eq!(light.target, "/light");
    assert_eq!(light.resolved_target, "coap://[2001:db8::17]/light");
    assert_eq!(light.attributes[0], v1::Attribute { name: "rt".into(), value: "light oic.r.switch".into() });
    assert_eq!(detail.links[1].attributes[1].value, "at the ceiling");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let served = serve().await;
    for path in ["/api/v1/registrants/0000000000000", "/api/v1/registrants/nonsense!", "/api/v1/nothing", "/nothing.js"]
    {
        assert_problem(&served.client.get(path).await, 404);
    }
    assert_problem(&served.client.send("PATCH", "/api/v1/registrants", &[], "").await, 405);
}

#[tokio::test]
async fn an_entry_is_made_replaced_and_removed_with_the_token() {
    let served = serve().await;
    let body = json!({ "endpoint_name": "lamp-1", "base": "coap://192.0.2.9", "links": "</light>;rt=light" });
    let made = served.client.send_json("POST", "/api/v1/registrants", Some(TOKEN), &body).await;
    assert_eq!(made.status, 201);
    let entered: v1::Entered = made.json();
    let path = format!("/api/v1/registrants/{}", entered.id);
    assert_eq!((entered.is_new, made.header("location")), (true, Some(path.as_str())));

    let body = json!({ "endpoint_name": "lamp-1", "base": "coap://192.0.2.10", "lifetime_s": 60 });
    let replaced = served.client.send_json("PUT", &path, Some(TOKEN), &body).await;
    assert_eq!(replaced.json::<v1::Entered>(), v1::Entered { id: entered.id, is_new: false });
    let detail: v1::RegistrantDetail = served.client.get(&path).await.json();
    assert_eq!((detail.registrant.base.as_str(), detail.registrant.lifetime_s), ("coap://192.0.2.10", 60));

    let other = json!({ "endpoint_name": "lamp-2", "base": "coap://192.0.2.10" });
    assert_problem(&served.client.send_json("PUT", &path, Some(TOKEN), &other).await, 409);

    let removed = served.client.send_json("DELETE", &path, Some(TOKEN), &json!(null)).await;
    assert_eq!((removed.status, removed.body.as_str()), (204, ""));
    assert_problem(&served.client.send_json("DELETE", &path, Some(TOKEN), &json!(null)).await, 404);
}

#[tokio::test]
async fn nothing_changes_without_the_token() {
    let served = serve().await;
    let id = served.node.register(entry("lamp-1", ""));
    let path = format!("/api/v1/registrants/{id}");
    let body = json!({ "endpoint_name": "lamp-1", "base": "coap://192.0.2.9" });
    for token in [
        None,
        Some(""),
        Some("a-token-of-the-operatos"),
        Some("a-token"),
        Some("a-token-of-the-operatora-token-of-the-operator"),
    ] {
        for (method, path) in [("POST", "/api/v1/registrants"), ("PUT", path.as_str()), ("DELETE", path.as_str())] {
            let answer = served.client.send_json(method, path, token, &body).await;
            assert_problem(&answer, 401);
            assert!(answer.header("www-authenticate").is_some());
        }
    }
    assert_eq!(served.client.get(&path).await.status, 200);

    let locked = serve_with(Settings::default()).await;
    assert_problem(&locked.client.send_json("POST", "/api/v1/registrants", Some(""), &body).await, 403);
    let status: v1::Status = locked.client.get("/api/v1/status").await.json();
    assert!(!status.is_changeable);
}

#[tokio::test]
async fn entries_that_make_no_sense_are_refused() {
    let served = serve().await;
    let post = async |body: &serde_json::Value| {
        served.client.send_json("POST", "/api/v1/registrants", Some(TOKEN), body).await
    };
    let base = "coap://192.0.2.9";
    assert_problem(&post(&json!({ "base": base })).await, 400);
    assert_problem(&post(&json!({ "endpoint_name": "a", "base": base, "lifetime": 1 })).await, 400);
    assert_problem(&post(&json!({ "endpoint_name": "a", "base": base, "links": "</a" })).await, 422);
    assert_problem(&post(&json!({ "endpoint_name": "a", "base": base, "links": "<relative>" })).await, 422);
    assert_problem(&post(&json!({ "endpoint_name": "", "base": base })).await, 422);
    assert_problem(&post(&json!({ "endpoint_name": "held", "base": base })).await, 409);
    assert_problem(&post(&json!({ "endpoint_name": "one-too-many", "base": base })).await, 507);
    let token = format!("Bearer {TOKEN}");
    let headers = [("Authorization", token.as_str()), ("Content-Type", "text/plain")];
    assert_problem(&served.client.send("POST", "/api/v1/registrants", &headers, "{}").await, 415);
    let large = "x".repeat(limits::BODY_OCTETS_MAX + 1);
    assert_problem(&post(&json!({ "endpoint_name": "a", "base": base, "links": large })).await, 413);
}

#[test]
fn every_refusal_has_its_status() {
    let refusals = [
        (Refusal::Unknown, 404),
        (Refusal::NotOwner, 409),
        (Refusal::Configured, 409),
        (Refusal::Invalid { what: "ep", why: "it is empty" }, 422),
        (Refusal::Full { bound: "entries_max" }, 507),
    ];
    for (refusal, status) in refusals {
        assert_eq!(Problem::from(OperationError::Refused(refusal)).status().as_u16(), status);
    }
    assert_eq!(Problem::from(OperationError::Stopping).status().as_u16(), 503);
}

#[test]
fn hosts_are_known_by_address_and_by_name() {
    let names = ["directory.example".to_owned(), "2001:db8::9".to_owned()];
    let local = IpAddr::from([192, 0, 2, 1]);
    for host in [
        "localhost",
        "LOCALHOST",
        "a.localhost",
        "localhost.",
        "127.0.0.1",
        "127.9.9.9",
        "[::1]",
        "192.0.2.1",
        "[::ffff:192.0.2.1]",
        "Directory.Example",
        "[2001:db8::9]",
    ] {
        assert!(guard::is_known_host(host, local, &names), "{host}");
    }
    for host in [
        "evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "192.0.2.2",
        "[2001:db8::8]",
        "",
        "127.0.0.1.evil.example",
        ".localhos",
    ] {
        assert!(!guard::is_known_host(host, local, &names), "{host}");
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_turned_away() {
    let served = serve().await;
    let get = async |host: &str, origin: Option<&str>| {
        let mut headers = vec![("Host", host)];
        headers.extend(origin.map(|origin| ("Origin", origin)));
        served.client.send("GET", "/api/v1/status", &headers, "").await
    };
    assert_eq!(get("localhost:80", None).await.status, 200);
    assert_eq!(get("localhost:80", Some("http://localhost:80")).await.status, 200);
    assert_eq!(get("127.0.0.1:80", Some("https://directory.example")).await.status, 200);
    assert_problem(&get("evil.example:80", None).await, 421);
    assert_problem(&get("evil.example", Some("http://evil.example")).await, 421);
    assert_problem(&get("localhost:80", Some("http://evil.example")).await, 403);
    assert_problem(&get("localhost:80", Some("http://localhost:81")).await, 403);
    assert_problem(&get("localhost:80", Some("null")).await, 403);
    assert_problem(&get("", None).await, 400);
}

#[tokio::test]
async fn the_page_is_served_and_bound_to_itself() {
    let served = serve().await;
    let page = served.client.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
    for (path, kind) in [("/app.js", "text/javascript"), ("/style.css", "text/css"), ("/icon.svg", "image/svg+xml")] {
        let file = served.client.get(path).await;
        assert!(file.header("content-type").is_some_and(|found| found.starts_with(kind)), "{path}");
        assert!(page.body.contains(path), "the page uses {path}");
    }
    let tag = page.header("etag").expect("a tag").to_owned();
    assert_eq!(served.client.send("GET", "/", &[("If-None-Match", &tag)], "").await.status, 304);
    // Nothing comes from elsewhere, and nothing is inline that the policy would block.
    for foreign in ["http://", "https://", " style=", " onclick=", "<style", "<script>"] {
        assert!(!page.body.contains(foreign), "{foreign}");
    }
}

#[tokio::test]
async fn changes_are_told_as_they_happen() {
    let served = serve().await;
    let mut events = served.client.follow(None).await;
    let id = served.node.register(entry("lamp-1", "upstairs"));
    let added = events.next().await;
    assert_eq!((added.name.as_str(), added.id.as_deref()), ("added", Some("1")));
    let change: v1::Change = serde_json::from_str(&added.data).expect("a change");
    assert_eq!((change.number, change.kind), (1, v1::ChangeKind::Added));
    assert_eq!((change.registrant.endpoint_name.as_str(), change.registrant.link_count), ("lamp-1", 2));

    served.node.register(entry("lamp-1", "upstairs"));
    assert_eq!(events.next().await.name, "changed");
    served.node.tell(id, ChangeKind::Refreshed);
    assert_eq!(events.next().await.name, "refreshed");
    served.node.tell(id, ChangeKind::Expired);
    assert_eq!(events.next().await.name, "expired");
    let id = served.node.register(entry("lamp-2", ""));
    assert_eq!(events.next().await.name, "added");
    // That an expired entry is forgotten is nobody's affair.
    served.node.tell(id, ChangeKind::Collected);
    let id = served.node.register(entry("lamp-3", ""));
    assert_eq!(events.next().await.id.as_deref(), Some("7"));
    served.node.tell(id, ChangeKind::Withdrawn);
    let removed = events.next().await;
    let change: v1::Change = serde_json::from_str(&removed.data).expect("a change");
    assert_eq!((removed.name.as_str(), change.registrant.endpoint_name.as_str()), ("removed", "lamp-3"));
}

#[tokio::test]
async fn a_listener_that_missed_changes_is_told_to_read_again() {
    let served = serve().await;
    served.node.register(entry("lamp-1", ""));
    let mut behind = served.client.follow(Some("0")).await;
    assert_eq!(behind.next().await.name, "resync");
    let mut level = served.client.follow(Some("1")).await;
    served.node.register(entry("lamp-2", ""));
    assert_eq!(level.next().await.name, "added");
    assert_eq!(behind.next().await.name, "added");
}

#[tokio::test]
async fn a_listener_that_lags_is_told_to_read_again() {
    let served = serve().await;
    let mut events = served.client.follow(None).await;
    let id = served.node.register(entry("lamp-1", ""));
    // All of it in one step of the runtime: the listener's task cannot keep up.
    for _ in 0..2 * crate::shell::handle::CHANGES_MAX {
        served.node.tell(id, ChangeKind::Refreshed);
    }
    assert_eq!(events.next().await.name, "resync");
    assert_eq!(events.next().await.name, "refreshed");
    let metrics = served.client.get("/metrics").await;
    assert!(metrics.body.contains("\nwayhouse_http_resyncs_total 1\n"), "{}", metrics.body);
}

#[tokio::test]
async fn a_change_that_was_dropped_on_the_way_is_noticed() {
    let served = serve().await;
    let mut events = served.client.follow(None).await;
    served.node.register(entry("lamp-1", ""));
    served.node.lose_a_change();
    served.node.register(entry("lamp-2", ""));
    assert_eq!(events.next().await.name, "added");
    assert_eq!(events.next().await.name, "resync");
    assert_eq!(events.next().await.id.as_deref(), Some("3"));
}

#[tokio::test]
async fn listeners_are_bounded_and_give_their_place_back() {
    let served = serve().await;
    let mut listeners: Vec<Events> = Vec::new();
    for _ in 0..limits::LISTENERS_MAX {
        listeners.push(served.client.follow(None).await);
    }
    assert_problem(&served.client.get("/api/v1/changes").await, 503);
    listeners.pop();
    // The place is free as soon as the server notices; each attempt gives it the chance to.
    while served.client.get("/api/v1/status").await.json::<v1::Status>().listeners == limits::LISTENERS_MAX as u64 {}
    listeners.push(served.client.follow(None).await);
}

#[tokio::test]
async fn metrics_are_open_metrics_text() {
    let served = serve().await;
    served.node.register(entry("lamp-1", ""));
    let metrics = served.client.get("/metrics").await;
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    for line in [
        "# HELP wayhouse_registrants Active registrants.",
        "# TYPE wayhouse_registrants gauge",
        "wayhouse_registrants 1",
        "# UNIT wayhouse_registry_text_bytes bytes",
        "# TYPE wayhouse_coap_requests counter",
        "wayhouse_coap_requests_total 0",
        "wayhouse_store_commit_seconds_total 0.0",
        "# EOF",
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line} in:\n{}", metrics.body);
    }
    assert!(!metrics.body.contains("lamp-1"));
    for line in metrics.body.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("wayhouse_"), "{line}");
    }
}

#[tokio::test]
async fn health_tells_life_and_readiness() {
    let served = serve().await;
    assert_eq!(served.client.get("/healthz").await.body, "alive\n");
    assert_eq!(served.client.get("/readyz").await.status, 200);
    let status: v1::Status = served.client.get("/api/v1/status").await.json();
    assert_eq!((status.directory_uris, status.is_changeable), (vec!["coap://192.0.2.1".to_owned()], true));

    // A node whose loop has ended: the process lives, but it is not ready.
    let (handle, operations, _) = crate::shell::handle::NodeHandle::new();
    drop(operations);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let client = Client::new(listener.local_addr().expect("a bound listener"));
    let server = tokio::spawn(super::serve(listener, Settings::default(), handle, std::future::pending()));
    assert_eq!(client.get("/healthz").await.status, 200);
    assert_eq!(client.get("/readyz").await.status, 503);
    assert_problem(&client.get("/api/v1/registrants").await, 503);
    server.abort();
}

#[tokio::test]
async fn stopping_ends_the_endless_answers() {
    let served = serve().await;
    let mut events = served.client.follow(None).await;
    served.node.register(entry("lamp-1", ""));
    assert_eq!(events.next().await.name, "added");
    served.stop.send(()).expect("the server runs");
    events.read_to_end().await;
    served.server.await.expect("the server does not panic").expect("the server stops in order");
}

/// The description that is checked in is the one that is served. With `WAYHOUSE_BLESS` set it is written instead.
#[tokio::test]
async fn the_description_is_the_one_checked_in() {
    let served = serve().await;
    let told = served.client.get("/api/v1/openapi.json").await;
    assert_eq!(told.header("content-type"), Some("application/json"));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/openapi.json");
    if std::env::var_os("WAYHOUSE_BLESS").is_some() {
        std::fs::write(path, &told.body).expect("docs/reference can be written");
    }
    let kept = std::fs::read_to_string(path).expect("docs/reference/openapi.json exists");
    assert!(kept == told.body, "docs/reference/openapi.json is out of date: run this test with WAYHOUSE_BLESS=1");
}
