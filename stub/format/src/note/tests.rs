//! The check is tested on whole segments, as the runtime sees them.

use std::vec::Vec;

use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use super::restriction::{INSTRUCTION_SIZE, SECCOMP_FIXED, flags};
use super::*;

/// As long as policies are at least.
const POLICY: &[u8] = &[b' '; MIN_POLICY];

const ARCH: u32 = 0xc000_003e;

fn note(order: ByteOrder, kind: u32, descriptor: &[u8]) -> Vec<u8> {
    let mut bytes = record(order, kind, u32::try_from(descriptor.len()).unwrap()).to_vec();
    bytes.extend(descriptor);
    bytes.resize(size(descriptor.len()), 0);
    bytes
}

fn filter(order: ByteOrder, count: usize) -> Vec<u8> {
    let seccomp = Seccomp {
        arch: ARCH,
        log: true,
        identity: 7,
        instructions: &[],
    };
    let mut bytes = seccomp.fixed(order).to_vec();
    bytes.resize(SECCOMP_FIXED + count * INSTRUCTION_SIZE, 6);
    bytes
}

fn header(order: ByteOrder, restrictions: &[&[u8]]) -> [u8; Header::SIZE] {
    let header = Header {
        restrictions: u32::try_from(restrictions.len()).unwrap(),
        ..Header::default()
    };
    header.to_bytes(order, POLICY, restrictions)
}

/// The notes of a program with these restrictions.
fn segment(order: ByteOrder, restrictions: &[&[u8]]) -> Vec<u8> {
    let mut bytes = note(order, kind::POLICY, POLICY);
    bytes.extend(note(order, kind::HEADER, &header(order, restrictions)));
    for restriction in restrictions {
        bytes.extend(note(order, kind::RESTRICTION, restriction));
    }
    bytes
}

fn check(segment: &[u8], order: ByteOrder) -> Result<Option<Embedded<'_>>, Problem> {
    let mut collector = Collector::new(order);
    collector.segment(segment, 4)?;
    collector.finish()
}

fn whole() -> Vec<u8> {
    let order = ByteOrder::Little;
    segment(order, &[&filter(order, 2)])
}

/// Size in bytes of a note with a descriptor of that many.
fn size(descriptor: usize) -> usize {
    RECORD + descriptor.next_multiple_of(4)
}

#[test]
fn notes_of_either_byte_order_are_found() {
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let segment = segment(order, &[&filter(order, 3)]);
        let found = check(&segment, order).unwrap().unwrap();
        assert_eq!(found.policy, POLICY);
        assert_eq!(found.header.restrictions, 1);
        assert_eq!(found.seccomp.arch, ARCH);
        assert_eq!((found.seccomp.log, found.seccomp.identity), (true, 7));
        assert_eq!(found.seccomp.instructions.len(), 24);
        assert_eq!(found.undo, None);
        let sizes = found.descriptors.map(<[u8]>::len);
        assert_eq!(sizes, [MIN_POLICY, Header::SIZE, SECCOMP_FIXED + 24]);
    }
}

/// A kind that later versions may have.
fn other(order: ByteOrder, flags: u32) -> Vec<u8> {
    let mut bytes = order.bytes32(2).to_vec();
    bytes.extend(order.bytes32(flags));
    bytes.resize(40, 0xff);
    bytes
}

#[test]
fn restrictions_of_other_kinds_are_passed_over_only_where_they_may_be() {
    let order = ByteOrder::Little;
    let seccomp = filter(order, 2);
    let optional = other(order, flags::OPTIONAL);
    for restrictions in [[&optional[..], &seccomp], [&seccomp, &optional]] {
        let segment = segment(order, &restrictions);
        let found = check(&segment, order).unwrap().unwrap();
        assert_eq!(found.seccomp.identity, 7);
    }
    for flags in [0, 2, 3] {
        let segment = segment(order, &[&other(order, flags), &seccomp]);
        assert_eq!(check(&segment, order), Err(Problem::UnknownRestriction));
    }
    let alone = segment(order, &[&optional]);
    assert_eq!(check(&alone, order), Err(Problem::Unpaired));
    let twice = segment(order, &[&seccomp, &seccomp]);
    assert_eq!(check(&twice, order), Err(Problem::Duplicate));
    let many = segment(order, &[&seccomp[..]; MAX_RESTRICTIONS + 1]);
    assert_eq!(check(&many, order), Err(Problem::TooManyRestrictions));
}

#[test]
fn notes_of_other_owners_are_passed_over() {
    let mut other = note(ByteOrder::Little, 3, b"build-id");
    other[12..20].copy_from_slice(b"foreign\0");
    assert_eq!(check(&other, ByteOrder::Little), Ok(None));
    let both = [other, whole()].concat();
    assert!(check(&both, ByteOrder::Little).unwrap().is_some());
}

#[test]
fn a_program_without_policy_may_have_malformed_notes_of_its_own() {
    assert_eq!(check(&[1, 2, 3], ByteOrder::Little), Ok(None));
}

