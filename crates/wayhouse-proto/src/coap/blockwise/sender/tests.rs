use wayhouse_wire::coap::{BlockValue, Code};

use super::{Sender, Step};

fn body(octets: usize) -> Vec<u8> {
    (0..octets).map(|n| (n / 16) as u8).collect()
}

fn ack(num: u32, more: bool, szx: u8) -> Option<BlockValue> {
    Some(BlockValue { num, more, szx })
}

/// What is sent: block number, whether more follow, size exponent, octets.
fn piece(sender: &Sender) -> (u32, bool, u8, usize) {
    let piece = sender.piece();
    let block = piece.block.expect("in blocks");
    assert_eq!(piece.payload, &sender.body[block.offset()..][..piece.payload.len()]);
    (block.num, block.more, block.szx, piece.payload.len())
}

#[test]
fn bw6_a_body_goes_block_by_block() {
    let mut sender = Sender::new(body(150), 2, 0);
    assert_eq!(piece(&sender), (0, true, 2, 64));
    assert_eq!(sender.handle(Code::CONTINUE, ack(0, true, 2), None), Step::Next);
    assert_eq!(piece(&sender), (1, true, 2, 64));
    assert_eq!(sender.handle(Code::CONTINUE, ack(1, true, 2), None), Step::Next);
    assert_eq!(piece(&sender), (2, false, 2, 22));
    assert_eq!(sender.handle(Code::CHANGED, ack(2, false, 2), None), Step::Final);
}

#[test]
fn bw12_the_first_of_several_blocks_announces_the_size() {
    let mut sender = Sender::new(body(20), 0, 0);
    assert_eq!(sender.piece().size1, Some(20));
    sender.handle(Code::CONTINUE, ack(0, true, 0), None);
    assert_eq!(sender.piece().size1, None);
}

#[test]
fn bw13_if_none_match_goes_with_the_first_block_only() {
    let mut sender = Sender::new(body(20), 0, 0);
    assert!(sender.piece().may_have_if_none_match());
    sender.handle(Code::CONTINUE, ack(0, true, 0), None);
    assert!(!sender.piece().may_have_if_none_match());
    assert!(Sender::new(body(10), 0, 0).piece().may_have_if_none_match());
}

#[test]
fn bw1_a_body_that_fits_goes_without_block1() {
    for octets in [0, 1, 1024] {
        let mut sender = Sender::new(body(octets), 6, 0);
        assert_eq!((sender.piece().block, sender.piece().payload.len()), (None, octets));
        for code in [Code::CHANGED, Code::NOT_FOUND, Code::REQUEST_ENTITY_INCOMPLETE] {
            assert_eq!(sender.handle(code, None, None), Step::Final);
        }
        assert!(matches!(sender.handle(Code::CONTINUE, ack(0, true, 6), None), Step::Failed(_)));
    }
}

#[test]
fn bw3_the_smaller_size_of_the_server_holds_from_the_next_block_on() {
    let mut sender = Sender::new(body(300), 4, 0);
    assert_eq!(piece(&sender), (0, true, 4, 256));
    assert_eq!(sender.handle(Code::CONTINUE, ack(0, true, 1), None), Step::Next);
    assert_eq!(piece(&sender), (8, true, 1, 32));
    // A larger one does not.
    assert_eq!(sender.handle(Code::CONTINUE, ack(8, true, 6), None), Step::Next);
    assert_eq!(piece(&sender), (9, false, 1, 12));
}

#[test]
fn bw7_a_hint_for_smaller_blocks_begins_anew_with_them() {
    let mut sender = Sender::new(body(300), 4, 0);
    sender.handle(Code::CONTINUE, ack(0, true, 4), None);
    assert_eq!(sender.handle(Code::REQUEST_ENTITY_TOO_LARGE, ack(1, true, 2), Some(1000)), Step::Restart);
    assert_eq!(piece(&sender), (0, true, 2, 64));
    assert_eq!(sender.handle(Code::REQUEST_ENTITY_TOO_LARGE, ack(0, true, 0), None), Step::Restart);
    assert_eq!(piece(&sender), (0, true, 0, 16));
    assert_eq!(sender.handle(Code::REQUEST_ENTITY_TOO_LARGE, ack(0, true, 0), None), Step::Final, "not smaller");
}

#[test]
fn bw7_a_hint_to_use_block1_is_followed() {
    let mut sender = Sender::new(body(100), 6, 0);
    assert_eq!(sender.handle(Code::REQUEST_ENTITY_TOO_LARGE, ack(0, false, 1), None), Step::Restart);
    assert_eq!(piece(&sender), (0, true, 1, 32));
    let mut sender = Sender::new(body(100), 6, 0);
    assert_eq!(sender.handle(Code::REQUEST_ENTITY_TOO_LARGE, None, Some(100)), Step::Restart);
    assert_eq!(piece(&sender), (0, false, 6, 100));
    assert_eq!(sender.handle(Code::REQUEST_ENTITY_TOO_LARGE, None, Some(100)), Step::Final);
}

