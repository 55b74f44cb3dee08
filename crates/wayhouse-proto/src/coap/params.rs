//! Transmission parameters and the times derived from them (RFC 7252 §4.8).

use std::time::Duration;

/// The parameters; the defaults are the RFC's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// ACK_TIMEOUT.
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR, at least 1.0.
    pub ack_random_factor: f64,
    /// MAX_RETRANSMIT.
    pub max_retransmit: u32,
    /// NSTART.
    pub nstart: u32,
    /// PROBING_RATE, octets per second.
    pub probing_rate: u32,
    /// DEFAULT_LEISURE.
    pub default_leisure: Duration,
}

impl Params {
    /// MAX_TRANSMIT_SPAN: from the first transmission of a CON to its last.
    pub fn max_transmit_span(&self) -> Duration {
        self.ack_timeout.mul_f64(f64::from((1u32 << self.max_retransmit) - 1) * self.ack_random_factor)
    }
    /// MAX_TRANSMIT_WAIT: from the first transmission of a CON until its sender gives up.
    pub fn max_transmit_wait(&self) -> Duration {
        self.ack_timeout.mul_f64(f64::from((2u32 << self.max_retransmit) - 1) * self.ack_random_factor)
    }
    /// PROCESSING_DELAY: until a CON is acknowledged.
    pub fn processing_delay(&self) -> Duration {
        self.ack_timeout
    }
    /// MAX_RTT: the longest round trip.
    pub fn max_rtt(&self) -> Duration {
        2 * MAX_LATENCY + self.processing_delay()
    }
    /// EXCHANGE_LIFETIME: from sending a CON until an acknowledgement is no longer to be expected.
    pub fn exchange_lifetime(&self) -> Duration {
        self.max_transmit_span() + self.max_rtt()
    }
    /// MIN_TOKEN_REUSE_TIME: from sending a request to a group until its token may be used for another one (GC14).
    pub fn min_token_reuse_time(&self) -> Duration {
        self.non_lifetime() + MAX_LATENCY + MAX_SERVER_RESPONSE_DELAY + TOKEN_REUSE_MARGIN
    }
    /// NON_LIFETIME: from sending a NON until its message ID may be used again.
    pub fn non_lifetime(&self) -> Duration {
        self.max_transmit_span() + MAX_LATENCY
    }
}

/// MAX_LATENCY: how long a datagram may take.
pub const MAX_LATENCY: Duration = Duration::from_secs(100);
/// MAX_SERVER_RESPONSE_DELAY: how long a member may take to answer, leisure included, where nothing better is known
/// (groupcomm-bis §3.1.5).
pub const MAX_SERVER_RESPONSE_DELAY: Duration = Duration::from_secs(250);
/// What the draft's figure of 250 s for NON_LIFETIME and MAX_LATENCY has beyond their sum, and one second to be past it.
const TOKEN_REUSE_MARGIN: Duration = Duration::from_secs(6);

impl Default for Params {
    fn default() -> Params {
        Params {
            ack_timeout: Duration::from_secs(2),
            ack_random_factor: 1.5,
            max_retransmit: 4,
            nstart: 1,
            probing_rate: 1,
            default_leisure: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cm10_derived_times_of_the_defaults() {
        let params = Params::default();
        assert_eq!(params.max_transmit_span(), Duration::from_secs(45));
        assert_eq!(params.max_transmit_wait(), Duration::from_secs(93));
        assert_eq!(params.max_rtt(), Duration::from_secs(202));
        assert_eq!(params.exchange_lifetime(), Duration::from_secs(247));
        assert_eq!(params.non_lifetime(), Duration::from_secs(145));
    }

    #[test]
    fn cm10_longer_timeouts_lengthen_the_derived_times() {
        let params = Params { ack_timeout: Duration::from_secs(4), ..Params::default() };
        assert_eq!(params.exchange_lifetime(), Duration::from_secs(90 + 200 + 4));
    }
}
