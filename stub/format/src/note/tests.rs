//! The check is tested on whole segments, as the runtime sees them.

use std::vec::Vec;

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

const POLICY: &[u8] = br#"{"allow":["write"]}"#;

fn note(order: ByteOrder, kind: u32, descriptor: &[u8]) -> Vec<u8> {
    let mut bytes = header(order, kind, u32::try_from(descriptor.len()).unwrap()).to_vec();
    bytes.extend(descriptor);
    bytes.resize(size(descriptor.len()), 0);
    bytes
}

fn filter(order: ByteOrder, count: u32) -> Vec<u8> {
    let header = FilterHeader {
        flags: flags::LOG,
        arch: 0xc000_003e,
        count,
        protect_address: 0,
        protect_size: 0,
        dynamic_address: 0,
        identity: 0,
    };
    let mut bytes = header.to_bytes(order).to_vec();
    bytes.resize(FILTER_HEADER + count as usize * INSTRUCTION_SIZE, 6);
    seal(POLICY, &mut bytes);
    bytes
}

fn check(segment: &[u8], order: ByteOrder) -> Result<Option<Embedded<'_>>, Problem> {
    let mut collector = Collector::new(order);
    collector.segment(segment, 4)?;
    collector.finish()
}

fn pair() -> Vec<u8> {
    let order = ByteOrder::Little;
    [
        note(order, kind::POLICY, POLICY),
        note(order, kind::FILTER, &filter(order, 2)),
    ]
    .concat()
}

/// Size in bytes of a note with a descriptor of that many.
fn size(descriptor: usize) -> usize {
    HEADER + descriptor.next_multiple_of(4)
}

#[test]
fn a_pair_of_either_byte_order_is_found() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let policy = note(order, kind::POLICY, POLICY);
        let filter = note(order, kind::FILTER, &filter(order, 3));
        let segment = [policy, filter].concat();
        let found = check(&segment, order).unwrap().unwrap();
        assert_eq!(found.policy, POLICY);
        assert_eq!(found.filter.header.count, 3);
        assert_eq!(found.filter.header.arch, 0xc000_003e);
        assert_eq!(found.filter.instructions.len(), 24);
        assert_eq!(found.undo, None);
    }
}

#[test]
fn notes_of_other_owners_are_passed_over() {
    let mut other = note(ByteOrder::Little, 3, b"build-id");
    other[12..20].copy_from_slice(b"foreign\0");
    assert_eq!(check(&other, ByteOrder::Little), Ok(None));
    let both = [other, pair()].concat();
    assert!(check(&both, ByteOrder::Little).unwrap().is_some());
}

#[test]
fn a_program_without_policy_may_have_malformed_notes_of_its_own() {
    assert_eq!(check(&[1, 2, 3], ByteOrder::Little), Ok(None));
}

#[test]
fn a_pair_cut_anywhere_is_an_error_and_never_a_filter() {
    let whole = pair();
    for length in 1..whole.len() {
        let found = check(&whole[..length], ByteOrder::Little);
        // Nothing of the owner is left where even its first record is cut.
        let first = size(POLICY.len()) - 1;
        if length < first {
            assert_eq!(found, Ok(None), "cut at {length}");
        } else {
            assert!(found.is_err(), "cut at {length}: {found:?}");
        }
    }
}

#[test]
fn each_problem_is_told_apart() {
    let order = ByteOrder::Little;
    let policy = note(order, kind::POLICY, POLICY);
    let good = note(order, kind::FILTER, &filter(order, 1));
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut descriptor = filter(order, 1);
        change(&mut descriptor);
        [policy.clone(), note(order, kind::FILTER, &descriptor)].concat()
    };
    let cases = [
        (policy.clone(), Problem::Unpaired),
        (good.clone(), Problem::Unpaired),
        (note(order, kind::UNDO, b""), Problem::Unpaired),
        (
            [policy.clone(), policy.clone(), good.clone()].concat(),
            Problem::Duplicate,
        ),
        (
            [policy.clone(), good.clone(), good].concat(),
            Problem::Duplicate,
        ),
        (note(order, 99, b""), Problem::UnknownKind),
        (with(&|d| d[0] = 9), Problem::UnknownVersion),
        (with(&|d| d[4] = 1), Problem::UnknownFlags),
        (with(&|d| d[7] = 0x80), Problem::UnknownFlags),
        (with(&|d| d[12] = 0), Problem::InstructionCount),
        (with(&|d| d[14] = 1), Problem::InstructionCount),
        (with(&|d| d[12] = 2), Problem::Truncated),
        (with(&|d| d.truncate(40)), Problem::Truncated),
        (with(&|d| d[8] ^= 1), Problem::HashMismatch),
        (with(&|d| d[16] ^= 1), Problem::HashMismatch),
        (with(&|d| d[64] ^= 1), Problem::HashMismatch),
        (with(&|d| d[79] ^= 1), Problem::HashMismatch),
        (
            [
                note(order, kind::POLICY, &std::vec![b' '; MAX_POLICY + 1]),
                pair().split_off(size(POLICY.len())),
            ]
            .concat(),
            Problem::PolicyTooLarge,
        ),
    ];
    for (number, (segment, problem)) in cases.into_iter().enumerate() {
        assert_eq!(check(&segment, order), Err(problem), "case {number}");
    }
}

#[test]
fn the_digest_is_that_of_the_policy_and_the_filter_without_the_digest() {
    let filter = filter(ByteOrder::Little, 2);
    let hash = Sha256::new()
        .chain_update(POLICY)
        .chain_update(&filter[..16])
        .chain_update(&filter[48..]);
    assert_eq!(filter[16..48], hash.finalize()[..]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes: Vec<u8>, align in 0u64..17, big: bool) {
        let order = if big { ByteOrder::Big } else { ByteOrder::Little };
        let mut collector = Collector::new(order);
        if collector.segment(&bytes, align).is_ok() {
            let _ = collector.finish();
        }
    }

    #[test]
    fn one_flipped_bit_never_yields_another_policy_or_filter(at: prop::sample::Index, bit in 0u8..8) {
        let whole = pair();
        let mut segment = whole.clone();
        segment[at.index(whole.len())] ^= 1 << bit;
        if let Ok(Some(found)) = check(&segment, ByteOrder::Little) {
            // Of the padding behind the policy.
            prop_assert_eq!(Ok(Some(found)), check(&whole, ByteOrder::Little));
        }
    }
}

/// As postject leaves them.
#[test]
fn notes_padded_to_four_are_found_under_a_header_that_says_eight() {
    let order = ByteOrder::Little;
    let mut build_id = order.bytes32(4).to_vec();
    build_id.extend(order.bytes32(20));
    build_id.extend(order.bytes32(3));
    build_id.extend(b"GNU\0");
    build_id.extend([7; 20]);
    let segment = [build_id, pair()].concat();
    for align in [4, 8] {
        let mut collector = Collector::new(order);
        collector.segment(&segment, align).unwrap();
        assert!(collector.finish().unwrap().is_some());
    }
}
