//! REST data shapes, version 1: what the server writes and clients read.
//!
//! Within version 1 fields are only added. Durations are whole seconds; an absent sector is the empty string, as in the
//! registry. The OpenAPI description is generated from these types.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An attribute. A list of them keeps order, and a name may repeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attribute {
    /// Its name.
    #[schema(example = "et")]
    pub name: String,
    /// Its value; empty when it has none.
    #[schema(example = "oic.d.sensor")]
    pub value: String,
}

/// How a registrant came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// It registered itself, or a commissioning tool did (RFC 9176 §5).
    Directory,
    /// Its links were fetched from it (RFC 9176 §5.1).
    SimpleRegistration,
    /// An operator entered it.
    Operator,
    /// It registered by a signed update of the DNS (RFC 9665).
    Srp,
    /// It stands in the configuration, and is changed there.
    Configured,
}

/// A registrant, without its links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registrant {
    /// Its stable identity.
    #[schema(example = "0r5x8k2m4q7zt")]
    pub id: String,
    /// Endpoint name (`ep`).
    #[schema(example = "lamp-17")]
    pub endpoint_name: String,
    /// Sector (`d`), empty for none.
    #[schema(example = "upstairs")]
    pub sector: String,
    /// Base URI against which its links are resolved.
    #[schema(example = "coap://[2001:db8::17]")]
    pub base: String,
    /// Further endpoint attributes.
    pub attributes: Vec<Attribute>,
    /// How many links it has.
    #[schema(example = 4)]
    pub link_count: usize,
    /// How it came to be known.
    pub origin: Origin,
    /// Granted lifetime, seconds.
    #[schema(example = 3600)]
    pub lifetime_s: u32,
    /// Time left, seconds.
    #[schema(example = 2941)]
    pub remaining_s: u64,
    /// Time since the last renewal, seconds.
    #[schema(example = 659)]
    pub age_s: u64,
}

/// A registrant with its links.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegistrantDetail {
    /// The registrant.
    #[serde(flatten)]
    pub registrant: Registrant,
    /// The path of its registration resource in the directory (CoAP).
    #[schema(example = "/reg/0r5x8k2m4q7zt")]
    pub location: String,
    /// Whether its lease runs. An expired registrant can be revived for a while, but no lookup shows it.
    pub is_active: bool,
    /// Whether it named its base itself, instead of having it derived from its address.
    pub is_base_explicit: bool,
    /// The address of its last registration or update.
    #[schema(example = "[2001:db8::17]:5683")]
    pub source: Option<String>,
    /// Its links, in order.
    pub links: Vec<Link>,
    /// Other registrants that are the same device: at the same address, or with the same key.
    pub same_device: Vec<String>,
}

/// A link of a registrant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// The target as registered.
    #[schema(example = "/light")]
    pub target: String,
    /// The target as a full URI.
    #[schema(example = "coap://[2001:db8::17]/light")]
    pub resolved_target: String,
    /// Target attributes in order, `rel` and `anchor` among them when given.
    pub attributes: Vec<Attribute>,
}

/// A page of registrants, in an order that stays the same while nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegistrantPage {
    /// The registrants of this page.
    pub registrants: Vec<Registrant>,
    /// Which page this is, from 0.
    pub page: u64,
    /// How many registrants a full page has.
    pub count: u64,
    /// Whether a further page follows.
    pub has_more: bool,
}

