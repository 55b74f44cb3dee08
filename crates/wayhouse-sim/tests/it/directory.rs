//! The directory and its registrants over a network that loses, doubles, delays and reorders.

use std::collections::BTreeMap;
use std::time::Duration;

use wayhouse_node::Config;
use wayhouse_proto::coap::endpoint::{Settings, Target};
use wayhouse_proto::coap::{Answer, Ask, RequestId};
use wayhouse_proto::rng::Rng;
use wayhouse_sim::network::Weather;
use wayhouse_sim::seeds;
use wayhouse_sim::world::{DIRECTORY, World};
use wayhouse_wire::coap::option::number;
use wayhouse_wire::coap::{Code, OptionList};

/// A request to the directory: path and query as in a URI.
pub fn ask(code: Code, reference: &str, payload: &str) -> Ask {
    let (path, query) = reference.split_once('?').unwrap_or((reference, ""));
    let mut options = OptionList::new();
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        options.push(number::URI_PATH, segment.as_bytes());
    }
    if !payload.is_empty() {
        options.push_uint(number::CONTENT_FORMAT, 40);
    }
    for argument in query.split('&').filter(|argument| !argument.is_empty()) {
        options.push(number::URI_QUERY, argument.as_bytes());
    }
    let to = Target::Datagram { remote: DIRECTORY, local: None, interface: 0 };
    Ask { payload: payload.as_bytes().to_vec(), ..Ask::new(to, code, options) }
}

/// The location path of a 2.01.
pub fn location(answer: &Answer) -> Option<String> {
    let reply = answer.outcome.as_ref().ok()?;
    if reply.code != Some(Code::CREATED) {
        return None;
    }
    let segments: Vec<&str> = reply
        .options
        .iter()
        .filter(|option| option.number == number::LOCATION_PATH)
        .filter_map(|option| option.text())
        .collect();
    Some(format!("/{}", segments.join("/")))
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.outcome.as_ref().expect("an answer").payload).into_owned()
}

fn code(answer: &Answer) -> Option<Code> {
    answer.outcome.as_ref().ok().and_then(|reply| reply.code)
}

/// Asks and waits; calm weather answers at once, rough weather after retransmissions.
fn get(world: &mut World, client: usize, reference: &str) -> Answer {
    let id = world.with(client, |endpoint, now| endpoint.request(now, ask(Code::GET, reference, ""))).expect("started");
    wait(world, client, id)
}

fn wait(world: &mut World, client: usize, id: RequestId) -> Answer {
    let came = world.run_until(Duration::from_secs(300), |world| {
        world.clients[client].answers.iter().any(|answer| answer.id == id)
    });
    assert!(came, "an answer or a failure comes within EXCHANGE_LIFETIME");
    let at = world.clients[client].answers.iter().position(|answer| answer.id == id).expect("it came");
    world.clients[client].answers.remove(at).expect("it is there")
}

#[test]
fn registrations_survive_rough_weather_once_each() {
    seeds::for_each(|seed| {
        let mut world = World::new(seed, Weather::ROUGH, Config::default());
        let clients: Vec<usize> = (0..40).map(|_| world.add_client(Settings::default())).collect();
        let mut started = Vec::new();
        for &client in &clients {
            let reference = format!("/rd?ep=node-{client}&lt=3600");
            let id = world
                .with(client, |endpoint, now| {
                    endpoint.request(now, ask(Code::POST, &reference, "</a>;rt=\"x y\",</b>"))
                })
                .expect("started");
            started.push((client, id));
        }
        let mut created = 0;
        for (client, id) in started {
            let answer = wait(&mut world, client, id);
            if let Some(path) = location(&answer) {
                created += 1;
                world.network.weather = Weather::CALM;
                let found = get(&mut world, client, &format!("/rd-lookup/ep?ep=node-{client}"));
                assert_eq!(text(&found).matches("<").count(), 1, "one entry for one name: {}", text(&found));
                assert!(text(&found).starts_with(&format!("<{path}>")), "at the location that was told");
                world.network.weather = Weather::ROUGH;
            }
        }
        assert!(created >= 35, "{created} of 40 got through a loss of a fifth with four retransmissions");
    });
}

