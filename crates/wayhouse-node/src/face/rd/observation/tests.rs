use wayhouse_registry::{Credentials, EntryId, Origin};

use super::*;

fn observation() -> Observation {
    Observation::new(&mut Rng::new(1))
}

fn question(criteria: &[(&str, &str)]) -> Question {
    let criterion = |&(name, value): &(&str, &str)| match name {
        "href" => Criterion::Href(Pattern::parse(value)),
        "anchor" => Criterion::Anchor(Pattern::parse(value)),
        "provenance" => Criterion::Provenance(Pattern::parse(value)),
        _ => Criterion::Attribute { name: name.into(), pattern: Pattern::parse(value) },
    };
    Question {
        kind: Kind::Resources,
        filter: Filter { criteria: criteria.iter().map(criterion).collect(), link_scope: None, sees_every_link: false },
        page: None,
        shows_provenance: false,
        shows_age: false,
    }
}

fn lamp() -> Registrant {
    Registrant {
        id: EntryId(7),
        endpoint_name: "lamp".into(),
        sector: "attic".into(),
        base: "coap://lamp.example".into(),
        is_base_explicit: true,
        attributes: Box::new([("et".into(), "oic.d.light".into())]),
        links: "</l>;rt=\"light dimmer\";anchor=\"/a\"".into(),
        origin: Origin::Directory,
        owner: Credentials::anonymous(),
        source: None,
        link_scope: None,
        services: None,
    }
}

fn concerned(observation: &Observation) -> usize {
    let mut places = observation.broad.clone();
    observation.gather(&lamp(), &mut places, &mut Vec::new());
    places.len()
}

#[test]
fn a_change_is_matched_only_with_questions_filed_under_its_values() {
    let mut observation = observation();
    for n in 0..1000 {
        observation.insert(ObserverId(n), question(&[("ep", &format!("other{n}")), ("d", "attic")]));
    }
    assert_eq!(concerned(&observation), 0);
    let location = format!("{LOCATION_PREFIX}{}", EntryId(7));
    for (n, (name, value)) in [
        ("ep", "lamp"),
        ("d", "attic"),
        ("base", "coap://lamp.example"),
        ("et", "oic.d.light"),
        ("rt", "dimmer"),
        ("rt", ENDPOINT_TYPE),
        ("href", "coap://lamp.example/l"),
        ("href", location.as_str()),
        ("anchor", "coap://lamp.example/a"),
        ("provenance", location.as_str()),
        ("href", &format!("coap://somewhere{location}")),
        ("ep", "la*"),
    ]
    .into_iter()
    .enumerate()
    {
        observation.insert(ObserverId(5000 + n as u64), question(&[(name, value)]));
        assert_eq!(concerned(&observation), n + 1, "{name}={value}");
    }
}

#[test]
fn the_same_question_is_kept_once_and_goes_with_its_last_observer() {
    let mut observation = observation();
    for criteria in [&[("rt", "light")][..], &[], &[("ep", "a*")], &[("et", "x"), ("d", "y")]] {
        for n in 0..3 {
            observation.insert(ObserverId(n), question(criteria));
        }
        assert_eq!((observation.asked.len(), observation.len()), (1, 3));
        let places: Vec<_> = (0..3).map(|n| observation.question_of(ObserverId(n)).map(|(place, _)| place)).collect();
        assert!(places.iter().all(|place| place.is_some() && *place == places[0]));
        // Asking something else replaces the question.
        observation.insert(ObserverId(0), question(&[("ep", "lamp")]));
        assert_eq!((observation.asked.len(), observation.len()), (2, 3));
        for n in 0..4 {
            observation.remove(ObserverId(n));
        }
        assert_eq!((observation.asked.len(), observation.len()), (0, 0));
        assert!(observation.by_question.is_empty() && observation.index.is_empty() && observation.broad.is_empty());
    }
}
