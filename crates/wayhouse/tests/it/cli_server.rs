//! A CoAP server for one test, on loopback, that says what the test tells it to, and the program that talks to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::stream::Frame;
use wayhouse_wire::coap::{BlockValue, Code, Encoder, Kind, Message, OptionList, Options};

/// How long a test waits for something that must happen before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A request as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) code: Code,
    pub(crate) kind: Option<Kind>,
    pub(crate) options: OptionList,
    pub(crate) payload: Vec<u8>,
}

impl Seen {
    fn new(code: Code, kind: Option<Kind>, options: Options<'_>, payload: &[u8]) -> Seen {
        let mut copied = OptionList::new();
        copied.extend_from(options);
        Seen { code, kind, options: copied, payload: payload.to_vec() }
    }
    fn texts(&self, number: u16) -> Vec<String> {
        let values = self.options.iter().filter(|option| option.number == number);
        values.map(|option| String::from_utf8_lossy(option.value).into_owned()).collect()
    }
    /// The path, with a slash in front.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.texts(number::URI_PATH).join("/"))
    }
    /// The query arguments.
    pub(crate) fn query(&self) -> Vec<String> {
        self.texts(number::URI_QUERY)
    }
    /// The first option with that number as `uint`.
    pub(crate) fn uint(&self, number: u16) -> Option<u64> {
        self.options.first(number).and_then(|option| option.uint())
    }
    /// Code and URI in one line.
    pub(crate) fn line(&self) -> String {
        let query = self.query();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{} {}{mark}{}", self.code.name().unwrap_or("?"), self.path(), query.join("&"))
    }
}

/// A response as the test writes it.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    code: Code,
    options: OptionList,
    payload: Vec<u8>,
}

/// A response with that code.
pub(crate) fn say(code: Code) -> Said {
    Said { code, options: OptionList::new(), payload: Vec::new() }
}

/// 2.05 with a payload of that content-format.
pub(crate) fn content(format: u16, payload: impl AsRef<[u8]>) -> Said {
    say(Code::CONTENT).uint(number::CONTENT_FORMAT, u64::from(format)).payload(payload)
}

impl Said {
    pub(crate) fn option(mut self, number: u16, value: impl AsRef<[u8]>) -> Said {
        self.options.push(number, value.as_ref());
        self
    }
    pub(crate) fn uint(mut self, number: u16, value: u64) -> Said {
        self.options.push_uint(number, value);
        self
    }
    pub(crate) fn payload(mut self, payload: impl AsRef<[u8]>) -> Said {
        self.payload = payload.as_ref().to_vec();
        self
    }
    /// Only the block that was asked for.
    pub(crate) fn in_blocks(mut self, seen: &Seen) -> Said {
        let asked = seen.options.first(number::BLOCK2).and_then(|option| BlockValue::decode(option.value));
        let asked = asked.unwrap_or(BlockValue { num: 0, more: false, szx: 6 });
        let from = asked.offset().min(self.payload.len());
        let to = (from + asked.size()).min(self.payload.len());
        let block = BlockValue { more: to < self.payload.len(), ..asked };
        self.options.push_uint(number::SIZE2, self.payload.len() as u64);
        self.options.push_uint(number::BLOCK2, block.to_uint());
        self.payload = self.payload[from..to].to_vec();
        self
    }
}

/// The server: what it saw, and where it is.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    seen: Receiver<Seen>,
}

impl Server {
    /// Serves UDP. For each request the test says what comes back: a piggybacked response, then notifications with the same
    /// token; nothing is silence. Pings are answered with a reset.
    pub(crate) fn udp(mut answer: impl FnMut(&Seen) -> Vec<Said> + Send + 'static) -> Server {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback gives ports");
        let address = socket.local_addr().expect("a bound socket has an address");
        let (to_test, seen) = channel();
        // The thread ends with the process: a blocked receive costs nothing until then.
        std::thread::spawn(move || serve_datagrams(&socket, &to_test, &mut answer));
        Server { address, scheme: "coap", seen }
    }
    /// Serves TCP, one response for each request.
    pub(crate) fn tcp(mut answer: impl FnMut(&Seen) -> Vec<Said> + Send + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback gives ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (to_test, seen) = channel();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                serve_stream(connection, &to_test, &mut answer);
            }
        });
        Server { address, scheme: "coap+tcp", seen }
    }
    /// The URI of a path.
    pub(crate) fn uri(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }
    /// The next request that it sees.
    pub(crate) fn next(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).expect("a request arrives")
    }
    /// All requests seen so far, in lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen.try_iter().map(|seen| seen.line()).collect()
    }
    /// Text with this server's address replaced, for snapshots.
    pub(crate) fn redact(&self, text: &str) -> String {
        text.replace(&self.address.to_string(), "SERVER")
    }
}

