//! Puts the layers on top of one another and remembers which one each value came from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wayhouse_node::config::Group;

use super::file::Contents;
use super::groups::{GroupSources, TABLE};
use super::options::{OPTIONS, Setting, Value};
use super::{Problem, Settings, Source, file};

/// What settings are made of besides the defaults, from below to above.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// A configuration file.
    pub file: Option<PathBuf>,
    /// The environment, of which only the variables of options and those that tell the data directory are looked at.
    pub environment: BTreeMap<String, String>,
    /// Flags: the flag as it was written, the option it sets, its values.
    pub flags: Vec<(String, String, Vec<String>)>,
}

/// Settings, and where they came from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The settings.
    pub settings: Settings,
    /// Where each group of the settings came from.
    pub group_sources: Vec<GroupSources>,
    /// What can be used but should not be.
    pub warnings: Vec<Problem>,
    sources: BTreeMap<&'static str, Source>,
}

impl Resolved {
    /// Every option with its value and where that came from.
    pub fn values(&self) -> impl Iterator<Item = (&'static Setting, Value, &Source)> {
        OPTIONS.iter().map(|setting| (setting, setting.read(&self.settings), self.source(setting.key)))
    }
    /// Where the value of an option came from.
    pub fn source(&self, key: &str) -> &Source {
        self.sources.get(key).unwrap_or(&Source::Default)
    }

    /// Where an option of a group came from, else the group as a whole.
    fn source_in_group(&self, number: usize, name: &str) -> Source {
        let sources = &self.group_sources[number];
        sources.of(name).unwrap_or(&sources.table).clone()
    }

    /// A problem of the node with a group, told with its place.
    fn problem_in_group(&self, number: usize, problem: &wayhouse_node::config::Problem) -> Problem {
        let source = self.source_in_group(number, problem.key);
        let (why, hint) = (problem.why.to_owned(), problem.hint.to_owned());
        Problem { source, key: format!("{TABLE}.{}", problem.key), why, hint }
    }

    fn add_group(&mut self, written: file::WrittenGroup) -> Vec<Problem> {
        let mut group = Group::default();
        let mut problems = Vec::new();
        let (mut options, mut misread) = (Vec::new(), Vec::new());
        for (setting, value, source) in written.values {
            match setting.write(&mut group, &value) {
                Ok(()) => options.push((setting.name, source)),
                Err(wrong) => {
                    misread.push(setting.name);
                    problems.push(Problem { source, key: setting.key(), why: wrong.why, hint: wrong.hint });
                }
            }
        }
        self.settings.node.groups.push(group);
        self.group_sources.push(GroupSources { table: written.source, options, misread });
        problems
    }

    fn set(&mut self, setting: &'static Setting, value: &Value, source: Source) -> Result<(), Problem> {
        match setting.write(&mut self.settings, value) {
            Ok(()) => {
                self.sources.insert(setting.key, source);
                Ok(())
            }
            Err(wrong) => Err(Problem { source, key: setting.key.to_owned(), why: wrong.why, hint: wrong.hint }),
        }
    }
}

