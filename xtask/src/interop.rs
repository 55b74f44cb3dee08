//! Real peers against the daemon and the command line: the cases of `interop/peers.toml`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{command, peers, tree};

/// Runs all cases, or the one named. Each gets a daemon of its own with an empty store.
pub fn run(only: Option<&str>) -> Result<()> {
    command::run("cargo", &["build", "-p", "wayhouse"])?;
    let table: toml::Table = tree::read("interop/peers.toml").parse().context("interop/peers.toml")?;
    let (mut passed, mut failed, mut not_run) = (0, Vec::new(), Vec::new());
    for case in table.get("case").and_then(toml::Value::as_array).into_iter().flatten() {
        let name = case.get("name").and_then(toml::Value::as_str).context("a case without name")?;
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let needs: Vec<&str> = case
            .get("needs")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str)
            .collect();
        if let Some(missing) = needs.iter().find(|need| !is_here(need)) {
            println!("NOT RUN {name}: {missing} is missing");
            not_run.push(name.to_owned());
            continue;
        }
        println!("--- {name}");
        let daemon = Daemon::start(name)?;
        let is_of_python = needs.iter().any(|need| peers::is_python_peer(need));
        let status = Command::new(if is_of_python { peers::python() } else { "python3".into() })
            .arg(tree::root().join("interop/cases").join(format!("{name}.py")))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(daemon.environment())
            .status()
            .with_context(|| format!("cannot start the case {name}"))?;
        if status.success() {
            passed += 1;
        } else {
            failed.push(name.to_owned());
        }
    }
    println!("\ninterop: {passed} passed, {} failed, {} not run", failed.len(), not_run.len());
    if !failed.is_empty() {
        bail!("interop failed: {}", failed.join(", "));
    }
    if passed == 0 && not_run.is_empty() {
        bail!("no such case");
    }
    Ok(())
}

fn is_here(need: &str) -> bool {
    peers::is_python_peer_here(need).unwrap_or_else(|| command::exists(need))
}

/// A daemon on ports of the system's choice, ended when dropped.
struct Daemon {
    child: Child,
    coap: String,
    coap_tcp: String,
    dns: String,
    dns_draft: String,
    dns_tls: String,
    dns_tls_pin: String,
    http: String,
    program: String,
    folder: std::path::PathBuf,
}

impl Daemon {
    fn start(case: &str) -> Result<Daemon> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| tree::root().join("target"), Into::into);
        let program = target.join("debug/wayhouse");
        let folder = target.join("interop").join(case);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)?;
        let mut child = Command::new(&program)
            .args([
                "run",
                "--listen",
                "127.0.0.1:0",
                "--dns",
                "127.0.0.1:0",
                "--dns",
                "127.0.0.1:0+stateful-dnssd",
                "--http",
                "127.0.0.1:0",
                "--announce-json",
                "--set",
                "dns.push=plain",
                "--data-dir",
            ])
            .arg(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        // The texts behind a name, quotes taken off.
        let texts = |name: &str| -> Result<Vec<String>> {
            let start = line.find(&format!("\"{name}\":")).with_context(|| format!("no {name} in {line:?}"))?;
            let rest = line[start + name.len() + 3..].trim_start();
            let end = if rest.starts_with('[') { rest.find(']') } else { rest.find([',', '}']) };
            let rest = &rest[..end.unwrap_or(rest.len())];
            Ok(rest.split('"').skip(1).step_by(2).map(str::to_owned).collect())
        };
        let field = |name: &str| Ok::<_, anyhow::Error>(texts(name)?.into_iter().next().unwrap_or_default());
        let second = |name: &str| texts(name)?.into_iter().nth(1).context("no second one");
        Ok(Daemon {
            coap: format!("coap://{}", field("coap")?),
            coap_tcp: format!("coap+tcp://{}", field("coap_tcp")?),
            dns: field("dns")?,
            dns_draft: second("dns")?,
            dns_tls: field("dns_tls")?,
            dns_tls_pin: field("dns_tls_pin")?,
            http: format!("http://{}", field("http")?),
            program: program.to_string_lossy().into_owned(),
            child,
            folder,
        })
    }

    fn environment(&self) -> [(&str, &str); 8] {
        [
            ("COAP", &self.coap),
            ("COAP_TCP", &self.coap_tcp),
            ("DNS", &self.dns),
            ("DNS_DRAFT", &self.dns_draft),
            ("DNS_TLS", &self.dns_tls),
            ("DNS_TLS_PIN", &self.dns_tls_pin),
            ("HTTP", &self.http),
            ("WAYHOUSE", &self.program),
        ]
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
