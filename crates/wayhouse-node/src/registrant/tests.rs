use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A registrant, the time, and what it was told to do.
struct Play {
    registrant: Registrant,
    now: Instant,
    waited: Vec<Duration>,
}

impl Play {
    fn new(settings: Settings) -> Play {
        #[allow(clippy::disallowed_methods, reason = "the one origin of virtual time")]
        let now = Instant::now();
        Play { registrant: Registrant::new(now, settings, 7), now, waited: Vec::new() }
    }
    /// The next step that is no wait; waits are noted and passed.
    fn step(&mut self) -> Step {
        loop {
            match self.registrant.step(self.now) {
                Step::Wait { until } => {
                    assert!(until > self.now, "a wait must end later");
                    self.waited.push(until - self.now);
                    self.now = until;
                }
                step => return step,
            }
        }
    }
    fn outcome(&mut self, outcome: Outcome) {
        self.registrant.handle(self.now, outcome);
    }
    fn discovered(&mut self, uris: &[&str]) {
        let uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
        self.outcome(Outcome::Discovered { uris, fresh_for: 60 * SECOND });
    }
    fn refused(&mut self, code: Code, max_age: Option<u64>) {
        self.outcome(Outcome::Refused { code, max_age: max_age.map(Duration::from_secs) });
    }
    fn register(&mut self) {
        assert_eq!(self.step(), discover("coap://one"));
        self.discovered(&["coap://one/rd"]);
        assert_eq!(self.step(), register("coap://one/rd"));
        self.outcome(Outcome::Registered { location: "coap://one/reg/1".to_owned() });
    }
}

fn settings() -> Settings {
    Settings {
        directories: vec!["coap://one".to_owned(), "coap://two".to_owned()],
        lifetime: 600 * SECOND,
        is_kept: true,
        wait_max: 60 * SECOND,
    }
}

fn discover(directory: &str) -> Step {
    Step::Discover { directory: directory.to_owned() }
}
fn register(uri: &str) -> Step {
    Step::Register { uri: uri.to_owned() }
}
fn refresh(location: &str) -> Step {
    Step::Refresh { location: location.to_owned() }
}

#[test]
fn rd13_the_location_is_refreshed_before_the_lifetime_ends() {
    let mut play = Play::new(settings());
    play.register();
    let registered_at = play.now;
    assert_eq!(play.registrant.location(), Some("coap://one/reg/1"));
    for round in 1..=3 {
        assert_eq!(play.step(), refresh("coap://one/reg/1"), "round {round}");
        play.outcome(Outcome::Refreshed);
    }
    // 600 s less a tenth and the time one attempt may take.
    assert_eq!(play.now - registered_at, 3 * (600 - 60 - 93) * SECOND);
}

#[test]
fn rd13_short_and_long_lifetimes_leave_time_for_an_attempt() {
    let after = |seconds| refresh_after(Duration::from_secs(seconds)).as_secs_f64();
    assert_eq!(after(1), 0.5);
    assert_eq!(after(60), 30.0);
    assert_eq!(after(90_000), 90_000.0 - 9_093.0);
}

#[test]
fn rd13_a_lost_registration_is_made_anew_at_once() {
    let mut play = Play::new(settings());
    play.register();
    assert_eq!(play.step(), refresh("coap://one/reg/1"));
    play.waited.clear();
    play.refused(Code::NOT_FOUND, None);
    assert_eq!(play.registrant.location(), None);
    // What discovery said is older than it may be believed, so it is repeated first.
    assert_eq!(play.step(), discover("coap://one"));
    play.discovered(&["coap://one/rd"]);
    assert_eq!(play.step(), register("coap://one/rd"));
    play.outcome(Outcome::Registered { location: "coap://one/reg/2".to_owned() });
    assert_eq!(play.registrant.location(), Some("coap://one/reg/2"));
    assert!(play.waited.is_empty(), "{:?}", play.waited);
}

#[test]
fn rd14_other_uris_are_tried_then_other_directories() {
    let mut play = Play::new(settings());
    assert_eq!(play.step(), discover("coap://one"));
    play.discovered(&["coap://one/rd", "coap+tcp://elsewhere/registry"]);
    assert_eq!(play.step(), register("coap://one/rd"));
    play.outcome(Outcome::NoAnswer);
    assert_eq!(play.step(), register("coap+tcp://elsewhere/registry"));
    play.refused(Code::INTERNAL_SERVER_ERROR, None);
    assert_eq!(play.step(), discover("coap://two"));
    play.discovered(&[]);
    assert_eq!(play.step(), discover("coap://one"), "and from the beginning");
}

