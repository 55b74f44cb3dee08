//! The table of options: the one place that knows their names, meanings, bounds and how they reach [`Settings`].
//!
//! Each section has a file of its own. Defaults are not repeated here: they are what [`Settings::default`] holds.

#[macro_use]
mod macros;

mod coap;
mod daemon;
mod directory;
mod dns;
mod registry;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use wayhouse_node::config::Network;

use super::Settings;
use super::words::Words;

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name, `section.name`.
    pub key: &'static str,
    /// What it means, in lines.
    pub about: &'static [&'static str],
    /// What it takes.
    pub kind: Kind,
    /// Whether its value must not be shown.
    pub is_secret: bool,
    read: fn(&Settings) -> Value,
    write: fn(&mut Settings, &Value) -> Result<(), Wrong>,
}

/// What an option takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A number between bounds.
    Number(u64, u64),
    /// Yes or no.
    Flag,
    /// Several texts.
    List,
}

/// A value before it is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// Several texts.
    List(Vec<String>),
}

/// Why a value does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub hint: String,
}

impl Wrong {
    pub(super) fn new(why: impl Into<String>, hint: impl Into<String>) -> Wrong {
        Wrong { why: why.into(), hint: hint.into() }
    }
}

impl fmt::Display for Value {
    /// As it is written in TOML.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(&quoted(text)),
            Value::Number(number) => write!(f, "{number}"),
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::List(items) => {
                let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl Value {
    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Value::Text(text) => text.as_str().into(),
            Value::Number(number) => (*number).into(),
            Value::Flag(flag) => (*flag).into(),
            Value::List(items) => items.clone().into(),
        }
    }
    pub(super) fn text(&self) -> &str {
        if let Value::Text(text) = self { text } else { "" }
    }
    pub(super) fn number(&self) -> u64 {
        if let Value::Number(number) = self { *number } else { 0 }
    }
    fn flag(&self) -> bool {
        *self == Value::Flag(true)
    }
    pub(super) fn items(&self) -> &[String] {
        if let Value::List(items) = self { items } else { &[] }
    }
}

impl Kind {
    /// Reads what stands in an environment variable or behind a flag.
    ///
    /// # Errors
    /// When the text is no value of this kind.
    pub fn parse(self, text: &str) -> Result<Value, Wrong> {
        match self {
            Kind::Text | Kind::Choice(_) => Ok(Value::Text(text.to_owned())),
            Kind::Number(..) => match text.replace('_', "").parse() {
                Ok(number) => Ok(Value::Number(number)),
                Err(_) => Err(self.expected()),
            },
            Kind::Flag => match text {
                "true" | "1" => Ok(Value::Flag(true)),
                "false" | "0" => Ok(Value::Flag(false)),
                _ => Err(self.expected()),
            },
            Kind::List => {
                let separators = [',', ' ', '\t', '\n'];
                Ok(Value::List(text.split(separators).filter(|item| !item.is_empty()).map(str::to_owned).collect()))
            }
        }
    }

    /// What to say about a value of another kind.
    pub fn expected(self) -> Wrong {
        match self {
            Kind::Text => Wrong::new("text is expected", "write it in quotes, such as \"text\""),
            Kind::Choice(words) => Wrong::new("no such choice", format!("use one of {}", words.join(", "))),
            Kind::Number(min, max) => Wrong::new("a number is expected", format!("use {min} to {max}")),
            Kind::Flag => Wrong::new("yes or no is expected", "use true or false"),
            Kind::List => Wrong::new("a list is expected", "write it in brackets, such as [\"one\", \"two\"]"),
        }
    }

    pub(super) fn check(self, value: &Value) -> Result<(), Wrong> {
        match (self, value) {
            (Kind::Text, Value::Text(_)) | (Kind::Flag, Value::Flag(_)) | (Kind::List, Value::List(_)) => Ok(()),
            (Kind::Choice(words), Value::Text(text)) if words.contains(&text.as_str()) => Ok(()),
            (Kind::Number(min, max), Value::Number(number)) => {
                let hint = || format!("use {min} to {max}");
                match number {
                    number if *number < min => Err(Wrong::new(format!("{number} is too small"), hint())),
                    number if *number > max => Err(Wrong::new(format!("{number} is too large"), hint())),
                    _ => Ok(()),
                }
            }
            _ => Err(self.expected()),
        }
    }
}

