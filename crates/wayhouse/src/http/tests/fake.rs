//! A stand-in for the loop that owns the node: answers operations from a plain vector.

use std::sync::{Arc, Mutex};

use tokio::sync::{broadcast, mpsc};
use wayhouse_node::face::operator::groups::{ShownGroup, Wanted};
use wayhouse_node::face::operator::{Entry, Shown};
use wayhouse_node::{Command, Counters, Reply};
use wayhouse_registry::{
    Change, ChangeKind, ChangeNumber, Credentials, EntryId, Filter, Lease, Origin, Page, Refusal, Registrant,
};

use crate::shell::clock::Clock;
use crate::shell::handle::{LiveChange, NodeHandle, Operation};

/// The stand-in, shared between its task and the test that looks into it.
#[derive(Clone)]
pub struct FakeNode(Arc<Mutex<State>>);

struct State {
    clock: Clock,
    rows: Vec<(Arc<Registrant>, Lease)>,
    last_change: u64,
    next_id: u64,
    changes: broadcast::Sender<LiveChange>,
    /// The filters of the lists that were asked for.
    filters: Vec<Filter>,
    /// What there is to say of groups.
    groups: Vec<ShownGroup>,
    wanted: Option<(Wanted, Page)>,
}

impl FakeNode {
    /// Starts the stand-in on the present runtime.
    pub fn start(clock: Clock) -> (FakeNode, NodeHandle) {
        let (handle, mut operations, changes) = NodeHandle::new();
        let state = State {
            clock,
            rows: Vec::new(),
            last_change: 0,
            next_id: 1,
            changes,
            filters: Vec::new(),
            groups: Vec::new(),
            wanted: None,
        };
        let node = FakeNode(Arc::new(Mutex::new(state)));
        let running = node.clone();
        tokio::spawn(async move { running.run(&mut operations).await });
        (node, handle)
    }

    async fn run(&self, operations: &mut mpsc::Receiver<Operation>) {
        while let Some(operation) = operations.recv().await {
            let outcome = self.0.lock().expect("no test panics in here").command(operation.command);
            // Nobody listens any more when the client has gone.
            let _ = operation.answer.send(outcome);
        }
    }

    /// Enters a registrant, as a device would.
    pub fn register(&self, entry: Entry) -> EntryId {
        self.0.lock().expect("no test panics in here").register(entry).expect("a good entry").0
    }
    /// Renews a lease, or tells its end.
    pub fn tell(&self, id: EntryId, kind: ChangeKind) {
        self.0.lock().expect("no test panics in here").tell(id, kind);
    }
    /// Makes a change of which nobody is told.
    pub fn lose_a_change(&self) {
        self.0.lock().expect("no test panics in here").last_change += 1;
    }
    /// Sets what there is to say of groups.
    pub fn set_groups(&self, groups: Vec<ShownGroup>) {
        self.0.lock().expect("no test panics in here").groups = groups;
    }
    /// Which groups the last list was asked for.
    pub fn last_wanted(&self) -> Option<(Wanted, Page)> {
        self.0.lock().expect("no test panics in here").wanted.clone()
    }
    /// The filter of the last list that was asked for.
    pub fn last_filter(&self) -> Filter {
        self.0.lock().expect("no test panics in here").filters.last().cloned().expect("a list was asked for")
    }
}

impl State {
    fn command(&mut self, command: Command) -> Result<Reply, Refusal> {
        match command {
            Command::Registrants { filter, text, page } => Ok(self.list(filter, text.as_deref(), page)),
            Command::Registrant(id) => Ok(Reply::Registrant(self.shown(self.position(id)?))),
            Command::Register(entry) => {
                let (id, is_new) = self.register(entry)?;
                Ok(Reply::Registered { id, is_new, durable_after: self.last_change })
            }
            Command::Remove(id) => {
                self.position(id)?;
                self.tell(id, ChangeKind::Withdrawn);
                Ok(Reply::Removed { durable_after: self.last_change })
            }
            Command::Groups { wanted, page } => {
                self.wanted = Some((wanted, page));
                Ok(Reply::Groups { groups: self.groups.clone(), is_cut: true })
            }
            Command::AskGroup(_) => Ok(Reply::Asking(wayhouse_node::face::operator::asking::AskId(1))),
            Command::StopAsking(_) => Ok(Reply::Stopped),
            Command::Status => Ok(Reply::Status(Box::new(Counters {
                registrants: self.rows.len(),
                last_change: self.last_change,
                ..Counters::default()
            }))),
        }
    }

