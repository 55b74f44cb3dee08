//! What came, changed and went between two states of a lookup. Pure.

use std::collections::BTreeMap;

use wayhouse_wire::coap::link_format::{Link, LinkFormat};

/// One difference; links as link-format text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// Something new.
    Added(String),
    /// Something that has other attributes than before.
    Changed(String),
    /// Something that is no longer there, as it was last.
    Removed(String),
}

impl Difference {
    /// `+`, `~`, `-`.
    pub(super) fn sign(&self) -> char {
        match self {
            Difference::Added(_) => '+',
            Difference::Changed(_) => '~',
            Difference::Removed(_) => '-',
        }
    }
    /// The word for it.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Difference::Added(_) => "added",
            Difference::Changed(_) => "changed",
            Difference::Removed(_) => "removed",
        }
    }
    /// The link.
    pub(super) fn link(&self) -> &str {
        let (Difference::Added(link) | Difference::Changed(link) | Difference::Removed(link)) = self;
        link
    }
}

/// What makes a link the same as before: for an endpoint its registration resource, an opaque URI (RD30); for a resource its
/// target, context and relation.
type Identity = (String, String, String);

/// The last state seen.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    links: BTreeMap<Identity, Vec<String>>,
}

impl State {
    /// Takes the next state and tells the differences: removed ones first, then the others in the order of their identity.
    pub(super) fn advance(&mut self, document: &LinkFormat<'_>) -> Vec<Difference> {
        let mut next: BTreeMap<Identity, Vec<String>> = BTreeMap::new();
        for link in document.links() {
            next.entry(identity(&link)).or_default().push(text(&link));
        }
        let mut removed = Vec::new();
        let mut others = Vec::new();
        for (identity, before) in &self.links {
            let after = next.get(identity).map_or(0, Vec::len);
            removed.extend(before.iter().skip(after).cloned().map(Difference::Removed));
        }
        for (identity, after) in &next {
            let before = self.links.get(identity).map_or(&[][..], Vec::as_slice);
            for (index, link) in after.iter().enumerate() {
                match before.get(index) {
                    None => others.push(Difference::Added(link.clone())),
                    Some(earlier) if earlier != link => others.push(Difference::Changed(link.clone())),
                    Some(_) => {}
                }
            }
        }
        self.links = next;
        removed.append(&mut others);
        removed
    }
}

fn identity(link: &Link<'_>) -> Identity {
    let value = |name: &str| link.parameter(name).map(|value| value.unquoted().into_owned()).unwrap_or_default();
    (link.target.to_owned(), value("anchor"), value("rel"))
}

fn text(link: &Link<'_>) -> String {
    format!("<{}>{}", link.target, link.parameters_text())
}

#[cfg(test)]
mod tests;
