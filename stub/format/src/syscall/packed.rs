//! The runtime's form of a table: small, and free of pointers, each of which
//! would be a relocation.
//!
//! A name is a run of 16-bit words, each of three characters of five bits, the
//! first one in the highest; the top bit marks the last word of a name, which
//! is padded with zeros. (Text of the Z-machine is kept like that: Z-Machine
//! Standards Document, section 3.2.) The names stand in the order of their
//! numbers, from 0. A last word that has nothing but zeros for its first
//! character is a gap: the other ten bits count numbers that have no name.

/// The characters of names, by code. Code 0 is padding.
const ALPHABET: &[u8; 32] = b"\0_12346abcdefghijklmnopqrstuvwxy";

/// Marks the last word of a name.
const LAST: u16 = 1 << 15;

/// The longest gap that one word can stand for.
const MAX_GAP: u16 = (1 << 10) - 1;

/// The number of the system call `name` in a packed table.
pub(super) fn number(table: &[u16], name: &[u8]) -> Option<u32> {
    let mut number = 0;
    // What follows the characters that the name has in common with an entry;
    // nothing once they differ.
    let mut rest = Some(name);
    for word in table {
        let is_last = word & LAST != 0;
        let characters = word & !LAST;
        if is_last && characters <= MAX_GAP {
            number += u32::from(characters);
            continue;
        }
        let mut codes = characters << 1;
        while codes != 0
            && let Some(text) = rest
        {
            rest = after(codes >> 11, text);
            codes <<= 5;
        }
        if is_last {
            if rest.is_some_and(<[u8]>::is_empty) {
                return Some(number);
            }
            number += 1;
            rest = Some(name);
        }
    }
    None
}

/// What follows the character of that code at the beginning of `text`.
fn after(code: u16, text: &[u8]) -> Option<&[u8]> {
    let (first, rest) = text.split_first()?;
    (ALPHABET.get(usize::from(code)) == Some(first)).then_some(rest)
}

/// The size of [`pack`]'s result.
pub(super) const fn length(rows: &[(u16, &str)]) -> usize {
    let mut length = 0;
    let mut expected = 0;
    let mut i = 0;
    while i < rows.len() {
        let (number, name) = rows[i];
        if number != expected {
            length += 1;
        }
        length += name.len().div_ceil(3);
        expected = number + 1;
        i += 1;
    }
    length
}

/// Packs rows. Runs only when compiling, so that rows that can't be packed do
/// not compile.
pub(super) const fn pack<const N: usize>(rows: &[(u16, &str)]) -> [u16; N] {
    let mut table = [0; N];
    let mut at = 0;
    let mut expected = 0;
    let mut i = 0;
    while i < rows.len() {
        let (number, name) = rows[i];
        let name = name.as_bytes();
        assert!(number >= expected, "numbers must ascend");
        assert!(!name.is_empty(), "that would be a gap");
        if number != expected {
            assert!(number - expected <= MAX_GAP);
            table[at] = LAST | (number - expected);
            at += 1;
        }
        let mut j = 0;
        while j < name.len().next_multiple_of(3) {
            let code = if j < name.len() { index(name[j]) } else { 0 };
            table[at + j / 3] = table[at + j / 3] << 5 | code;
            j += 1;
        }
        at += name.len().div_ceil(3);
        table[at - 1] |= LAST;
        expected = number + 1;
        i += 1;
    }
    assert!(at == N, "length and pack differ");
    table
}

/// The code of a character.
const fn index(character: u8) -> u16 {
    let mut code = 1;
    while ALPHABET[code as usize] != character {
        code += 1;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &[(u16, &str)] = &[(0, "a"), (1, "ab"), (2, "abc"), (5, "abcd"), (6, "y")];
    static TABLE: [u16; length(ROWS)] = pack(ROWS);

    #[test]
    fn every_name_is_found() {
        for (expected, name) in ROWS {
            let found = number(&TABLE, name.as_bytes());
            assert_eq!(found, Some(u32::from(*expected)), "{name}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        for absent in [
            "", "b", "abcde", "abca", "A", "z", "a ", "a\0", "_", "abcdabcd",
        ] {
            assert_eq!(number(&TABLE, absent.as_bytes()), None, "{absent:?}");
        }
    }
}
