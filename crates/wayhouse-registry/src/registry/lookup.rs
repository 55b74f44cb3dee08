//! Lookups: from a filter to a page of registrants or links.

use std::ops::ControlFlow;

use wayhouse_wire::coap::link_format::{Link, LinkFormat};

use super::Registry;
use crate::filter::Matcher;
use crate::index::{Candidates, CandidatesCursor, Index, Plan, Question};
use crate::posting_list::Posting;
use crate::{Filter, Page, View};

/// What is left of a page: results to skip, then results to show.
struct Window {
    skip: u64,
    left: u64,
}

impl Window {
    /// Whether the next result is to be shown.
    fn is_shown(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.left = self.left.saturating_sub(1);
        true
    }

    /// Skips `results` at once when none of them is to be shown.
    fn has_skipped(&mut self, results: u64) -> bool {
        let skips = self.skip >= results;
        if skips {
            self.skip -= results;
        }
        skips
    }

    fn is_full(&self) -> bool {
        self.left == 0
    }
}

/// How one index answers a filter.
enum Search<'a> {
    /// By a posting with exactly the results.
    Listed(&'a Posting),
    /// By the entries that all of these have in common, asked where the index cannot be sure.
    Common {
        candidates: Vec<Candidates<'a>>,
        /// Whether to ask every registrant.
        asks: bool,
    },
    /// There are none.
    Nothing,
}