impl Setting {
    /// The option of that name.
    pub fn find(key: &str) -> Option<&'static Setting> {
        OPTIONS.iter().find(|setting| setting.key == key)
    }
    /// The option whose name looks most like that; `None` when none does.
    pub fn nearest(key: &str) -> Option<&'static Setting> {
        nearest(OPTIONS, |setting| setting.key, key)
    }
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("WAYHOUSE_{}", self.key.replace('.', "_").to_uppercase())
    }
    /// Its section and its name in there.
    pub fn section_and_name(&self) -> (&'static str, &'static str) {
        self.key.split_once('.').expect("every option has a section")
    }
    /// Its value in some settings.
    pub fn read(&self, settings: &Settings) -> Value {
        (self.read)(settings)
    }
    /// Puts a value into settings.
    ///
    /// # Errors
    /// When the value does not fit; the settings are as before then.
    pub fn write(&self, settings: &mut Settings, value: &Value) -> Result<(), Wrong> {
        self.kind.check(value)?;
        (self.write)(settings, value)
    }
}

/// The option whose name looks most like that; `None` when none does.
pub(super) fn nearest<T>(options: &'static [T], name_of: fn(&T) -> &'static str, name: &str) -> Option<&'static T> {
    let (distance, option) =
        options.iter().map(|option| (distance(name_of(option), name), option)).min_by_key(|(distance, _)| *distance)?;
    (distance <= 3).then_some(option)
}

/// Edit distance: the insertions, removals and replacements that make one name of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.chars().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    *row.last().expect("a row has at least one place")
}

fn word_of<T: PartialEq>(words: &Words<T>, wanted: &T) -> Value {
    let word = words.iter().find(|(_, value)| value == wanted).expect("every value has a word").0;
    Value::Text(word.to_owned())
}

fn of_word<T: Copy>(words: &Words<T>, value: &Value) -> Result<T, Wrong> {
    let found = words.iter().find(|(word, _)| *word == value.text());
    found.map(|(_, value)| *value).ok_or_else(|| Wrong::new("no such choice", "see the words that can be chosen"))
}

fn parse_all<T: FromStr>(value: &Value, hint: &str) -> Result<Vec<T>, Wrong> {
    let parse = |item: &String| item.parse().map_err(|_| Wrong::new(format!("`{item}` cannot be read"), hint));
    value.items().iter().map(parse).collect()
}

fn parse_network(text: &str) -> Option<Network> {
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix_length = if length.is_empty() { longest } else { length.parse().ok()? };
    (prefix_length <= longest).then_some(Network { address, prefix_length })
}

fn parse_networks(value: &Value) -> Result<Vec<Network>, Wrong> {
    let hint = "write an address and a prefix length, such as 192.0.2.0/24";
    let parse = |item: &String| parse_network(item).ok_or_else(|| Wrong::new(format!("`{item}` is no network"), hint));
    value.items().iter().map(parse).collect()
}

fn write_network(network: &Network) -> String {
    format!("{}/{}", network.address, network.prefix_length)
}

fn path_text(path: Option<&std::path::Path>) -> String {
    path.map_or(String::new(), |path| path.display().to_string())
}

fn optional_path(value: &Value) -> Option<std::path::PathBuf> {
    Some(value.text()).filter(|text| !text.is_empty()).map(Into::into)
}

const SOCKET_ADDRESS_HINT: &str = "write an address and a port, such as 0.0.0.0:5683 or [::]:5683";

/// Every option, by sections, in the order in which they are shown.
pub const OPTIONS: &[Setting] = &ALL;

const SECTIONS: [&[Setting]; 5] = [coap::OPTIONS, directory::OPTIONS, dns::OPTIONS, registry::OPTIONS, daemon::OPTIONS];
const ALL: [Setting; count()] = {
    let mut all = [SECTIONS[0][0]; count()];
    let (mut section, mut place, mut index) = (0, 0, 0);
    while index < all.len() {
        while place == SECTIONS[section].len() {
            (section, place) = (section + 1, 0);
        }
        all[index] = SECTIONS[section][place];
        (place, index) = (place + 1, index + 1);
    }
    all
};

const fn count() -> usize {
    let (mut section, mut count) = (0, 0);
    while section < SECTIONS.len() {
        count += SECTIONS[section].len();
        section += 1;
    }
    count
}

/// A commented file with every option, its meaning and its default: `etc/wayhouse.toml`.
pub fn example() -> String {
    let mut text = String::from(
        "# Settings of wayhouse, all with their defaults. Remove the # in front of what you change.\n\
         # `wayhouse check-config --config FILE` tells what is in force and where it came from.\n\
         # Every option can also be set by an environment variable (WAYHOUSE_COAP_LISTEN) or a flag (--set coap.listen=…).\n\
         \n\
         version = 1\n",
    );
    let mut current = "";
    for setting in OPTIONS {
        let (section, name) = setting.section_and_name();
        if section != current {
            text.push_str(&format!("\n[{section}]\n"));
            current = section;
        } else {
            text.push('\n');
        }
        for line in setting.about {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("#{name} = {}\n", setting.read(&Settings::default())));
    }
    text.push_str(&super::groups::example());
    text
}

#[cfg(test)]
mod tests;
