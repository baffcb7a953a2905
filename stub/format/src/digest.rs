//! The digest that holds the notes of a program together: XXH3-64 with seed 0, of what is
//! longer than 240 bytes and a multiple of 8.
//!
//! It is against damage, not against attackers: anyone who can write the file can write
//! the digest. <https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md> describes
//! the function; shorter inputs, for which it has other rules, do not occur
//! ([`SHORTEST`]).

/// What an input is longer than, in bytes.
pub const SHORTEST: u64 = 240;

/// Words of a stripe, which are accumulated side by side.
const LANES: usize = 8;

/// After so many stripes the accumulators are scrambled: the secret has words for so
/// many, each 8 bytes further on.
const STRIPES: usize = (SECRET.len() - 8 * LANES) / 8;

const PRIME32_1: u64 = 0x9e37_79b1;
const PRIME32_2: u64 = 0x85eb_ca77;
const PRIME32_3: u64 = 0xc2b2_ae3d;
const PRIME64_1: u64 = 0x9e37_79b1_85eb_ca87;
const PRIME64_2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME64_3: u64 = 0x1656_67b1_9e37_79f9;
const PRIME64_4: u64 = 0x85eb_ca77_c2b2_ae63;
const PRIME64_5: u64 = 0x27d4_eb2f_1656_67c5;

/// The default secret of the specification.
#[rustfmt::skip]
const SECRET: [u8; 192] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
];

/// Where in the secret the parts for the last steps are.
const OF_SCRAMBLING: usize = SECRET.len() - 8 * LANES;
const OF_LAST_STRIPE: usize = OF_SCRAMBLING - 7;
const OF_MERGING: usize = 11;

/// A digest in the making.
#[derive(Clone, Debug)]
pub struct Digest {
    accumulators: [u64; LANES],
    /// The last words, of which the first `pending` are not accumulated yet. Those behind
    /// them are of the stripe before.
    words: [u64; LANES],
    pending: usize,
    /// How many stripes were accumulated since the last scrambling.
    stripes: usize,
    /// In bytes.
    length: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl Digest {
    /// Of nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            accumulators: [
                PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5,
                PRIME32_1,
            ],
            words: [0; LANES],
            pending: 0,
            stripes: 0,
            length: 0,
        }
    }

    /// Goes on with these bytes, as far as they are whole words of 8.
    pub fn add(&mut self, bytes: &[u8]) {
        let (words, _) = bytes.as_chunks();
        for word in words {
            // The last stripe of all is accumulated in another way, so that no stripe is
            // before it is known that more comes.
            if self.pending == LANES {
                self.accumulate(8 * self.stripes);
                self.pending = 0;
                self.stripes += 1;
                if self.stripes == STRIPES {
                    self.scramble();
                    self.stripes = 0;
                }
            }
            if let Some(place) = self.words.get_mut(self.pending) {
                *place = u64::from_le_bytes(*word);
            }
            self.pending += 1;
            self.length += 8;
        }
    }

    /// The digest, if there was enough.
    #[must_use]
    pub fn finish(&mut self) -> Option<u64> {
        if self.length <= SHORTEST {
            return None;
        }
        // The last 64 bytes, some of which may have been accumulated.
        let words = self.words;
        for (at, word) in (self.pending..).zip(&mut self.words) {
            *word = words[at % LANES];
        }
        self.accumulate(OF_LAST_STRIPE);
        let mut merged = self.length.wrapping_mul(PRIME64_1);
        let mut secret = secret(OF_MERGING);
        let (pairs, _) = self.accumulators.as_chunks::<2>();
        for pair in pairs {
            let [first, second] = pair.map(|lane| lane ^ secret.next().unwrap_or_default());
            merged = merged.wrapping_add(folded(first, second));
        }
        merged ^= merged >> 37;
        merged = merged.wrapping_mul(0x1656_6791_9e37_79f9);
        Some(merged ^ merged >> 32)
    }

    fn accumulate(&mut self, at: usize) {
        let sum = &mut self.accumulators;
        for (lane, secret) in (0..LANES).zip(secret(at)) {
            let word = self.words[lane];
            let key = word ^ secret;
            let product = (key & 0xffff_ffff).wrapping_mul(key >> 32);
            sum[lane ^ 1] = sum[lane ^ 1].wrapping_add(word);
            sum[lane] = sum[lane].wrapping_add(product);
        }
    }

    fn scramble(&mut self) {
        for (lane, secret) in self.accumulators.iter_mut().zip(secret(OF_SCRAMBLING)) {
            *lane = (*lane ^ *lane >> 47 ^ secret).wrapping_mul(PRIME32_1);
        }
    }
}

/// Words of the secret from an offset on.
fn secret(at: usize) -> impl Iterator<Item = u64> {
    let (words, _) = SECRET.get(at..).unwrap_or_default().as_chunks();
    words.iter().map(|word| u64::from_le_bytes(*word))
}

/// Both halves of the product, folded into one.
fn folded(first: u64, second: u64) -> u64 {
    let product = u128::from(first) * u128::from(second);
    let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
    u64::try_from(low ^ high).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    proptest! {
        #[test]
        fn it_is_xxh3_however_the_bytes_come(words in prop::collection::vec(any::<u64>(), 31..700), cut: [prop::sample::Index; 2]) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let mut cut = cut.map(|at| 8 * at.index(words.len()));
            cut.sort_unstable();
            let mut digest = Digest::new();
            digest.add(&bytes[..cut[0]]);
            digest.add(&bytes[cut[0]..cut[1]]);
            digest.add(&bytes[cut[1]..]);
            prop_assert_eq!(digest.finish(), Some(xxh3_64(&bytes)));
        }
    }

    #[test]
    fn it_is_xxh3_around_each_stripe_and_each_block() {
        let bytes: Vec<u8> = (0..5000u32)
            .map(|number| number.wrapping_mul(0x9e37_79b1).to_le_bytes()[3])
            .collect();
        for length in (248..5000).step_by(8) {
            let mut digest = Digest::new();
            digest.add(&bytes[..length]);
            assert_eq!(digest.finish(), Some(xxh3_64(&bytes[..length])), "{length}");
        }
    }

    #[test]
    fn too_little_has_none() {
        let mut digest = Digest::new();
        digest.add(&[0; 240]);
        assert_eq!(digest.finish(), None);
    }
}
