//! The real daemon as a process, on ports and in a directory of the test's choice.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// A daemon that serves; it is killed with this value.
pub(crate) struct Running {
    process: Child,
    announced: Value,
}

/// The command that starts a daemon on loopback ports that the system chooses.
pub(crate) fn command(data_dir: &Path) -> Command {
    command_with_dns(data_dir, "127.0.0.1:0")
}

/// The same with DNS somewhere else.
pub(crate) fn command_with_dns(data_dir: &Path, dns: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayhouse"));
    command.args(["run", "--announce-json", "--listen", "127.0.0.1:0", "--dns", dns, "--http", "127.0.0.1:0"]);
    command.arg("--data-dir").arg(data_dir);
    command
}

/// Runs a command that is expected to end by itself.
pub(crate) fn finished(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("the program can be started")
}

impl Running {
    /// Starts a daemon with that data directory.
    pub(crate) fn start(data_dir: &Path) -> Running {
        Running::start_with(&mut command(data_dir))
    }
    /// Starts a daemon and waits until it tells where it serves.
    pub(crate) fn start_with(command: &mut Command) -> Running {
        let mut process =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program can be started");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("the output is piped")).read_line(&mut line).expect("text");
        if line.is_empty() {
            let mut told = String::new();
            let _ = process.stderr.take().expect("the output is piped").read_to_string(&mut told);
            panic!("the daemon did not start: {:?}: {told}", process.wait());
        }
        Running { process, announced: serde_json::from_str(&line).expect("a line of JSON") }
    }
    /// What it told about itself.
    pub(crate) fn announced(&self, key: &str) -> &Value {
        &self.announced[key]
    }
    /// Where it serves CoAP over UDP.
    pub(crate) fn coap(&self) -> SocketAddr {
        address(&self.announced["coap"][0])
    }
    /// Where it serves CoAP over TCP.
    pub(crate) fn coap_tcp(&self) -> SocketAddr {
        address(&self.announced["coap_tcp"][0])
    }
    /// Where it serves DNS over UDP and TCP.
    pub(crate) fn dns(&self) -> SocketAddr {
        address(&self.announced["dns"][0])
    }
    /// Where it serves HTTP.
    pub(crate) fn http(&self) -> SocketAddr {
        address(&self.announced["http"])
    }
    /// Its resident memory, as the system counts it.
    pub(crate) fn resident_octets(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system counts it");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }
    /// What it counts, in the text for Prometheus.
    pub(crate) fn metrics(&self) -> String {
        let mut stream = TcpStream::connect(self.http()).expect("the daemon accepts");
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.http());
        stream.write_all(request.as_bytes()).expect("the daemon reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }
    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).expect("the process is there");
    }
    /// Waits for its end; what it told on standard error comes along.
    pub(crate) fn wait(mut self) -> (ExitStatus, String) {
        let mut told = String::new();
        let _ = self.process.stderr.take().expect("the output is piped").read_to_string(&mut told);
        (self.process.wait().expect("the process can be waited for"), told)
    }
    /// Ends it without warning, as a power failure would.
    pub(crate) fn kill(mut self) {
        self.process.kill().expect("the process can be killed");
        self.process.wait().expect("the process can be waited for");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; either way it is reaped.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Where a test fails, what the daemon told may say why.
        if std::thread::panicking()
            && let Some(mut stderr) = self.process.stderr.take()
        {
            let mut told = String::new();
            let _ = stderr.read_to_string(&mut told);
            eprintln!("the daemon told:\n{told}");
        }
    }
}

fn address(value: &Value) -> SocketAddr {
    value.as_str().and_then(|text| text.parse().ok()).expect("an address with a port")
}