    fn list(&mut self, filter: Filter, text: Option<&str>, page: Page) -> Reply {
        let wanted = text.map(str::to_ascii_lowercase);
        let matches = |registrant: &Registrant| {
            wanted.as_ref().is_none_or(|wanted| {
                [&registrant.endpoint_name, &registrant.sector, &registrant.base, &registrant.links]
                    .iter()
                    .any(|value| value.to_ascii_lowercase().contains(wanted))
            }) && filter.criteria.iter().all(|criterion| match criterion {
                wayhouse_registry::Criterion::Attribute { name, pattern } if **name == *"ep" => {
                    pattern.matches(&registrant.endpoint_name)
                }
                _ => true,
            })
        };
        let fitting: Vec<usize> = (0..self.rows.len()).filter(|position| matches(&self.rows[*position].0)).collect();
        let first = usize::try_from(page.first).unwrap_or(usize::MAX).min(fitting.len());
        let end = first.saturating_add(page.count as usize).min(fitting.len());
        let entries = fitting[first..end].iter().map(|position| self.shown(*position)).collect();
        self.filters.push(filter);
        Reply::Registrants { entries, is_cut: end < fitting.len() }
    }

    fn position(&self, id: EntryId) -> Result<usize, Refusal> {
        self.rows.iter().position(|(registrant, _)| registrant.id == id).ok_or(Refusal::Unknown)
    }

    fn shown(&self, position: usize) -> Shown {
        let (registrant, lease) = &self.rows[position];
        let now = self.clock.now();
        Shown {
            registrant: Arc::clone(registrant),
            location: format!("/reg/{}", registrant.id),
            lifetime_s: lease.lifetime_s,
            remaining: lease.remaining(now),
            age: lease.age(now),
            is_active: true,
            same_device: Vec::new(),
        }
    }

    fn register(&mut self, entry: Entry) -> Result<(EntryId, bool), Refusal> {
        match entry.endpoint_name.as_str() {
            "" => return Err(Refusal::Invalid { what: "ep", why: "it is empty" }),
            "held" => return Err(Refusal::NotOwner),
            "one-too-many" => return Err(Refusal::Full { bound: "entries_max" }),
            _ => {}
        }
        let position = self
            .rows
            .iter()
            .position(|(row, _)| *row.endpoint_name == *entry.endpoint_name && *row.sector == *entry.sector);
        let id = match position {
            Some(position) => self.rows[position].0.id,
            None => EntryId(self.next_id),
        };
        let registrant = Arc::new(Registrant {
            id,
            endpoint_name: entry.endpoint_name.into(),
            sector: entry.sector.into(),
            base: entry.base.into(),
            is_base_explicit: true,
            attributes: entry.attributes.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            links: entry.links.into(),
            origin: Origin::Operator,
            owner: Credentials::anonymous(),
            source: None,
            link_scope: None,
            services: None,
        });
        let lease = Lease { lifetime_s: entry.lifetime_s, renewed: self.clock.now() };
        let before = match position {
            Some(position) => Some(std::mem::replace(&mut self.rows[position], (Arc::clone(&registrant), lease)).0),
            None => {
                // Identities are random: an order of their own.
                self.next_id =
                    self.next_id.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                self.rows.push((Arc::clone(&registrant), lease));
                None
            }
        };
        let is_new = before.is_none();
        self.publish(if is_new { ChangeKind::Added } else { ChangeKind::Changed }, before, Some(registrant), lease);
        Ok((id, is_new))
    }

    fn tell(&mut self, id: EntryId, kind: ChangeKind) {
        let position = self.position(id).expect("the test knows the registrant");
        let now = self.clock.now();
        match kind {
            ChangeKind::Refreshed => {
                let (registrant, lease) = &mut self.rows[position];
                lease.renewed = now;
                let (registrant, lease) = (Arc::clone(registrant), *lease);
                self.publish(kind, Some(Arc::clone(&registrant)), Some(registrant), lease);
            }
            _ => {
                let (registrant, lease) = self.rows.remove(position);
                self.publish(kind, Some(registrant), None, lease);
            }
        }
    }

    fn publish(
        &mut self,
        kind: ChangeKind,
        before: Option<Arc<Registrant>>,
        after: Option<Arc<Registrant>>,
        lease: Lease,
    ) {
        self.last_change += 1;
        let change = Change { number: ChangeNumber(self.last_change), kind, before, after, lease };
        // Nobody listens yet.
        let _ = self.changes.send(Arc::new(change));
    }
}

/// An entry with two links.
pub fn entry(endpoint_name: &str, sector: &str) -> Entry {
    Entry {
        endpoint_name: endpoint_name.to_owned(),
        sector: sector.to_owned(),
        base: "coap://[2001:db8::17]".to_owned(),
        lifetime_s: 3600,
        attributes: vec![("et".to_owned(), "oic.d.light".to_owned())],
        links: "</light>;rt=\"light oic.r.switch\";if=core.a,</temp>;rt=temperature;title=\"at the ceiling\""
            .to_owned(),
    }
}
