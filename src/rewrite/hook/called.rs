//! Whether anything calls a program's initialisers. A program with its own start-up code
//! may have a list of them, made by the linker, and never look at it.

use object::elf;

use super::start_code::{StartCode, operands};
use crate::elf::{Dynamic, Image, Source, VirtAddr, imports};
use crate::rewrite::error::{Error, NotLater};

/// The name of the start-up function of both C libraries, which calls the initialisers
/// (glibc, csu/libc-start.c; musl, src/env/__libc_start_main.c).
const START_UP: &[u8] = b"__libc_start_main\0";

/// Bytes of code read at a time.
const BLOCK: u64 = 1 << 20;

/// That a program begins with a C library's start-up code, and has that go through the
/// list from `start` to `end`.
///
/// # Errors
///
/// It does not ([`Error::NoInitialiser`]), or the file can't be read.
pub(super) fn require(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    entry: VirtAddr,
    [start, end]: [VirtAddr; 2],
) -> Result<(), Error> {
    // One of another name may never come to it, whatever is linked in.
    let Some(start_up) = start_up(image, entry)? else {
        return Err(NotLater::OtherStartUp.into());
    };
    let code_has = |addresses| refers_to(image, addresses);
    let are_called = if image.segment(elf::PT_INTERP).is_some() {
        imports::has(image, dynamic, START_UP)?
            && (start_up == StartUp::ByEntries || code_has([start, end])?)
    } else {
        // Of a position-independent one the code finds the relocations by `_DYNAMIC`.
        let is_pie = image.header.kind == elf::ET_DYN;
        let entries = image.segment(elf::PT_DYNAMIC).filter(|_| is_pie);
        code_has([start, end])? && entries.map_or(Ok(true), |it| code_has([it.vaddr; 2]))?
    };
    if are_called {
        Ok(())
    } else {
        Err(NotLater::NotCalled.into())
    }
}

/// How a C library's start-up code in a dynamic program finds the initialisers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StartUp {
    /// The C library uses the dynamic section.
    ByEntries,
    /// A function in the program has their addresses.
    ByCode,
}

/// `None` if a program does not begin with such code.
fn start_up(image: &Image<impl Source>, entry: VirtAddr) -> Result<Option<StartUp>, Error> {
    let Some(known) = StartCode::of(image) else {
        return Ok(None);
    };
    let Some(range) = image.range_at(entry, known.longest() as u64) else {
        return Ok(None);
    };
    let code = image.source.read_range(range)?;
    let code = code.strip_prefix(known.prefix).unwrap_or(&code);
    Ok(match code.strip_prefix(known.glibc) {
        Some(rest) if rest.starts_with(known.glibc_since_2_34) => Some(StartUp::ByEntries),
        Some(_) => Some(StartUp::ByCode),
        None => code.starts_with(known.musl).then_some(StartUp::ByEntries),
    })
}

/// Whether code has both addresses in it. Other four bytes are the same by chance once in
/// 2^32. Either address alone may be that of a neighbour:
/// who goes through the list needs both.
fn refers_to(image: &Image<impl Source>, addresses: [VirtAddr; 2]) -> Result<bool, Error> {
    let code = image
        .segments_of(elf::PT_LOAD)
        .filter(|load| load.is_executable());
    let mut found = [false; 2];
    let mut left = image.length;
    for load in code {
        // Segments of a hostile file may all have the same bytes.
        let Some(rest) = left.checked_sub(load.filesz) else {
            return Ok(false);
        };
        left = rest;
        let mut at = 0;
        while at + 4 <= load.filesz {
            // The last bytes of a block are the first of the next.
            let block = image
                .source
                .read_at(load.offset + at, BLOCK.min(load.filesz - at))?;
            for (index, word) in (0..).zip(block.windows(4)) {
                let word = [word[0], word[1], word[2], word[3]];
                let meant = operands(word, load.vaddr.wrapping_add(at + index));
                for (found, address) in found.iter_mut().zip(addresses) {
                    *found |= meant.contains(&address);
                }
            }
            if found == [true; 2] {
                return Ok(true);
            }
            at += (block.len() as u64 - 3).max(1);
        }
    }
    Ok(false)
}
