//! Requests to groups: who answered, when, with what; and who stayed silent.
//!
//! The engine gathers and attributes the answers; here they are printed as they come, and compared with who was expected.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use wayhouse_proto::coap::RequestId;
use wayhouse_proto::coap::endpoint::{Answer, Failure, FollowUp, GroupAsk, Repetition, Reply};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::uri::Host;
use wayhouse_wire::coap::{Code, content_format};

use super::args::Seconds;
use super::client::{Client, Happening};
use super::directory;
use super::exchange::{Question, content_format_of, exchange, refused_fault};
use super::exit::{Exit, Fault};
use super::interrupt::Interrupt;
use super::place::Place;
use super::printer::representation::render;
use super::printer::{Printer, Surroundings, printable, timestamp};
use super::request::timed_json;
use super::trace::code_with_name;
use crate::shell::links;

/// What all verbs say about groups.
const HELP: &str = "The host is a name of a group. With it, or with a multicast address, the request goes to all members of a CoAP group, and each answer is \
    printed in a line of its own as it comes: member, seconds, code, value. With --json: one object in each line, with \
    `after_s`; at the end one with `summary`.";

/// How to ask a group.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Groups")]
pub(crate) struct GroupOptions {
    /// The host is a name of a group (a multicast address says so by itself)
    #[arg(long, long_help = HELP)]
    pub group: bool,
    /// Send by this interface; may be given several times
    #[arg(long, value_name = "NAME")]
    pub interface: Vec<String>,
    /// Gather answers for this many seconds [default: 7]
    #[arg(long, value_name = "SECONDS")]
    pub window: Option<Seconds>,
    /// Send the request again this many times, for members that loss hid
    #[arg(long, value_name = "TIMES", default_value_t = 0)]
    pub repeat: u32,
    /// Between two transmissions [default: 7]
    #[arg(long, value_name = "SECONDS", requires = "repeat")]
    pub repeat_after: Option<Seconds>,
    /// Stop after this many answers
    #[arg(long, value_name = "NUMBER")]
    pub answers: Option<usize>,
    /// A member that should answer: address or address:port; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub member: Vec<Member>,
    /// Ask this resource directory who is a member: whose links say so (rt=g.*)
    #[arg(long, value_name = "URI")]
    pub members_from: Option<String>,
    /// Ask members that stay silent once more, alone
    #[arg(long)]
    pub ask_silent: bool,
    /// Fetch further blocks by requests to the group instead of from each member alone
    #[arg(long)]
    pub blocks_from_group: bool,
}

/// The address of a member, with or without a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Member(SocketAddr);

impl std::str::FromStr for Member {
    type Err = String;
    fn from_str(text: &str) -> Result<Member, String> {
        let bare = || text.parse().ok().map(|address| SocketAddr::new(address, DEFAULT_PORT));
        text.parse().ok().or_else(bare).map(Member).ok_or_else(|| {
            format!("`{text}` is no address; write 192.0.2.1, 192.0.2.1:5683, 2001:db8::1 or [2001:db8::1]:5683")
        })
    }
}

const DEFAULT_PORT: u16 = 5683;
/// How long answers are gathered without `--window`: DEFAULT_LEISURE (RFC 7252 §8.2), and two seconds for the way.
const WINDOW: Duration = Duration::from_secs(7);
/// How long the end of an observation waits for its cancellation to leave.
const FAREWELL: Duration = Duration::from_millis(300);

impl GroupOptions {
    /// Whether a place is meant to be a group.
    pub(super) fn means_group(&self, place: &Place) -> bool {
        !place.is_stream() && (self.group || place.is_group())
    }
    fn window(&self, question: &Question) -> Duration {
        let gathered = self.window.map(|seconds| seconds.0).or(question.patience).unwrap_or(WINDOW);
        // Repetitions lie within the window.
        gathered + self.repeat_after.map_or(WINDOW, |seconds| seconds.0) * self.repeat
    }
}

/// How answers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A line for each.
    Lines,
    /// A JSON object in each line.
    Json,
    /// The octets of the payloads.
    Raw,
}