/// Makes settings of all layers.
///
/// # Errors
/// All problems of all layers.
pub fn resolve(layers: &Layers) -> Result<Resolved, Vec<Problem>> {
    let mut resolved = Resolved {
        settings: Settings::default(),
        group_sources: Vec::new(),
        warnings: Vec::new(),
        sources: BTreeMap::new(),
    };
    let mut problems = Vec::new();
    if let Some(path) = &layers.file {
        let Contents { written, groups, problems: faults } = file::read(path);
        problems.extend(faults);
        problems.extend(written.into_iter().filter_map(|w| resolved.set(w.setting, &w.value, w.source).err()));
        for group in groups {
            problems.extend(resolved.add_group(group));
        }
    }
    for setting in OPTIONS {
        let name = setting.variable();
        if let Some(text) = layers.environment.get(&name) {
            let source = Source::Environment(name);
            problems.extend(set_text(&mut resolved, setting, text, source).err());
        }
    }
    let unknown = |source, key: String, shown: fn(&Setting) -> String| {
        let hint = match Setting::nearest(&key) {
            Some(setting) => format!("did you mean `{}`?", shown(setting)),
            None => "`wayhouse check-config` lists all options".to_owned(),
        };
        Problem { source, key, why: "no such option".to_owned(), hint }
    };
    for name in layers.environment.keys() {
        let Some(key) = mistaken_key(name) else { continue };
        problems.push(unknown(Source::Environment(name.clone()), key, Setting::variable));
    }
    for (flag, key, values) in &layers.flags {
        let source = Source::Flag(flag.clone());
        let Some(setting) = Setting::find(key) else {
            problems.push(unknown(source, key.clone(), |setting| setting.key.to_owned()));
            continue;
        };
        problems.extend(set_text(&mut resolved, setting, &values.join(" "), source).err());
    }
    if resolved.settings.store.data_dir.as_os_str().is_empty() {
        match default_data_dir(&layers.environment) {
            Some((path, variable)) => {
                resolved.settings.store.data_dir = path;
                resolved.sources.insert("store.data_dir", Source::Environment(variable.to_owned()));
            }
            None => problems.push(Problem {
                source: Source::Default,
                key: "store.data_dir".to_owned(),
                why: "there is no home directory to keep data in".to_owned(),
                hint: "name a directory with --data-dir".to_owned(),
            }),
        }
    }
    for problem in resolved.settings.node.problems() {
        let source = resolved.source(problem.key).clone();
        let (key, why, hint) = (problem.key.to_owned(), problem.why.to_owned(), problem.hint.to_owned());
        problems.push(Problem { source, key, why, hint });
    }
    for (number, problem) in resolved.settings.node.group_problems() {
        // What could not be read has been told.
        if resolved.group_sources[number].misread.contains(&problem.key) {
            continue;
        }
        problems.push(resolved.problem_in_group(number, &problem));
    }
    let joins_groups = resolved.settings.coap.is_udp_on && resolved.settings.coap.is_multicast_on;
    for (number, _) in resolved.settings.node.groups.iter().enumerate().filter(|(_, group)| group.is_member()) {
        if !joins_groups {
            problems.push(Problem {
                source: resolved.source_in_group(number, "interfaces"),
                key: format!("{TABLE}.interfaces"),
                why: "no multicast groups are joined".to_owned(),
                hint: "switch coap.udp and coap.multicast on, or leave interfaces empty".to_owned(),
            });
        }
    }
    let dns = &resolved.settings.dns;
    for (is_there, other, key) in [
        (dns.tls_certificate.is_some(), dns.tls_key.is_some(), "dns.tls_certificate"),
        (dns.tls_key.is_some(), dns.tls_certificate.is_some(), "dns.tls_key"),
    ] {
        if is_there && !other {
            problems.push(Problem {
                source: resolved.source(key).clone(),
                key: key.to_owned(),
                why: "a certificate needs its key, and a key its certificate".to_owned(),
                hint: "set both dns.tls_certificate and dns.tls_key, or neither".to_owned(),
            });
        }
    }
    let warnings = resolved.settings.node.group_warnings();
    resolved.warnings = warnings.iter().map(|(number, warning)| resolved.problem_in_group(*number, warning)).collect();
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

fn set_text(resolved: &mut Resolved, setting: &'static Setting, text: &str, source: Source) -> Result<(), Problem> {
    match setting.kind.parse(text) {
        Ok(value) => resolved.set(setting, &value, source),
        Err(wrong) => Err(Problem { source, key: setting.key.to_owned(), why: wrong.why, hint: wrong.hint }),
    }
}

/// The key that a variable means to set, if it looks like that of an option and is none.
fn mistaken_key(variable: &str) -> Option<String> {
    let (section, name) = variable.strip_prefix("WAYHOUSE_")?.split_once('_')?;
    let section = section.to_ascii_lowercase();
    let is_section = OPTIONS.iter().any(|setting| setting.key.split('.').next() == Some(&*section));
    let is_known = OPTIONS.iter().any(|setting| setting.variable() == variable);
    (is_section && !is_known).then(|| format!("{section}.{}", name.to_ascii_lowercase()))
}

/// Where data is kept when nobody says otherwise, and which variable told so.
fn default_data_dir(environment: &BTreeMap<String, String>) -> Option<(PathBuf, &'static str)> {
    // Relative paths are to be ignored, says the specification of base directories.
    let absolute = |name: &str| environment.get(name).map(Path::new).filter(|path| path.is_absolute());
    // A service manager may name several; the first is the one of the service itself.
    let state = environment.get("STATE_DIRECTORY").and_then(|paths| paths.split(':').next());
    if let Some(state) = state.filter(|path| !path.is_empty()) {
        return Some((state.into(), "STATE_DIRECTORY"));
    }
    if let Some(data) = absolute("XDG_DATA_HOME") {
        return Some((data.join("wayhouse"), "XDG_DATA_HOME"));
    }
    absolute("HOME").map(|home| (home.join(".local/share/wayhouse"), "HOME"))
}

#[cfg(test)]
mod tests;
