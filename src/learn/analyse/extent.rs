//! How far a data object reaches whose address is known.
//!
//! Symbols say it. Where there are none, it ends where the next begins that something refers
//! to, unless that continues the same table: a reference into the middle of a table of
//! structures cuts nothing off.

use super::object::{Object, Word};

/// The range of the object at an address.
pub(super) fn of(object: &Object, address: u64) -> (u64, u64) {
    let index = object.sized.partition_point(|(start, _)| *start <= address);
    let around = object.sized[..index].iter().rev().take(8);
    let mut around = around.filter(|(_, end)| address < *end);
    if let Some(found) = around.next() {
        return *found;
    }
    let mut index = object.borders.partition_point(|border| *border <= address);
    let mut end = border(object, index, address);
    while continues(object, address, end) {
        index += 1;
        let next = border(object, index, address);
        if next <= end {
            break;
        }
        end = next;
    }
    (address, end)
}

fn border(object: &Object, index: usize, address: u64) -> u64 {
    let end = object
        .segment(address)
        .map_or(address, |segment| segment.end);
    object.borders.get(index).map_or(end, |border| *border)
}

/// Whether what begins at `middle` looks like the next element of the table that begins at
/// `start`: its pointers stand as far apart, and they are of the same kinds.
fn continues(object: &Object, start: u64, middle: u64) -> bool {
    let size = middle - start;
    if size < 16 || !size.is_multiple_of(8) {
        return false;
    }
    let before = object.words_in(start, middle);
    let Some((first, kind)) = before.first() else {
        return false;
    };
    let strides = before
        .iter()
        .skip(1)
        .filter(|(_, word)| is_alike(object, word, kind));
    let mut strides = strides.map(|(at, _)| at - first);
    let stride = strides.find(|stride| size.is_multiple_of(*stride) && *stride >= 16);
    let stride = stride.unwrap_or(size);
    if stride > 512 {
        return false;
    }
    let shape = |from: u64| {
        let words = object.words_in(from, from + stride).iter();
        words.map(move |(at, word)| (at - from, kind_of(object, word)))
    };
    let last = middle - stride;
    shape(last).eq(shape(middle)) && shape(last).any(|(_, kind)| kind == Kind::Code)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Data,
    Other,
}

fn kind_of(object: &Object, word: &Word) -> Kind {
    match word {
        Word::Own(address) if object.is_code(*address) => Kind::Code,
        Word::Own(_) => Kind::Data,
        _ => Kind::Other,
    }
}

fn is_alike(object: &Object, one: &Word, two: &Word) -> bool {
    kind_of(object, one) == kind_of(object, two)
}