/// A request to a group under way.
#[derive(Debug)]
pub(super) struct Gathering {
    id: RequestId,
    since: Instant,
    window: Duration,
    members: BTreeSet<SocketAddr>,
    heard: BTreeMap<SocketAddr, Option<Code>>,
    answers: usize,
    bar: Option<ProgressBar>,
}

/// Something that a group said.
#[derive(Debug)]
pub(super) struct Heard {
    /// Who.
    pub from: SocketAddr,
    /// Since the request was sent.
    pub after: Duration,
    /// What, or why there is nothing.
    pub outcome: Result<Reply, Failure>,
}

impl Gathering {
    /// Sends a request to a group.
    ///
    /// # Errors
    /// Misuse for what cannot be sent, unreachable when the place is not known.
    pub(super) async fn start(
        client: &mut Client,
        place: &Place,
        question: &Question,
        options: &GroupOptions,
    ) -> Result<Gathering, Fault> {
        let group = group_address(place).await?;
        let mut members: BTreeSet<SocketAddr> = options.member.iter().map(|member| member.0).collect();
        if let Some(directory) = &options.members_from {
            members.extend(members_of(client, place, directory, group).await?);
        }
        let mut request_options = place.uri.options.clone();
        for option in question.options.iter() {
            request_options.push(option.number, option.value);
        }
        let window = options.window(question);
        let ask = GroupAsk {
            interfaces: options.interface.iter().map(|name| interface_index(name)).collect::<Result<_, _>>()?,
            payload: question.payload.clone(),
            is_observation: question.is_observation,
            block_szx: question.block_szx,
            window: Some(window),
            answers_max: options.answers.filter(|_| !question.is_observation),
            members: members.iter().copied().collect(),
            asks_silent: options.ask_silent,
            repetition: (options.repeat > 0).then(|| Repetition {
                times: options.repeat,
                after: Some(options.repeat_after.map_or(WINDOW, |seconds| seconds.0)),
                is_same_message: false,
            }),
            follow_up: if options.blocks_from_group { FollowUp::Group } else { FollowUp::Unicast },
            ..GroupAsk::new(group, question.code, request_options)
        };
        let id = client.ask_group(ask).map_err(|refused| refused_fault(&refused))?;
        Ok(Gathering { id, since: Instant::now(), window, members, heard: BTreeMap::new(), answers: 0, bar: None })
    }

    /// The next thing that a member says; `None` when there will be no more.
    ///
    /// # Errors
    /// Unreachable when the system cannot send to the group.
    pub(super) async fn next(&mut self, client: &mut Client) -> Result<Option<Heard>, Fault> {
        loop {
            let step = tokio::time::timeout(Duration::from_millis(100), client.next()).await;
            self.show_progress();
            let answer = match step {
                Err(_) => continue,
                Ok(Happening::Answer(answer)) if answer.id == self.id => answer,
                Ok(Happening::Unreachable { id, why }) if id == self.id => {
                    return Err(Fault::unreachable(format!("the system cannot send to the group: {why}")).hint(
                        "choose an interface with --interface, or a route: `ip route add 224.0.0.0/4 dev NAME`",
                    ));
                }
                Ok(_) => continue,
            };
            let Answer { from: Some(from), outcome, .. } = answer else { return Ok(None) };
            let after = self.since.elapsed();
            let code = outcome.as_ref().ok().and_then(|reply| reply.code);
            self.heard.insert(from, code);
            self.answers += usize::from(outcome.is_ok());
            return Ok(Some(Heard { from, after, outcome }));
        }
    }

    /// Ends it: nobody is waited for any more, and nobody observed.
    pub(super) async fn end(mut self, client: &mut Client) -> Gathering {
        self.clear_progress();
        client.cancel(self.id);
        client.linger(FAREWELL).await;
        self
    }