fn serve_datagrams(socket: &UdpSocket, to_test: &Sender<Seen>, answer: &mut impl FnMut(&Seen) -> Vec<Said>) {
    let mut buffer = [0; 65_535];
    let mut message_id = 0x7000_u16;
    while let Ok((octets, client)) = socket.recv_from(&mut buffer) {
        let Ok(message) = Message::decode(&buffer[..octets]) else { continue };
        let mut out = Vec::new();
        if message.kind == Kind::Confirmable && message.code == Code::EMPTY {
            Encoder::datagram(&mut out, Kind::Reset, Code::EMPTY, message.message_id, &[]);
            let _ = socket.send_to(&out, client);
        }
        if !message.code.is_request() {
            continue;
        }
        let seen = Seen::new(message.code, Some(message.kind), message.options, message.payload);
        let said = answer(&seen);
        // The test may have seen enough and be gone.
        let _ = to_test.send(seen);
        for (index, said) in said.iter().enumerate() {
            let (kind, id) = match (index, message.kind) {
                (0, Kind::Confirmable) => (Kind::Acknowledgement, message.message_id),
                _ => {
                    message_id += 1;
                    (Kind::NonConfirmable, message_id)
                }
            };
            out.clear();
            let mut encoder = Encoder::datagram(&mut out, kind, said.code, id, message.token);
            for option in said.options.iter() {
                encoder.option(option.number, option.value);
            }
            encoder.payload(&said.payload);
            let _ = socket.send_to(&out, client);
        }
    }
}

fn serve_stream(mut connection: TcpStream, to_test: &Sender<Seen>, answer: &mut impl FnMut(&Seen) -> Vec<Said>) {
    let mut out = Vec::new();
    Frame::encode(&mut out, Code::CSM, &[], std::iter::empty(), &[]);
    let mut waiting = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if connection.write_all(&out).is_err() {
            return;
        }
        out.clear();
        match connection.read(&mut buffer) {
            Ok(octets) if octets > 0 => waiting.extend_from_slice(&buffer[..octets]),
            _ => return,
        }
        while let Ok(Some(octets)) = Frame::octets(&waiting)
            && octets <= waiting.len()
        {
            let frame = Frame::decode(&waiting[..octets]).expect("our client writes frames well");
            match frame.code {
                Code::PING => Frame::encode(&mut out, Code::PONG, frame.token, std::iter::empty(), &[]),
                code if code.is_request() => {
                    let seen = Seen::new(code, None, frame.options, frame.payload);
                    for said in answer(&seen) {
                        Frame::encode(&mut out, said.code, frame.token, said.options.iter(), &said.payload);
                    }
                    let _ = to_test.send(seen);
                }
                _ => {}
            }
            waiting.drain(..octets);
        }
    }
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn new(output: std::process::Output) -> Ended {
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
    /// Exit code, standard output and standard error in one text.
    pub(crate) fn transcript(&self) -> String {
        let mut text = String::new();
        if !self.stdout.is_empty() {
            text.push_str(&self.stdout);
            text.push_str(if self.stdout.ends_with('\n') { "" } else { "\n" });
        }
        for line in self.stderr.lines() {
            text.push_str(&format!("! {line}\n"));
        }
        text.push_str(&format!("exit {}", self.code.map_or_else(|| "by signal".to_owned(), |code| code.to_string())));
        text
    }
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayhouse"));
    command.args(words).env_remove("WAYHOUSE_DIRECTORY").env_remove("WAYHOUSE_DNS").env("COLUMNS", "100");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub(crate) fn wayhouse(words: &[&str]) -> Ended {
    wayhouse_with_input(words, b"")
}

/// Runs the program to its end with something on standard input.
pub(crate) fn wayhouse_with_input(words: &[&str], input: &[u8]) -> Ended {
    let mut child = command(words).spawn().expect("the program starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input).expect("it reads its input, or there is none");
    drop(stdin);
    Ended::new(child.wait_with_output().expect("it ends"))
}

/// A run of the program that goes on while the test does something else.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(words: &[&str]) -> Running {
        let mut child = command(words).spawn().expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        Running { child, stdout }
    }
    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line
    }
    /// Ctrl-C, and how it ended.
    pub(crate) fn interrupt(self) -> Ended {
        let killed = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(killed.is_ok_and(|status| status.success()), "the program still runs");
        self.end()
    }
    /// How it ends by itself, and what it printed that was not read yet.
    pub(crate) fn end(mut self) -> Ended {
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).expect("text");
        Ended { stdout, ..Ended::new(self.child.wait_with_output().expect("it ends")) }
    }
}
