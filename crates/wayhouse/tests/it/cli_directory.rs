//! `register list watch` against a directory that the test plays.

use wayhouse_wire::coap::Code;
use wayhouse_wire::coap::option::number;

use crate::cli_server::{Running, Said, Seen, Server, content, say, wayhouse};

const RESOURCES: &str = "</rd>;rt=core.rd;ct=40,</ep>;rt=core.rd-lookup-ep;obs,</res>;rt=core.rd-lookup-res;obs";

/// A directory that gives its registrations numbers and always shows the same two.
fn directory(seen: &Seen) -> Vec<Said> {
    vec![match (seen.code, seen.path().as_str()) {
        (Code::GET, "/.well-known/core") => content(40, RESOURCES),
        (Code::POST, "/rd") => {
            say(Code::CREATED).option(number::LOCATION_PATH, "reg").option(number::LOCATION_PATH, "1")
        }
        (Code::POST, "/reg/1") => say(Code::CHANGED),
        (Code::DELETE, "/reg/1") => say(Code::DELETED),
        (Code::GET, "/ep") => content(
            40,
            "</reg/1>;ep=lamp;base=\"coap://[::1]\";rt=core.rd-ep,<coap://far/2>;ep=b;d=x;base=\"coap://b\";rt=core.rd-ep",
        ),
        (Code::GET, "/res") if seen.query().is_empty() => content(40, "<coap://[::1]/light>;rt=light;ct=0"),
        (Code::GET, "/res") => content(40, ""),
        _ => say(Code::NOT_FOUND),
    }]
}

#[test]
fn register_prints_the_location_and_stays_registered() {
    let server = Server::udp(directory);
    let words =
        ["register", "--directory", &server.uri(""), "--name", "lamp", "--sector", "k", "--link", "</l>;rt=light"];
    let ended = wayhouse(&words);
    insta::assert_snapshot!(server.redact(&ended.transcript()), @r"
    coap://SERVER/reg/1
    ! registered lamp for 90000 s
    ! note: without --base, lookups show the address this program sends from; nobody answers there
    exit 0
    ");
    assert_eq!(server.next().line(), "GET /.well-known/core?rt=core.rd");
    let seen = server.next();
    assert_eq!(seen.line(), "POST /rd?ep=lamp&d=k");
    assert_eq!(seen.uint(number::CONTENT_FORMAT), Some(40));
    assert_eq!(seen.payload, b"</l>;rt=light");
    assert!(server.lines().is_empty(), "without --keep nothing is removed");
}

#[test]
fn rd13_keep_refreshes_the_location_and_removes_it_at_the_end() {
    let server = Server::udp(directory);
    let running =
        Running::start(&["register", "--directory", &server.uri(""), "--name", "lamp", "--lifetime", "1", "--keep"]);
    assert_eq!(server.next().line(), "GET /.well-known/core?rt=core.rd");
    assert_eq!(server.next().line(), "POST /rd?ep=lamp&lt=1");
    let refresh = server.next();
    assert_eq!((refresh.line().as_str(), refresh.payload.len()), ("POST /reg/1", 0));
    let ended = running.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.ends_with("removed lamp\n"), "{ended:?}");
    assert_eq!(server.lines().last().map(String::as_str), Some("DELETE /reg/1"));
}

#[test]
fn rd8_the_registration_resource_may_be_anywhere() {
    let elsewhere = Server::udp(directory);
    let links = format!("<coaps://h/rd>;rt=core.rd,<{}>;rt=core.rd", elsewhere.uri("/rd"));
    let server = Server::udp(move |_| vec![content(40, &links)]);
    let ended = wayhouse(&["register", "--directory", &server.uri(""), "--name", "lamp"]);
    assert_eq!(ended.stdout.trim_end(), elsewhere.uri("/reg/1"), "{ended:?}");
    assert_eq!(elsewhere.lines(), ["POST /rd?ep=lamp"]);
}

