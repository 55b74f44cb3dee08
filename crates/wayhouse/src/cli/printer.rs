//! Shows what came back: data on standard output, talk on standard error.
//!
//! What peers wrote is never trusted with a terminal: control characters in it are shown, not obeyed. Piped output gets the
//! octets as they are. [`representation`] decides by content-format; [`links`], [`json`], [`problem`] know one form each.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};
use serde_json::Value;

pub(super) mod json;
pub(super) mod links;
pub(super) mod problem;
pub(super) mod representation;

/// What is known of the place where output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Surroundings {
    /// Whether a person reads it on a terminal.
    pub is_terminal: bool,
}

/// Standard output.
pub(super) struct Printer {
    out: Box<dyn Write>,
    surroundings: Surroundings,
}

impl Printer {
    /// Writes to standard output.
    pub(super) fn stdout() -> Printer {
        let out = io::stdout();
        let surroundings = Surroundings { is_terminal: out.is_terminal() };
        Printer { out: Box::new(out), surroundings }
    }
    /// What is known of the place where output goes.
    pub(super) fn surroundings(&self) -> Surroundings {
        self.surroundings
    }
    /// Prints a line.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }
    /// Prints octets as they are.
    pub(super) fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        self.out.write_all(octets)?;
        self.out.flush()
    }
    /// Prints a JSON value over several lines.
    pub(super) fn json(&mut self, value: &Value) -> io::Result<()> {
        self.line(&format!("{value:#}"))
    }
    /// Prints a JSON value in one line.
    pub(super) fn json_line(&mut self, value: &Value) -> io::Result<()> {
        self.line(&value.to_string())
    }
}

/// Columns of a terminal for which tables are made to fit.
const TABLE_COLUMNS_MIN: u16 = 60;

/// A table without lines, as wide as the terminal where there is one.
pub(super) fn table(titles: &[&str], rows: &[Vec<String>], surroundings: Surroundings) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // A terminal of width 0 does not know its own (serial lines, recorders), and in a narrow one lines are easier to read than
    // columns of syllables.
    let is_wide = table.width().is_some_and(|columns| columns >= TABLE_COLUMNS_MIN);
    if surroundings.is_terminal && is_wide {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.force_no_tty();
    }
    table.set_header(titles);
    table.add_rows(rows);
    let last = titles.len().saturating_sub(1);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_cell_alignment(CellAlignment::Left);
        column.set_padding((0, if index == last { 0 } else { 2 }));
        if index == 0 {
            // Names and paths stay whole: they are copied.
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Octets as lower-case hexadecimal digits.
pub(super) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// Text without characters that steer a terminal or turn the direction of writing: those are shown as `\u{…}`.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    fn steers(character: char) -> bool {
        character.is_control()
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    }
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match steers(character) {
            true => shown.extend(character.escape_unicode()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

/// The same, but line ends and tabulators stay.
pub(super) fn printable_lines(text: &str) -> String {
    text.split('\n')
        .map(|line| line.trim_end_matches('\r').split('\t').map(printable).collect::<Vec<_>>().join("\t"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A point in time as `2026-01-31T12:34:56.789Z`.
pub(super) fn timestamp(at: SystemTime) -> String {
    let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let seconds = since_epoch.as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days to a civil date, in years that begin in March, so that the leap day is the last.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60,
        since_epoch.subsec_millis()
    )
}

#[cfg(test)]
mod tests;
