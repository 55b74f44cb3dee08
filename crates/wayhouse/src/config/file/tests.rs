use super::*;

/// The problems of a file, as people see them.
fn problems(text: &str) -> Vec<String> {
    parse(Path::new("w.toml"), text).problems.iter().map(ToString::to_string).collect()
}

#[test]
fn good_file_sets_what_it_says() {
    let text =
        "version = 1\n[coap]\nlisten = [\"127.0.0.1:5683\"]\ntcp = false\n\n[registry]\nentries_max = 0x1_0000\n";
    let Contents { written, problems, .. } = parse(Path::new("w.toml"), text);
    assert_eq!(problems, []);
    let found: Vec<_> = written.iter().map(|w| (w.setting.key, w.value.clone(), w.source.to_string())).collect();
    assert_eq!(
        found,
        [
            ("coap.listen", Value::List(vec!["127.0.0.1:5683".into()]), "w.toml:3".to_owned()),
            ("coap.tcp", Value::Flag(false), "w.toml:4".to_owned()),
            ("registry.entries_max", Value::Number(65_536), "w.toml:7".to_owned()),
        ]
    );
}

#[test]
fn all_problems_are_told_with_their_lines() {
    let text = "version = 1\n[coap]\nlistn = []\ntcp = \"no\"\n\n[directory]\nlookup_results_max = -1\n[colours]\nred = 1\nblue = 2\n";
    assert_eq!(
        problems(text),
        [
            "w.toml:3: coap.listn: no such option\n  hint: did you mean `coap.listen`?",
            "w.toml:4: coap.tcp: yes or no is expected\n  hint: use true or false",
            "w.toml:7: directory.lookup_results_max: a number is expected\n  hint: use 1 to 4294967295",
            "w.toml:9: colours.red: no such option\n  hint: `wayhouse check-config` lists all options",
            "w.toml:10: colours.blue: no such option\n  hint: `wayhouse check-config` lists all options",
        ]
    );
}

#[test]
fn version_is_needed_and_must_be_known() {
    let hint = "\n  hint: this program reads `version = 1`";
    assert_eq!(problems("[coap]\n"), [format!("w.toml:1: version: the version of the shape is missing{hint}")]);
    assert_eq!(problems("\nversion = 2\n"), [format!("w.toml:2: version: another version of the shape{hint}")]);
    assert_eq!(problems("version = \"1\"\n"), [format!("w.toml:1: version: another version of the shape{hint}")]);
}

#[test]
fn syntax_errors_have_lines_too() {
    let found = problems("version = 1\n[coap]\nlisten = [\n\"127.0.0.1:1\"\n\n[http]\nlisten 5\n");
    assert!(!found.is_empty());
    assert!(found.iter().all(|problem| problem.starts_with("w.toml:")), "{found:?}");
    // Text outside of any section is an option without one.
    assert_eq!(problems("version = 1\nlisten = 5\n").len(), 1);
}
