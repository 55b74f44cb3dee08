//! Requirement ids: which rule of a sheet stands in which code and is proved by which test.
//!
//! An id is two capital letters and a number (`CM12`); it is defined where a sheet of `docs/specs` introduces it: bold,
//! at the start of a list item, or in the first cell of a table row. A rule binds when its text says MUST, when its
//! level is M, or when it is stated flatly (no SHOULD, MAY, RECOMMENDED or may in it).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};

use crate::tree;

#[derive(Debug, Default)]
struct Requirement {
    sheet: String,
    text: String,
    is_binding: bool,
    code: BTreeSet<String>,
    tests: BTreeSet<String>,
}

/// Prints the table and fails on what is missing or unknown.
pub fn run(family: Option<&str>) -> Result<()> {
    let waivers_text = tree::read("docs/specs/waivers.toml");
    let waivers: toml::Table = waivers_text.parse().context("docs/specs/waivers.toml")?;
    let in_scope: BTreeSet<String> = words(&waivers, "families");
    let ids_in_scope: BTreeSet<String> = words(&waivers, "ids");
    let mut waived = BTreeMap::new();
    for waiver in waivers.get("waiver").and_then(toml::Value::as_array).into_iter().flatten() {
        let field = |name: &str| waiver.get(name).and_then(toml::Value::as_str).map(str::to_owned);
        let id = field("id").context("a waiver without id")?;
        let reason = field("reason").filter(|reason| reason.len() > 10).with_context(|| format!("{id}: no reason"))?;
        field("date").with_context(|| format!("waiver of {id} without date"))?;
        waived.insert(id, reason);
    }

    let mut problems = Vec::new();
    let mut requirements = definitions(&mut problems);
    collect_uses(&mut requirements, &mut problems);

    let mut missing = 0;
    let (mut tested, mut binding, mut excused) = (0, 0, 0);
    for (id, requirement) in &requirements {
        let scoped = in_scope.contains(&id[..2]) || ids_in_scope.contains(id);
        if family.is_some_and(|family| !id.starts_with(family)) || (!scoped && family.is_none()) {
            continue;
        }
        let state = if !requirement.tests.is_empty() {
            tested += 1;
            "tested"
        } else if waived.contains_key(id) {
            excused += 1;
            "waived"
        } else if !scoped {
            "later"
        } else if requirement.is_binding {
            missing += 1;
            "MISSING"
        } else {
            "open"
        };
        binding += usize::from(requirement.is_binding && scoped);
        println!(
            "{id:5} {:7} {state:7} code: {:2} file(s)  tests: {}",
            if requirement.is_binding { "binding" } else { "advice" },
            requirement.code.len(),
            requirement.tests.iter().cloned().collect::<Vec<_>>().join(", ")
        );
        if state == "MISSING" {
            println!("      {}", requirement.text);
        }
        if state == "tested" && waived.contains_key(id) {
            problems.push(format!("{id} is waived in docs/specs/waivers.toml but has a test: remove the waiver"));
        }
    }
    for id in waived.keys() {
        if !requirements.contains_key(id) {
            problems.push(format!("docs/specs/waivers.toml waives {id}, which no sheet defines"));
        }
    }
    println!("\n{binding} binding requirements in scope; {tested} tested, {excused} waived, {missing} missing");
    for problem in &problems {
        eprintln!("problem: {problem}");
    }
    if missing > 0 || !problems.is_empty() {
        bail!("{missing} binding requirement(s) with neither test nor waiver, {} problem(s)", problems.len());
    }
    Ok(())
}

fn words(table: &toml::Table, name: &str) -> BTreeSet<String> {
    let list = table.get("scope").and_then(|scope| scope.get(name)).and_then(toml::Value::as_array);
    list.into_iter().flatten().filter_map(toml::Value::as_str).map(str::to_owned).collect()
}

/// Reads an id at the start of `text`: two capitals, one to three digits, then no letter or digit.
fn id_at(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    if bytes.len() < 3 || !bytes[0].is_ascii_uppercase() || !bytes[1].is_ascii_uppercase() {
        return None;
    }
    let digits = bytes[2..].iter().take_while(|octet| octet.is_ascii_digit()).count();
    let end = 2 + digits;
    let stops = bytes.get(end).is_none_or(|next| !next.is_ascii_alphanumeric());
    ((1..=3).contains(&digits) && stops).then(|| &text[..end])
}

