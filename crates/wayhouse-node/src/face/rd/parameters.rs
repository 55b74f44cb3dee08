//! The query parameters of registrations and updates (RFC 9176 §5, §5.3, §9.3).

use wayhouse_registry::Refusal;
use wayhouse_wire::coap::Options;
use wayhouse_wire::coap::option::number;

use crate::config::Directory as Settings;
use crate::rules::{check_attribute, invalid};

/// Which interface is spoken to; each knows other parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// `POST /rd`.
    Registration,
    /// `POST /.well-known/rd`: no `base` (RD20).
    SimpleRegistration,
    /// `POST` to a registration: no `ep`, no `d` (RD24).
    Update,
}

/// The parameters, syntax checked; names as in the RFC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters<'a> {
    /// `ep`.
    pub(super) endpoint_name: Option<&'a str>,
    /// `d`.
    pub(super) sector: Option<&'a str>,
    /// `lt`, cut to the longest that is granted.
    pub(super) lifetime_s: Option<u32>,
    /// `base`, unchecked.
    pub(super) base: Option<&'a str>,
    /// All others, in order: endpoint attributes.
    pub(super) attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Parameters<'a> {
    /// Reads the Uri-Query options.
    ///
    /// # Errors
    /// `Invalid` with the parameter at fault.
    pub(super) fn read(
        options: Options<'a>,
        purpose: Purpose,
        settings: &Settings,
        attributes_max: usize,
    ) -> Result<Parameters<'a>, Refusal> {
        let mut parameters = Parameters::default();
        for octets in options.all(number::URI_QUERY) {
            let text = std::str::from_utf8(octets).map_err(|_| invalid("parameter", "it is not UTF-8"))?;
            let (name, value) = text.split_once('=').unwrap_or((text, ""));
            match name {
                "ep" | "d" if purpose == Purpose::Update => {
                    // RD24
                    return Err(invalid(if name == "d" { "d" } else { "ep" }, "a registration cannot be renamed"));
                }
                "ep" => set(&mut parameters.endpoint_name, "ep", value)?,
                "d" => set(&mut parameters.sector, "d", value)?,
                "lt" => set(&mut parameters.lifetime_s, "lt", lifetime(value)?.min(settings.lifetime_max_s))?,
                "base" if purpose == Purpose::SimpleRegistration => {
                    // RD20
                    return Err(invalid("base", "simple registration takes the source address"));
                }
                "base" => set(&mut parameters.base, "base", value)?,
                "" if value.is_empty() => {}
                _ => {
                    check_attribute(name, value)?;
                    if parameters.attributes.len() >= attributes_max {
                        return Err(invalid("parameter", "there are too many"));
                    }
                    parameters.attributes.push((name, value));
                }
            }
        }
        Ok(parameters)
    }
    /// The lifetime to grant: the wish, or the default.
    pub(super) fn lifetime_or_default(&self, settings: &Settings) -> u32 {
        self.lifetime_s.unwrap_or(settings.default_lifetime_s).min(settings.lifetime_max_s)
    }
}

fn set<T>(place: &mut Option<T>, what: &'static str, value: T) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(invalid(what, "it stands more than once")),
    }
}

fn lifetime(value: &str) -> Result<u32, Refusal> {
    let is_number = !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit());
    match value.parse::<u32>() {
        Ok(seconds) if is_number && seconds > 0 => Ok(seconds),
        _ => Err(invalid("lt", "it is not a number from 1 to 4294967295")),
    }
}