    fn show_progress(&mut self) {
        use std::io::IsTerminal;
        if !std::io::stderr().is_terminal() || self.since.elapsed() < Duration::from_millis(500) {
            return;
        }
        let silent = match self.silent().count() {
            _ if self.members.is_empty() => String::new(),
            count => format!(", {count} silent"),
        };
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(Some(self.window.as_millis() as u64), ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template("{bar:30} {msg}").expect("the template is well-formed"));
            bar
        });
        bar.set_position(self.since.elapsed().min(self.window).as_millis() as u64);
        bar.set_message(format!("{} answers from {} members{silent}", self.answers, self.heard.len()));
    }

    fn clear_progress(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Expected members that said nothing.
    fn silent(&self) -> impl Iterator<Item = &SocketAddr> {
        self.members.iter().filter(|member| self.heard.get(member).is_none_or(Option::is_none))
    }

    /// Prints one answer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn print(&self, printer: &mut Printer, form: Form, heard: &Heard) -> Result<(), Fault> {
        let mut print = || -> std::io::Result<()> {
            match (form, &heard.outcome) {
                (Form::Raw, Ok(reply)) => printer.octets(&reply.payload),
                (Form::Raw, Err(_)) => Ok(()),
                (Form::Json, Ok(reply)) => {
                    let mut value = timed_json(reply, Some(heard.from), &timestamp(SystemTime::now()));
                    value["after_s"] = Value::from(round(heard.after));
                    value["is_from_cache"] = Value::from(reply.is_from_cache);
                    printer.json_line(&value)
                }
                (Form::Json, Err(failure)) => printer.json_line(&json!({
                    "from": heard.from.to_string(), "after_s": round(heard.after), "failure": failure.to_string()
                })),
                (Form::Lines, outcome) => {
                    let (code, value) = match outcome {
                        Ok(reply) => (reply.code.map_or_else(|| "-".into(), |code| code.to_string()), one_line(reply)),
                        Err(failure) => ("-".into(), failure.to_string()),
                    };
                    printer.line(&format!(
                        "{:<28} {:>7.3}  {code:<4}  {value}",
                        heard.from.to_string(),
                        heard.after.as_secs_f64()
                    ))
                }
            }
        };
        match &self.bar {
            Some(bar) => bar.suspend(print)?,
            None => print()?,
        }
        Ok(())
    }

    /// Says how it went, and how that ends the verb.
    ///
    /// # Errors
    /// Unreachable when nobody answered.
    pub(super) fn conclude(&self, printer: &mut Printer, form: Form) -> Result<Exit, Fault> {
        let silent: Vec<String> = self.silent().map(SocketAddr::to_string).collect();
        let members = self.heard.values().filter(|code| code.is_some()).count();
        if form == Form::Json {
            let summary = json!({ "summary": {
                "answers": self.answers, "members": members, "expected": self.members.len(), "silent": silent,
                "after_s": round(self.since.elapsed()),
            }});
            printer.json_line(&summary)?;
        } else if members > 0 {
            let expected = match self.members.len() {
                0 => String::new(),
                expected => format!(" of {expected} expected"),
            };
            eprintln!("{members} members{expected} answered within {:.1} s", self.since.elapsed().as_secs_f64());
            if !silent.is_empty() {
                eprintln!("silent: {}", silent.join(", "));
            }
        }
        if members == 0 {
            let within = self.since.elapsed().as_secs_f64();
            return Err(Fault::unreachable(format!("nobody in the group answered within {within:.1} s")).hint(
                "wait longer with --window, or choose the interface: coap://[ff02::fd%eth0]/ or --interface eth0",
            ));
        }
        let is_any_success = self.heard.values().flatten().any(|code| code.is_success());
        Ok(if is_any_success { Exit::Done } else { Exit::Negative })
    }
}

