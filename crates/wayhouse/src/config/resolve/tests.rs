use super::*;

fn layers(
    file: Option<&str>,
    environment: &[(&str, &str)],
    flags: &[(&str, &str, &[&str])],
) -> (Layers, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wayhouse.toml");
    let file = file.map(|text| {
        std::fs::write(&path, text).unwrap();
        path
    });
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let flags = flags
        .iter()
        .map(|(flag, key, values)| {
            ((*flag).to_owned(), (*key).to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
        })
        .collect();
    (Layers { file, environment, flags }, directory)
}

const HOME: (&str, &str) = ("HOME", "/home/somebody");

#[test]
fn variables_that_mean_no_option_are_mistakes() {
    let environment = [
        ("WAYHOUSE_COAP_LISTN", "127.0.0.1:1"),
        // Of other programs, of the client verbs, and in no section.
        ("WAYHOUSE_DIRECTORY", "coap://h"),
        ("WAYHOUSE_DNS", "h"),
        ("WAYHOUSE_ELSE_WHERE", "x"),
        ("COAP_LISTN", "x"),
        ("HOME", "/home/somebody"),
    ];
    let problems = resolve(&layers(None, &environment, &[]).0).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].source, Source::Environment("WAYHOUSE_COAP_LISTN".to_owned()));
    assert!(problems[0].hint.contains("WAYHOUSE_COAP_LISTEN"), "{problems:?}");
}

#[test]
fn flags_outrank_environment_outranks_file_outranks_defaults() {
    let text = "version = 1\n[registry]\nentries_max = 10\ngrace_s = 10\nattributes_max = 10\n";
    let (layers, _directory) = layers(
        Some(text),
        &[HOME, ("WAYHOUSE_REGISTRY_GRACE_S", "20"), ("WAYHOUSE_REGISTRY_ATTRIBUTES_MAX", "20")],
        &[("--set", "registry.attributes_max", &["30"])],
    );
    let resolved = resolve(&layers).unwrap();
    let registry = &resolved.settings.node.registry;
    assert_eq!((registry.entries_max, registry.grace_s, registry.attributes_max), (10, 20, 30));
    let file = Source::File { path: layers.file.clone().unwrap(), line: 3 };
    assert_eq!(resolved.source("registry.entries_max"), &file);
    assert_eq!(resolved.source("registry.grace_s").to_string(), "$WAYHOUSE_REGISTRY_GRACE_S");
    assert_eq!(resolved.source("registry.attributes_max").to_string(), "--set");
    assert_eq!(resolved.source("registry.expired_max"), &Source::Default);
    assert_eq!(resolved.values().count(), OPTIONS.len());
}

#[test]
fn several_values_make_a_list() {
    let (layers, _directory) = layers(
        None,
        &[HOME, ("WAYHOUSE_HTTP_HOST_NAMES", "a.example, b.example")],
        &[("--listen", "coap.listen", &["127.0.0.1:1", "[::1]:2"])],
    );
    let settings = resolve(&layers).unwrap().settings;
    assert_eq!(settings.coap.listen, ["127.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
    assert_eq!(settings.http.host_names, ["a.example", "b.example"]);
}

#[test]
fn problems_of_all_layers_are_told_at_once() {
    let (layers, _directory) = layers(
        Some("version = 1\n[coap]\nnstart = 0\n[directory]\ndefault_lifetime_s = 100\nlifetime_max_s = 50\n"),
        &[("WAYHOUSE_LOG_LEVEL", "loud")],
        &[("--set", "coap.listn", &["x"]), ("--http", "http.listen", &["everywhere"])],
    );
    let path = layers.file.as_ref().unwrap().display().to_string();
    let told: Vec<_> =
        resolve(&layers).unwrap_err().iter().map(|problem| problem.to_string().replace(&path, "w")).collect();
    assert_eq!(
        told,
        [
            "w:3: coap.nstart: 0 is too small\n  hint: use 1 to 64",
            "$WAYHOUSE_LOG_LEVEL: log.level: no such choice\n  hint: use one of error, warn, info, debug, trace",
            "--set: coap.listn: no such option\n  hint: did you mean `coap.listen`?",
            "--http: http.listen: `everywhere` cannot be read\n  hint: write an address and a port, such as 127.0.0.1:8683, or off",
            "default: store.data_dir: there is no home directory to keep data in\n  hint: name a directory with --data-dir",
            "w:5: directory.default_lifetime_s: it lies outside what is granted\n  hint: use 1 up to directory.lifetime_max_s",
        ]
    );
}

#[test]
fn missing_file_is_a_problem() {
    let layers = Layers { file: Some("/nonexistent/wayhouse.toml".into()), ..layers(None, &[HOME], &[]).0 };
    let problems = resolve(&layers).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().starts_with("--config: /nonexistent/wayhouse.toml: "));
}

#[test]
fn data_directory_is_found() {
    let check = |environment: &[(&str, &str)], path: &str, source: &str| {
        let resolved = resolve(&layers(None, environment, &[]).0).unwrap();
        assert_eq!(resolved.settings.store.data_dir, Path::new(path));
        assert_eq!(resolved.source("store.data_dir").to_string(), source);
    };
    check(&[HOME], "/home/somebody/.local/share/wayhouse", "$HOME");
    check(&[HOME, ("XDG_DATA_HOME", "/data")], "/data/wayhouse", "$XDG_DATA_HOME");
    check(&[HOME, ("XDG_DATA_HOME", "data")], "/home/somebody/.local/share/wayhouse", "$HOME");
    check(&[HOME, ("STATE_DIRECTORY", "/var/lib/wayhouse:/var/lib/other")], "/var/lib/wayhouse", "$STATE_DIRECTORY");
    check(&[HOME, ("WAYHOUSE_STORE_DATA_DIR", "/here")], "/here", "$WAYHOUSE_STORE_DATA_DIR");
}

#[test]
fn tls_follows_the_addresses_of_dns_unless_it_has_its_own() {
    let check = |flags: &[(&str, &str, &[&str])], expected: &[&str]| {
        let (layers, _directory) = layers(None, &[HOME], flags);
        let addresses = resolve(&layers).unwrap().settings.dns.tls_listeners();
        assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    };
    check(&[], &["[::]:8853", "0.0.0.0:8853"]);
    check(&[("--dns", "dns.listen", &["192.0.2.1:53"])], &["192.0.2.1:853"]);
    check(&[("--dns", "dns.listen", &["127.0.0.1:0"])], &["127.0.0.1:0"]);
    check(&[("--dns", "dns.listen", &["192.0.2.1:53+push-10"])], &["192.0.2.1:853+push-10"]);
    check(&[("--dns", "dns.listen", &["off"])], &[]);
    check(&[("--set", "dns.tls_listen", &["off"])], &[]);
    check(&[("--set", "dns.tls_listen", &["192.0.2.1:8853"])], &["192.0.2.1:8853"]);
}

#[test]
fn a_certificate_and_its_key_are_named_together() {
    for (there, missing) in [("dns.tls_key", "dns.tls_certificate"), ("dns.tls_certificate", "dns.tls_key")] {
        let (alone, _directory) = layers(None, &[HOME], &[("--set", there, &["file.pem"])]);
        let problems = resolve(&alone).unwrap_err();
        assert_eq!((problems.len(), problems[0].key.as_str()), (1, there));
        let flags: &[(&str, &str, &[&str])] = &[("--set", there, &["file.pem"]), ("--set", missing, &["file.pem"])];
        assert!(resolve(&layers(None, &[HOME], flags).0).is_ok());
    }
}
