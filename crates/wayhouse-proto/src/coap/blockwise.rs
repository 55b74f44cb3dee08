//! Block-wise transfer (RFC 7959, BERT of RFC 8323 §6), both roles, without sending anything itself.
//!
//! | | request bodies (Block1) | response bodies (Block2) |
//! |---|---|---|
//! | server | [`Assemblies`] gathers | [`Bodies`] serves |
//! | client | [`Sender`] cuts | [`Gatherer`] gathers |

mod assemblies;
mod bodies;
mod cut;
mod gatherer;
mod sender;
mod transfers;

pub use assemblies::{Assemblies, Gathered};
pub use bodies::{Bodies, Representation, Served};
use cut::{BERT_UNIT, BLOCK_COUNT_MAX, check_octets};
pub use cut::{Cut, cut};
pub use gatherer::{Gatherer, Gathering};
pub use sender::{Piece, Sender, Step};
