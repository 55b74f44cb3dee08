use std::path::Path;

use super::super::{Layers, Problem, Resolved, file, resolve};
use super::*;

/// The settings of a file, or what is wrong with it.
fn resolved(text: &str) -> Result<Resolved, Vec<Problem>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("w.toml");
    std::fs::write(&path, format!("version = 1\n{text}")).unwrap();
    let environment = [("HOME".to_owned(), "/home/somebody".to_owned())].into();
    resolve(&Layers { file: Some(path), environment, flags: Vec::new() })
}

fn problems(text: &str) -> Vec<String> {
    let problems = resolved(text).unwrap_err();
    let told = |problem: &Problem| {
        let text = problem.to_string();
        text[text.find("w.toml").unwrap()..].to_owned()
    };
    problems.iter().map(told).collect()
}

#[test]
fn the_example_is_a_group_with_the_defaults() {
    let block = example();
    let active: Vec<_> = block.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    let text = format!("version = 1\n{}", active[1..].join("\n"));
    let read = file::parse(Path::new("w.toml"), &text);
    assert_eq!(read.problems, []);
    assert_eq!(read.groups.len(), 1);
    let mut group = Group::default();
    for (setting, value, _) in &read.groups[0].values {
        setting.write(&mut group, value).unwrap();
        let is_made_up = ["name", "addresses", "application_groups"].contains(&setting.name);
        assert_eq!(*value == setting.read(&Group::default()), !is_made_up, "{}", setting.name);
    }
    assert_eq!(read.groups[0].values.len(), OPTIONS.len());
    assert_eq!(group.addresses[0].to_string(), "ff35:30:2001:db8:f1:0:8000:1");
}

#[test]
fn groups_are_read_with_their_places() {
    let resolved = resolved(
        "[coap]\nnstart = 2\n[[group]]\nname = \"hall\"\naddresses = [\"[ff15::1]\", \"239.0.0.1\"]\ninterfaces = [\"*\"]\n\
         [[group]]\nname = \"yard\"\naddresses = [\"ff15::2\"]\nport = 5690\ninterfaces = [\"eth0\", \"wlan0\"]\n\
         application_groups = [\"gp1 g.light\"]\nsecurity_groups = [\"s1\"]\nmembers = 10\nrate_octets_s = 500\n",
    )
    .unwrap();
    let [hall, yard] = &resolved.settings.node.groups[..] else { panic!("two groups") };
    assert_eq!((hall.name.as_str(), hall.addresses.len(), hall.port), ("hall", 2, 5683));
    assert_eq!((&hall.interfaces, hall.members_expected, hall.rate_octets_s), (&Interfaces::All, 50, 1_000));
    assert_eq!(yard.interfaces, Interfaces::Named(vec!["eth0".into(), "wlan0".into()]));
    assert_eq!((yard.port, yard.members_expected, yard.rate_octets_s), (5690, 10, 500));
    assert_eq!((yard.application_groups[0].resource.as_str(), yard.security_groups[0].as_str()), ("/gp/gp1", "s1"));
    let sources = &resolved.group_sources[1];
    assert_eq!(sources.table.line(), 8);
    assert_eq!(sources.of("port").map(Source::line), Some(11));
    assert_eq!(resolved.group_sources[0].of("port"), None);
}

#[test]
fn gc4_gc41_mistakes_are_told_with_their_lines() {
    assert_eq!(
        problems(
            "[[group]]\nname = \"hall\"\naddresses = [\"ff15::1\", \"2001:db8::1\"]\nport = 5684\nprot = 1\n\
             [[group]]\nname = \"hall\"\nsecurity_groups = [\"NOSEC\"]\nmembers = 0\ninterfaces = [\"*\", \"eth0\"]\n\
             addresses = [\"hall\"]\napplication_groups = [1]\n"
        ),
        [
            "w.toml:6: group.prot: no such option\n  hint: did you mean `group.port`?",
            "w.toml:13: group.application_groups: a list is expected\n  hint: write it in brackets, such as [\"one\", \"two\"]",
            "w.toml:10: group.members: 0 is too small\n  hint: use 1 to 4294967295",
            "w.toml:11: group.interfaces: these are no names of interfaces\n  hint: write names such as \"eth0\", or \"*\" alone for all",
            "w.toml:12: group.addresses: `hall` is no address\n  hint: write a multicast address, such as ff35:30:2001:db8:f1:0:8000:1",
            "w.toml:4: group.addresses: an address is not a multicast address\n  hint: use addresses from ff00::/8 or 224.0.0.0/4",
            "w.toml:5: group.port: this port must not be used for groups\n  hint: use 5683, or another one but 5684",
            "w.toml:9: group.security_groups: NoSec is no security group\n  hint: leave it out: without security group there is no security",
            "w.toml:8: group.name: another group is called so, or one of its further addresses is\n  hint: give every group a name of its own",
        ]
    );
    assert_eq!(
        problems("group = 5\n[coap]\nmulticast = false\n"),
        ["w.toml:2: group: no such option\n  hint: write [[group]] in front of the options of each group"]
    );
    assert_eq!(
        problems("[group]\nname = \"hall\"\n"),
        ["w.toml:2: group: no such option\n  hint: write [[group]] in front of the options of each group"]
    );
    assert_eq!(
        problems(
            "[coap]\nmulticast = false\n[[group]]\nname = \"hall\"\naddresses = [\"ff15::1\"]\ninterfaces = [\"*\"]\n"
        ),
        [
            "w.toml:7: group.interfaces: no multicast groups are joined\n  hint: switch coap.udp and coap.multicast on, or leave interfaces empty"
        ]
    );
}

#[test]
fn gc42_two_ports_on_one_address_are_a_warning() {
    let two = "[[group]]\nname = \"a\"\naddresses = [\"ff15::1\"]\n[[group]]\nname = \"b\"\naddresses = [\"ff15::1\"]\nport = 5690\n";
    let resolved = resolved(two).unwrap();
    let told: Vec<_> = resolved.warnings.iter().map(|warning| (warning.source.line(), warning.key.as_str())).collect();
    assert_eq!(told, [(8, "group.port")]);
}