#[test]
fn what_was_acknowledged_survives_crashes_at_any_moment() {
    seeds::for_each(|seed| {
        let mut world = World::new(seed, Weather::ROUGH, Config::default());
        let mut rng = Rng::new(seed ^ 0xc4a5);
        let clients: Vec<usize> = (0..10).map(|_| world.add_client(Settings::default())).collect();
        let mut acknowledged: BTreeMap<String, String> = BTreeMap::new();
        let mut asked: BTreeMap<(usize, RequestId), String> = BTreeMap::new();
        for round in 0..60 {
            let client = clients[rng.below(clients.len() as u64) as usize];
            let name = format!("r{round}");
            let request = ask(Code::POST, &format!("/rd?ep={name}&lt=9000"), "</x>");
            if let Ok(id) = world.with(client, |endpoint, now| endpoint.request(now, request)) {
                asked.insert((client, id), name);
            }
            world.run_for(Duration::from_millis(rng.below(1500)));
            if rng.below(5) == 0 {
                world.crash();
            }
            for client in &clients {
                while let Some(answer) = world.clients[*client].answers.pop_front() {
                    if let (Some(name), Some(path)) = (asked.remove(&(*client, answer.id)), location(&answer)) {
                        acknowledged.insert(name, path);
                    }
                }
            }
        }
        world.crash();
        world.network.weather = Weather::CALM;
        let reader = world.add_client(Settings::default());
        assert!(acknowledged.len() > 10, "enough was acknowledged to say something");
        for (name, path) in acknowledged {
            let found = get(&mut world, reader, &format!("/rd-lookup/ep?ep={name}"));
            assert!(text(&found).starts_with(&format!("<{path}>")), "{name} is at {path}: {}", text(&found));
        }
    });
}

#[test]
fn rd37_an_observer_ends_with_the_latest_state_whatever_was_lost() {
    seeds::for_each(|seed| {
        let mut world = World::new(seed, Weather::CALM, Config::default());
        let observer = world.add_client(Settings::default());
        let registrant = world.add_client(Settings::default());
        let mut observation = ask(Code::GET, "/rd-lookup/ep?et=lamp", "");
        observation.is_observation = true;
        let observed = world.with(observer, |endpoint, now| endpoint.request(now, observation)).expect("started");
        world.run_for(Duration::from_secs(1));
        world.network.weather = Weather { loss: 0.15, ..Weather::ROUGH };
        let mut rng = Rng::new(seed);
        for round in 0..40 {
            let name = format!("lamp-{}", rng.below(6));
            let reference = match rng.below(3) {
                0 => format!("/rd?ep={name}&et=lamp&v={round}&lt=30"),
                1 => format!("/rd?ep={name}&et=other&lt=3000"),
                _ => format!("/rd?ep={name}&et=lamp&lt=3000"),
            };
            let _ = world.with(registrant, |endpoint, now| endpoint.request(now, ask(Code::POST, &reference, "</l>")));
            world.run_for(Duration::from_millis(rng.below(8000)));
        }
        world.network.weather = Weather::CALM;
        world.run_for(Duration::from_secs(400));
        let truth = get(&mut world, registrant, "/rd-lookup/ep?et=lamp");
        let last = world.clients[observer].answers.iter().rfind(|answer| answer.id == observed).cloned();
        let last = last.expect("there were notifications");
        assert!(last.is_open, "the observation goes on");
        assert_eq!(text(&last), text(&truth), "the observer's picture is the directory's");
    });
}

