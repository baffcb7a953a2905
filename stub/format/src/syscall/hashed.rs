//! The runtime's form of a table: a hash of each name, in the order of the
//! numbers, since the names themselves would be a fifth of the runtime.
//!
//! A name that no call has can have the hash of one. That a mistyped name does
//! is as likely as one in eleven million, and it is the author of the list who
//! chooses the names, nobody who could look for one.

use super::Rows;

/// FNV-1a with 32 bits (RFC 9923).
pub(crate) const fn hash(name: &[u8]) -> u32 {
    let mut hash: u32 = 0x811c_9dc5;
    let mut i = 0;
    while i < name.len() {
        hash = (hash ^ name[i] as u32).wrapping_mul(0x0100_0193);
        i += 1;
    }
    hash
}

/// The hash of every name. Runs only when compiling, so that names that have
/// the same do not compile.
pub(super) const fn hashes<const N: usize>(rows: Rows) -> [u32; N] {
    let mut hashes = [0; N];
    let mut i = 0;
    while i < N {
        hashes[i] = hash(rows[i].1.as_bytes());
        i += 1;
    }
    distinct(hashes)
}

/// Hashes of which no two are the same. Runs only when compiling.
pub(crate) const fn distinct<const N: usize>(hashes: [u32; N]) -> [u32; N] {
    let mut i = 0;
    while i < N {
        let mut j = 0;
        while j < i {
            assert!(hashes[j] != hashes[i], "two names have the same hash");
            j += 1;
        }
        i += 1;
    }
    hashes
}

/// The only gap between the numbers of rows: how many rows are before it, and how
/// many numbers it leaves out. Runs only when compiling, so that rows with
/// another gap do not compile.
pub(super) const fn gap(rows: Rows) -> (usize, usize) {
    let mut gap = (rows.len(), 0);
    let mut i = 0;
    while i < rows.len() {
        let left_out = rows[i].0 as usize - i;
        if left_out != gap.1 {
            assert!(gap.1 == 0, "there is more than one gap");
            gap = (i, left_out);
        }
        i += 1;
    }
    gap
}
