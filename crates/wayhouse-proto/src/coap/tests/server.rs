//! Requests of others: message layer and responses.

use super::station::{Station, response};

#[test]
fn cm12_a_request_is_answered_in_its_acknowledgement() {
    let mut station = Station::new();
    station.ask("CON GET #7 t:01 Uri-Path=a").assert("ACK 2.05 #7 t:01 \"ok\"");
    let _ = response;
}