/// A CoAP group: everything that registrations say about one authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Address or name, and port unless it is 5683: what identifies it.
    #[schema(example = "[ff35:30:2001:db8:f1:0:8000:1]:5685")]
    pub authority: String,
    /// The same as a URI.
    #[schema(example = "coap://[ff35:30:2001:db8:f1:0:8000:1]:5685")]
    pub uri: String,
    /// Its multicast address; absent when only a name is known.
    #[schema(example = "ff35:30:2001:db8:f1:0:8000:1")]
    pub address: Option<String>,
    /// Its UDP port.
    #[schema(example = 5685)]
    pub port: u16,
    /// How far datagrams to it go, where the address is known.
    #[schema(example = "site-local")]
    pub scope: Option<String>,
    /// Its names, in lower case.
    pub names: Vec<String>,
    /// The application groups that it carries, by name.
    pub application_groups: Vec<ApplicationGroup>,
    /// The security groups that protect it, by name; none: nothing is known to protect it.
    pub security_groups: Vec<SecurityGroup>,
    /// The registrations that stand for it.
    pub registrations: Vec<GroupRegistration>,
    /// Registrants that take part in it.
    pub members: Vec<GroupMember>,
    /// Whether there are more members than these.
    pub has_more_members: bool,
    /// Whether this daemon is a member itself.
    pub is_member: bool,
    /// How many members are expected, where the configuration says so.
    #[schema(example = 50)]
    pub members_expected: Option<u32>,
    /// The rate that all answers together should not exceed, octets per second, where the configuration says so.
    #[schema(example = 1000)]
    pub rate_octets_s: Option<u32>,
    /// Ports of other CoAP groups on the same address, which is not recommended.
    pub other_ports: Vec<u16>,
}

/// An application group, as one CoAP group carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApplicationGroup {
    /// Its name.
    #[schema(example = "gp1")]
    pub name: String,
    /// Where the name stands in a request.
    pub naming: Naming,
    /// Its types.
    #[schema(example = json!(["g.light"]))]
    pub types: Vec<String>,
    /// Targets of its resources as registered.
    #[schema(example = json!(["/gp/gp1"]))]
    pub resources: Vec<String>,
    /// Names of the security groups that protect it.
    pub security_groups: Vec<String>,
    /// Ids of the registrants that told.
    pub learned_from: Vec<String>,
}

/// Where the name of an application group stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// In the path, such as `/gp/NAME`.
    Path,
    /// In the query, such as `?gp=NAME`.
    Query,
    /// In the authority.
    Authority,
    /// Nowhere.
    Implicit,
}

/// A security group, as it protects one CoAP group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecurityGroup {
    /// Its name.
    #[schema(example = "hall-keys")]
    pub name: String,
    /// Names of the application groups that it protects here; none: all.
    pub application_groups: Vec<String>,
    /// Resources of Group Managers at which it can be joined.
    pub join_uris: Vec<String>,
    /// Ids of the registrants that told.
    pub learned_from: Vec<String>,
}

/// A registration that stands for a CoAP group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupRegistration {
    /// The id of the registrant.
    #[schema(example = "0r5x8k2m4q7zt")]
    pub id: String,
    /// Endpoint name.
    #[schema(example = "hall.example")]
    pub endpoint_name: String,
    /// Sector, empty for none.
    pub sector: String,
    /// How it came to be known.
    pub origin: Origin,
}

/// A registrant that takes part in a CoAP group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupMember {
    /// Its id.
    #[schema(example = "0r5x8k2m4q7zt")]
    pub id: String,
    /// Endpoint name.
    #[schema(example = "lamp-17")]
    pub endpoint_name: String,
    /// Sector, empty for none.
    pub sector: String,
    /// Base URI.
    #[schema(example = "coap://[2001:db8::17]")]
    pub base: String,
    /// Names of the application groups in which it is; none: its links do not tell.
    pub application_groups: Vec<String>,
}

/// A page of CoAP groups, in order of their authorities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupPage {
    /// The groups of this page.
    pub groups: Vec<Group>,
    /// Which page this is, from 0.
    pub page: u64,
    /// How many groups a full page has.
    pub count: u64,
    /// Whether a further page follows.
    pub has_more: bool,
}

/// A registrant to enter. One of the same name and sector is replaced under the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistrantEntry {
    /// Endpoint name: 1 to 63 octets.
    #[schema(example = "lamp-17")]
    pub endpoint_name: String,
    /// Sector, empty for none.
    #[serde(default)]
    #[schema(example = "upstairs")]
    pub sector: String,
    /// Base URI.
    #[schema(example = "coap://[2001:db8::17]")]
    pub base: String,
    /// Lifetime, seconds.
    #[serde(default = "default_lifetime_s")]
    #[schema(minimum = 1, default = default_lifetime_s, example = 3600)]
    pub lifetime_s: u32,
    /// Further endpoint attributes.
    #[serde(default)]
    pub attributes: Vec<Attribute>,
    /// A link-format document (RFC 6690) whose references are full URIs or start with `/` (RFC 9176 App. C).
    #[serde(default)]
    #[schema(example = "</light>;rt=\"light\"")]
    pub links: String,
}