#[test]
fn bodies_of_many_blocks_arrive_whole_in_rough_weather() {
    seeds::for_each(|seed| {
        let weather = Weather { loss: 0.1, ..Weather::ROUGH };
        let mut world = World::new(seed, weather, Config::default());
        let client = world.add_client(Settings { block_szx: 4, ..Settings::default() });
        let links: Vec<String> = (0..150).map(|i| format!("</sensors/{i}>;rt=\"kind-{i}\"")).collect();
        let mut request = ask(Code::POST, "/rd?ep=big&base=coap://[2001:db8::7]", &links.join(","));
        request.block_szx = Some(4);
        request.patience = Some(Duration::from_secs(3000));
        let id = world.with(client, |endpoint, now| endpoint.request(now, request)).expect("started");
        let came = world.run_until(Duration::from_secs(3600), |world| !world.clients[client].answers.is_empty());
        assert!(came);
        let answer = world.clients[client].answers.pop_front().expect("it came");
        assert_eq!(answer.id, id);
        if answer.outcome.is_err() {
            return; // one block in some hundred may lose all its five tries
        }
        assert_eq!(code(&answer), Some(Code::CREATED));
        world.network.weather = Weather::CALM;
        let found = get(&mut world, client, "/rd-lookup/res?ep=big");
        assert_eq!(text(&found).matches("<coap://[2001:db8::7]/sensors/").count(), 150);
    });
}

#[test]
fn a_lease_runs_while_the_machine_sleeps() {
    let mut world = World::new(7, Weather::CALM, Config::default());
    let client = world.add_client(Settings::default());
    let id = world
        .with(client, |endpoint, now| endpoint.request(now, ask(Code::POST, "/rd?ep=sleeper&lt=600", "</a>")))
        .expect("started");
    assert_eq!(code(&wait(&mut world, client, id)), Some(Code::CREATED));
    world.jump(Duration::from_secs(700));
    let found = get(&mut world, client, "/rd-lookup/ep?ep=sleeper");
    assert_eq!(text(&found), "", "the lease ended during the sleep");
}

#[test]
fn rd18_what_is_left_of_a_lease_survives_a_restart() {
    let mut world = World::new(8, Weather::CALM, Config::default());
    let client = world.add_client(Settings::default());
    let id = world
        .with(client, |endpoint, now| endpoint.request(now, ask(Code::POST, "/rd?ep=brief&lt=60", "</a>")))
        .expect("started");
    wait(&mut world, client, id);
    world.run_for(Duration::from_secs(40));
    world.crash();
    assert!(text(&get(&mut world, client, "/rd-lookup/ep?ep=brief")).contains("brief"));
    world.run_for(Duration::from_secs(21));
    assert_eq!(text(&get(&mut world, client, "/rd-lookup/ep?ep=brief")), "", "sixty seconds after registering");
}

#[test]
fn cm19_the_client_spreads_over_ports_before_message_ids_run_out() {
    let mut world = World::new(
        9,
        Weather { delay_min: Duration::ZERO, delay_max: Duration::ZERO, ..Weather::CALM },
        Config::default(),
    );
    let client = world.add_client(Settings::default());
    for _ in 0..70_000 {
        let id =
            world.with(client, |endpoint, now| endpoint.request(now, ask(Code::GET, "/", ""))).expect("an ID is found");
        assert_eq!(code(&wait(&mut world, client, id)), Some(Code::CONTENT));
    }
    let used = &world.clients[client].sockets_used;
    assert_eq!(used.len(), 2, "a second port was taken: {used:?}");
    assert!(used.values().all(|sent| *sent <= 65_536), "no port sent more messages than there are IDs");
}

#[test]
fn a_partition_heals_without_a_trace() {
    seeds::for_each(|seed| {
        let mut world = World::new(seed, Weather::CALM, Config::default());
        let client = world.add_client(Settings::default());
        world.network.cut(true);
        let id = world
            .with(client, |endpoint, now| endpoint.request(now, ask(Code::POST, "/rd?ep=island", "</a>")))
            .expect("started");
        world.run_for(Duration::from_secs(10));
        world.network.cut(false);
        assert_eq!(code(&wait(&mut world, client, id)), Some(Code::CREATED), "a retransmission gets through");
    });
}
