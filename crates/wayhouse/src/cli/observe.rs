//! `observe`: prints a resource each time the server says that it changed (RFC 7641).

use std::time::{Duration, SystemTime};

use clap::Args as Arguments;
use wayhouse_node::registrant::Pace;
use wayhouse_proto::coap::endpoint::Reply;
use wayhouse_wire::coap::Code;

use super::client::{Client, Happening};
use super::exchange::{Answered, Question, content_format_of, exchange};
use super::exit::{Exit, Fault};
use super::group::{self, GroupOptions};
use super::interrupt::Interrupt;
use super::payload::PayloadOptions;
use super::place::Place;
use super::printer::representation::render;
use super::printer::{Printer, problem, timestamp};
use super::request::timed_json;
use super::request_options::RequestOptions;
use super::trace::code_with_name;

pub(super) const EXAMPLES: &str = "Prints a line with time and code, and the representation, for each notification until Ctrl-C. \
    When the server falls silent or goes away, the observation is registered again.\n\n\
    With --json: one object in each line, with the keys of `wayhouse get --json` and `at`.\n\n\
    Examples:\n  \
    wayhouse observe coap://sensor.example/temperature\n  \
    wayhouse observe --count 10 --json coap+tcp://sensor.example/temperature | jq -r .text";

/// How long the end waits for the server to hear that nobody listens any more.
const FAREWELL: Duration = Duration::from_millis(200);

/// `observe`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// What to observe: coap://host/path (UDP) or coap+tcp://host/path
    #[arg(value_name = "URI")]
    pub uri: String,
    /// Stop after this many representations
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Print one JSON object in each line
    #[arg(long)]
    pub json: bool,
    /// Print the octets of the payloads as they are, one after the other
    #[arg(long, conflicts_with = "json")]
    pub raw: bool,
    /// Observe with FETCH: the query is this payload
    #[arg(long, value_name = "TEXT")]
    pub fetch: Option<String>,
    /// What the payload of --fetch is
    #[arg(long, value_name = "CF", requires = "fetch")]
    pub content_format: Option<super::request_options::ContentFormat>,
    #[command(flatten)]
    pub(super) request: RequestOptions,
    #[command(flatten)]
    pub(super) group: GroupOptions,
}

/// Runs `observe`.
pub(super) async fn execute(args: Args) -> Result<Exit, Fault> {
    let place = Place::parse(&args.uri)?;
    let method = if args.fetch.is_some() { Code::FETCH } else { Code::GET };
    let mut question = Question { is_observation: true, ..args.request.question(method) };
    let payload =
        PayloadOptions { payload: args.fetch.clone(), content_format: args.content_format, ..Default::default() };
    payload.fill(&mut question)?;
    if args.group.means_group(&place) {
        let mut client = Client::new(args.request.verbose)?;
        let form = group::form(args.json, args.raw);
        let outcome = group::converse(&mut client, &place, &question, &args.group, form, args.count).await;
        client.close().await;
        return outcome;
    }
    let mut interrupt = Interrupt::new()?;
    let mut observation = Observation::new(args.request.verbose, place, question)?;
    let mut printer = Printer::stdout();
    let mut printed = 0;
    let outcome = loop {
        let seen = tokio::select! {
            seen = observation.next() => seen,
            () = interrupt.wait() => break Ok(Exit::Done),
        };
        let seen = match seen {
            Ok(seen) => seen,
            Err(fault) => break Err(fault),
        };
        if let Err(fault) = show(&mut printer, &args, &seen.reply, &seen) {
            break Err(fault);
        }
        if !seen.reply.code.is_some_and(Code::is_success) {
            break Err(problem::refusal(&seen.reply));
        }
        printed += 1;
        if args.count.is_some_and(|count| printed >= count) {
            break Ok(Exit::Done);
        }
        if !seen.is_pushed {
            break Err(Fault::negative("the server answers, but does not let this resource be observed").hint(
                "`wayhouse get URI` reads it once; `wayhouse discover` shows `obs` where observing makes sense",
            ));
        }
    };
    observation.end().await;
    outcome
}

