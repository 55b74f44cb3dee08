//! What a device says about itself: the links it registers, and those it answers with, which depend on who is asked.
//!
//! | asked | links |
//! |---|---|
//! | the device alone | `/`, its resources, its application groups and their resources |
//! | a CoAP group | the application groups on it, and their resources: relative, as that endpoint has them (GC7) |
//! | All CoAP Nodes | its resources, and its application groups by full URIs: another endpoint has those (GC7) |

use std::fmt::Write as _;

use wayhouse_proto::io::Meta;
use wayhouse_wire::coap::uri::percent_encode;

use super::appliance::Resource;
use super::{ALL_COAP_NODES, Group, Settings};

/// What `/` says.
pub(super) fn who(settings: &Settings) -> String {
    format!("{}, a {} (wayhouse {})", settings.name, settings.kind, env!("CARGO_PKG_VERSION"))
}

/// The links of a registration.
pub(super) fn registered(settings: &Settings) -> String {
    let mut links = Links::default();
    links.resources(settings, "");
    for group in &settings.groups {
        links.group(settings, "", group);
        links.group_resources(settings, group);
    }
    links.0
}

/// The links for somebody who asked the way that `meta` tells.
pub(super) fn discovered(settings: &Settings, meta: &Meta) -> String {
    let asked = meta.group.filter(|_| meta.is_multicast);
    let mut links = Links::default();
    if asked.is_none() {
        links.begin("", "/");
        links.0.push_str(";ct=0");
    }
    if asked.is_none_or(|asked| ALL_COAP_NODES.contains(&asked)) {
        links.resources(settings, "");
    }
    for group in &settings.groups {
        match asked {
            None => {
                links.group(settings, "", group);
                links.group_resources(settings, group);
            }
            Some(asked) if asked == group.address.ip() => {
                links.group(settings, "", group);
                links.group_resources(settings, group);
            }
            Some(asked) if ALL_COAP_NODES.contains(&asked) => links.group(settings, &group.origin, group),
            // GC7: who is asked as a member of one CoAP group does not tell of others.
            Some(_) => {}
        }
    }
    links.0
}

/// The resources of an application group.
pub(super) fn of_group(settings: &Settings, group: &Group) -> String {
    let mut links = Links::default();
    links.group_resources(settings, group);
    links.0
}

/// A document under construction.
#[derive(Debug, Default)]
struct Links(String);

impl Links {
    fn begin(&mut self, origin: &str, path: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        let _ = write!(self.0, "<{origin}{path}>");
    }
    /// GC3, GC7: an application group of a kind of things.
    fn group(&mut self, settings: &Settings, origin: &str, group: &Group) {
        let path = encoded_path(group);
        self.begin(origin, if path.is_empty() { "/" } else { &path });
        let _ = write!(self.0, ";rt=\"g.{}\"", settings.kind);
    }
    fn group_resources(&mut self, settings: &Settings, group: &Group) {
        if !group.path.is_empty() {
            self.resources(settings, &encoded_path(group));
        }
    }
    fn resources(&mut self, settings: &Settings, prefix: &str) {
        for Resource { path, resource_type, interface, formats, is_observable, .. } in settings.kind.resources() {
            self.begin("", &format!("{prefix}/{path}"));
            let formats: Vec<String> = formats.iter().map(u16::to_string).collect();
            let _ = write!(self.0, ";rt=\"{resource_type}\";if=\"{interface}\";ct=\"{}\"", formats.join(" "));
            if *is_observable {
                self.0.push_str(";obs");
            }
        }
    }
}

fn encoded_path(group: &Group) -> String {
    let mut text = String::new();
    for segment in &group.path {
        text.push('/');
        percent_encode(&mut text, segment.as_bytes(), b"!$&'()*+,;=:@");
    }
    text
}
