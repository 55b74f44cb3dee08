//! The thing itself: what a lamp, a sensor, a switch and a meter hold, show and let others change.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::str::FromStr;
use std::time::Duration;

use wayhouse_proto::rng::Rng;
use wayhouse_wire::coap::content_format::{JSON, TEXT_PLAIN};

use super::value::Wanted;

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On or off, with a level of 0 to 100.
    Lamp,
    /// A temperature that drifts.
    Sensor,
    /// On or off; it tells its groups.
    Switch,
    /// A counter with a long list of readings.
    Meter,
}

/// A resource of a kind of device.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resource {
    /// Its path without a slash in front.
    pub(super) path: &'static str,
    /// Resource type.
    pub(super) resource_type: &'static str,
    /// Interface description: sensor, actuator (draft-ietf-core-interfaces).
    pub(super) interface: &'static str,
    /// Content-formats, the default one first.
    pub(super) formats: &'static [u16],
    /// Whether it can be observed.
    pub(super) is_observable: bool,
    /// Whether PUT and POST change it.
    pub(super) is_writable: bool,
    aspect: Aspect,
}

impl PartialEq for Resource {
    fn eq(&self, other: &Resource) -> bool {
        self.path == other.path
    }
}
impl Eq for Resource {}

/// What a resource shows of its appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aspect {
    Main,
    Level,
    Readings,
}

const BOTH: &[u16] = &[TEXT_PLAIN, JSON];

const fn actuator(path: &'static str, resource_type: &'static str, aspect: Aspect) -> Resource {
    let interface = "core.a";
    Resource { path, resource_type, interface, formats: BOTH, is_observable: true, is_writable: true, aspect }
}
const fn sensor(path: &'static str, resource_type: &'static str, formats: &'static [u16], aspect: Aspect) -> Resource {
    let interface = "core.s";
    Resource { path, resource_type, interface, formats, is_observable: true, is_writable: false, aspect }
}

const LAMP: [Resource; 2] =
    [actuator("light", "light", Aspect::Main), actuator("light/level", "light.level", Aspect::Level)];
const SENSOR: [Resource; 1] = [sensor("temperature", "temperature", BOTH, Aspect::Main)];
const SWITCH: [Resource; 1] = [actuator("switch", "switch", Aspect::Main)];
const METER: [Resource; 2] = [
    sensor("meter", "meter", BOTH, Aspect::Main),
    sensor("meter/readings", "meter.readings", &[TEXT_PLAIN], Aspect::Readings),
];

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Lamp, Kind::Sensor, Kind::Switch, Kind::Meter];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Lamp => "lamp",
            Kind::Sensor => "sensor",
            Kind::Switch => "switch",
            Kind::Meter => "meter",
        }
    }
    /// How often it changes by itself when nothing is said about that.
    pub const fn default_period(self) -> Option<Duration> {
        match self {
            Kind::Sensor | Kind::Meter => Some(Duration::from_secs(10)),
            Kind::Lamp | Kind::Switch => None,
        }
    }
    /// Its resources, the main one first.
    pub(super) const fn resources(self) -> &'static [Resource] {
        match self {
            Kind::Lamp => &LAMP,
            Kind::Sensor => &SENSOR,
            Kind::Switch => &SWITCH,
            Kind::Meter => &METER,
        }
    }
    /// The resource of a path.
    pub(super) fn find(self, path: &[&[u8]]) -> Option<Resource> {
        let is_it = |resource: &&Resource| resource.path.split('/').map(str::as_bytes).eq(path.iter().copied());
        self.resources().iter().find(is_it).copied()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Kind, String> {
        let known = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
        known.ok_or_else(|| format!("`{text}` is none of {}", Kind::ALL.map(Kind::as_str).join(", ")))
    }
}

/// The state.
#[derive(Debug)]
pub(super) struct Appliance {
    kind: Kind,
    is_on: bool,
    level: u8,
    /// Tenths of a degree.
    temperature: i32,
    /// Watt hours.
    total: u64,
    readings: VecDeque<u64>,
    /// Tells entity tags of this device from those of others (GC36).
    tag: u32,
    version: u32,
}

/// Readings that a meter keeps: a text of some blocks.
const READINGS: usize = 200;
/// The bounds of a temperature, tenths of a degree.
const TEMPERATURES: std::ops::RangeInclusive<i32> = -400..=850;

impl Appliance {
    pub(super) fn new(kind: Kind, rng: &mut Rng) -> Appliance {
        let mut appliance = Appliance {
            kind,
            is_on: false,
            level: 100,
            temperature: 180 + rng.below(60) as i32,
            total: rng.below(1_000_000),
            readings: VecDeque::new(),
            tag: rng.next_u64() as u32,
            version: 0,
        };
        for _ in 0..if kind == Kind::Meter { READINGS } else { 0 } {
            appliance.change_by_itself(rng);
        }
        appliance
    }

