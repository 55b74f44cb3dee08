//! `get put post delete fetch patch ipatch discover ping`: what is sent, what is printed, how it ends.

use std::net::UdpSocket;

use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Kind};

use crate::cli_server::{Server, content, say, wayhouse, wayhouse_with_input};

#[test]
fn get_prints_the_payload_and_nothing_else() {
    let server = Server::udp(|_| vec![content(0, "23.5 C")]);
    let ended = wayhouse(&["get", &server.uri("/temperature?unit=c")]);
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "23.5 C", ""));
    let seen = server.next();
    assert_eq!(seen.line(), "GET /temperature?unit=c");
    assert_eq!(seen.kind, Some(Kind::Confirmable));
}

#[test]
fn options_reach_the_server() {
    let server = Server::udp(|_| vec![say(Code::VALID)]);
    let uri = server.uri("/x");
    let words =
        ["get", "--non", "--accept", "cbor", "--etag", "0x0102", "--option", "65000=0xff", "--if-match", "a", &uri];
    assert_eq!(wayhouse(&words).code, Some(0));
    let seen = server.next();
    assert_eq!(seen.kind, Some(Kind::NonConfirmable));
    assert_eq!(seen.uint(number::ACCEPT), Some(60));
    assert_eq!(seen.options.first(number::ETAG).map(|option| option.value), Some(&[1, 2][..]));
    assert_eq!(seen.options.first(number::IF_MATCH).map(|option| option.value), Some(&b"a"[..]));
    assert_eq!(seen.options.first(65_000).map(|option| option.value), Some(&[255][..]));
}

#[test]
fn payloads_come_from_the_command_line_a_file_and_standard_input() {
    let server = Server::udp(|_| vec![say(Code::CHANGED)]);
    let uri = server.uri("/x");
    let file = tempfile::NamedTempFile::new().expect("a place for files");
    std::fs::write(file.path(), [0, 159, 255]).expect("it can be written");
    let path = file.path().to_str().expect("UTF-8");
    let sent = |words: &[&str]| {
        let ended = wayhouse_with_input(words, b"from stdin");
        assert_eq!(ended.code, Some(0), "{words:?}: {ended:?}");
        assert_eq!(ended.stderr, "2.04 Changed\n");
        server.next()
    };
    assert_eq!(sent(&["put", &uri, "--payload", "on", "--content-format", "text"]).payload, b"on");
    assert_eq!(sent(&["post", &uri, "body"]).payload, b"body");
    assert_eq!(sent(&["put", &uri, "-", "--content-format", "0"]).payload, b"from stdin");
    assert_eq!(sent(&["put", &uri, "--payload-file", "-"]).payload, b"from stdin");
    let seen = sent(&["ipatch", &uri, "--payload-file", path, "--content-format", "52"]);
    assert_eq!((seen.code, seen.uint(number::CONTENT_FORMAT)), (Code::IPATCH, Some(52)));
    assert_eq!(seen.payload, [0, 159, 255]);
}

#[test]
fn bodies_travel_in_blocks_both_ways() {
    let body: Vec<u8> = (0..3_000_u32).map(|index| b'a' + (index % 26) as u8).collect();
    let kept = body.clone();
    let server = Server::udp(move |seen| match seen.code {
        Code::GET => vec![content(0, &kept).in_blocks(seen)],
        _ => {
            let block = seen.options.first(number::BLOCK1).map_or(0, |option| option.uint().unwrap_or(0));
            let code = if block & 8 == 8 { Code::CONTINUE } else { Code::CHANGED };
            vec![say(code).uint(number::BLOCK1, block)]
        }
    });
    let ended = wayhouse(&["get", "--raw", "--block-size", "256", &server.uri("/big")]);
    assert_eq!((ended.code, ended.stdout.into_bytes()), (Some(0), body.clone()));
    assert_eq!(server.lines().len(), 12, "blocks of 256 octets");
    let ended = wayhouse_with_input(&["put", &server.uri("/big"), "-"], &body);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let blocks: Vec<Vec<u8>> = std::iter::from_fn(|| Some(server.next().payload)).take(3).collect();
    assert_eq!(blocks.concat(), body);
}

