//! What is wrong with a policy file, and where.

use std::path::Path;

use super::Misread;

/// Why a policy file can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{problem}")]
pub struct Error {
    /// The file, line and column, and what divides them from what follows; empty where it
    /// is about no file.
    pub(super) place: String,
    /// What is wrong, and what to do.
    pub(super) problem: String,
}

impl Error {
    /// About a file as a whole.
    pub(super) fn of(file: &Path, problem: impl Into<String>) -> Self {
        Self {
            place: format!("{}: ", file.display()),
            problem: problem.into(),
        }
    }

    /// About what stands at a byte of a text.
    pub(super) fn at(file: &Path, text: &str, misread: Misread) -> Self {
        let (line, column) = Places::of(text).position(misread.offset);
        Self {
            place: format!("{}:{line}:{column}: ", file.display()),
            problem: misread.problem,
        }
    }
}

impl From<Error> for crate::policy::Error {
    fn from(error: Error) -> Self {
        Self::File(Box::new(error))
    }
}

/// The lines and columns of a text.
pub(super) struct Places<T> {
    text: T,
    /// Where lines begin.
    lines: Vec<usize>,
    /// How many characters begin before each block of the text.
    blocks: Vec<usize>,
}

/// The length of a block, in bytes: so many are counted to find a column.
const BLOCK: usize = 1 << 10;

impl<T: AsRef<str>> Places<T> {
    pub(super) fn of(text: T) -> Self {
        let breaks = text.as_ref().match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        let mut blocks = vec![0];
        let mut before = 0;
        for block in text.as_ref().as_bytes().chunks(BLOCK) {
            before += characters(block);
            blocks.push(before);
        }
        Self {
            text,
            lines,
            blocks,
        }
    }

    /// The line and column of a byte, both from 1 on.
    pub(super) fn position(&self, offset: usize) -> (u32, u32) {
        let offset = self.text.as_ref().floor_char_boundary(offset);
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let column = self.characters_before(offset) - self.characters_before(start) + 1;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        (count(line), count(column))
    }

    fn characters_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = self.text.as_ref().as_bytes().get(block * BLOCK..offset);
        let before = self.blocks.get(block).copied().unwrap_or_default();
        before + rest.map_or(0, characters)
    }
}

/// How many characters begin in these bytes.
fn characters(bytes: &[u8]) -> usize {
    let begins = |byte: &&u8| **byte & 0xc0 != 0x80;
    bytes.iter().filter(begins).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_those_that_editors_show() {
        let text = format!("a\nßx\n{}y", "ü".repeat(3000));
        let places = Places::of(&text);
        let naive = |offset: usize| {
            let before = &text[..offset];
            let line = before.split('\n').count();
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            (u32::try_from(line).unwrap(), u32::try_from(column).unwrap())
        };
        for (offset, _) in text.char_indices() {
            assert_eq!(places.position(offset), naive(offset), "{offset}");
        }
        assert_eq!(places.position(text.len() + 9), naive(text.len()));
        assert_eq!(Places::of("").position(0), (1, 1));
    }
}