/// The lifetime of an entry that names none: that of RFC 9176 §5, 25 hours.
fn default_lifetime_s() -> u32 {
    90_000
}

/// What became of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entered {
    /// The id of the registrant.
    #[schema(example = "0r5x8k2m4q7zt")]
    pub id: String,
    /// Whether it is new, as opposed to replaced.
    pub is_new: bool,
}

/// What happened to a registrant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It is new, or back after it had expired.
    Added,
    /// Its content changed, perhaps also its lease.
    Changed,
    /// Only its lease was renewed.
    Refreshed,
    /// It was removed on request.
    Removed,
    /// Its lease ran out.
    Expired,
}

impl ChangeKind {
    /// The name of the event that tells it.
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Added => "added",
            ChangeKind::Changed => "changed",
            ChangeKind::Refreshed => "refreshed",
            ChangeKind::Removed => "removed",
            ChangeKind::Expired => "expired",
        }
    }
}

/// A change, as the data of a server-sent event of that kind's name; the event's id is the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The number of the change: strictly increasing, with gaps.
    #[schema(example = 4711)]
    pub number: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// The registrant after the change; for removals as it was before.
    pub registrant: Registrant,
}

/// Sizes and counters of the daemon. Counters start at zero with it and only grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// URIs under which devices reach the directory, the best one first.
    pub directory_uris: Vec<String>,
    /// Whether an admin token is configured, without which nobody can change anything here.
    pub is_changeable: bool,
    /// Active registrants.
    pub registrants: u64,
    /// Octets of text held for them.
    pub octets: u64,
    /// Observers of lookups and other resources (CoAP).
    pub observers: u64,
    /// Listeners to changes (server-sent events).
    pub listeners: u64,
    /// Number of the last change.
    pub last_change: u64,
    /// CoAP requests received.
    pub requests: u64,
    /// Notifications sent to observers.
    pub notifications: u64,
    /// Registrations taken, repeated ones included.
    pub registrations: u64,
    /// Updates taken.
    pub updates: u64,
    /// Removals on request.
    pub removals: u64,
    /// Expiries.
    pub expiries: u64,
    /// Lookups answered.
    pub lookups: u64,
    /// Requests that the directory refused.
    pub refusals: u64,
}

/// Why a request was not done (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: String,
    /// The meaning of the status code.
    #[schema(example = "Not Found")]
    pub title: String,
    /// The status code.
    #[schema(example = 404)]
    pub status: u16,
    /// What is wrong with this request.
    #[schema(example = "no such entry")]
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(example = "list the registrants to see which there are")]
    pub hint: Option<String>,
}

/// A GET to all members of a CoAP group.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupQuestion {
    /// `coap://` URI whose host is a multicast address.
    #[schema(example = "coap://[ff05::db8:8000:1]/gp/hall/light")]
    pub uri: String,
    /// Names of the interfaces to send by; none: one that the system chooses.
    #[serde(default)]
    pub interfaces: Vec<String>,
    /// How long answers are gathered, seconds; 7 when absent.
    #[serde(default)]
    pub window_s: Option<f64>,
    /// How often the request is sent again, for members that loss hid.
    #[serde(default)]
    pub repetitions: u8,
    /// Members that should answer, each as address and port.
    #[serde(default)]
    pub members: Vec<String>,
}

/// What one member of a group answered. At the end, only `after_s` stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GroupAnswer {
    /// Who: address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Since the group was asked, seconds.
    pub after_s: f64,
    /// Response code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2.05")]
    pub code: Option<String>,
    /// Content-Format of the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_format: Option<u16>,
    /// Its media type, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The payload, when it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its octets in hexadecimal, when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// Why there is no answer from a member that was expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}
