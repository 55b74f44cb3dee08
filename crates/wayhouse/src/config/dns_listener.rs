//! One DNS listener: its address and, behind it, the texts it follows where they are others than those of all listeners, such
//! as `[::]:8053` or `0.0.0.0:8054+push-10+session-signal-02`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use wayhouse_node::config::{Dialects, UpdateDialect};
use wayhouse_wire::dialect::{DsoDialect, PushDialect};

use super::words::Words;

/// Which words stand for which text of DNS Stateful Operations.
pub const SESSION_DIALECTS: &Words<DsoDialect> = &[
    ("rfc8490", DsoDialect::Rfc8490),
    ("session-signal-02", DsoDialect::SessionSignal02),
    ("session-signal-03", DsoDialect::SessionSignal03),
];
/// Which words stand for which text of DNS Push Notifications.
pub const PUSH_DIALECTS: &Words<PushDialect> =
    &[("rfc8765", PushDialect::Rfc8765), ("push-10", PushDialect::Push10), ("push-12", PushDialect::Push12)];
/// Which words stand for which texts of updates.
pub const UPDATE_DIALECTS: &Words<UpdateDialect> =
    &[("srp", UpdateDialect::Srp), ("stateful-dnssd", UpdateDialect::StatefulDnssd)];

/// What stands between an address and a word.
const SEPARATOR: char = '+';

/// A DNS listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DnsListener {
    /// Where it listens.
    pub address: SocketAddr,
    /// Which text of DNS Stateful Operations it follows; `None`: that of all.
    sessions: Option<DsoDialect>,
    /// Likewise of DNS Push Notifications.
    push: Option<PushDialect>,
    /// Likewise of updates.
    updates: Option<UpdateDialect>,
}

/// Why a text is no listener.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoListener {
    /// What stands in front.
    #[error("`{0}` is no address with a port")]
    Address(String),
    /// A word behind it.
    #[error("`{0}` is no text that is spoken")]
    Word(String),
    /// A word behind another one.
    #[error("`{0}` is a second text of its kind")]
    SecondOfKind(String),
}

impl DnsListener {
    /// Which texts it follows, where those of all are these.
    pub fn dialects(&self, all: Dialects) -> Dialects {
        Dialects {
            sessions: self.sessions.unwrap_or(all.sessions),
            push: self.push.unwrap_or(all.push),
            updates: self.updates.unwrap_or(all.updates),
        }
    }

    /// The same at another port.
    pub fn with_port(self, port: u16) -> DnsListener {
        DnsListener { address: SocketAddr::new(self.address.ip(), port), ..self }
    }

    /// Follows the text that a word stands for.
    fn follow(&mut self, word: &str) -> Result<(), NoListener> {
        let is_second = settle(&mut self.sessions, SESSION_DIALECTS, word)
            .or_else(|| settle(&mut self.push, PUSH_DIALECTS, word))
            .or_else(|| settle(&mut self.updates, UPDATE_DIALECTS, word));
        match is_second {
            Some(false) => Ok(()),
            Some(true) => Err(NoListener::SecondOfKind(word.to_owned())),
            None => Err(NoListener::Word(word.to_owned())),
        }
    }
}

impl From<SocketAddr> for DnsListener {
    fn from(address: SocketAddr) -> DnsListener {
        DnsListener { address, sessions: None, push: None, updates: None }
    }
}

/// Settles what a word is for, and tells whether it was settled before; `None` when the word is for something else.
fn settle<T: Copy>(slot: &mut Option<T>, words: &Words<T>, word: &str) -> Option<bool> {
    let (_, value) = words.iter().find(|(other, _)| *other == word)?;
    Some(slot.replace(*value).is_some())
}

impl FromStr for DnsListener {
    type Err = NoListener;
    fn from_str(text: &str) -> Result<DnsListener, NoListener> {
        let mut parts = text.split(SEPARATOR);
        let address = parts.next().unwrap_or_default();
        let address: SocketAddr = address.parse().map_err(|_| NoListener::Address(address.to_owned()))?;
        let mut listener = DnsListener::from(address);
        parts.try_for_each(|word| listener.follow(word))?;
        Ok(listener)
    }
}

impl fmt::Display for DnsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn word_of<T: PartialEq>(words: &Words<T>, value: Option<T>) -> Option<&'static str> {
            words.iter().find(|(_, other)| value.as_ref() == Some(other)).map(|(word, _)| *word)
        }
        write!(f, "{}", self.address)?;
        let words = [
            word_of(SESSION_DIALECTS, self.sessions),
            word_of(PUSH_DIALECTS, self.push),
            word_of(UPDATE_DIALECTS, self.updates),
        ];
        words.into_iter().flatten().try_for_each(|word| write!(f, "{SEPARATOR}{word}"))
    }
}

#[cfg(test)]
mod tests;
