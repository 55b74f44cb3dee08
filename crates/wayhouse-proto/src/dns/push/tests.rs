use super::*;

#[test]
fn pu14_each_refusal_has_a_delay_of_its_own() {
    let check = |code, minutes: u64| {
        assert_eq!(default_retry_delay(Rcode::masked_from_int(code)), Duration::from_secs(60 * minutes), "{code}");
    };
    for (code, minutes) in [(0, 0), (1, 5), (2, 1), (3, 5), (4, 60), (5, 5), (9, 5), (11, 60), (15, 5)] {
        check(code, minutes);
    }
}

#[test]
fn pu6_only_a_subscribe_may_be_early_and_lives_on() {
    for dialect in [PushDialect::Rfc8765, PushDialect::Push10, PushDialect::Push12] {
        for operation in operations(dialect) {
            let is_subscribe = operation.dso_type == dso_type::SUBSCRIBE;
            assert_eq!((operation.is_early, operation.is_long_lived), (is_subscribe, is_subscribe));
        }
    }
}