fn definitions(problems: &mut Vec<String>) -> BTreeMap<String, Requirement> {
    let mut found: BTreeMap<String, Requirement> = BTreeMap::new();
    let mut family_of: BTreeMap<String, String> = BTreeMap::new();
    for sheet in tree::files("docs/specs").into_iter().filter(|path| path.ends_with(".md")) {
        let mut last: Option<String> = None;
        for line in tree::read(&sheet).lines() {
            let trimmed = line.trim_start();
            let body = trimmed.strip_prefix("- ").or_else(|| trimmed.strip_prefix("| ")).unwrap_or(trimmed);
            let bare = body.strip_prefix("**").unwrap_or(body);
            let is_marked = body.len() != bare.len() || trimmed.len() != body.len();
            match id_at(bare).filter(|_| is_marked) {
                Some(id) => {
                    let owner = family_of.entry(id[..2].to_owned()).or_insert_with(|| sheet.clone());
                    if *owner != sheet {
                        problems.push(format!("family {} is used by {owner} and by {sheet}", &id[..2]));
                    }
                    let requirement = found.entry(id.to_owned()).or_default();
                    if !requirement.sheet.is_empty() {
                        // A remark about a rule may start with its id, in plain type.
                        if body.len() != bare.len() {
                            problems.push(format!("{id} is defined twice in {sheet}"));
                        }
                        last = None;
                        continue;
                    }
                    requirement.sheet.clone_from(&sheet);
                    requirement.text = bare.to_owned();
                    last = Some(id.to_owned());
                }
                // A rule goes on over indented lines, up to the next item, heading or empty line.
                None if !trimmed.is_empty() && !is_marked && !trimmed.starts_with(['#', '|', '-', '`']) => {
                    if let Some(requirement) = last.as_ref().and_then(|id| found.get_mut(id)) {
                        requirement.text.push(' ');
                        requirement.text.push_str(trimmed);
                    }
                }
                None => last = None,
            }
        }
    }
    for requirement in found.values_mut() {
        requirement.is_binding = is_binding(&requirement.text);
    }
    found
}

fn is_binding(text: &str) -> bool {
    // A row of a table with levels: `RR14 | M | …`.
    if let Some((_, level)) = text.split_once('|').filter(|(id, _)| id.trim().len() <= 6) {
        return level.trim_start().starts_with('M');
    }
    let says = |word: &str| text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
    says("MUST") || !["SHOULD", "MAY", "RECOMMENDED", "may"].iter().any(|word| says(word))
}

fn collect_uses(requirements: &mut BTreeMap<String, Requirement>, problems: &mut Vec<String>) {
    let families: BTreeSet<String> = requirements.keys().map(|id| id[..2].to_owned()).collect();
    let mut paths = tree::files("crates");
    paths.extend(tree::files("interop"));
    for path in paths.into_iter().filter(|path| path.ends_with(".rs") || path.ends_with(".py")) {
        let text = tree::read(&path);
        for line in text.lines() {
            let trimmed = line.trim_start();
            let function = ["fn ", "async fn ", "def ", "async def "]
                .iter()
                .find_map(|start| trimmed.strip_prefix(start))
                .map(|rest| rest.split(['(', '<']).next().unwrap_or_default());
            for id in function.into_iter().flat_map(ids_of_test_name) {
                if !families.contains(&id[..2]) {
                    continue;
                }
                match requirements.get_mut(&id) {
                    Some(requirement) => {
                        requirement.tests.insert(function.unwrap_or_default().to_owned());
                    }
                    None => problems.push(format!("{path}: a test names {id}, which no sheet defines")),
                }
            }
            if !trimmed.contains("//") {
                continue;
            }
            let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
            let mut rest = trimmed;
            while let Some(at) = rest.find(|c: char| c.is_ascii_uppercase()) {
                rest = &rest[at..];
                match id_at(rest) {
                    Some(id) if families.contains(&id[..2]) => {
                        match requirements.get_mut(id) {
                            Some(requirement) if !is_test => {
                                requirement.code.insert(path.clone());
                            }
                            Some(_) => {}
                            None => problems.push(format!("{path}: a comment names {id}, which no sheet defines")),
                        }
                        rest = &rest[id.len()..];
                    }
                    _ => {
                        let skip = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
                        rest = &rest[skip..];
                    }
                }
            }
        }
    }
}

/// `cm11_cm12_reset_is_empty` names CM11 and CM12.
fn ids_of_test_name(name: &str) -> Vec<String> {
    name.split('_').map_while(|part| id_at(&part.to_ascii_uppercase()).map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_names_carry_their_ids() {
        assert_eq!(ids_of_test_name("cm11_cm12_reset_is_empty"), ["CM11", "CM12"]);
        assert_eq!(ids_of_test_name("a_plain_test"), Vec::<String>::new());
        assert_eq!(ids_of_test_name("ipv6_is_no_id"), Vec::<String>::new());
    }

    #[test]
    fn flat_rules_and_musts_bind_but_advice_does_not() {
        assert!(is_binding("CM2 Truncated token = format error."));
        assert!(is_binding("RD9 SHOULD, but MUST."));
        assert!(!is_binding("RD1 SHOULD only."));
        assert!(is_binding("RR14 | M | text | 6.1 |"));
        assert!(!is_binding("RR16 | S | text | 6.1 |"));
    }
}