#[test]
fn the_same_over_tcp() {
    let server = Server::tcp(|seen| vec![content(0, format!("{} {}", seen.path(), seen.payload.len()))]);
    let ended = wayhouse(&["post", &server.uri("/a/b"), "12345"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "/a/b 5"));
    let ended = wayhouse(&["ping", "--count", "1", &server.uri("")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn content_formats_are_shown_as_what_they_are() {
    let server = Server::udp(|seen| {
        vec![match seen.path().as_str() {
            "/cbor" => content(60, [0xa1, 0x01, 0x82, 0xf5, 0xf6]),
            "/json" => content(50, r#"{"b":1.50,"a":[]}"#),
            "/links" => content(40, "</a>;rt=temperature;ct=0,</b>;obs"),
            _ => content(42, [0, 1, 2]),
        }]
    });
    let shown = |path: &str| wayhouse(&["get", &server.uri(path)]).transcript();
    insta::assert_snapshot!(shown("/cbor"), @r"
    {1: [true, null]}
    exit 0
    ");
    insta::assert_snapshot!(shown("/json"), @r#"
    {
      "b": 1.50,
      "a": []
    }
    exit 0
    "#);
    insta::assert_snapshot!(shown("/links"), @r"
    RESOURCE  TYPE         FORMAT          OTHER
    /a        temperature  0 (text/plain)
    /b                                     obs
    exit 0
    ");
    assert_eq!(wayhouse(&["get", &server.uri("/octets")]).stdout.as_bytes(), [0, 1, 2], "octets stay octets in a pipe");
    assert_eq!(wayhouse(&["get", "--raw", &server.uri("/json")]).stdout, r#"{"b":1.50,"a":[]}"#);
}

#[test]
fn created_tells_the_location() {
    let server = Server::udp(|_| {
        vec![say(Code::CREATED).option(number::LOCATION_PATH, "things").option(number::LOCATION_PATH, "7 a")]
    });
    insta::assert_snapshot!(wayhouse(&["post", &server.uri("/things"), "x"]).transcript(), @r"
    /things/7%20a
    ! 2.01 Created
    exit 0
    ");
}

#[test]
fn refusals_are_explained_and_end_with_1() {
    let server = Server::udp(|seen| {
        vec![match seen.path().as_str() {
            "/problem" => say(Code::BAD_OPTION)
                .uint(number::CONTENT_FORMAT, 257)
                .payload([0xa2, 0x20, 0x63, b'b', b'a', b'd', 0x27, 0x0d]),
            "/busy" => say(Code::SERVICE_UNAVAILABLE).uint(number::MAX_AGE, 5),
            _ => say(Code::NOT_FOUND).payload("no such\x1b[31m thing"),
        }]
    });
    let shown = |words: &[&str], path: &str| wayhouse(&[words, &[&server.uri(path)]].concat()).transcript();
    insta::assert_snapshot!(shown(&["get"], "/nowhere"), @r"
    ! error: 4.04 Not Found: no such\u{1b}[31m thing
    ! hint: `wayhouse discover URI` lists what the server offers
    exit 1
    ");
    insta::assert_snapshot!(shown(&["get"], "/problem"), @r"
    ! error: 4.02 Bad Option: bad. not processed: option 13
    ! hint: leave out the option that the server does not know; `-v` shows what was sent
    exit 1
    ");
    insta::assert_snapshot!(shown(&["delete"], "/busy"), @r"
    ! error: 5.03 Service Unavailable
    ! hint: try again in 5 s
    exit 1
    ");
}

#[test]
fn misuse_ends_with_2_and_a_hint() {
    for (words, part) in [
        (vec!["get", "localhost/x"], "coap://localhost/x"),
        (vec!["get", "http://localhost/"], "coap+tcp://"),
        (vec!["get", "coaps://localhost/"], "coap://"),
        (vec!["put", "coap://localhost/", "--payload-file", "/nonexistent/file"], "name of the file"),
        (vec!["ping", "coap://224.0.1.187"], "address of one"),
    ] {
        let ended = wayhouse(&words);
        assert_eq!(ended.code, Some(2), "{words:?}: {ended:?}");
        let hint = ended.stderr.lines().last().unwrap_or_default();
        assert!(hint.starts_with("hint: ") && hint.contains(part), "{words:?}: {ended:?}");
    }
    assert_eq!(wayhouse(&["get"]).code, Some(2));
}

#[test]
fn nobody_there_ends_with_3() {
    // A port that was free a moment ago, and where nobody listens.
    let port =
        UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback gives ports").port();
    for scheme in ["coap", "coap+tcp"] {
        let ended = wayhouse(&["get", &format!("{scheme}://127.0.0.1:{port}/")]);
        assert_eq!(ended.code, Some(3), "{ended:?}");
        assert!(ended.stderr.contains("nobody listens"), "{ended:?}");
        assert!(ended.stderr.lines().last().is_some_and(|line| line.starts_with("hint: ")), "{ended:?}");
    }
    let ended = wayhouse(&["get", "coap://nosuchname.invalid/"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
}

#[test]
fn silence_ends_with_3_when_patience_does() {
    let server = Server::udp(|_| vec![]);
    let ended = wayhouse(&["get", "--timeout", "0.3", &server.uri("/")]);
    insta::assert_snapshot!(server.redact(&ended.transcript()), @r"
    ! error: no answer from SERVER within 0.3 s
    ! hint: wait longer with --timeout; `wayhouse ping URI` tells whether anybody is there
    exit 3
    ");
}

#[test]
fn json_holds_the_whole_answer() {
    let server = Server::udp(|_| vec![content(50, "[1]").option(number::ETAG, [7]).uint(number::MAX_AGE, 9)]);
    let ended = wayhouse(&["get", "--json", &server.uri("/")]);
    let value: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(value["code"], "2.05");
    assert_eq!(value["etag"], "07");
    assert_eq!(value["max_age"], 9);
    assert_eq!(value["json"][0], 1);
    let file = tempfile::NamedTempFile::new().expect("a place for files");
    let path = file.path().to_str().expect("UTF-8");
    let ended = wayhouse(&["get", "--output", path, &server.uri("/")]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert_eq!(std::fs::read(path).expect("it was written"), b"[1]");
    let refused = Server::udp(|_| vec![say(Code::FORBIDDEN)]);
    let ended = wayhouse(&["get", "--json", &refused.uri("/")]);
    assert_eq!(ended.code, Some(1));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.stdout).expect("JSON")["code"], "4.03");
}

#[test]
fn verbose_tells_every_message() {
    let server = Server::udp(|_| vec![content(0, "hi")]);
    let ended = wayhouse(&["get", "-v", &server.uri("/a")]);
    let mut lines = ended.stderr.lines();
    let asked = lines.next().unwrap_or_default();
    assert!(asked.starts_with("> CON GET [") && asked.ends_with("Uri-Path=\"a\""), "{asked}");
    let answered = lines.next().unwrap_or_default();
    assert!(answered.starts_with("< ACK 2.05 Content ["), "{answered}");
    assert!(answered.ends_with("Content-Format=0 (text/plain; charset=utf-8) | 2 octets"), "{answered}");
    assert_eq!(ended.stdout, "hi");
}

#[test]
fn discover_lists_what_a_server_offers() {
    // This server does not filter, so the program does (CL10).
    let server = Server::udp(|_| vec![content(40, "</l>;rt=light;if=a,</t>;rt=\"temp core.s\";obs")]);
    insta::assert_snapshot!(wayhouse(&["discover", &server.uri("")]).transcript(), @r"
    RESOURCE  TYPE         INTERFACE  OTHER
    /l        light        a
    /t        temp core.s             obs
    exit 0
    ");
    let ended = wayhouse(&["discover", &server.uri(""), "rt=core.*", "--json"]);
    let links: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(links, serde_json::json!([{ "href": "/t", "rt": "temp core.s", "obs": true }]));
    insta::assert_snapshot!(wayhouse(&["discover", &server.uri(""), "rt=x"]).transcript(), @r"
    ! nothing found
    exit 1
    ");
    assert_eq!(
        server.lines(),
        ["GET /.well-known/core", "GET /.well-known/core?rt=core.*", "GET /.well-known/core?rt=x"]
    );
}

#[test]
fn ping_measures_and_counts() {
    let server = Server::udp(|_| vec![]);
    let ended = wayhouse(&["ping", "--count", "2", "--interval", "0.01", &server.uri("")]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("seq=2 time="), "{ended:?}");
    assert!(ended.stdout.contains("2 sent, 2 answered, 0% lost"), "{ended:?}");
    let ended = wayhouse(&["ping", "--count", "1", "--json", &server.uri("")]);
    let value: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&value["sent"], &value["answered"]), (&1.into(), &1.into()));
    assert!(value["rtt_avg_ms"].as_f64().is_some_and(|time| time > 0.0));
    let port =
        UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("loopback gives ports").port();
    assert_eq!(wayhouse(&["ping", "--count", "1", &format!("coap://127.0.0.1:{port}")]).code, Some(3));
}

#[test]
fn fetch_says_at_once_that_it_needs_a_content_format() {
    let server = Server::udp(|_| vec![content(0, "")]);
    let ended = wayhouse(&["fetch", &server.uri("/x"), "[1]"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains("--content-format"), "{ended:?}");
    assert!(server.lines().is_empty());
}

#[test]
fn discover_asks_the_usual_document_also_with_a_query() {
    let server = Server::udp(|_| vec![content(40, "</light>;rt=light")]);
    assert_eq!(wayhouse(&["discover", &server.uri("?rt=light")]).code, Some(0));
    assert_eq!(server.next().line(), "GET /.well-known/core?rt=light");
}
