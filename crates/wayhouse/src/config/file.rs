//! The TOML shape, version 1: `version = 1`, a table for every section of [`super::options`], and as many `[[group]]` of
//! [`super::groups`] as there are.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::groups::{GroupSetting, TABLE};
use super::options::{Kind, Setting, Value, Wrong};
use super::{Problem, Source};

/// The version of the shape.
const VERSION: u64 = 1;
const NO_SUCH_OPTION: &str = "no such option";

/// A value as it stands in a file.
#[derive(Debug, Clone)]
pub struct Written {
    /// The option.
    pub setting: &'static Setting,
    /// Its value.
    pub value: Value,
    /// Where it stands.
    pub source: Source,
}

/// A group as it stands in a file.
#[derive(Debug, Clone)]
pub struct WrittenGroup {
    /// Where its table starts.
    pub source: Source,
    /// What it sets.
    pub values: Vec<(&'static GroupSetting, Value, Source)>,
}

/// What a file sets, and all that is wrong with it.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// The options that it sets.
    pub written: Vec<Written>,
    /// Its groups.
    pub groups: Vec<WrittenGroup>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Reads a file.
pub fn read(path: &Path) -> Contents {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) => {
            let problem = Problem {
                source: Source::Flag("--config".to_owned()),
                key: String::new(),
                why: format!("{}: {error}", path.display()),
                hint: "name a file that this user may read".to_owned(),
            };
            Contents { problems: vec![problem], ..Contents::default() }
        }
    }
}

/// Reads the text of a file.
pub fn parse(path: &Path, text: &str) -> Contents {
    let mut reader = Reader { path, text, contents: Contents::default() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let wrong = Wrong { why: error.message().to_owned(), hint: "see https://toml.io for the syntax".to_owned() };
        reader.complain("", error.span().unwrap_or(0..0), wrong);
    }
    reader.read(table.get_ref());
    // Tables are read in order of their names; people read in order of lines.
    reader.contents.problems.sort_by_key(|problem| problem.source.line());
    reader.contents
}

struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
    contents: Contents,
}

impl Reader<'_> {
    fn read(&mut self, table: &DeTable<'_>) {
        let version = table.get("version");
        if let Err(wrong) = check_version(version.map(|version| version.get_ref())) {
            return self.complain("version", version.map_or(0..0, |version| version.span()), wrong);
        }
        for (section, value) in table {
            if section.get_ref() == "version" {
                continue;
            }
            match value.get_ref() {
                DeValue::Array(tables) if section.get_ref() == TABLE => {
                    for table in tables {
                        self.read_group(table.span(), table.get_ref());
                    }
                }
                _ if section.get_ref() == TABLE => self.complain_no_groups(section.span()),
                DeValue::Table(options) => {
                    for (name, value) in options {
                        let key = format!("{}.{}", section.get_ref(), name.get_ref());
                        self.read_option(&key, name.span(), value.get_ref());
                    }
                }
                _ => self.complain_unknown(section.get_ref(), section.span()),
            }
        }
    }

    fn read_option(&mut self, key: &str, span: Range<usize>, value: &DeValue<'_>) {
        let Some(setting) = Setting::find(key) else { return self.complain_unknown(key, span) };
        match convert(setting.kind, value) {
            Some(value) => self.contents.written.push(Written { setting, value, source: self.source(span) }),
            None => self.complain(key, span, setting.kind.expected()),
        }
    }

    fn read_group(&mut self, span: Range<usize>, table: &DeValue<'_>) {
        let DeValue::Table(options) = table else { return self.complain_no_groups(span) };
        let mut group = WrittenGroup { source: self.source(span), values: Vec::new() };
        for (name, value) in options {
            let key = format!("{TABLE}.{}", name.get_ref());
            let Some(setting) = GroupSetting::find(name.get_ref()) else {
                let hint = match GroupSetting::nearest(name.get_ref()) {
                    Some(setting) => format!("did you mean `{}`?", setting.key()),
                    None => "`wayhouse check-config --example` shows all options".to_owned(),
                };
                self.complain(&key, name.span(), Wrong { why: NO_SUCH_OPTION.to_owned(), hint });
                continue;
            };
            match convert(setting.kind, value.get_ref()) {
                Some(value) => group.values.push((setting, value, self.source(name.span()))),
                None => self.complain(&key, name.span(), setting.kind.expected()),
            }
        }
        // In order of lines, as for problems.
        group.values.sort_by_key(|(_, _, source)| source.line());
        self.contents.groups.push(group);
    }

    fn complain_no_groups(&mut self, span: Range<usize>) {
        let hint = format!("write [[{TABLE}]] in front of the options of each group");
        self.complain(TABLE, span, Wrong { why: NO_SUCH_OPTION.to_owned(), hint });
    }

    fn complain_unknown(&mut self, key: &str, span: Range<usize>) {
        let hint = match Setting::nearest(key) {
            Some(setting) => format!("did you mean `{}`?", setting.key),
            None => "`wayhouse check-config` lists all options".to_owned(),
        };
        self.complain(key, span, Wrong { why: NO_SUCH_OPTION.to_owned(), hint });
    }

    fn complain(&mut self, key: &str, span: Range<usize>, wrong: Wrong) {
        let source = self.source(span);
        self.contents.problems.push(Problem { source, key: key.to_owned(), why: wrong.why, hint: wrong.hint });
    }

    fn source(&self, span: Range<usize>) -> Source {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = before.iter().filter(|&&octet| octet == b'\n').count() + 1;
        Source::File { path: PathBuf::from(self.path), line }
    }
}

fn check_version(version: Option<&DeValue<'_>>) -> Result<(), Wrong> {
    let hint = format!("this program reads `version = {VERSION}`");
    match version.map(number) {
        None => Err(Wrong { why: "the version of the shape is missing".to_owned(), hint }),
        Some(Some(VERSION)) => Ok(()),
        Some(_) => Err(Wrong { why: "another version of the shape".to_owned(), hint }),
    }
}

fn convert(kind: Kind, value: &DeValue<'_>) -> Option<Value> {
    match kind {
        Kind::Text | Kind::Choice(_) => value.as_str().map(|text| Value::Text(text.to_owned())),
        Kind::Number(..) => number(value).map(Value::Number),
        Kind::Flag => value.as_bool().map(Value::Flag),
        Kind::List => {
            let text = |item: &toml::Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
            value.as_array()?.iter().map(text).collect::<Option<_>>().map(Value::List)
        }
    }
}

fn number(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

#[cfg(test)]
mod tests;
