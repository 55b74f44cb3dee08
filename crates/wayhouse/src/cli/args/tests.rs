use clap::CommandFactory;

use super::*;

fn parse(words: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(std::iter::once("wayhouse").chain(words.split_whitespace()))
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn what_makes_no_sense_is_misuse() {
    for words in [
        "get",
        "get coap://h --json --raw",
        "get coap://h --block-size 20",
        "get coap://h --timeout -1",
        "get coap://h --timeout soon",
        "get coap://h --accept application/nonsense",
        "get coap://h --option Observe=0",
        "get coap://h --option nonsense=1",
        "get coap://h --if-match 0x1",
        "put coap://h --payload a --payload-file b",
        "put coap://h body --payload a",
        "list --page 1",
        "list --count 0",
        "list =x",
        "register",
        "register --name x --lifetime 0",
        "register --name x --lifetime 4294967296",
        "observe coap://h --count 0",
        "completions klingon",
        "nonsense",
    ] {
        let error = parse(words).expect_err(words);
        assert_eq!(error.exit_code(), 2, "{words}");
    }
}

#[test]
fn what_makes_sense_is_taken() {
    for words in [
        "get coap://h --non --accept json --etag 0x01 --etag abc --block-size 64 --timeout 0.5 -v",
        "put coap://h - --content-format text/plain",
        "post coap://h --payload -1 --content-format 40",
        "fetch coap://h --payload-file - --content-format 320",
        "ipatch coap://h {} --if-match 0x --option 65000=0xff",
        "observe coap://h --count 3 --json",
        "observe coap://h --fetch q --content-format 50",
        "ping coap://h -c 3 -i 0.2",
        "discover coap://h rt=core.rd* obs",
        "register --name x --link </a>;rt=x --link </b> --attribute et=y --keep --lifetime 4294967295",
        "list --resources rt=x --count 2 --page 0 --directory coap://h",
        "watch --json d=kitchen",
        "completions zsh",
        "man",
    ] {
        if let Err(error) = parse(words) {
            panic!("{words}: {error}");
        }
    }
}

#[test]
fn every_verb_that_reads_has_json() {
    let command = Cli::command();
    for verb in ["get", "fetch", "observe", "ping", "discover", "list", "watch"] {
        let verb = command.find_subcommand(verb).expect("the verb exists");
        assert!(verb.get_arguments().any(|argument| argument.get_long() == Some("json")), "{}", verb.get_name());
    }
}

#[test]
fn every_verb_has_one_line_and_examples() {
    for verb in Cli::command().get_subcommands() {
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        assert!(!about.is_empty() && !about.contains('\n') && !about.ends_with('.'), "{}: {about}", verb.get_name());
        let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
        let is_own = !matches!(verb.get_name(), "run" | "check-config" | "man");
        assert!(!is_own || help.contains("Example"), "{}", verb.get_name());
    }
}

#[test]
fn seconds_may_have_fractions_and_a_unit() {
    assert_eq!("0.25".parse(), Ok(Seconds(Duration::from_millis(250))));
    assert_eq!("5s".parse(), Ok(Seconds(Duration::from_secs(5))));
    for text in ["0", "-1", "nan", "inf", "1e300", ""] {
        assert!(text.parse::<Seconds>().is_err(), "{text}");
    }
}

#[test]
fn octets_are_hexadecimal_or_text() {
    assert_eq!("0x00ff".parse(), Ok(Octets(vec![0, 255])));
    assert_eq!("0x".parse(), Ok(Octets(vec![])));
    assert_eq!("abc".parse(), Ok(Octets(b"abc".to_vec())));
    for text in ["0xf", "0xfg", "0xé"] {
        assert!(text.parse::<Octets>().is_err(), "{text}");
    }
}

#[test]
fn key_and_value_are_parted_at_the_first_equals_sign() {
    let parsed: KeyValue = "a=b=c".parse().expect("well-formed");
    assert_eq!((parsed.key.as_str(), parsed.value.as_deref()), ("a", Some("b=c")));
    assert_eq!("obs".parse::<KeyValue>().expect("well-formed").to_string(), "obs");
}