fn show(printer: &mut Printer, args: &Args, reply: &Reply, seen: &Seen) -> Result<(), Fault> {
    let at = timestamp(SystemTime::now());
    if args.json {
        printer.json_line(&timed_json(reply, seen.from, &at))?;
    } else if args.raw {
        printer.octets(&reply.payload)?;
    } else if reply.code.is_some_and(Code::is_success) {
        printer.line(&format!("[{at}] {}", code_with_name(reply.code.unwrap_or(Code::EMPTY))))?;
        let mut shown = render(content_format_of(reply), &reply.payload, printer.surroundings());
        if !shown.is_empty() && !shown.ends_with(b"\n") {
            shown.push(b'\n');
        }
        printer.octets(&shown)?;
    }
    Ok(())
}

/// One state of an observed resource.
#[derive(Debug)]
pub(super) struct Seen {
    /// Who told it.
    pub from: Option<std::net::SocketAddr>,
    /// The state.
    pub reply: Reply,
    /// Whether more will be pushed.
    pub is_pushed: bool,
}

/// An observation that is registered again whenever it is lost.
#[derive(Debug)]
pub(super) struct Observation {
    client: Client,
    place: Place,
    question: Question,
    live: Option<wayhouse_proto::coap::RequestId>,
    was_live: bool,
    pace: Pace,
}

impl Observation {
    /// An observation that begins with the first call of [`Observation::next`].
    pub(super) fn new(is_verbose: bool, place: Place, question: Question) -> Result<Observation, Fault> {
        Ok(Observation::with_client(Client::new(is_verbose)?, place, question))
    }

    /// The same with a client that was used before.
    pub(super) fn with_client(client: Client, place: Place, question: Question) -> Observation {
        Observation { client, place, question, live: None, was_live: false, pace: Pace::default() }
    }

    /// The next state.
    ///
    /// # Errors
    /// When the first registration fails; later ones are tried again, more and more seldom.
    pub(super) async fn next(&mut self) -> Result<Seen, Fault> {
        loop {
            let Some(id) = self.live else {
                match exchange(&mut self.client, &self.place, &self.question).await {
                    Ok(answered) => return Ok(self.registered(answered)),
                    Err(fault) if !self.was_live || fault.exit != Exit::Unreachable => return Err(fault),
                    Err(fault) => {
                        let pause = self.pace.next_pause();
                        eprintln!("note: {}; observing again in {} s", fault.what, pause.as_secs());
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                }
            };
            match self.client.next().await {
                Happening::Answer(answer) if answer.id == id => {
                    if !answer.is_open {
                        self.live = None;
                    }
                    match answer.outcome {
                        Ok(reply) => {
                            // An answer that ends the observation without refusing it only means: ask again.
                            let is_pushed = reply.code.is_some_and(Code::is_success);
                            return Ok(Seen { from: answer.from, reply, is_pushed });
                        }
                        Err(failure) => eprintln!("note: {failure}; observing again"),
                    }
                }
                Happening::Unreachable { id: lost, why } if lost == id => {
                    self.live = None;
                    eprintln!("note: {why}; observing again");
                }
                _ => {}
            }
        }
    }

    fn registered(&mut self, answered: Answered) -> Seen {
        self.live = answered.is_open.then_some(answered.id);
        self.was_live |= answered.is_open;
        self.pace = Pace::default();
        Seen { from: answered.from, reply: answered.reply, is_pushed: answered.is_open }
    }

    /// Cancels the observation and ends connections.
    pub(super) async fn end(mut self) {
        if let Some(id) = self.live.take() {
            self.client.cancel(id);
            self.client.linger(FAREWELL).await;
        }
        self.client.close().await;
    }
}
