//! `check-config`: every option with its value and where that came from.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Map, json};

use super::exit::{Exit, Fault};
use super::run::SettingArgs;
use crate::config::groups::{GroupSetting, OPTIONS, TABLE};
use crate::config::options::{Value, example};
use crate::config::{Resolved, Source};

/// Flags of `check-config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: SettingArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print a commented configuration file with all options and their defaults instead
    #[arg(long, conflicts_with = "json")]
    example: bool,
}

/// Prints all settings, or all that is wrong with them.
pub fn execute(args: Args) -> ExitCode {
    let text = match args {
        Args { example: true, .. } => Ok(example()),
        Args { json: true, settings, .. } => settings.resolve().map(|resolved| as_json(&warned(resolved))),
        Args { settings, .. } => settings.resolve().map(|resolved| as_table(&warned(resolved))),
    };
    let text = match text {
        Ok(text) => text,
        Err(exit) => return exit.into(),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            let fault = Fault::from(error);
            if !fault.what.is_empty() {
                eprintln!("{fault}");
            }
            fault.exit.into()
        }
    }
}

/// Tells what should not be, on standard error.
fn warned(resolved: Resolved) -> Resolved {
    for warning in &resolved.warnings {
        eprintln!("warning: {warning}");
    }
    resolved
}

/// Every option of every group with its value and where that came from: the option's own source, or the default.
fn group_values(resolved: &Resolved) -> impl Iterator<Item = (usize, &'static GroupSetting, Value, &Source)> {
    resolved.settings.node.groups.iter().zip(&resolved.group_sources).enumerate().flat_map(
        |(number, (group, sources))| {
            OPTIONS.iter().map(move |setting| {
                let source = sources.of(setting.name).unwrap_or(&Source::Default);
                (number, setting, setting.read(group), source)
            })
        },
    )
}

/// A secret is only said to be there.
fn shown(value: Value, is_secret: bool) -> Value {
    match value {
        Value::Text(text) if is_secret && !text.is_empty() => Value::Text("(secret)".to_owned()),
        value => value,
    }
}

fn as_table(resolved: &Resolved) -> String {
    let mut rows: Vec<_> = resolved
        .values()
        .map(|(setting, value, source)| {
            (format!("{} = {}", setting.key, shown(value, setting.is_secret)), source.to_string())
        })
        .collect();
    rows.extend(group_values(resolved).map(|(number, setting, value, source)| {
        (format!("{TABLE}[{number}].{} = {value}", setting.name), source.to_string())
    }));
    let width = rows.iter().map(|(value, _)| value.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(value, source)| format!("{value:width$}  # {source}\n")).collect()
}

fn as_json(resolved: &Resolved) -> String {
    let mut options: Map<_, _> = resolved
        .values()
        .map(|(setting, value, source)| {
            let value = shown(value, setting.is_secret).to_json();
            (setting.key.to_owned(), json!({ "value": value, "source": source.to_string() }))
        })
        .collect();
    let mut groups = vec![Map::new(); resolved.settings.node.groups.len()];
    for (number, setting, value, source) in group_values(resolved) {
        let value = json!({ "value": value.to_json(), "source": source.to_string() });
        groups[number].insert(setting.name.to_owned(), value);
    }
    options.insert(TABLE.to_owned(), groups.into());
    format!("{:#}\n", serde_json::Value::Object(options))
}
