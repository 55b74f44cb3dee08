//! The options of a `[[group]]`: as the table of [`super::options`], for tables of which there may be several.

use std::net::IpAddr;

use wayhouse_node::config::{ApplicationGroup, Group, Interfaces};

use super::Source;
use super::options::{Kind, Value, Wrong, nearest};

/// The name of the tables.
pub const TABLE: &str = "group";
/// The word for all interfaces.
const EVERY_INTERFACE: &str = "*";

/// One option of a group.
#[derive(Debug, Clone, Copy)]
pub struct GroupSetting {
    /// Its name.
    pub name: &'static str,
    /// What it means, in lines.
    pub about: &'static [&'static str],
    /// What it takes.
    pub kind: Kind,
    read: fn(&Group) -> Value,
    write: fn(&mut Group, &Value) -> Result<(), Wrong>,
}

/// Where the parts of a group came from.
#[derive(Debug, Clone)]
pub struct GroupSources {
    /// Its table.
    pub table: Source,
    /// Its options, those that were set.
    pub options: Vec<(&'static str, Source)>,
    /// Options whose values could not be read.
    pub misread: Vec<&'static str>,
}

impl GroupSources {
    /// Where the value of an option came from: the table as a whole tells, where the option was not set.
    pub fn of(&self, name: &str) -> Option<&Source> {
        self.options.iter().find(|(other, _)| *other == name).map(|(_, source)| source)
    }
}

impl GroupSetting {
    /// The option of that name.
    pub fn find(name: &str) -> Option<&'static GroupSetting> {
        OPTIONS.iter().find(|setting| setting.name == name)
    }
    /// The option whose name looks most like that; `None` when none does.
    pub fn nearest(name: &str) -> Option<&'static GroupSetting> {
        nearest(OPTIONS, |setting| setting.name, name)
    }
    /// Its full name, as problems are told.
    pub fn key(&self) -> String {
        format!("{TABLE}.{}", self.name)
    }
    /// Its value in a group.
    pub fn read(&self, group: &Group) -> Value {
        (self.read)(group)
    }
    /// Puts a value into a group.
    ///
    /// # Errors
    /// When the value does not fit; the group is as before then.
    pub fn write(&self, group: &mut Group, value: &Value) -> Result<(), Wrong> {
        self.kind.check(value)?;
        (self.write)(group, value)
    }
}

/// Every option of a group, in the order in which they are shown.
pub const OPTIONS: &[GroupSetting] = &[
    GroupSetting {
        name: "name",
        about: &["What people call it: the endpoint name of its registration in the directory."],
        kind: Kind::Text,
        read: |group| Value::Text(group.name.clone()),
        write: |group, value| {
            group.name = value.text().to_owned();
            Ok(())
        },
    },
    GroupSetting {
        name: "addresses",
        about: &["Its multicast addresses. Take the smallest scope that reaches all members."],
        kind: Kind::List,
        read: |group| Value::List(group.addresses.iter().map(ToString::to_string).collect()),
        write: |group, value| {
            let parse = |item: &String| {
                let text = item.trim_start_matches('[').trim_end_matches(']');
                text.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| {
                    Wrong::new(
                        format!("`{item}` is no address"),
                        "write a multicast address, such as ff35:30:2001:db8:f1:0:8000:1",
                    )
                })
            };
            group.addresses = value.items().iter().map(parse).collect::<Result<_, _>>()?;
            Ok(())
        },
    },
    GroupSetting {
        name: "port",
        about: &["Its UDP port. 5684 must not be used for groups."],
        kind: Kind::Number(1, u16::MAX as u64),
        read: |group| Value::Number(group.port.into()),
        write: |group, value| {
            group.port = value.number() as u16;
            Ok(())
        },
    },
    GroupSetting {
        name: "application_groups",
        about: &[
            "What it carries: for each application group its name, and behind it its types. Where the name does not stand",
            "as /gp/NAME in requests, write the resource instead, such as \"/light?gp=NAME g.light\". Empty: one that is",
            "called as the group.",
        ],
        kind: Kind::List,
        read: |group| Value::List(group.application_groups.iter().map(ToString::to_string).collect()),
        write: |group, value| {
            let parse = |item: &String| {
                ApplicationGroup::parse(item)
                    .ok_or_else(|| Wrong::new("an empty text names nothing", "write a name, such as \"gp1 g.light\""))
            };
            group.application_groups = value.items().iter().map(parse).collect::<Result<_, _>>()?;
            Ok(())
        },
    },
    GroupSetting {
        name: "security_groups",
        about: &["Names of security groups that protect it. Empty: nothing is known to protect it."],
        kind: Kind::List,
        read: |group| Value::List(group.security_groups.clone()),
        write: |group, value| {
            group.security_groups = value.items().to_vec();
            Ok(())
        },
    },
    GroupSetting {
        name: "interfaces",
        about: &[
            "Network interfaces on which this daemon is a member itself, or [\"*\"] for all. Empty: it only knows the group.",
            "As a member it serves the port of the group on all addresses, even where coap.listen does not.",
        ],
        kind: Kind::List,
        read: |group| {
            Value::List(match &group.interfaces {
                Interfaces::None => Vec::new(),
                Interfaces::All => vec![EVERY_INTERFACE.to_owned()],
                Interfaces::Named(names) => names.clone(),
            })
        },
        write: |group, value| {
            group.interfaces = match value.items() {
                [] => Interfaces::None,
                [all] if all == EVERY_INTERFACE => Interfaces::All,
                names if names.iter().all(|name| is_interface_name(name)) => Interfaces::Named(names.to_vec()),
                _ => {
                    return Err(Wrong::new(
                        "these are no names of interfaces",
                        "write names such as \"eth0\", or \"*\" alone for all",
                    ));
                }
            };
            Ok(())
        },
    },
    GroupSetting {
        name: "members",
        about: &[
            "How many members there are, about: answers to one request are spread over a time that grows with it.",
        ],
        kind: Kind::Number(1, u32::MAX as u64),
        read: |group| Value::Number(group.members_expected.into()),
        write: |group, value| {
            group.members_expected = value.number() as u32;
            Ok(())
        },
    },
    GroupSetting {
        name: "rate_octets_s",
        about: &["Octets per second that all answers together should not exceed; that time shrinks with it."],
        kind: Kind::Number(1, u32::MAX as u64),
        read: |group| Value::Number(group.rate_octets_s.into()),
        write: |group, value| {
            group.rate_octets_s = value.number() as u32;
            Ok(())
        },
    },
];

/// What the system takes for a name of an interface: 15 octets at most, no slash, no space.
fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic() && !b"/*".contains(&octet))
}

/// A commented `[[group]]` for the example file: those of its options that have no default are made up.
pub fn example() -> String {
    let group = Group {
        name: "hall.example".to_owned(),
        addresses: vec![IpAddr::from([0xff35, 0x30, 0x2001, 0xdb8, 0xf1, 0, 0x8000, 1])],
        application_groups: ApplicationGroup::parse("gp1 g.light").into_iter().collect(),
        ..Group::default()
    };
    let mut text = format!(
        "\n# Groups of devices that are asked together: one [[{TABLE}]] for each, at the end of the file; none by default. Such as:\n\
         #\n# [[{TABLE}]]\n"
    );
    for setting in OPTIONS {
        for line in setting.about {
            text.push_str(&format!("# # {line}\n"));
        }
        text.push_str(&format!("# {} = {}\n", setting.name, setting.read(&group)));
    }
    text
}

#[cfg(test)]
mod tests;
