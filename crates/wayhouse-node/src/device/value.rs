//! What somebody wants a device to be, as people and programs write it: text, a plain number, or a little JSON.
//!
//! ```text
//! on  off  true  false  toggle  40  "on"  {"on": true, "level": 40}  {"value": 21.5}
//! ```

/// What is wanted; what is not said stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Wanted {
    /// On or off.
    pub(super) is_on: Option<bool>,
    /// A number: a level or a temperature.
    pub(super) number: Option<f64>,
    /// The other one of on and off.
    pub(super) toggles: bool,
}

impl Wanted {
    /// The other one of on and off.
    pub(super) const TOGGLE: Wanted = Wanted { is_on: None, number: None, toggles: true };
}

/// Reads it; `None` when it makes no sense.
pub(super) fn parse(octets: &[u8]) -> Option<Wanted> {
    let text = std::str::from_utf8(octets).ok()?.trim();
    match text.strip_prefix('{') {
        Some(rest) => parse_object(rest.strip_suffix('}')?.trim()),
        None => parse_scalar(text),
    }
}

fn parse_scalar(text: &str) -> Option<Wanted> {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let mut wanted = Wanted::default();
    match text {
        "on" | "true" => wanted.is_on = Some(true),
        "off" | "false" => wanted.is_on = Some(false),
        "toggle" => wanted.toggles = true,
        _ => wanted.number = Some(text.parse().ok().filter(|number: &f64| number.is_finite())?),
    }
    Some(wanted)
}

/// Members of an object without objects, lists and escapes in it: no value of a device needs them.
fn parse_object(members: &str) -> Option<Wanted> {
    let mut wanted = Wanted::default();
    for member in members.split(',') {
        let (name, value) = member.split_once(':')?;
        let name = name.trim().strip_prefix('"')?.strip_suffix('"')?;
        let value = parse_scalar(value.trim())?;
        match name {
            "on" => wanted.is_on = Some(value.is_on?),
            "level" | "value" => wanted.number = Some(value.number?),
            _ => return None,
        }
    }
    Some(wanted)
}

#[cfg(test)]
mod tests;