#[test]
fn bw7_a_body_that_is_too_large_at_all_ends_the_transfer() {
    for (hint, size1) in [(ack(0, true, 0), Some(99)), (None, Some(99)), (None, None)] {
        let mut sender = Sender::new(body(100), 6, 0);
        assert_eq!(sender.handle(Code::REQUEST_ENTITY_TOO_LARGE, hint, size1), Step::Final, "{hint:?} {size1:?}");
    }
    let mut sender = Sender::new(body(100), 0, 0);
    assert_eq!(sender.handle(Code::REQUEST_ENTITY_TOO_LARGE, None, None), Step::Final);
}

#[test]
fn bw6_rt2_after_a_lost_block_a_new_operation_is_tried_once() {
    let mut sender = Sender::new(body(100), 0, 0);
    sender.handle(Code::CONTINUE, ack(0, true, 0), None);
    assert_eq!(sender.handle(Code::REQUEST_ENTITY_INCOMPLETE, None, None), Step::Restart);
    assert_eq!(piece(&sender), (0, true, 0, 16));
    assert_eq!(sender.handle(Code::REQUEST_ENTITY_INCOMPLETE, None, None), Step::Final);
}

#[test]
fn bw8_a_server_that_acts_on_each_block_gets_all_of_them() {
    let mut sender = Sender::new(body(40), 0, 0);
    assert_eq!(sender.handle(Code::CHANGED, ack(0, false, 0), None), Step::Next);
    assert_eq!(sender.handle(Code::CHANGED, ack(1, false, 0), None), Step::Next);
    assert_eq!(piece(&sender), (2, false, 0, 8));
    assert_eq!(sender.handle(Code::CHANGED, ack(2, false, 0), None), Step::Final);
}

#[test]
fn bw6_an_early_success_or_a_wrong_acknowledgement_is_no_success() {
    let mut sender = Sender::new(body(40), 0, 0);
    assert!(matches!(sender.handle(Code::CHANGED, None, None), Step::Failed(_)));
    assert!(matches!(sender.handle(Code::CONTINUE, ack(1, true, 0), None), Step::Failed(_)));
    sender.handle(Code::CONTINUE, None, None);
    sender.handle(Code::CONTINUE, ack(1, true, 0), None);
    assert!(matches!(sender.handle(Code::CONTINUE, ack(2, true, 0), None), Step::Failed(_)), "after the last block");
    assert_eq!(sender.handle(Code::FORBIDDEN, None, None), Step::Final);
}

#[test]
fn tc4_bert_blocks_are_whole_units_and_give_way_to_blocks() {
    let mut sender = Sender::new(body(9000), 7, 4500);
    assert_eq!(piece(&sender), (0, true, 7, 4096));
    assert_eq!(sender.handle(Code::CONTINUE, ack(0, true, 7), None), Step::Next);
    assert_eq!(piece(&sender), (4, true, 7, 4096));
    assert_eq!(sender.handle(Code::CONTINUE, ack(4, true, 5), None), Step::Next);
    assert_eq!(piece(&sender), (16, true, 5, 512));
    assert_eq!(Sender::new(body(4500), 7, 4500).piece().block, None);
    assert_eq!(piece(&Sender::new(body(4500), 7, 1000)), (0, true, 6, 1024), "no unit fits");
}

#[test]
fn bw1_numbers_of_more_than_20_bits_are_not_sent() {
    let sender = Sender::new(vec![0; (16 << 20) + 1], 0, 0);
    assert_eq!(sender.piece().block.map(|block| block.szx), Some(1));
    let mut sender = Sender::new(vec![0; (16 << 20) + 1], 1, 0);
    assert!(matches!(sender.handle(Code::CONTINUE, ack(0, true, 0), None), Step::Failed(_)));
    assert!(matches!(sender.handle(Code::REQUEST_ENTITY_TOO_LARGE, ack(0, true, 0), None), Step::Failed(_)));
}

#[test]
fn bw6_a_body_can_be_sent_once_more_from_its_start() {
    let mut sender = Sender::new(body(40), 0, 0);
    assert!(sender.restarted().is_none());
    sender.handle(Code::CONTINUE, ack(0, true, 0), None);
    assert_eq!(piece(&sender.restarted().expect("it is on its way")), (0, true, 0, 16));
}
