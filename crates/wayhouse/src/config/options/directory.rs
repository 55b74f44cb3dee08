//! Options of the Resource Directory.

use wayhouse_node::config::AnonymousPolicy;

use super::{Kind, Setting, Value, Words, of_word, parse_networks, word_of, write_network};

const ANONYMOUS: &Words<AnonymousPolicy> =
    &[("open", AnonymousPolicy::Open), ("address", AnonymousPolicy::Address), ("refuse", AnonymousPolicy::Refuse)];

/// The options.
pub const OPTIONS: &[Setting] = &[
    setting!(
        "directory.anonymous",
        Kind::Choice(&["open", "address", "refuse"]),
        |settings| word_of(ANONYMOUS, &settings.node.directory.anonymous),
        |settings, value| {
            settings.node.directory.anonymous = of_word(ANONYMOUS, value)?;
            Ok(())
        },
        "What registrants may do whose transport proves no identity (plain CoAP): register, and change whatever no",
        "authenticated registrant holds (open); change only from the address that registered (address); only look up",
        "(refuse)."
    ),
    number!(
        "directory.default_lifetime_s",
        node.directory.default_lifetime_s,
        1,
        u32::MAX as u64,
        "Lifetime of registrations that name none, seconds."
    ),
    number!(
        "directory.lifetime_max_s",
        node.directory.lifetime_max_s,
        1,
        u32::MAX as u64,
        "Longest lifetime granted, seconds. Longer wishes are cut."
    ),
    flag!(
        "directory.simple_registration",
        node.directory.simple_registration,
        "Whether devices may have their links fetched (simple registration) instead of sending them."
    ),
    flag!(
        "directory.require_freshness",
        node.directory.require_freshness,
        "Whether changes to a registration must prove that they are no old messages sent again."
    ),
    number!(
        "directory.lookup_max_age_s",
        node.directory.lookup_max_age_s,
        0,
        u32::MAX as u64,
        "How long answers to lookups may be cached (Max-Age), seconds."
    ),
    number!(
        "directory.lookup_results_max",
        node.directory.lookup_results_max,
        1,
        u32::MAX as u64,
        "Results of one lookup. A lookup with more must ask for pages."
    ),
    number!(
        "directory.observed_lookups_max",
        node.directory.observed_lookups_max,
        0,
        1 << 24,
        "Lookups observed at a time. Beyond, requests are answered once, without observation."
    ),
    setting!(
        "directory.trusted_consumers",
        Kind::List,
        |settings| { Value::List(settings.node.directory.trusted_consumers.iter().map(write_network).collect()) },
        |settings, value| {
            settings.node.directory.trusted_consumers = parse_networks(value)?;
            Ok(())
        },
        "Networks of consumers that are shown where each link came from and how old it is (provenance, lt-age,",
        "lt-remaining)."
    ),
];
