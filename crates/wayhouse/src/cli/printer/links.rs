//! Links as tables and as JSON.

use serde_json::{Map, Value};
use wayhouse_wire::coap::content_format;
use wayhouse_wire::coap::link_format::Link;

use super::{Surroundings, printable};

/// A column of a table: its title, and the attributes it shows (`href` for the target).
type Columns = [(&'static str, &'static str)];

const RESOURCE_COLUMNS: &Columns = &[
    ("RESOURCE", "href"),
    ("TYPE", "rt"),
    ("INTERFACE", "if"),
    ("FORMAT", "ct"),
    ("ABOUT", "anchor"),
    ("RELATION", "rel"),
];
const REGISTRANT_COLUMNS: &Columns =
    &[("NAME", "ep"), ("SECTOR", "d"), ("BASE", "base"), ("TYPE", "et"), ("REGISTRATION", "href")];
/// Says of every entry of an endpoint lookup that it is one (RD29).
const REGISTRATION_TYPE: &str = "core.rd-ep";

/// Links to resources: of `/.well-known/core`, or of a resource lookup.
pub(in crate::cli) fn resources_table<'a>(links: impl Iterator<Item = Link<'a>>, surroundings: Surroundings) -> String {
    table(links, RESOURCE_COLUMNS, surroundings)
}

/// Entries of an endpoint lookup.
pub(in crate::cli) fn registrants_table<'a>(
    links: impl Iterator<Item = Link<'a>>,
    surroundings: Surroundings,
) -> String {
    table(links, REGISTRANT_COLUMNS, surroundings)
}

/// A link in one line, for the comings and goings in a directory.
pub(in crate::cli) fn one_line(link: &Link<'_>) -> String {
    let name = link.parameter("ep").map(|name| name.unquoted().into_owned());
    let others = link
        .parameters()
        .filter(|(key, value)| *key != "ep" && !is_registration_type(key, &value.unquoted()))
        .map(|(key, value)| attribute(key, &value.unquoted(), value.raw().is_some()));
    let rest = others.collect::<Vec<_>>().join(" ");
    let target = printable(link.target);
    match name {
        Some(name) => format!("{} {rest} <{target}>", printable(&name)),
        None => format!("<{target}> {rest}"),
    }
    .replace("  ", " ")
    .trim_end()
    .to_owned()
}

/// A link as a JSON object: `href`, and each attribute under its name; `true` without a value, a list when repeated.
pub(in crate::cli) fn link_json(link: &Link<'_>) -> Value {
    let mut object = Map::new();
    object.insert("href".to_owned(), Value::from(link.target));
    for (name, value) in link.parameters() {
        let value = match value.raw() {
            Some(_) => Value::from(value.unquoted().into_owned()),
            None => Value::from(true),
        };
        match object.get_mut(name) {
            // No attribute may call itself `href` (CL2).
            Some(_) if name == "href" => {}
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::from(vec![first.take(), value]),
            None => {
                object.insert(name.to_owned(), value);
            }
        }
    }
    Value::from(object)
}

fn table<'a>(links: impl Iterator<Item = Link<'a>>, columns: &Columns, surroundings: Surroundings) -> String {
    let rows: Vec<Vec<String>> = links.map(|link| row(&link, columns)).collect();
    // A column that nobody fills only takes room.
    let is_filled = |column: usize| column == 0 || rows.iter().any(|row| !row[column].is_empty());
    let shown: Vec<usize> = (0..=columns.len()).filter(|&column| is_filled(column)).collect();
    let titles = shown.iter().map(|&column| columns.get(column).map_or("OTHER", |(title, _)| title));
    let rows = rows.iter().map(|row| shown.iter().map(|&column| row[column].clone()).collect()).collect::<Vec<_>>();
    super::table(&titles.collect::<Vec<_>>(), &rows, surroundings)
}

/// The cells of one link, that for all other attributes last.
fn row(link: &Link<'_>, columns: &Columns) -> Vec<String> {
    let mut cells = vec![String::new(); columns.len() + 1];
    let mut fill = |column: usize, text: &str| {
        let cell: &mut String = &mut cells[column];
        if !cell.is_empty() {
            cell.push(' ');
        }
        cell.push_str(text);
    };
    for (name, value) in
        std::iter::once(("href", None)).chain(link.parameters().map(|(name, value)| (name, Some(value))))
    {
        let (text, has_value) = match value {
            None => (link.target.into(), true),
            Some(value) => (value.unquoted(), value.raw().is_some()),
        };
        if is_registration_type(name, &text) {
            continue;
        }
        match columns.iter().position(|(_, attribute)| *attribute == name) {
            Some(column) if name == "ct" => fill(column, &formats(&text)),
            Some(column) => fill(column, &printable(&text)),
            None => fill(columns.len(), &attribute(name, &text, has_value)),
        }
    }
    cells
}

fn is_registration_type(name: &str, value: &str) -> bool {
    name == "rt" && value == REGISTRATION_TYPE
}

fn attribute(name: &str, value: &str, has_value: bool) -> String {
    match has_value {
        false => printable(name).into_owned(),
        true if value.contains(' ') => format!("{}=\"{}\"", printable(name), printable(value)),
        true => format!("{}={}", printable(name), printable(value)),
    }
}

/// Content-format numbers with the media types they stand for.
fn formats(numbers: &str) -> String {
    let name = |number: &str| match number.parse().ok().and_then(content_format::media_type) {
        Some(media_type) => format!("{number} ({})", media_type.split(';').next().unwrap_or(media_type)),
        None => printable(number).into_owned(),
    };
    numbers.split(' ').filter(|number| !number.is_empty()).map(name).collect::<Vec<_>>().join(", ")
}