/// Asks a group, or observes it, and prints what comes: until there is no more, `count` answers were printed, or somebody
/// interrupts.
///
/// # Errors
/// As the steps of a [`Gathering`].
pub(super) async fn converse(
    client: &mut Client,
    place: &Place,
    question: &Question,
    options: &GroupOptions,
    form: Form,
    count: Option<u64>,
) -> Result<Exit, Fault> {
    let mut printer = Printer::stdout();
    let mut interrupt = Interrupt::new()?;
    let mut gathering = Gathering::start(client, place, question, options).await?;
    if form == Form::Lines && printer.surroundings().is_terminal {
        printer.line(&format!("{:<28} {:>7}  {:<4}  value", "member", "seconds", "code"))?;
    }
    let mut printed = 0;
    let outcome = loop {
        let heard = tokio::select! {
            heard = gathering.next(client) => heard,
            () = interrupt.wait() => break Ok(()),
        };
        match heard {
            Ok(Some(heard)) => gathering.print(&mut printer, form, &heard)?,
            Ok(None) => break Ok(()),
            Err(fault) => break Err(fault),
        }
        printed += 1;
        if count.is_some_and(|count| printed >= count) {
            break Ok(());
        }
    };
    let gathering = gathering.end(client).await;
    outcome.and_then(|()| gathering.conclude(&mut printer, form))
}

/// The form that the verbs' output options mean.
pub(super) fn form(is_json: bool, is_raw: bool) -> Form {
    match (is_json, is_raw) {
        (true, _) => Form::Json,
        (_, true) => Form::Raw,
        _ => Form::Lines,
    }
}

fn round(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}

/// An answer's content in one line.
fn one_line(reply: &Reply) -> String {
    if reply.payload.is_empty() {
        return match reply.code {
            Some(code) if code != Code::CONTENT => code_with_name(code),
            _ => String::new(),
        };
    }
    let format = content_format_of(reply);
    let text = std::str::from_utf8(&reply.payload).ok();
    match (format, text) {
        // A table of links does not fit in a line; the document itself does.
        (None | Some(content_format::TEXT_PLAIN | content_format::LINK_FORMAT), Some(text)) => {
            printable(text.trim_end()).into_owned()
        }
        _ => {
            let rendered = render(format, &reply.payload, Surroundings { is_terminal: true });
            String::from_utf8_lossy(&rendered).split_whitespace().collect::<Vec<_>>().join(" ")
        }
    }
}

/// The multicast address and port of a place.
async fn group_address(place: &Place) -> Result<SocketAddr, Fault> {
    let addresses = place.addresses().await?;
    addresses.iter().copied().find(|address| address.ip().is_multicast()).ok_or_else(|| {
        Fault::misuse(format!("`{}` names no group: none of its addresses is a multicast address", place.text))
            .hint("CoAP groups have addresses such as 224.0.1.187, ff02::fd (a link) or ff05::fd (a site)")
    })
}

pub(super) fn interface_index(name: &str) -> Result<u32, Fault> {
    links::index_of(name).map_err(|_| {
        Fault::misuse(format!("`{name}` is no interface of this machine")).hint("`ip link` shows their names")
    })
}

fn path_of(place: &Place) -> Vec<&[u8]> {
    place.uri.options.iter().filter(|option| option.number == number::URI_PATH).map(|option| option.value).collect()
}

/// Who a directory knows as members: endpoints with a link of type `g.*` to the application group that the request's path names
/// (GC3, GC7), and with an address of the group's family.
async fn members_of(
    client: &mut Client,
    place: &Place,
    directory_uri: &str,
    group: SocketAddr,
) -> Result<Vec<SocketAddr>, Fault> {
    let options = directory::DirectoryOptions { directory: directory_uri.to_owned(), timeout: None, verbose: false };
    let lookup = directory::find(client, &options, directory::RESOURCE_LOOKUP).await?;
    let question = directory::lookup_question(&options, std::iter::once("rt=g.*".to_owned()));
    let reply = exchange(client, &lookup, &question).await?.success()?;
    let document = directory::links_of(&reply)?;
    let wanted = path_of(place);
    let mut members = Vec::new();
    for link in document.links() {
        let Ok(found) = Place::parse(&lookup.resolve(link.target)) else { continue };
        let path = path_of(&found);
        if let Host::Address(address) = found.uri.host
            && wanted.starts_with(&path)
            && !address.is_multicast()
            && address.is_ipv4() == group.is_ipv4()
        {
            members.push(SocketAddr::new(address, found.uri.port));
        }
    }
    if members.is_empty() {
        eprintln!("note: {} knows no member of this group", lookup.origin());
    }
    Ok(members)
}