type Visit<'v> = &'v mut dyn FnMut(View<'_>) -> ControlFlow<()>;
type VisitLink<'v> = &'v mut dyn FnMut(View<'_>, &Link<'_>) -> ControlFlow<()>;

impl Registry {
    /// The indexes that a question may see, in the order of results (RD5).
    fn indexes_for(&self, filter: &Filter) -> impl Iterator<Item = &Index> {
        let is_shown = |scope: &Option<u32>| filter.sees_every_link || scope.is_none() || *scope == filter.link_scope;
        self.indexes.iter().filter(move |(scope, _)| is_shown(scope)).map(|(_, index)| index)
    }

    fn search<'a>(&'a self, index: &'a Index, filter: &'a Filter) -> Search<'a> {
        let question = Question { location_prefix: &self.location_prefix, slot_of: &|id| self.slot_of(id) };
        let mut candidates = Vec::new();
        let mut asks = false;
        for criterion in &filter.criteria {
            match index.plan(criterion, &question) {
                Plan::Everyone => {}
                Plan::Nobody => return Search::Nothing,
                Plan::Unknown => asks = true,
                Plan::Among(some) => {
                    asks |= !some.is_exact();
                    candidates.push(some);
                }
            }
        }
        match (candidates.as_slice(), asks) {
            ([], false) => Search::Listed(index.all()),
            ([], true) => Search::Common { candidates: vec![Candidates::Exactly(index.all())], asks },
            ([Candidates::Exactly(posting)], false) => Search::Listed(posting),
            _ => {
                candidates.sort_by_key(Candidates::len);
                Search::Common { candidates, asks }
            }
        }
    }

    /// Visits the registrants that a filter and page select, in a stable order (RD36).
    pub fn find_registrants(
        &mut self,
        filter: &Filter,
        page: Page,
        visit: &mut dyn FnMut(View<'_>) -> ControlFlow<()>,
    ) {
        self.index_some(usize::MAX);
        let mut window = Window { skip: page.first, left: page.count };
        for index in self.indexes_for(filter) {
            if window.is_full() || self.find_registrants_in(index, filter, &mut window, visit).is_break() {
                return;
            }
        }
    }

    fn find_registrants_in(
        &self,
        index: &Index,
        filter: &Filter,
        window: &mut Window,
        visit: Visit<'_>,
    ) -> ControlFlow<()> {
        match self.search(index, filter) {
            Search::Nothing => {}
            Search::Listed(posting) => {
                if window.has_skipped(posting.len() as u64) {
                    return ControlFlow::Continue(());
                }
                let mut cursor = posting.at_member(window.skip);
                window.skip = 0;
                while let Some(member) = cursor.current()
                    && !window.is_full()
                {
                    cursor.advance();
                    window.left -= 1;
                    visit(self.view(member.slot))?;
                }
            }
            Search::Common { candidates, asks } => {
                let mut matcher = Matcher::new(filter, &self.location_prefix);
                let mut common = Common::new(&candidates);
                while !window.is_full()
                    && let Some(slot) = common.next()
                {
                    if asks && !matcher.matches_registrant(&self.slots[slot].registrant) {
                        continue;
                    }
                    if window.is_shown() {
                        visit(self.view(slot))?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits the links that a filter and page select, with the registrant each came from.
    pub fn find_links(
        &mut self,
        filter: &Filter,
        page: Page,
        visit: &mut dyn FnMut(View<'_>, &Link<'_>) -> ControlFlow<()>,
    ) {
        self.index_some(usize::MAX);
        let mut window = Window { skip: page.first, left: page.count };
        for index in self.indexes_for(filter) {
            if window.is_full() || self.find_links_in(index, filter, &mut window, visit).is_break() {
                return;
            }
        }
    }

    fn find_links_in(
        &self,
        index: &Index,
        filter: &Filter,
        window: &mut Window,
        visit: VisitLink<'_>,
    ) -> ControlFlow<()> {
        let mut matcher = Matcher::new(filter, &self.location_prefix);
        match self.search(index, filter) {
            Search::Nothing => {}
            Search::Listed(posting) => {
                if window.has_skipped(posting.link_sum()) {
                    return ControlFlow::Continue(());
                }
                let (mut cursor, skip) = posting.at_link(window.skip);
                window.skip = skip;
                while let Some(member) = cursor.current()
                    && !window.is_full()
                {
                    cursor.advance();
                    if member.links > 0 {
                        self.visit_links(member.slot, &mut matcher, window, visit)?;
                    }
                }
            }
            Search::Common { candidates, asks } => {
                let mut common = Common::new(&candidates);
                while !window.is_full()
                    && let Some(slot) = common.next()
                {
                    let known =
                        if asks || window.skip == 0 { None } else { common.known_links(self.slots[slot].links) };
                    if known.is_some_and(|links| window.has_skipped(u64::from(links))) {
                        continue;
                    }
                    self.visit_links(slot, &mut matcher, window, visit)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// Visits the links of one registrant that match and stand in the window.
    fn visit_links(
        &self,
        slot: u32,
        matcher: &mut Matcher<'_>,
        window: &mut Window,
        visit: VisitLink<'_>,
    ) -> ControlFlow<()> {
        let view = self.view(slot);
        matcher.begin(view.registrant);
        for link in LinkFormat::trusted(&view.registrant.links).links() {
            if window.is_full() {
                break;
            }
            if matcher.matches_link(view.registrant, &link) && window.is_shown() {
                visit(view, &link)?;
            }
        }
        ControlFlow::Continue(())
    }
}

/// Walks the entries that several candidate lists have in common; the first list is the shortest.
struct Common<'a> {
    cursors: Vec<CandidatesCursor<'a>>,
    /// The first slot not looked at.
    at: u32,
}

impl<'a> Common<'a> {
    fn new(candidates: &'a [Candidates<'a>]) -> Common<'a> {
        Common { cursors: candidates.iter().map(Candidates::start).collect(), at: 0 }
    }

    fn next(&mut self) -> Option<u32> {
        let mut wanted = self.at;
        loop {
            let target = wanted;
            for cursor in &mut self.cursors {
                cursor.seek(wanted);
                wanted = cursor.current()?;
                if wanted > target {
                    break;
                }
            }
            if wanted == target {
                self.at = wanted.checked_add(1)?;
                return Some(wanted);
            }
        }
    }

    /// How many links of the entry just returned match all criteria, when the counts tell: all but one criterion are
    /// met by all of its `links`. That is so whenever the registrant itself meets them (RD33).
    fn known_links(&self, links: u16) -> Option<u16> {
        let mut known = links;
        for cursor in &self.cursors {
            let count = cursor.known_links()?;
            if count < links {
                if known < links {
                    return None;
                }
                known = count;
            }
        }
        Some(known)
    }
}
