//! Method and response codes (RFC 7252 §12.1, RFC 8132, 7959, 8516, 8768, 8323).

/// One code octet: class (3 bits) and detail (5 bits), written `c.dd`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u8);

#[allow(missing_docs, reason = "the names are the registered ones")]
impl Code {
    pub const EMPTY: Code = Code(0x00);
    pub const GET: Code = Code(0x01);
    pub const POST: Code = Code(0x02);
    pub const PUT: Code = Code(0x03);
    pub const DELETE: Code = Code(0x04);
    pub const FETCH: Code = Code(0x05);
    pub const PATCH: Code = Code(0x06);
    pub const IPATCH: Code = Code(0x07);
    pub const CREATED: Code = Code(0x41);
    pub const DELETED: Code = Code(0x42);
    pub const VALID: Code = Code(0x43);
    pub const CHANGED: Code = Code(0x44);
    pub const CONTENT: Code = Code(0x45);
    pub const CONTINUE: Code = Code(0x5f);
    pub const BAD_REQUEST: Code = Code(0x80);
    pub const UNAUTHORIZED: Code = Code(0x81);
    pub const BAD_OPTION: Code = Code(0x82);
    pub const FORBIDDEN: Code = Code(0x83);
    pub const NOT_FOUND: Code = Code(0x84);
    pub const METHOD_NOT_ALLOWED: Code = Code(0x85);
    pub const NOT_ACCEPTABLE: Code = Code(0x86);
    pub const REQUEST_ENTITY_INCOMPLETE: Code = Code(0x88);
    pub const CONFLICT: Code = Code(0x89);
    pub const PRECONDITION_FAILED: Code = Code(0x8c);
    pub const REQUEST_ENTITY_TOO_LARGE: Code = Code(0x8d);
    pub const UNSUPPORTED_CONTENT_FORMAT: Code = Code(0x8f);
    pub const UNPROCESSABLE_ENTITY: Code = Code(0x96);
    pub const TOO_MANY_REQUESTS: Code = Code(0x9d);
    pub const INTERNAL_SERVER_ERROR: Code = Code(0xa0);
    pub const NOT_IMPLEMENTED: Code = Code(0xa1);
    pub const BAD_GATEWAY: Code = Code(0xa2);
    pub const SERVICE_UNAVAILABLE: Code = Code(0xa3);
    pub const GATEWAY_TIMEOUT: Code = Code(0xa4);
    pub const PROXYING_NOT_SUPPORTED: Code = Code(0xa5);
    pub const HOP_LIMIT_REACHED: Code = Code(0xa8);
    pub const CSM: Code = Code(0xe1);
    pub const PING: Code = Code(0xe2);
    pub const PONG: Code = Code(0xe3);
    pub const RELEASE: Code = Code(0xe4);
    pub const ABORT: Code = Code(0xe5);
}

impl Code {
    /// The class, 0..=7.
    pub const fn class(self) -> u8 {
        self.0 >> 5
    }
    /// The detail, 0..=31.
    pub const fn detail(self) -> u8 {
        self.0 & 0x1f
    }
    /// Whether this is a request method (class 0, not Empty).
    pub const fn is_request(self) -> bool {
        self.class() == 0 && self.0 != 0
    }
    /// Whether this is a response (class 2, 4 or 5).
    pub const fn is_response(self) -> bool {
        matches!(self.class(), 2 | 4 | 5)
    }
    /// Whether this is a success response (class 2).
    pub const fn is_success(self) -> bool {
        self.class() == 2
    }
    /// Whether the method has no side effects: GET and FETCH (RFC 7252 §5.8, RFC 8132 §2).
    pub const fn is_safe_method(self) -> bool {
        matches!(self, Code::GET | Code::FETCH)
    }
    /// The registered name, such as `Content` or `GET`.
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Code::EMPTY => "Empty",
            Code::GET => "GET",
            Code::POST => "POST",
            Code::PUT => "PUT",
            Code::DELETE => "DELETE",
            Code::FETCH => "FETCH",
            Code::PATCH => "PATCH",
            Code::IPATCH => "iPATCH",
            Code::CREATED => "Created",
            Code::DELETED => "Deleted",
            Code::VALID => "Valid",
            Code::CHANGED => "Changed",
            Code::CONTENT => "Content",
            Code::CONTINUE => "Continue",
            Code::BAD_REQUEST => "Bad Request",
            Code::UNAUTHORIZED => "Unauthorized",
            Code::BAD_OPTION => "Bad Option",
            Code::FORBIDDEN => "Forbidden",
            Code::NOT_FOUND => "Not Found",
            Code::METHOD_NOT_ALLOWED => "Method Not Allowed",
            Code::NOT_ACCEPTABLE => "Not Acceptable",
            Code::REQUEST_ENTITY_INCOMPLETE => "Request Entity Incomplete",
            Code::CONFLICT => "Conflict",
            Code::PRECONDITION_FAILED => "Precondition Failed",
            Code::REQUEST_ENTITY_TOO_LARGE => "Request Entity Too Large",
            Code::UNSUPPORTED_CONTENT_FORMAT => "Unsupported Content Format",
            Code::UNPROCESSABLE_ENTITY => "Unprocessable Entity",
            Code::TOO_MANY_REQUESTS => "Too Many Requests",
            Code::INTERNAL_SERVER_ERROR => "Internal Server Error",
            Code::NOT_IMPLEMENTED => "Not Implemented",
            Code::BAD_GATEWAY => "Bad Gateway",
            Code::SERVICE_UNAVAILABLE => "Service Unavailable",
            Code::GATEWAY_TIMEOUT => "Gateway Timeout",
            Code::PROXYING_NOT_SUPPORTED => "Proxying Not Supported",
            Code::HOP_LIMIT_REACHED => "Hop Limit Reached",
            Code::CSM => "CSM",
            Code::PING => "Ping",
            Code::PONG => "Pong",
            Code::RELEASE => "Release",
            Code::ABORT => "Abort",
            _ => return None,
        })
    }
}

impl std::fmt::Display for Code {
    /// `2.05`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.detail())
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}
