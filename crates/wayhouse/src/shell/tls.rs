//! TLS for connections: it ends here, and what the node sees is in the clear (RFC 7858, RFC 8310).
//!
//! A [`TlsSession`] touches no socket: it is given the octets that arrived and appends those that are to leave, so that many
//! sessions share the buffers of the loop and hold next to nothing while they are idle. Keys and certificates are the affair of
//! `identity.rs`.
//!
//! # Deviations
//! Early data is not taken (PU6 allows it, nothing requires it): what could be replayed never reaches the node, and with that
//! the rules for early data are kept (DS52, DS53).

pub mod identity;

use std::fmt;
use std::io::{self, Read, Write};

use openssl::error::ErrorStack;
use openssl::ssl::{
    AlpnError, ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode,
    SslStream, SslVersion, select_next_proto,
};

use identity::Identity;

/// The protocol's name where clients ask for one (RFC 7858's registration of "dot"), with its length in front.
const ALPN: &[u8] = b"\x03dot";
/// What tells sessions of this service from those of others.
const SESSION_CONTEXT: &[u8] = b"dns";
/// Room for what one call of [`TlsSession::take`] may yield: what is taken at a time, and the rest of a record before it.
pub const PLAIN_OCTETS: usize = super::stream::READ_OCTETS + (17 << 10);

/// What all sessions have in common.
#[derive(Clone)]
pub struct TlsServer {
    context: SslContext,
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

/// Of TLS 1.3, the first that both ends know; those of TLS 1.2 are left to the library.
const CIPHER_SUITES: &str = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";

impl TlsServer {
    /// A server that shows an identity. TLS 1.2 and 1.3; sessions are resumed by tickets, so that nothing is kept here for
    /// clients that went away.
    ///
    /// # Errors
    /// When the library refuses a setting.
    pub fn new(identity: &Identity) -> Result<TlsServer, ErrorStack> {
        let mut builder = SslContextBuilder::new(SslMethod::tls_server())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        let options = SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION | SslOptions::CIPHER_SERVER_PREFERENCE;
        builder.set_options(options);
        // The shortest key that nobody breaks first: a handshake is a long row of hashes, and those of the longer ones cost
        // several times as much at both ends.
        builder.set_ciphersuites(CIPHER_SUITES)?;
        // Idle sessions give their record buffers back.
        builder.set_mode(SslMode::RELEASE_BUFFERS);
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_session_id_context(SESSION_CONTEXT)?;
        // One ticket serves a client that comes back; it gets the next one then.
        builder.set_num_tickets(1)?;
        // DS52, DS53, PU6: see the deviations above.
        builder.set_max_early_data(0)?;
        builder.set_alpn_select_callback(|_, offered| select_next_proto(ALPN, offered).ok_or(AlpnError::NOACK));
        builder.set_certificate(&identity.certificate)?;
        for issuer in &identity.issuers {
            builder.add_extra_chain_cert(issuer.clone())?;
        }
        builder.set_private_key(&identity.key)?;
        builder.check_private_key()?;
        Ok(TlsServer { context: builder.build() })
    }

    /// The session of a connection that was just accepted.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn accept(&self) -> Result<TlsSession, ErrorStack> {
        let mut ssl = Ssl::new(&self.context)?;
        ssl.set_accept_state();
        Ok(TlsSession { stream: SslStream::new(ssl, Wire::default())?, is_established: false, is_closed: false })
    }
}

/// One session.
#[derive(Debug)]
pub struct TlsSession {
    stream: SslStream<Wire>,
    is_established: bool,
    /// Whether we said that nothing more comes, or must not say anything any more.
    is_closed: bool,
}

/// What octets that arrived led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How many octets stand in the clear.
    pub octets: usize,
    /// Whether the handshake ended well with them.
    pub is_established: bool,
    /// How the session ended, if it did.
    pub end: Option<End>,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The peer says that nothing more comes (close_notify).
    Closed,
    /// The peer broke a rule of TLS, or gave up.
    Failed,
}

/// The octets of one call.
#[derive(Debug, Default)]
struct Wire {
    incoming: Vec<u8>,
    taken: usize,
    end: usize,
    outgoing: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = &self.incoming[self.taken..self.end];
        if left.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let octets = left.len().min(buffer.len());
        buffer[..octets].copy_from_slice(&left[..octets]);
        self.taken += octets;
        Ok(octets)
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(octets);
        Ok(octets.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsSession {
    /// Whether the client was known from an earlier connection.
    pub fn is_resumed(&self) -> bool {
        self.stream.ssl().session_reused()
    }

    /// Takes the first `end` octets of `incoming`, writes what they mean to the start of `plain`, which has room for
    /// [`PLAIN_OCTETS`], and appends what TLS itself has to answer to `outgoing`.
    pub fn take(&mut self, incoming: &mut Vec<u8>, end: usize, plain: &mut [u8], outgoing: &mut Vec<u8>) -> Taken {
        self.lend(incoming, end, outgoing);
        let taken = self.advance(plain);
        self.lend(incoming, 0, outgoing);
        taken
    }
    /// Encrypts octets and appends them to `outgoing`; false when the session is over.
    pub fn put(&mut self, mut plain: &[u8], outgoing: &mut Vec<u8>) -> bool {
        if self.is_closed {
            return false;
        }
        self.lend(&mut Vec::new(), 0, outgoing);
        while !plain.is_empty() {
            match self.stream.ssl_write(plain) {
                Ok(octets) => plain = &plain[octets..],
                Err(_) => break,
            }
        }
        self.lend(&mut Vec::new(), 0, outgoing);
        plain.is_empty()
    }
    /// Says that nothing more comes (close_notify).
    pub fn close(&mut self, outgoing: &mut Vec<u8>) {
        if self.is_closed || !self.is_established {
            return;
        }
        self.is_closed = true;
        self.lend(&mut Vec::new(), 0, outgoing);
        // What the peer says to it does not matter.
        let _ = self.stream.shutdown();
        self.lend(&mut Vec::new(), 0, outgoing);
    }

    /// Gives the library the caller's buffers, or takes them back.
    fn lend(&mut self, incoming: &mut Vec<u8>, end: usize, outgoing: &mut Vec<u8>) {
        let wire = self.stream.get_mut();
        std::mem::swap(&mut wire.incoming, incoming);
        std::mem::swap(&mut wire.outgoing, outgoing);
        (wire.taken, wire.end) = (0, end);
    }
    fn advance(&mut self, plain: &mut [u8]) -> Taken {
        let mut taken = Taken { octets: 0, is_established: false, end: None };
        if !self.is_established {
            match self.stream.do_handshake() {
                Ok(()) => (self.is_established, taken.is_established) = (true, true),
                Err(error) if error.code() == ErrorCode::WANT_READ => return taken,
                Err(_) => {
                    self.is_closed = true;
                    taken.end = Some(End::Failed);
                    return taken;
                }
            }
        }
        while taken.octets < plain.len() {
            match self.stream.ssl_read(&mut plain[taken.octets..]) {
                Ok(octets) => taken.octets += octets,
                Err(error) => {
                    taken.end = match error.code() {
                        ErrorCode::WANT_READ => None,
                        ErrorCode::ZERO_RETURN => Some(End::Closed),
                        _ => {
                            // After a fatal alert nothing more may be said.
                            self.is_closed = true;
                            Some(End::Failed)
                        }
                    };
                    return taken;
                }
            }
        }
        // More than one call can bring: the bound of the buffer says why.
        taken
    }
}