#[test]
fn rd14_stale_discovery_is_repeated() {
    let mut play = Play::new(settings());
    assert_eq!(play.step(), discover("coap://one"));
    play.discovered(&["coap://one/rd", "coap://one/rd2"]);
    assert_eq!(play.step(), register("coap://one/rd"));
    play.now += 200 * SECOND;
    play.outcome(Outcome::NoAnswer);
    assert_eq!(play.step(), discover("coap://one"));
}

#[test]
fn rd14_5_03_waits_are_bounded_in_sum() {
    let mut play = Play::new(settings());
    assert_eq!(play.step(), discover("coap://one"));
    play.discovered(&["coap://one/rd", "coap://one/other"]);
    for _ in 0..2 {
        assert_eq!(play.step(), register("coap://one/rd"));
        play.refused(Code::SERVICE_UNAVAILABLE, Some(25));
    }
    assert_eq!(play.step(), register("coap://one/rd"));
    play.refused(Code::SERVICE_UNAVAILABLE, Some(25));
    assert_eq!(play.step(), register("coap://one/other"));
}

#[test]
fn rd3_5_03_is_tried_again_after_max_age() {
    let mut play = Play::new(settings());
    assert_eq!(play.step(), discover("coap://one"));
    play.discovered(&["coap://one/rd", "coap://one/other"]);
    assert_eq!(play.step(), register("coap://one/rd"));
    play.refused(Code::SERVICE_UNAVAILABLE, Some(30));
    assert_eq!(play.step(), register("coap://one/rd"));
    assert_eq!(play.waited, [30 * SECOND]);
    play.refused(Code::SERVICE_UNAVAILABLE, None);
    assert_eq!(play.step(), register("coap://one/other"), "60 s by default are more than is left to wait");
}

#[test]
fn rd3_5_03_of_a_refresh_is_waited_for_within_the_remaining_life() {
    let mut play = Play::new(settings());
    play.register();
    assert_eq!(play.step(), refresh("coap://one/reg/1"));
    play.refused(Code::SERVICE_UNAVAILABLE, Some(100));
    assert_eq!(play.step(), refresh("coap://one/reg/1"));
    play.refused(Code::SERVICE_UNAVAILABLE, Some(100));
    assert_eq!(play.step(), discover("coap://one"), "153 s were left at first");
}

#[test]
fn rd3_any_failure_code_leads_on() {
    for octet in
        (0x80..=0xbf).filter(|octet| !matches!(Code(*octet), Code::SERVICE_UNAVAILABLE | Code::TOO_MANY_REQUESTS))
    {
        let mut play = Play::new(settings());
        assert_eq!(play.step(), discover("coap://one"));
        play.discovered(&["coap://one/rd"]);
        assert_eq!(play.step(), register("coap://one/rd"));
        play.refused(Code(octet), None);
        assert_eq!(play.step(), discover("coap://two"), "after {}", Code(octet));
    }
}

#[test]
fn rd6_pauses_grow_over_the_whole_process() {
    let mut play = Play::new(settings());
    for _ in 0..10 {
        for directory in ["coap://one", "coap://two"] {
            assert_eq!(play.step(), discover(directory));
            play.outcome(Outcome::NoAnswer);
        }
    }
    play.step();
    assert_eq!(play.waited.len(), 20);
    for (index, pause) in play.waited.iter().enumerate() {
        let least = Duration::from_secs(1 << index.min(20)).min(Pace::LONGEST);
        assert!(*pause >= least && *pause <= least + least / 4, "pause {index}: {pause:?}");
    }
}

#[test]
fn rd6_a_success_forgives() {
    let mut play = Play::new(settings());
    assert_eq!(play.step(), discover("coap://one"));
    play.outcome(Outcome::NoAnswer);
    assert_eq!(play.step(), discover("coap://two"));
    play.discovered(&["coap://two/rd"]);
    assert_eq!(play.step(), register("coap://two/rd"));
    play.outcome(Outcome::Registered { location: "coap://two/r".to_owned() });
    assert_eq!(play.registrant.pace, Pace::default());
}

#[test]
fn without_keep_one_round_is_all() {
    let mut play = Play::new(Settings { is_kept: false, ..settings() });
    for directory in ["coap://one", "coap://two"] {
        assert_eq!(play.step(), discover(directory));
        play.outcome(Outcome::NoAnswer);
    }
    assert_eq!(play.step(), Step::GiveUp);
}

#[test]
fn a_round_of_final_refusals_is_the_last_even_when_kept() {
    let mut play = Play::new(settings());
    for directory in ["coap://one", "coap://two"] {
        assert_eq!(play.step(), discover(directory));
        play.discovered(&["coap://x/rd"]);
        assert_eq!(play.step(), register("coap://x/rd"));
        play.refused(Code::FORBIDDEN, None);
    }
    assert_eq!(play.step(), Step::GiveUp);
}
