//! The TOML shape, version 1: `version = 1` and a table for every section of [`super::options`].

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::options::{Kind, Setting, Value, Wrong};
use super::{Problem, Source};

/// The version of the shape.
const VERSION: u64 = 1;

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

/// Reads a file: what it sets, and all that is wrong with it.
pub fn read(path: &Path) -> (Vec<Written>, Vec<Problem>) {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) => {
            let problem = Problem {
                source: Source::Flag("--config".to_owned()),
                key: String::new(),
                why: format!("{}: {error}", path.display()),
                hint: "name a file that this user may read".to_owned(),
            };
            (Vec::new(), vec![problem])
        }
    }
}

/// Reads the text of a file.
pub fn parse(path: &Path, text: &str) -> (Vec<Written>, Vec<Problem>) {
    let mut reader = Reader { path, text, written: Vec::new(), problems: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let wrong = Wrong { why: error.message().to_owned(), hint: "see https://toml.io for the syntax".to_owned() };
        reader.complain("", error.span().unwrap_or(0..0), wrong);
    }
    reader.read(table.get_ref());
    // Tables are read in order of their names; people read in order of lines.
    reader.problems.sort_by_key(|problem| problem.source.line());
    (reader.written, reader.problems)
}

struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
    written: Vec<Written>,
    problems: Vec<Problem>,
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
            Some(value) => self.written.push(Written { setting, value, source: self.source(span) }),
            None => self.complain(key, span, setting.kind.expected()),
        }
    }

    fn complain_unknown(&mut self, key: &str, span: Range<usize>) {
        let hint = match Setting::nearest(key) {
            Some(setting) => format!("did you mean `{}`?", setting.key),
            None => "`wayhouse check-config` lists all options".to_owned(),
        };
        self.complain(key, span, Wrong { why: "no such option".to_owned(), hint });
    }

    fn complain(&mut self, key: &str, span: Range<usize>, wrong: Wrong) {
        let source = self.source(span);
        self.problems.push(Problem { source, key: key.to_owned(), why: wrong.why, hint: wrong.hint });
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
