//! First come, first remembered: who may change a registration (RFC 9176 §7.5).
//!
//! Plain CoAP over UDP and TCP proves nothing about a peer, so that policy decides what its word is worth:
//!
//! | `AnonymousPolicy` | registers | changes and removes |
//! |---|---|---|
//! | `Open` (default) | yes | whatever no authenticated registrant and no operator holds |
//! | `Address` | yes | what was registered from the same address, whatever the port |
//! | `Refuse` | no (4.01) | nothing (4.01) |

use wayhouse_proto::io::Meta;
use wayhouse_registry::Credentials;
use wayhouse_wire::coap::Code;

use super::source_address;
use crate::config::AnonymousPolicy;
use crate::request::Fault;

/// What a request's transport and the policy give its sender to show.
pub(super) fn credentials(policy: AnonymousPolicy, meta: &Meta) -> Result<Credentials, Fault> {
    match policy {
        AnonymousPolicy::Open => Ok(Credentials::anonymous()),
        AnonymousPolicy::Address => Ok(Credentials { address: Some(source_address(meta)), ..Credentials::anonymous() }),
        AnonymousPolicy::Refuse => Err(Fault::new(Code::UNAUTHORIZED, "registering here needs a secured transport")),
    }
}
