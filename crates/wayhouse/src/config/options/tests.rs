use std::path::Path;

use super::super::{Source, file};
use super::*;

fn etc() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc/wayhouse.toml")
}

/// `UPDATE_ETC=1` writes the file instead of comparing it.
#[test]
fn installed_file_shows_every_option_with_its_default() {
    if std::env::var_os("UPDATE_ETC").is_some() {
        std::fs::write(etc(), example()).unwrap();
    }
    let installed = std::fs::read_to_string(etc()).unwrap();
    assert_eq!(installed, example(), "etc/wayhouse.toml is not what the table of options says");
}

/// As it is installed the file sets nothing; with the comment signs removed it sets everything to the defaults.
#[test]
fn installed_file_equals_the_defaults() {
    let installed = std::fs::read_to_string(etc()).unwrap();
    let file::Contents { written, problems, .. } = file::parse(Path::new("etc"), &installed);
    assert!(written.is_empty() && problems.is_empty());

    let is_option = |line: &str| {
        line.strip_prefix('#').and_then(|line| line.split_once(" = ")).is_some_and(|(name, _)| {
            name.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_')
        })
    };
    let active: Vec<_> = installed.lines().map(|line| if is_option(line) { &line[1..] } else { line }).collect();
    let file::Contents { written, problems, .. } = file::parse(Path::new("etc"), &active.join("\n"));
    assert_eq!(problems, []);
    assert_eq!(written.len(), OPTIONS.len());
    let defaults = Settings::default();
    let mut settings = Settings::default();
    for written in written {
        assert!(matches!(written.source, Source::File { .. }));
        assert_eq!(written.value, written.setting.read(&defaults), "{}", written.setting.key);
        written.setting.write(&mut settings, &written.value).unwrap();
    }
    for setting in OPTIONS {
        assert_eq!(setting.read(&settings), setting.read(&defaults), "{}", setting.key);
    }
}

/// Each option reads what was written to it, and nothing else changes.
#[test]
fn options_write_where_they_read() {
    for setting in OPTIONS {
        let mut settings = Settings::default();
        let default = setting.read(&settings);
        let other = match (setting.kind, &default) {
            (Kind::Flag, Value::Flag(flag)) => Value::Flag(!flag),
            (Kind::Number(min, max), Value::Number(number)) => Value::Number(if *number == min { max } else { min }),
            (Kind::Choice(words), Value::Text(text)) => {
                Value::Text((*words.iter().find(|word| *word != text).unwrap()).to_owned())
            }
            (Kind::List, _) => Value::List(vec![
                match setting.key {
                    "directory.trusted_consumers" | "dns.reverse" | "dns.update_sources" => "10.0.0.0/8",
                    "dns.addresses" => "127.0.0.1",
                    "dns.zones" => "things.example",
                    _ => "127.0.0.1:1",
                }
                .into(),
            ]),
            (Kind::Text, _) => Value::Text("127.0.0.2:2".into()),
            (kind, value) => panic!("{}: {kind:?} is read as {value:?}", setting.key),
        };
        setting.write(&mut settings, &other).unwrap();
        assert_eq!(setting.read(&settings), other, "{}", setting.key);
        for neighbour in OPTIONS.iter().filter(|neighbour| neighbour.key != setting.key) {
            let kept = neighbour.read(&Settings::default());
            assert_eq!(neighbour.read(&settings), kept, "{} changes {}", setting.key, neighbour.key);
        }
    }
}

#[test]
fn values_that_do_not_fit_are_refused_with_a_hint() {
    let check = |key: &str, text: &str, why: &str| {
        let setting = Setting::find(key).unwrap();
        let mut settings = Settings::default();
        let outcome = setting.kind.parse(text).and_then(|value| setting.write(&mut settings, &value));
        let wrong = outcome.unwrap_err();
        assert_eq!(wrong.why, why, "{key}");
        assert!(!wrong.hint.is_empty());
        assert_eq!(setting.read(&settings), setting.read(&Settings::default()));
    };
    check("coap.listen", "[::]:5683 0.0.0.0", "`0.0.0.0` cannot be read");
    check("coap.block_octets", "48", "48 is no power of two");
    check("coap.block_octets", "2048", "2048 is too large");
    check("coap.nstart", "0", "0 is too small");
    check("coap.nstart", "many", "a number is expected");
    check("coap.tcp", "maybe", "yes or no is expected");
    check("log.level", "loud", "no such choice");
    check("http.listen", "localhost", "`localhost` cannot be read");
    check("directory.trusted_consumers", "10.0.0.0/33", "`10.0.0.0/33` is no network");
}

#[test]
fn misspelt_options_are_recognised() {
    assert_eq!(Setting::nearest("coap.listn").unwrap().key, "coap.listen");
    assert_eq!(Setting::nearest("http.admin_tokn").unwrap().key, "http.admin_token");
    assert!(Setting::nearest("colour").is_none());
}

#[test]
fn every_option_has_a_variable_of_its_own() {
    let mut variables: Vec<_> = OPTIONS.iter().map(Setting::variable).collect();
    assert_eq!(variables[0], "WAYHOUSE_COAP_LISTEN");
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), OPTIONS.len());
}
