//! Key and certificate of the listeners over TLS: those that the configuration names, else our own.
//!
//! Our own key is made once and stays: clients that pinned it (RFC 7858 §4.2) know us again after any renewal. The certificate
//! is signed by itself, lasts ten years, and is made anew when it is about to end or lacks a name.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName, SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Name};

/// Our own key in the data directory.
const KEY_FILE: &str = "dns-tls-key.pem";
/// Our own certificate there.
const CERTIFICATE_FILE: &str = "dns-tls-certificate.pem";
/// How long our own certificate lasts: nobody but its key vouches for it, and the daemon may run for years.
const DAYS: u32 = 3_650;
/// It is renewed when less than this is left.
const RENEWAL_DAYS: u32 = 30;
/// The longest common name (RFC 5280 appendix A.1).
const COMMON_NAME_OCTETS_MAX: usize = 64;

/// What a server shows to its clients.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: X509,
    /// Those that lead to an authority.
    pub issuers: Vec<X509>,
    /// Its key.
    pub key: PKey<Private>,
}

/// What our own certificate is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The server's name in the zones.
    pub server: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// Where an identity comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Files that the configuration names.
    Files {
        /// The certificate, its issuers behind it.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
    /// Our own, in the data directory.
    Own {
        /// The data directory.
        data_dir: PathBuf,
        /// What its certificate is about.
        names: Names,
    },
}

impl Source {
    /// Reads it, as it is now.
    ///
    /// # Errors
    /// As [`Identity::read`] and [`Identity::own`].
    pub fn read(&self) -> Result<Identity, IdentityError> {
        match self {
            Source::Files { certificate, key } => Identity::read(certificate, key),
            Source::Own { data_dir, names } => Identity::own(data_dir, names),
        }
    }

    /// Reads it once more, for a daemon that runs: its own key is not made anew where it is missing, because clients know it.
    ///
    /// # Errors
    /// As for [`Source::read`].
    pub fn read_again(&self) -> Result<Identity, IdentityError> {
        if let Source::Own { data_dir, .. } = self {
            let path = data_dir.join(KEY_FILE);
            if let Err(error) = std::fs::metadata(&path) {
                let hint = "put the file back, or restart to have another one made";
                return Err(IdentityError { key: "store.data_dir", path, why: error.to_string(), hint });
            }
        }
        self.read()
    }
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {}: {why}", path.display())]
pub struct IdentityError {
    /// The option that names the file; `store.data_dir` for our own.
    pub key: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub hint: &'static str,
}

impl Identity {
    /// Reads a certificate, with its issuers behind it, and its key, both as PEM.
    ///
    /// # Errors
    /// A file that cannot be read, or two that do not belong together.
    pub fn read(certificate: &Path, key: &Path) -> Result<Identity, IdentityError> {
        let of_certificate = |why: String| IdentityError {
            key: "dns.tls_certificate",
            path: certificate.to_owned(),
            why,
            hint: "name a PEM file with the certificate first and its issuers behind it",
        };
        let of_key = |why: String| IdentityError {
            key: "dns.tls_key",
            path: key.to_owned(),
            why,
            hint: "name the PEM file of the certificate's private key, without a passphrase",
        };
        let text = std::fs::read(certificate).map_err(|error| of_certificate(error.to_string()))?;
        let mut chain = X509::stack_from_pem(&text).unwrap_or_default().into_iter();
        let leaf = chain.next().ok_or_else(|| of_certificate("no certificate stands there".to_owned()))?;
        let text = std::fs::read(key).map_err(|error| of_key(error.to_string()))?;
        // An empty passphrase, lest the library ask the terminal for one.
        let private = PKey::private_key_from_pem_passphrase(&text, b"")
            .map_err(|_| of_key("no private key stands there that can be read".to_owned()))?;
        let is_pair = leaf.public_key().is_ok_and(|public| public.public_eq(&private));
        if !is_pair {
            return Err(of_key(format!("it is not the key of the certificate in {}", certificate.display())));
        }
        Ok(Identity { certificate: leaf, issuers: chain.collect(), key: private })
    }

