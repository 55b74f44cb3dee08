//! The Constrained Application Protocol's formats: RFC 7252 and its companions, one format per file.

pub mod block;
pub mod code;
pub mod content_format;
pub mod link_format;
pub mod message;
pub mod option;
pub mod stream;
pub mod uri;

pub use block::BlockValue;
pub use code::Code;
pub use message::{Encoder, Header, Kind, Message};
pub use option::{OptionList, OptionRef, Options};
