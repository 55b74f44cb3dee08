//! `check-config`: every option with its value and where that came from.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Map, json};

use super::exit::{Exit, Fault};
use super::run::SettingArgs;
use crate::config::Resolved;
use crate::config::options::{Value, example};

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
        Args { json: true, settings, .. } => settings.resolve().map(|resolved| as_json(&resolved)),
        Args { settings, .. } => settings.resolve().map(|resolved| as_table(&resolved)),
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

/// A secret is only said to be there.
fn shown(value: Value, is_secret: bool) -> Value {
    match value {
        Value::Text(text) if is_secret && !text.is_empty() => Value::Text("(secret)".to_owned()),
        value => value,
    }
}

fn as_table(resolved: &Resolved) -> String {
    let rows: Vec<_> = resolved
        .values()
        .map(|(setting, value, source)| {
            (format!("{} = {}", setting.key, shown(value, setting.is_secret)), source.to_string())
        })
        .collect();
    let width = rows.iter().map(|(value, _)| value.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(value, source)| format!("{value:width$}  # {source}\n")).collect()
}

fn as_json(resolved: &Resolved) -> String {
    let options: Map<_, _> = resolved
        .values()
        .map(|(setting, value, source)| {
            let value = shown(value, setting.is_secret).to_json();
            (setting.key.to_owned(), json!({ "value": value, "source": source.to_string() }))
        })
        .collect();
    format!("{:#}\n", serde_json::Value::Object(options))
}