    /// Our own in the data directory, made or renewed where it has to be.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn own(data_dir: &Path, names: &Names) -> Result<Identity, IdentityError> {
        let path = data_dir.join(KEY_FILE);
        let fault = |path: &Path, why: String| IdentityError {
            key: "store.data_dir",
            path: path.to_owned(),
            why,
            hint: "remove the file to have another one made, or name files with dns.tls_certificate and dns.tls_key",
        };
        let unreadable = || "no private key stands there that can be read".to_owned();
        let key = match std::fs::read(&path) {
            Ok(text) => PKey::private_key_from_pem_passphrase(&text, b"").map_err(|_| fault(&path, unreadable()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make_key()
                .map_err(io::Error::from)
                .and_then(|(key, text)| keep(&path, &text, 0o600).map(|()| key))
                .map_err(|error| fault(&path, error.to_string()))?,
            Err(error) => return Err(fault(&path, error.to_string())),
        };
        let path = data_dir.join(CERTIFICATE_FILE);
        let kept = std::fs::read(&path).ok().and_then(|text| X509::from_pem(&text).ok());
        let certificate = match kept.filter(|kept| is_good(kept, &key, names)) {
            Some(kept) => kept,
            None => {
                let made = certify(&key, names, DAYS).and_then(|made| Ok((made.to_pem()?, made)));
                let kept =
                    made.map_err(io::Error::from).and_then(|(text, made)| keep(&path, &text, 0o644).map(|()| made));
                kept.map_err(|error| fault(&path, error.to_string()))?
            }
        };
        Ok(Identity { certificate, issuers: Vec::new(), key })
    }

    /// The pin of the key: SHA-256 of its SubjectPublicKeyInfo, in base64 (RFC 7858 §4.2).
    ///
    /// # Errors
    /// When the library cannot write the key.
    pub fn pin(&self) -> Result<String, ErrorStack> {
        Ok(openssl::base64::encode_block(&openssl::sha::sha256(&self.key.public_key_to_der()?)))
    }
}

fn make_key() -> Result<(PKey<Private>, Vec<u8>), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let text = key.private_key_to_pem_pkcs8()?;
    Ok((key, text))
}

/// Whether a certificate is of a key, names everything, and lasts long enough.
fn is_good(certificate: &X509, key: &PKey<Private>, names: &Names) -> bool {
    let is_of_key = certificate.public_key().is_ok_and(|public| public.public_eq(key));
    let lasts = Asn1Time::days_from_now(RENEWAL_DAYS).is_ok_and(|soon| certificate.not_after() > &*soon);
    let alternatives = certificate.subject_alt_names();
    let has = |wanted: &Alternative| {
        alternatives.iter().flatten().any(|name| match wanted {
            Alternative::Name(wanted) => name.dnsname() == Some(wanted),
            Alternative::Address(IpAddr::V4(wanted)) => name.ipaddress() == Some(&wanted.octets()),
            Alternative::Address(IpAddr::V6(wanted)) => name.ipaddress() == Some(&wanted.octets()),
        })
    };
    is_of_key && lasts && alternatives_of(names).iter().all(has)
}

/// One thing that a certificate is about.
enum Alternative {
    Name(String),
    Address(IpAddr),
}

fn alternatives_of(names: &Names) -> Vec<Alternative> {
    let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let hosts = ["localhost".to_owned()].into_iter().chain(names.server.clone());
    let mut addresses: Vec<IpAddr> = loopback.into_iter().chain(names.addresses.iter().copied()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    hosts.map(Alternative::Name).chain(addresses.into_iter().map(Alternative::Address)).collect()
}

fn certify(key: &PKey<Private>, names: &Names, days: u32) -> Result<X509, ErrorStack> {
    let mut subject = X509Name::builder()?;
    let server = names.server.as_deref().filter(|name| name.len() <= COMMON_NAME_OCTETS_MAX);
    subject.append_entry_by_nid(Nid::COMMONNAME, server.unwrap_or("wayhouse"))?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(159, MsbOption::MAYBE_ZERO, false)?;

    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(&subject)?;
    builder.set_pubkey(key)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(days)?)?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let mut alternatives = SubjectAlternativeName::new();
    for alternative in alternatives_of(names) {
        match alternative {
            Alternative::Name(name) => alternatives.dns(&name),
            Alternative::Address(address) => alternatives.ip(&address.to_string()),
        };
    }
    let context = builder.x509v3_context(None, None);
    let alternatives = alternatives.build(&context)?;
    let identifier = SubjectKeyIdentifier::new().build(&context)?;
    builder.append_extension(alternatives)?;
    builder.append_extension(identifier)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

/// Writes a file aside first, so that a crash leaves no half of it behind.
fn keep(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let draft = path.with_extension("new");
    // What a crash left there may have another mode.
    let _ = std::fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)
}

#[cfg(test)]
mod tests;
