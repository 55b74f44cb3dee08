//! Options of the daemon around it all: its data, its page, its log.

use super::super::LogFormat;
use super::{Kind, Setting, Value, Words, Wrong, of_word, optional_path, word_of};

const LEVELS: &Words<tracing::Level> = &[
    ("error", tracing::Level::ERROR),
    ("warn", tracing::Level::WARN),
    ("info", tracing::Level::INFO),
    ("debug", tracing::Level::DEBUG),
    ("trace", tracing::Level::TRACE),
];
const FORMATS: &Words<LogFormat> = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

/// The options.
pub const OPTIONS: &[Setting] = &[
    setting!(
        "store.data_dir",
        Kind::Text,
        |settings| Value::Text(settings.store.data_dir.display().to_string()),
        |settings, value| {
            settings.store.data_dir = value.text().into();
            Ok(())
        },
        "Where everything that must survive a restart is kept. Empty: $STATE_DIRECTORY, else wayhouse in",
        "$XDG_DATA_HOME, else .local/share/wayhouse in the home directory."
    ),
    setting!(
        "http.listen",
        Kind::Text,
        |settings| Value::Text(settings.http.listen.map_or("off".to_owned(), |address| address.to_string())),
        |settings, value| {
            settings.http.listen = match value.text() {
                "off" => None,
                text => Some(text.parse().map_err(|_| {
                    Wrong::new(
                        format!("`{text}` cannot be read"),
                        "write an address and a port, such as 127.0.0.1:8683, or off",
                    )
                })?),
            };
            Ok(())
        },
        "Address and port for the page, REST and metrics, or off. It speaks HTTP without encryption: leave it on the",
        "loopback address, or put a TLS proxy in front."
    ),
    setting!(
        "http.host_names",
        Kind::List,
        |settings| Value::List(settings.http.host_names.clone()),
        |settings, value| {
            settings.http.host_names = value.items().to_vec();
            Ok(())
        },
        "Names and addresses, besides the loopback ones and its own, under which browsers may reach the page."
    ),
    Setting {
        key: "http.admin_token",
        about: &[
            "What must be shown to change something over HTTP. Empty: see http.admin_token_file. Prefer the file: this",
            "one may be readable by others.",
        ],
        kind: Kind::Text,
        is_secret: true,
        read: |settings| Value::Text(settings.http.admin_token.clone().unwrap_or_default()),
        write: |settings, value| {
            settings.http.admin_token = Some(value.text().to_owned()).filter(|token| !token.is_empty());
            Ok(())
        },
    },
    setting!(
        "http.admin_token_file",
        Kind::Text,
        |settings| {
            let path = settings.http.admin_token_file.as_ref();
            Value::Text(path.map_or_else(String::new, |path| path.display().to_string()))
        },
        |settings, value| {
            settings.http.admin_token_file = optional_path(value);
            Ok(())
        },
        "File that holds the admin token. Empty: admin-token in the data directory, made at the first start."
    ),
    setting!(
        "log.level",
        Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        |settings| word_of(LEVELS, &settings.log.level),
        |settings, value| {
            settings.log.level = of_word(LEVELS, value)?;
            Ok(())
        },
        "The least severe level that is logged: error, warn, info, debug or trace. Names and addresses of devices",
        "appear from debug on."
    ),
    setting!(
        "log.format",
        Kind::Choice(&["text", "json"]),
        |settings| word_of(FORMATS, &settings.log.format),
        |settings, value| {
            settings.log.format = of_word(FORMATS, value)?;
            Ok(())
        },
        "How log lines are written: text for people, json for machines."
    ),
];