    /// The entity tag of a representation: of this device with high probability alone (GC36), and of this state.
    pub(super) fn etag(&self, format: u16) -> [u8; 8] {
        let mut tag = [0; 8];
        tag[..4].copy_from_slice(&self.tag.wrapping_add(u32::from(format)).to_be_bytes());
        tag[4..].copy_from_slice(&self.version.to_be_bytes());
        tag
    }

    /// What it does when its period has passed; whether anything is different.
    pub(super) fn change_by_itself(&mut self, rng: &mut Rng) -> bool {
        match self.kind {
            Kind::Lamp => return false,
            Kind::Switch => self.is_on = !self.is_on,
            Kind::Sensor => {
                // Back towards the comfortable, so that it does not freeze or boil within a long test.
                let step = 1 + rng.below(5) as i32;
                let rises = rng.below(400) as i32 >= self.temperature;
                self.temperature += if rises { step } else { -step };
            }
            Kind::Meter => {
                self.total += 1 + rng.below(500);
                self.readings.push_front(self.total);
                self.readings.truncate(READINGS);
            }
        }
        self.version += 1;
        true
    }

    /// Makes it what somebody wants; whether anything is different.
    ///
    /// # Errors
    /// When that is no state of it.
    pub(super) fn put(&mut self, resource: Resource, wanted: Wanted) -> Result<bool, &'static str> {
        let (mut is_on, mut level, mut temperature) = (self.is_on, self.level, self.temperature);
        match (self.kind, resource.aspect) {
            (Kind::Lamp, _) => {
                if let Some(number) = wanted.number {
                    if !(0.0..=100.0).contains(&number) {
                        return Err("a level is a number from 0 to 100");
                    }
                    level = number.round() as u8;
                    is_on = level > 0;
                }
                is_on = wanted.is_on.unwrap_or(is_on) != wanted.toggles;
                if is_on && level == 0 {
                    level = 100;
                }
            }
            (Kind::Switch, _) => {
                let number = wanted.number.map(|number| number != 0.0);
                is_on = wanted.is_on.or(number).unwrap_or(is_on) != wanted.toggles;
            }
            (Kind::Sensor, _) => {
                let tenths = wanted.number.ok_or("a temperature is a number")? * 10.0;
                let tenths = tenths.round() as i32;
                temperature =
                    Some(tenths).filter(|tenths| TEMPERATURES.contains(tenths)).ok_or("no such temperature")?;
            }
            (Kind::Meter, _) => return Err("a meter counts by itself"),
        }
        let is_changed = (is_on, level, temperature) != (self.is_on, self.level, self.temperature);
        (self.is_on, self.level, self.temperature) = (is_on, level, temperature);
        self.version += u32::from(is_changed);
        Ok(is_changed)
    }

    /// A resource as text.
    pub(super) fn text(&self, resource: Resource) -> String {
        let mut text = Vec::new();
        self.write(resource, TEXT_PLAIN, &mut text);
        String::from_utf8(text).expect("written as text")
    }

    /// Appends a representation.
    pub(super) fn write(&self, resource: Resource, format: u16, out: &mut Vec<u8>) {
        let mut text = String::new();
        let degrees = f64::from(self.temperature) / 10.0;
        let on = if self.is_on { "on" } else { "off" };
        let outcome = match (self.kind, resource.aspect, format) {
            (Kind::Lamp, Aspect::Level, _) => write!(text, "{}", self.level),
            (Kind::Lamp, _, JSON) => write!(text, "{{\"on\":{},\"level\":{}}}", self.is_on, self.level),
            (Kind::Switch, _, JSON) => write!(text, "{{\"on\":{}}}", self.is_on),
            (Kind::Lamp | Kind::Switch, _, _) => write!(text, "{on}"),
            (Kind::Sensor, _, JSON) => write!(text, "{{\"value\":{degrees:.1},\"unit\":\"Cel\"}}"),
            (Kind::Sensor, _, _) => write!(text, "{degrees:.1}"),
            (Kind::Meter, Aspect::Readings, _) => {
                let mut lines = self.readings.iter().enumerate();
                lines.try_for_each(|(age, total)| writeln!(text, "{age:>4} ago {total:>10} Wh"))
            }
            (Kind::Meter, _, JSON) => write!(text, "{{\"value\":{},\"unit\":\"Wh\"}}", self.total),
            (Kind::Meter, _, _) => write!(text, "{}", self.total),
        };
        outcome.expect("writing to memory cannot fail");
        out.extend_from_slice(text.as_bytes());
    }
}