#[test]
fn rd3_a_busy_directory_is_asked_again_after_max_age() {
    let mut attempts = 0;
    let server = Server::udp(move |seen| {
        attempts += u32::from(seen.path() == "/rd");
        match (seen.path().as_str(), attempts) {
            ("/rd", 1) => vec![say(Code::SERVICE_UNAVAILABLE).uint(number::MAX_AGE, 1)],
            _ => directory(seen),
        }
    });
    let ended = wayhouse(&["register", "--directory", &server.uri("/rd"), "--name", "lamp"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(server.lines(), ["POST /rd?ep=lamp", "POST /rd?ep=lamp"]);
}

#[test]
fn rd14_another_directory_takes_over() {
    let refusing = Server::udp(|seen| match seen.code {
        Code::GET => directory(seen),
        _ => vec![say(Code::INTERNAL_SERVER_ERROR)],
    });
    let server = Server::udp(directory);
    let words = ["register", "--directory", &refusing.uri(""), "--fallback", &server.uri(""), "--name", "lamp"];
    let ended = wayhouse(&words);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout.trim_end(), server.uri("/reg/1"));
}

#[test]
fn a_refused_registration_ends_with_1_and_no_directory_too() {
    let server = Server::udp(|seen| match seen.code {
        Code::GET => directory(seen),
        _ => vec![say(Code::FORBIDDEN).payload("the name is held")],
    });
    insta::assert_snapshot!(wayhouse(&["register", "--directory", &server.uri(""), "--name", "x"]).transcript(), @r"
    ! error: 4.03 Forbidden: the name is held
    ! hint: the server does not let just anybody do this; ask whoever runs it
    exit 1
    ");
    let server = Server::udp(|_| vec![content(40, "</light>;rt=light")]);
    let ended = wayhouse(&["register", "--directory", &server.uri(""), "--name", "x"]);
    insta::assert_snapshot!(server.redact(&ended.transcript()), @r"
    ! error: coap://SERVER offers no resource of type core.rd
    ! hint: is it a resource directory? `wayhouse discover coap://SERVER` lists what it offers
    exit 1
    ");
}

#[test]
fn rd30_list_shows_registrations_and_follows_none() {
    let server = Server::udp(directory);
    insta::assert_snapshot!(wayhouse(&["list", "--directory", &server.uri("")]).transcript(), @r"
    NAME  SECTOR  BASE          REGISTRATION
    lamp          coap://[::1]  /reg/1
    b     x       coap://b      coap://far/2
    exit 0
    ");
    assert_eq!(server.lines(), ["GET /.well-known/core?rt=core.rd-lookup-ep", "GET /ep"]);
}

#[test]
fn list_passes_filters_and_pages() {
    let server = Server::udp(directory);
    let uri = server.uri("");
    let ended = wayhouse(&["list", "ep=l*", "rt=light", "--count", "5", "--page", "2", "--json", "--directory", &uri]);
    let value: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(value[1]["href"], "coap://far/2");
    assert_eq!(server.lines()[1], "GET /ep?ep=l*&rt=light&page=2&count=5");
    insta::assert_snapshot!(wayhouse(&["list", "--resources", "--directory", &uri]).transcript(), @r"
    RESOURCE            TYPE   FORMAT
    coap://[::1]/light  light  0 (text/plain)
    exit 0
    ");
    insta::assert_snapshot!(wayhouse(&["list", "--resources", "rt=x", "--directory", &uri]).transcript(), @r"
    ! nothing found
    exit 1
    ");
    let ended = wayhouse(&["list", "--resources", "rt=x", "--json", "--directory", &uri]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), "[]\n"));
}

/// A directory with the draft's groups (App. C), and one that is called as its registration (RFC 9176 App. A).
fn directory_with_groups(seen: &Seen) -> Vec<Said> {
    let query = seen.query().join("&");
    vec![match (seen.path().as_str(), query.as_str()) {
        ("/ep", "et=core.rd-group") => content(
            40,
            "</reg/1>;ep=hall;base=\"coap://[ff15::1]:5685\";rt=core.rd-ep;et=core.rd-group,\
             </reg/2>;ep=lights;base=\"coap://[ff15:0::2]:5683\";rt=core.rd-ep;et=core.rd-group;sec-gp=all;sec-gp=NoSec",
        ),
        ("/ep", _) => content(40, ""),
        ("/res", "et=core.rd-group") => content(
            40,
            "<coap://[ff15::1]:5685/gp/gp1>;rt=\"g.light\",<coap://[ff15::1]:5685/gp/gp2>;rt=g.temp,\
             <coap://[ff15:0::2]:5683/light>;rt=light",
        ),
        ("/res", "sec-gp=*") => content(
            40,
            "<coap://gm/ace-group/s1>;rt=core.osc.gm;sec-gp=s1;app-gp=gp1,<coap://gm/x>;sec-gp=nosec;app-gp=gp2",
        ),
        ("/res", "rt=g.*") => content(
            40,
            "<coap://[ff15::1]:5685/gp/gp1>;rt=\"g.light\",<coap://[2001:db8::1]/gp/gp1>;rt=g.light,\
             <coap://[2001:db8::2]/gp/gp1>;rt=g.light,<coap://[2001:db8::2]/gp/gp2>;rt=g.temp,<coap://h/gp/gp3>;rt=g.x",
        ),
        _ => return directory(seen),
    }]
}

#[test]
fn gc6_list_shows_groups_from_lookups() {
    let server = Server::udp(directory_with_groups);
    let uri = server.uri("");
    insta::assert_snapshot!(wayhouse(&["list", "--groups", "--directory", &uri]).transcript(), @r"
    NAME    COAP GROUP             APPLICATION GROUP  TYPE     SECURITY GROUPS  MEMBERS
    hall    coap://[ff15::1]:5685  gp1                g.light  s1               coap://[2001:db8::1] coap://[2001:db8::2]
    hall    coap://[ff15::1]:5685  gp2                g.temp                    coap://[2001:db8::2]
    lights  coap://[ff15::2]                                   all
    exit 0
    ");
    let ended = wayhouse(&["list", "--groups", "--json", "--directory", &uri]);
    let value: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(value[0]["application_groups"][0]["members"][1], "coap://[2001:db8::2]");
    assert_eq!((&value[1]["name"], &value[1]["security_groups"]), (&"lights".into(), &serde_json::json!(["all"])));
    insta::assert_snapshot!(wayhouse(&["list", "--groups", "ep=x", "--directory", &uri]).transcript(), @r"
    ! no groups found
    exit 1
    ");
}

#[test]
fn watch_prints_who_comes_and_goes() {
    const STATES: [&str; 3] = [
        "</r/1>;ep=a;base=\"coap://a\";rt=core.rd-ep",
        "</r/1>;ep=a;base=\"coap://a2\";rt=core.rd-ep,</r/2>;ep=b;base=\"coap://b\";rt=core.rd-ep",
        "</r/2>;ep=b;base=\"coap://b\";rt=core.rd-ep",
    ];
    let server = Server::udp(|seen| match (seen.path().as_str(), seen.uint(number::OBSERVE)) {
        ("/ep", Some(0)) => {
            (1..).zip(STATES).map(|(number, state)| content(40, state).uint(number::OBSERVE, number)).collect()
        }
        ("/ep", _) => vec![content(40, STATES[2])],
        _ => directory(seen),
    });
    let running = Running::start(&["watch", "d=k", "--count", "4", "--directory", &server.uri("")]);
    assert_eq!(server.next().line(), "GET /.well-known/core?rt=core.rd-lookup-ep");
    assert_eq!(server.next().line(), "GET /ep?d=k");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let untimed: Vec<&str> =
        ended.stdout.lines().map(|line| line.split_once(' ').map_or("", |parts| parts.1)).collect();
    insta::assert_snapshot!(untimed.join("\n"), @r"
    + a base=coap://a </r/1>
    ~ a base=coap://a2 </r/1>
    + b base=coap://b </r/2>
    - a base=coap://a2 </r/1>
    ");
    let ended = wayhouse(&["watch", "--json", "--count", "1", "--directory", &server.uri("/ep")]);
    let value: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&value["event"], &value["link"]["ep"]), (&"added".into(), &"a".into()));
}
