use super::*;

#[test]
fn the_summary_counts_and_measures() {
    let round_trips = [1, 2, 6].map(Duration::from_millis).to_vec();
    let tally = Tally { sent: 4, round_trips };
    insta::assert_snapshot!(tally.summary("coap://host"), @r"
    --- coap://host ---
    4 sent, 3 answered, 25% lost
    round trip min/avg/max = 1.000/3.000/6.000 ms
    ");
    assert_eq!(Tally { sent: 1, round_trips: vec![] }.summary("x"), "--- x ---\n1 sent, 0 answered, 100% lost");
    assert_eq!(Tally::default().extremes_ms(), None);
}
