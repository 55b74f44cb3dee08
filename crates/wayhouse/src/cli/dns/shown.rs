//! Records as people and programs read them.

use serde_json::{Value, json};
use wayhouse_proto::dns::client::{Asked, OwnedRecord};
use wayhouse_wire::dns::presentation::RdataText;
use wayhouse_wire::dns::{Name, NameRef};

use crate::cli::exit::Fault;
use crate::cli::printer::{Surroundings, printable, table};

/// Reads a name as it is typed; characters beyond ASCII stand for themselves.
pub(super) fn parse_name(text: &str) -> Result<Name, Fault> {
    Name::parse(text).map_err(|error| {
        Fault::misuse(format!("`{text}` is no name: {error}"))
            .hint("labels of at most 63 octets between dots; a dot inside a label is written \\.")
    })
}

/// A label as text: a service instance's is UTF-8 (RFC 6763 §4.1.1).
pub(super) fn label_text(label: &[u8]) -> String {
    printable(&String::from_utf8_lossy(label)).into_owned()
}

/// The first label of a name as text.
pub(super) fn first_label(name: NameRef<'_>) -> String {
    name.labels().next().map(label_text).unwrap_or_default()
}

/// The data of a record.
pub(super) fn data(record: &OwnedRecord) -> String {
    let text = RdataText { rtype: record.rtype, rdata: &record.rdata }.to_string();
    printable(&text).into_owned()
}

/// A record in one line, as zone files have it, without what is the same everywhere.
pub(super) fn line(record: &OwnedRecord) -> String {
    format!("{} {} {} {}", printable(&record.name.to_string()), record.ttl_s, record.rtype, data(record))
}

/// Records in a table.
pub(super) fn records_table<'r>(records: impl Iterator<Item = &'r OwnedRecord>, surroundings: Surroundings) -> String {
    let row = |record: &OwnedRecord| {
        let name = printable(&record.name.to_string()).into_owned();
        vec![name, record.ttl_s.to_string(), record.rtype.to_string(), data(record)]
    };
    table(&["NAME", "TTL", "TYPE", "DATA"], &records.map(row).collect::<Vec<_>>(), surroundings)
}

/// A record as an object.
pub(super) fn record_json(record: &OwnedRecord) -> Value {
    json!({
        "name": record.name.to_string(),
        "ttl": record.ttl_s,
        "class": record.class.to_string(),
        "type": record.rtype.to_string(),
        "data": RdataText { rtype: record.rtype, rdata: &record.rdata }.to_string(),
    })
}

/// A question in a sentence.
pub(super) fn question(asked: &Asked) -> String {
    format!("{} {}", printable(&asked.name.to_string()), asked.rtype)
}
