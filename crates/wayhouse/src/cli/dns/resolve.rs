//! `resolve`: where one service instance is, and what it says about itself (DNS-SD, RFC 6763 §5, §6).

use clap::Args as Arguments;
use wayhouse_proto::dns::client::RecordSet;
use wayhouse_proto::dns::client::service_view::{ServiceInstance, ServiceView};
use wayhouse_proto::dns::limits::ClientLimits;
use wayhouse_wire::dns::Name;

use super::asking::Asker;
use super::server::ServerOptions;
use super::{services, shown};
use crate::cli::exit::{Exit, Fault};
use crate::cli::printer::{Printer, printable};

pub(crate) const EXAMPLES: &str = "Prints host, port, addresses and attributes, and for CoAP and HTTP services the URI.\n\n\
    With --json: one object with instance, name, host, port, addresses, txt (an object), uri.\n\n\
    Examples:\n  \
    wayhouse resolve 'lamp (hall)' _coap._udp\n  \
    wayhouse resolve lamp._coap._udp.services.home.arpa --json\n  \
    wayhouse get \"$(wayhouse resolve Spot _coap._udp --json | jq -r .uri)\"";

/// `resolve`.
#[derive(Debug, Clone, Arguments)]
pub(crate) struct Args {
    /// What the instance is called; without TYPE, its whole name
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    /// Type of service, such as _coap._udp
    #[arg(value_name = "TYPE")]
    pub service: Option<String>,
    /// Domain to look in [default: what the server recommends, or services.home.arpa]
    #[arg(long, value_name = "NAME", requires = "service")]
    pub domain: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub(super) server: ServerOptions,
}

/// Runs `resolve`.
pub(in crate::cli) async fn execute(args: Args) -> Result<Exit, Fault> {
    let mut asker = Asker::new(&args.server, true).await?;
    let outcome = resolve(&args, &mut asker).await;
    asker.close().await;
    outcome
}

async fn resolve(args: &Args, asker: &mut Asker) -> Result<Exit, Fault> {
    let name = args.name(asker).await?;
    let mut records = RecordSet::new(ClientLimits::default());
    let view = services::learn(asker, &mut records, |records| ServiceView::of_instance(records, &name)).await?;
    let [instance] = &view.instances[..] else { unreachable!("a view of one instance has one") };
    if instance.target.is_none() {
        return Err(Fault::negative(format!("there is no service {}", printable(&name.to_string())))
            .hint("`wayhouse browse TYPE --once` lists those that there are"));
    }
    let mut printer = Printer::stdout();
    match args.json {
        true => printer.json(&services::instance_json(instance))?,
        false => printer.line(&lines(instance))?,
    }
    if instance.addresses.is_empty() {
        return Err(Fault::negative("its host has no address here"));
    }
    Ok(Exit::Done)
}

impl Args {
    async fn name(&self, asker: &mut Asker) -> Result<Name, Fault> {
        let Some(service) = &self.service else { return shown::parse_name(&self.instance) };
        let service = shown::parse_name(service)?;
        let domain = services::domain(asker, self.domain.as_deref(), &["b", "lb"]).await?;
        let labels = std::iter::once(self.instance.as_bytes()).chain(service.labels()).chain(domain.labels());
        Name::from_labels(labels).map_err(|error| {
            Fault::misuse(format!("`{}` cannot be an instance's name: {error}", self.instance))
                .hint("it has at most 63 octets")
        })
    }
}

/// What is known, field by field.
fn lines(instance: &ServiceInstance) -> String {
    let mut fields = vec![("name", printable(&instance.name.to_string()).into_owned())];
    if let Some(target) = &instance.target {
        fields.push(("host", printable(&target.host.to_string()).into_owned()));
        fields.push(("port", target.port.to_string()));
    }
    fields.extend(instance.addresses.iter().map(|address| ("address", address.to_string())));
    for (key, value) in &instance.attributes {
        let value = value.as_ref().map(|value| format!("={}", String::from_utf8_lossy(value))).unwrap_or_default();
        fields.push(("txt", printable(&format!("{key}{value}")).into_owned()));
    }
    fields.extend(services::uri(instance).map(|uri| ("uri", uri)));
    fields.iter().map(|(field, value)| format!("{field:<9}{value}")).collect::<Vec<_>>().join("\n")
}
