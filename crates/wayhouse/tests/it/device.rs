//! A device that speaks CoAP by hand-built datagrams, several requests under way at a time if the test wants so.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, Encoder, Kind, Message, content_format};

/// A device with a socket of its own.
pub(crate) struct Device {
    socket: UdpSocket,
    message_id: u16,
}

/// A response as a device sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) token: Vec<u8>,
    pub(crate) code: Code,
    pub(crate) location: Vec<String>,
    pub(crate) payload: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("text")
    }
}

impl Device {
    /// A device that talks to that server.
    pub(crate) fn new(server: SocketAddr) -> Device {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a free port");
        socket.connect(server).expect("an address on loopback");
        // Longer than anything the daemon does; a lost datagram on loopback is an error.
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout above zero");
        Device { socket, message_id: 0 }
    }

    /// Sends a confirmable request.
    pub(crate) fn send(
        &mut self,
        code: Code,
        token: &[u8],
        path: &[&str],
        query: &[&str],
        links: &str,
    ) -> io::Result<()> {
        self.message_id = self.message_id.wrapping_add(1);
        let mut request = Vec::new();
        let mut encoder = Encoder::datagram(&mut request, Kind::Confirmable, code, self.message_id, token);
        for segment in path {
            encoder.option(number::URI_PATH, segment.as_bytes());
        }
        if !links.is_empty() {
            encoder.option_uint(number::CONTENT_FORMAT, u64::from(content_format::LINK_FORMAT));
        }
        for argument in query {
            encoder.option(number::URI_QUERY, argument.as_bytes());
        }
        encoder.payload(links.as_bytes());
        self.socket.send(&request).map(|_| ())
    }

    /// Waits for the next response.
    pub(crate) fn receive(&self) -> io::Result<Answer> {
        let mut buffer = [0; 2048];
        loop {
            let octets = self.socket.recv(&mut buffer)?;
            let message = Message::decode(&buffer[..octets]).expect("a message");
            if message.code != Code::EMPTY {
                let location = message.options.all(number::LOCATION_PATH);
                return Ok(Answer {
                    token: message.token.to_vec(),
                    code: message.code,
                    location: location.map(|segment| String::from_utf8_lossy(segment).into_owned()).collect(),
                    payload: message.payload.to_vec(),
                });
            }
        }
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, code: Code, path: &[&str], query: &[&str], links: &str) -> Answer {
        self.send(code, b"ask", path, query, links).expect("the server is bound");
        self.receive().expect("an answer")
    }

    /// Registers; returns the location as a path.
    pub(crate) fn register(&mut self, query: &[&str], links: &str) -> String {
        let answer = self.ask(Code::POST, &["rd"], query, links);
        assert_eq!(answer.code, Code::CREATED);
        format!("/{}", answer.location.join("/"))
    }

    /// What the directory shows for an endpoint name.
    pub(crate) fn look_up(&mut self, endpoint_name: &str) -> String {
        let answer = self.ask(Code::GET, &["rd-lookup", "ep"], &[&format!("ep={endpoint_name}")], "");
        assert_eq!(answer.code, Code::CONTENT);
        answer.text().to_owned()
    }
}
