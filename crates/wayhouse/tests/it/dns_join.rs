//! One thing, every face: what one of our programs publishes by signed update, others hear of over TLS and over CoAP.

use super::cli_server::{Running, wayhouse};
use super::running;

#[test]
fn what_is_published_is_pushed_over_tls_and_told_to_observers_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = running::Running::start(&directory.path().join("daemon"));
    let (server, coap) = (daemon.dns().to_string(), format!("coap://{}", daemon.coap()));
    let tls = daemon.announced("dns_tls")[0].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
    let pin = daemon.announced("dns_tls_pin").as_str().unwrap().to_owned();

    let words = ["browse", "_coap._udp", "--follow", "--json", "--server", &server, "--tls-port", &tls, "--pin", &pin];
    let mut browsing = Running::start(&words);
    let mut watching = Running::start(&["watch", "--directory", &coap, "--json"]);
    let own = directory.path().join("own-key").to_str().unwrap().to_owned();
    let other = directory.path().join("other-key").to_str().unwrap().to_owned();
    let lamp = ["publish", "Desk Lamp", "_coap._udp", "5683", "--host", "desk", "--address", "192.0.2.7"];
    let light = ["--txt", "path=/light", "--subtype", "light", "--immediately", "--server", &server, "--key"];
    let mut publishing = Running::start(&[&lamp[..], &light, &[&own]].concat());
    let line = publishing.line();
    assert!(line.contains(r"Desk\ Lamp"), "{line}");

    let told: serde_json::Value = serde_json::from_str(&browsing.line()).unwrap();
    assert_eq!((&told["event"], &told["instance"]), (&"added".into(), &"Desk Lamp".into()), "{told}");
    assert_eq!((&told["port"], &told["addresses"][0]), (&5683.into(), &"192.0.2.7".into()), "{told}");
    let told: serde_json::Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!((&told["event"], &told["link"]["ep"]), (&"added".into(), &"desk".into()), "{told}");
    assert_eq!(told["link"]["base"], "coap://192.0.2.7", "{told}");

    // A device with another key finds the names taken, and goes on.
    let ended = wayhouse(&[&lamp[..], &light, &[&other, "--once"]].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("(2)"), "{ended:?}");
    let told: serde_json::Value = serde_json::from_str(&browsing.line()).unwrap();
    assert_eq!(told["instance"], "Desk Lamp (2)", "{told}");
    assert!(watching.line().contains("desk-2"));

    // Who ends takes back what it registered.
    let ended = publishing.interrupt();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let told: serde_json::Value = serde_json::from_str(&browsing.line()).unwrap();
    assert_eq!((&told["event"], &told["instance"]), (&"removed".into(), &"Desk Lamp".into()), "{told}");
    let told: serde_json::Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!((&told["event"], &told["link"]["ep"]), (&"removed".into(), &"desk".into()), "{told}");
}
