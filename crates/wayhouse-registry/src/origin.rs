//! Who vouches for an entry, and who may change it.

#[cfg(test)]
mod tests;

/// How an entry came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// Registered at the Resource Directory by itself or a commissioning tool (RFC 9176 §5).
    Directory,
    /// Simple registration: the links were fetched from the registrant (RFC 9176 §5.1).
    SimpleRegistration,
    /// Entered by an operator.
    Operator,
    /// Registered by a signed update of the DNS (RFC 9665): it has [`crate::ServiceHost`].
    Srp,
    /// Stands in the configuration: it is not written to the store, and goes when it is taken out there.
    Configured,
}

/// What the transport proved about a peer, and what is remembered of the one that registered first (RFC 9176 §7.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Certified subject names, each with its issuing authority, sorted.
    pub subjects: Box<[Box<str>]>,
    /// Fingerprint of the public key, when there are no subject names.
    pub public_key: Option<[u8; 32]>,
    /// The security session, when there is neither.
    pub session: Option<u64>,
    /// The source address of an unauthenticated peer, remembered only when policy binds names to addresses.
    pub address: Option<std::net::IpAddr>,
}

impl Credentials {
    /// Nothing proved, nothing remembered: whoever asks, owns.
    pub fn anonymous() -> Credentials {
        Credentials::default()
    }

    /// Whether everything that `stored` remembers is present here (RFC 9176 §7.5). What this peer proved beyond that
    /// does not matter; where nothing is stored, anyone will do.
    pub fn cover(&self, stored: &Credentials) -> bool {
        fn agrees<T: PartialEq>(given: &Option<T>, stored: &Option<T>) -> bool {
            stored.is_none() || given == stored
        }
        stored.subjects.iter().all(|subject| self.subjects.contains(subject))
            && agrees(&self.public_key, &stored.public_key)
            && agrees(&self.session, &stored.session)
            && agrees(&self.address, &stored.address)
    }
}
