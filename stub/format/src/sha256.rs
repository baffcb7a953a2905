//! SHA-256 of FIPS 180-4, for the runtime.
//!
//! Crates that offer it choose an implementation by asking the processor, and
//! bring unrolled ones: ten times the code, and a variable that would cost the
//! runtime a writable segment. The tests compare with one of them.

/// Bytes of a block.
const BLOCK: usize = 64;

/// First 32 bits of the fractional parts of the square roots of the first
/// eight primes (FIPS 180-4, section 5.3.3).
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// First 32 bits of the fractional parts of the cube roots of the first 64
/// primes (FIPS 180-4, section 4.2.2), a row for each 16 rounds.
const ROUNDS: [[u32; 16]; 4] = [
    [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
    ],
    [
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
    ],
    [
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
    ],
    [
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ],
];

/// The digest of a message, which is given in parts.
pub(crate) fn digest(message: &[&[u8]]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, word) in digest.as_chunks_mut().0.iter_mut().zip(&words(message)) {
        *to = word.to_be_bytes();
    }
    digest
}

/// Whether that is the digest of a message. Smaller in the runtime than the
/// comparison of two digests.
pub(crate) fn is_digest(digest: &[u8; 32], message: &[&[u8]]) -> bool {
    let digest = digest.as_chunks().0.iter();
    digest
        .zip(&words(message))
        .all(|(bytes, word)| *bytes == word.to_be_bytes())
}

/// The digest of a message in words of four bytes.
#[inline(never)] // The runtime is to be small.
fn words(message: &[&[u8]]) -> [u32; 8] {
    let mut state = START;
    let mut block = [0; BLOCK];
    let mut length = 0;
    for part in message {
        for byte in *part {
            block[length % BLOCK] = *byte;
            length += 1;
            if length.is_multiple_of(BLOCK) {
                compress(&mut state, &mut block);
            }
        }
    }
    // Section 5.1.1: a one bit, zeros up to the last eight bytes of a block,
    // and there the length of the message in bits.
    let used = length % BLOCK;
    block[used] = 0x80;
    if used >= BLOCK - 8 {
        compress(&mut state, &mut block);
    }
    if let Some(end) = block.last_chunk_mut() {
        *end = (length as u64 * 8).to_be_bytes();
    }
    compress(&mut state, &mut block);
    state
}

/// Section 6.2.2, with the message schedule kept in the 16 words that are
/// still needed. Leaves the block filled with zeros, for the next one.
fn compress(state: &mut [u32; 8], block: &mut [u8; BLOCK]) {
    let mut schedule = [0; 16];
    for (word, bytes) in schedule.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    *block = [0; BLOCK];
    let mut new = *state;
    for (row, constants) in ROUNDS.iter().enumerate() {
        if row > 0 {
            extend(&mut schedule);
        }
        for (constant, word) in constants.iter().zip(&schedule) {
            round(&mut new, constant.wrapping_add(*word));
        }
    }
    for (old, new) in state.iter_mut().zip(&new) {
        *old = old.wrapping_add(*new);
    }
}

/// The next 16 words of the schedule.
fn extend(words: &mut [u32; 16]) {
    for at in 0..16 {
        let word = |back: usize| words[(at + 16 - back) % 16];
        let (w2, w15) = (word(2), word(15));
        let sigma1 = w2.rotate_right(17) ^ w2.rotate_right(19) ^ (w2 >> 10);
        let sigma0 = w15.rotate_right(7) ^ w15.rotate_right(18) ^ (w15 >> 3);
        words[at] = word(16)
            .wrapping_add(sigma0)
            .wrapping_add(word(7))
            .wrapping_add(sigma1);
    }
}

fn round(state: &mut [u32; 8], input: u32) {
    let [a, b, c, d, e, f, g, h] = *state;
    let sum1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let choice = (e & f) ^ (!e & g);
    let first = h
        .wrapping_add(sum1)
        .wrapping_add(choice)
        .wrapping_add(input);
    let sum0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let majority = (a & b) ^ (a & c) ^ (b & c);
    let second = sum0.wrapping_add(majority);
    *state = [
        first.wrapping_add(second),
        a,
        b,
        c,
        d.wrapping_add(first),
        e,
        f,
        g,
    ];
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};
    use std::vec;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn a_digest_is_that_of_its_message_only() {
        let mut wrong = digest(&[b"message"]);
        assert!(is_digest(&wrong, &[b"mess", b"age"]));
        for byte in 0..32 {
            wrong[byte] ^= 1;
            assert!(!is_digest(&wrong, &[b"mess", b"age"]), "{byte}");
            wrong[byte] ^= 1;
        }
    }

    #[test]
    fn every_length_around_a_block_is_padded_right() {
        for length in 0..=200 {
            let message = vec![0xa5; length];
            assert_eq!(
                digest(&[&message])[..],
                Sha256::digest(&message)[..],
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_parts_have_the_digest_that_the_sha2_crate_computes(parts: Vec<Vec<u8>>) {
            let whole = Sha256::digest(parts.concat());
            let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(&digest(&parts)[..], &whole[..]);
        }
    }
}