#[test]
fn notes_cut_anywhere_are_an_error_and_never_a_filter() {
    let whole = whole();
    for length in 1..whole.len() {
        let found = check(&whole[..length], ByteOrder::Little);
        // Nothing of the owner is left where even its first record is cut.
        let first = size(POLICY.len());
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
    let good = filter(order, 1);
    let restriction = note(order, kind::RESTRICTION, &good);
    let own_header = note(order, kind::HEADER, &header(order, &[&good]));
    // Changed after the digest was made.
    let with_header = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut descriptor = header(order, &[&good]).to_vec();
        change(&mut descriptor);
        let header = note(order, kind::HEADER, &descriptor);
        [policy.clone(), header, restriction.clone()].concat()
    };
    // Changed before.
    let with_filter = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut descriptor = filter(order, 1);
        change(&mut descriptor);
        segment(order, &[&descriptor])
    };
    let damaged = |at: usize| {
        let mut segment = whole();
        let end = segment.len();
        segment[end - at] ^= 1;
        segment
    };
    let with_policy = |policy: &[u8]| {
        let header = Header {
            restrictions: 1,
            ..Header::default()
        };
        let header = header.to_bytes(order, policy, &[&good]);
        let notes = [
            note(order, kind::POLICY, policy),
            note(order, kind::HEADER, &header),
            restriction.clone(),
        ];
        notes.concat()
    };
    let cases = [
        (policy.clone(), Problem::Unpaired),
        (own_header.clone(), Problem::Unpaired),
        (restriction.clone(), Problem::Unpaired),
        ([&policy[..], &own_header].concat(), Problem::Unpaired),
        ([&policy[..], &restriction].concat(), Problem::Unpaired),
        (note(order, kind::UNDO, b""), Problem::Unpaired),
        ([&policy[..], &whole()].concat(), Problem::Duplicate),
        ([&own_header[..], &whole()].concat(), Problem::Duplicate),
        ([&whole()[..], &restriction].concat(), Problem::Unpaired),
        (note(order, 99, b""), Problem::UnknownKind),
        (with_header(&|d| d[0] = 1), Problem::UnknownVersion),
        (with_header(&|d| d[0] = 3), Problem::UnknownVersion),
        (with_header(&|d| d[4] = 2), Problem::UnknownFlags),
        (with_header(&|d| d[7] = 0x80), Problem::UnknownFlags),
        (with_header(&|d| d[12] = 1), Problem::UnknownFlags),
        (with_header(&|d| d[8] = 2), Problem::Unpaired),
        (with_header(&|d| d[16] ^= 1), Problem::HashMismatch),
        (with_header(&|d| d[40] ^= 1), Problem::HashMismatch),
        (with_header(&|d| d.truncate(40)), Problem::Truncated),
        (with_header(&|d| d.extend([0; 8])), Problem::Truncated),
        (with_filter(&|d| d[4] = 1), Problem::UnknownFlags),
        (with_filter(&|d| d[12] = 3), Problem::UnknownFlags),
        (
            with_filter(&|d| d.truncate(SECCOMP_FIXED)),
            Problem::InstructionCount,
        ),
        (
            with_filter(&|d| d.resize(24 + 4097 * 8, 6)),
            Problem::InstructionCount,
        ),
        (with_filter(&|d| d.truncate(28)), Problem::Truncated),
        (with_filter(&|d| d.truncate(16)), Problem::Truncated),
        (damaged(1), Problem::HashMismatch),
        (damaged(16 + 24 - 8), Problem::HashMismatch),
        (with_policy(&POLICY[8..]), Problem::Truncated),
        (
            with_policy(&std::vec![b' '; MIN_POLICY + 4]),
            Problem::Truncated,
        ),
        (
            with_policy(&std::vec![b' '; MAX_POLICY + 8]),
            Problem::PolicyTooLarge,
        ),
    ];
    for (number, (segment, problem)) in cases.into_iter().enumerate() {
        assert_eq!(check(&segment, order), Err(problem), "case {number}");
    }
    assert!(check(&with_policy(&[b' '; MAX_POLICY]), order).is_ok());
    let longest = with_filter(&|d| d.resize(24 + 4096 * 8, 6));
    let found = check(&longest, order).unwrap().unwrap();
    assert_eq!(found.seccomp.instructions.len(), 4096 * 8);
    let quiet = with_filter(&|d| d[12] = 0);
    assert!(!check(&quiet, order).unwrap().unwrap().seccomp.log);
}

#[test]
fn the_digest_is_that_of_all_descriptors_without_itself() {
    let order = ByteOrder::Little;
    let restrictions = [&filter(order, 2)[..], &other(order, flags::OPTIONAL)];
    let header = header(order, &restrictions);
    let all = [
        POLICY,
        &header[..16],
        &header[24..],
        restrictions[0],
        restrictions[1],
    ]
    .concat();
    assert_eq!(order.read64(&header, 16), Some(xxh3_64(&all)));
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
        let whole = whole();
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
    let segment = [build_id, whole()].concat();
    for align in [4, 8] {
        let mut collector = Collector::new(order);
        collector.segment(&segment, align).unwrap();
        assert!(collector.finish().unwrap().is_some());
    }
}
