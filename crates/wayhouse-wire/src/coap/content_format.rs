//! Content-Format numbers (IANA) and their media types.
#![allow(missing_docs, reason = "the names are the registered ones")]

pub const TEXT_PLAIN: u16 = 0;
pub const LINK_FORMAT: u16 = 40;
pub const OCTET_STREAM: u16 = 42;
pub const JSON: u16 = 50;
pub const CBOR: u16 = 60;
pub const CBOR_SEQ: u16 = 63;
pub const SENML_JSON: u16 = 110;
pub const SENML_CBOR: u16 = 112;
pub const PROBLEM_DETAILS_CBOR: u16 = 257;

const TABLE: [(u16, &str); 48] = [
    (0, "text/plain; charset=utf-8"),
    (16, "application/cose; cose-type=\"cose-encrypt0\""),
    (17, "application/cose; cose-type=\"cose-mac0\""),
    (18, "application/cose; cose-type=\"cose-sign1\""),
    (19, "application/ace+cbor"),
    (40, "application/link-format"),
    (41, "application/xml"),
    (42, "application/octet-stream"),
    (47, "application/exi"),
    (50, "application/json"),
    (51, "application/json-patch+json"),
    (52, "application/merge-patch+json"),
    (60, "application/cbor"),
    (61, "application/cwt"),
    (62, "application/multipart-core"),
    (63, "application/cbor-seq"),
    (64, "application/edhoc+cbor-seq"),
    (65, "application/cid-edhoc+cbor-seq"),
    (96, "application/cose; cose-type=\"cose-encrypt\""),
    (97, "application/cose; cose-type=\"cose-mac\""),
    (98, "application/cose; cose-type=\"cose-sign\""),
    (101, "application/cose-key"),
    (102, "application/cose-key-set"),
    (110, "application/senml+json"),
    (111, "application/sensml+json"),
    (112, "application/senml+cbor"),
    (113, "application/sensml+cbor"),
    (140, "application/yang-data+cbor; id=sid"),
    (256, "application/coap-group+json"),
    (257, "application/concise-problem-details+cbor"),
    (261, "application/ace-groupcomm+cbor"),
    (271, "application/dots+cbor"),
    (272, "application/missing-blocks+cbor-seq"),
    (280, "application/pkcs7-mime; smime-type=server-generated-key"),
    (281, "application/pkcs7-mime; smime-type=certs-only"),
    (284, "application/pkcs8"),
    (285, "application/csrattrs"),
    (286, "application/pkcs10"),
    (287, "application/pkix-cert"),
    (290, "application/aif+cbor"),
    (291, "application/aif+json"),
    (320, "application/senml-etch+json"),
    (322, "application/senml-etch+cbor"),
    (340, "application/yang-data+cbor"),
    (341, "application/yang-data+cbor; id=name"),
    (553, "application/dns-message"),
    (836, "application/voucher+cose"),
    (10001, "application/oscore"),
];

/// The media type of a number, from the table of sheet `coap.md` §25.
pub fn media_type(number: u16) -> Option<&'static str> {
    TABLE.binary_search_by_key(&number, |row| row.0).ok().map(|at| TABLE[at].1)
}

/// The number for a media type (parameters may be left out), or for a number written in decimal.
pub fn from_name(name: &str) -> Option<u16> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let wanted = name.trim();
    let is_named = |text: &str| text.eq_ignore_ascii_case(wanted);
    let whole = TABLE.iter().find(|row| is_named(row.1));
    let bare = || TABLE.iter().find(|row| row.1.split_once(';').is_some_and(|(kind, _)| is_named(kind)));
    whole.or_else(bare).map(|row| row.0)
}

#[cfg(test)]
mod tests;
