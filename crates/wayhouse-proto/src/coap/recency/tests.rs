use super::Recency;

fn drain(recency: &mut Recency) -> Vec<usize> {
    std::iter::from_fn(|| {
        let oldest = recency.oldest()?;
        recency.remove(oldest);
        Some(oldest)
    })
    .collect()
}

#[test]
fn slots_leave_in_the_order_of_their_last_use() {
    let mut recency = Recency::new();
    for slot in [3, 0, 7, 1] {
        recency.insert(slot);
    }
    recency.touch(3);
    recency.touch(1);
    recency.touch(1);
    recency.remove(7);
    assert_eq!(drain(&mut recency), [0, 3, 1]);
    recency.insert(7);
    assert_eq!(drain(&mut recency), [7]);
    assert_eq!(recency.oldest(), None);
}
