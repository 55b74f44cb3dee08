//! TLS towards a server of ours or of somebody else: whom to believe, and the octets in between (RFC 8310).
//!
//! A [`Session`] touches no socket: what arrived goes in, what is to leave comes out.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::ssl::{ErrorCode, SslConnector, SslMethod, SslStream, SslVerifyMode, SslVersion};

use crate::cli::exit::Fault;

/// The protocol's name in the handshake (RFC 7858), with its length in front.
const ALPN: &[u8] = b"\x03dot";
/// Where systems keep the certificates that they trust.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// A server's key as it is told out of band: the hash of its SubjectPublicKeyInfo (RFC 7858 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin([u8; 32]);

impl FromStr for Pin {
    type Err = String;
    fn from_str(text: &str) -> Result<Pin, String> {
        let digits = text.strip_prefix("sha256/").unwrap_or(text);
        let digest = openssl::base64::decode_block(digits).ok().and_then(|digest| digest.try_into().ok());
        digest.map(Pin).ok_or_else(|| format!("`{text}` is not 32 octets in base64, with or without sha256/ before"))
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", openssl::base64::encode_block(&self.0))
    }
}

/// Whom to believe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// Whom the system trusts, or who is vouched for by a certificate in the file; the name must be right.
    Roots(Option<PathBuf>),
    /// Who has one of these keys, whatever else the certificate says.
    Pins(Vec<Pin>),
    /// Anybody: protects from who only listens.
    Anybody,
}

/// Why there is no protected connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsFault {
    /// The server could not prove to be the one.
    #[error("the server did not prove who it is: {0}")]
    Unproven(String),
    /// The handshake failed, or the connection was not protected as it should be.
    #[error("TLS failed: {0}")]
    Broken(String),
}

/// One side of a protected connection.
pub(super) struct Session {
    stream: SslStream<Pipe>,
    pins: Option<Vec<Pin>>,
}

#[derive(Debug, Default)]
struct Pipe {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.incoming.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Session {
    /// A session with a host, whose name or address the certificate must hold unless trust comes from elsewhere.
    ///
    /// # Errors
    /// Misuse for a file that holds no certificates.
    pub(super) fn new(host: &str, trust: &Trust) -> Result<Session, Fault> {
        let failed = |error: ErrorStack| {
            Fault::misuse(format!("TLS cannot be prepared: {error}")).hint("check --ca and --server")
        };
        let mut builder = SslConnector::builder(SslMethod::tls_client()).map_err(failed)?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2)).map_err(failed)?;
        builder.set_alpn_protos(ALPN).map_err(failed)?;
        match trust {
            Trust::Roots(Some(file)) => builder.set_ca_file(file).map_err(|_| {
                Fault::misuse(format!("{} holds no certificates", file.display())).hint("--ca takes a file in PEM form")
            })?,
            Trust::Roots(None) => {
                if let Some(file) = SYSTEM_ROOTS.iter().find(|file| Path::new(file).exists()) {
                    builder.set_ca_file(file).map_err(failed)?;
                }
            }
            Trust::Pins(_) | Trust::Anybody => builder.set_verify(SslVerifyMode::NONE),
        }
        let mut configuration = builder.build().configure().map_err(failed)?;
        configuration.set_verify_hostname(matches!(trust, Trust::Roots(_)));
        let ssl = configuration.into_ssl(host).map_err(failed)?;
        let stream = SslStream::new(ssl, Pipe::default()).map_err(failed)?;
        let pins = if let Trust::Pins(pins) = trust { Some(pins.clone()) } else { None };
        Ok(Session { stream, pins })
    }

    /// Goes on with the handshake; tells whether it is over.
    ///
    /// # Errors
    /// When the server cannot be believed, or does not speak TLS.
    pub(super) fn shake_hands(&mut self, arrived: &[u8]) -> Result<bool, TlsFault> {
        self.stream.get_mut().incoming.extend(arrived);
        match self.stream.connect() {
            Ok(()) => self.check_pin().map(|()| true),
            Err(error) if error.code() == ErrorCode::WANT_READ => Ok(false),
            Err(error) => {
                let verdict = self.stream.ssl().verify_result();
                Err(match verdict.error_string() {
                    "ok" => TlsFault::Broken(error.to_string()),
                    why => TlsFault::Unproven(why.to_owned()),
                })
            }
        }
    }
    fn check_pin(&self) -> Result<(), TlsFault> {
        let Some(pins) = &self.pins else { return Ok(()) };
        let certificate = self.stream.ssl().peer_certificate();
        let key = certificate.and_then(|certificate| certificate.public_key().ok());
        let pin = key.and_then(|key| key.public_key_to_der().ok()).map(|der| Pin(sha256(&der)));
        match pin {
            Some(pin) if pins.contains(&pin) => Ok(()),
            Some(pin) => Err(TlsFault::Unproven(format!("its key is {pin}, which is none of the pins"))),
            None => Err(TlsFault::Unproven("it showed no key".to_owned())),
        }
    }

    /// Takes what arrived, appends what it says; tells whether the server closed the session.
    ///
    /// # Errors
    /// When the octets are not what the server sent.
    pub(super) fn take(&mut self, arrived: &[u8], plain: &mut Vec<u8>) -> Result<bool, TlsFault> {
        self.stream.get_mut().incoming.extend(arrived);
        let mut buffer = [0; 4096];
        loop {
            match self.stream.ssl_read(&mut buffer) {
                Ok(octets) => plain.extend_from_slice(&buffer[..octets]),
                Err(error) if error.code() == ErrorCode::WANT_READ => return Ok(false),
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => return Ok(true),
                Err(error) => return Err(TlsFault::Broken(error.to_string())),
            }
        }
    }
    /// Protects what is to be sent.
    ///
    /// # Errors
    /// When the session is over.
    pub(super) fn put(&mut self, plain: &[u8]) -> Result<(), TlsFault> {
        self.stream.write_all(plain).map_err(|error| TlsFault::Broken(error.to_string()))
    }
    /// Says that nothing more follows (close_notify).
    pub(super) fn finish(&mut self) {
        // Whoever is gone already needs no farewell.
        let _ = self.stream.shutdown();
    }
    /// What is to leave.
    pub(super) fn take_outgoing(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.stream.get_mut().outgoing);
    }
}
