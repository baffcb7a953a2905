//! Whether anything calls a program's initialisers. A program with start-up code
//! of its own may have a list of them, which linkers make, and never look at it.

use object::elf;

use super::NotLater;
use crate::elf::{Dynamic, Image, Source, VirtAddr, imports};
use crate::rewrite::Error;

/// What both C libraries call their part of the start-up, which calls the
/// initialisers (glibc, csu/libc-start.c; musl, src/env/__libc_start_main.c).
const START_UP: &[u8] = b"__libc_start_main\0";

/// Bytes of code that are read at a time.
const BLOCK: u64 = 1 << 20;

/// What glibc's first instructions are, perhaps behind an `endbr64`: no frame, the
/// loader's function kept, argc and argv taken, the stack aligned
/// (sysdeps/x86_64/start.S).
const GLIBC: &[u8] = &[
    0x31, 0xed, 0x49, 0x89, 0xd1, 0x5e, 0x48, 0x89, 0xe2, 0x48, 0x83, 0xe4, 0xf0,
];

/// What follows since glibc 2.34: the registers that once led to the program's own functions
/// for initialisers are cleared, and the C library looks for entries of the dynamic section
/// (csu/libc-start.c, `call_init`).
const GLIBC_SINCE_2_34: &[u8] = &[0x50, 0x54, 0x45, 0x31, 0xc0, 0x31, 0xc9];

/// musl's: no frame, the stack as first argument, `_DYNAMIC` as second
/// (arch/x86_64/crt_arch.h).
const MUSL: &[u8] = &[0x48, 0x31, 0xed, 0x48, 0x89, 0xe7, 0x48, 0x8d, 0x35];

/// Where indirect jumps may lead to.
const ENDBR64: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];

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

/// How a C library's start-up code in a dynamic program comes to the initialisers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StartUp {
    /// The C library follows the dynamic section.
    ByEntries,
    /// A function in the program has their addresses.
    ByCode,
}

/// Nothing where a program does not begin with such code.
fn start_up(image: &Image<impl Source>, entry: VirtAddr) -> Result<Option<StartUp>, Error> {
    let size = ENDBR64.len() + GLIBC.len() + GLIBC_SINCE_2_34.len();
    let Some(range) = image.range_at(entry, size as u64) else {
        return Ok(None);
    };
    let code = image.source.read_range(range)?;
    let code = code.strip_prefix(ENDBR64).unwrap_or(&code);
    Ok(match code.strip_prefix(GLIBC) {
        Some(rest) if rest.starts_with(GLIBC_SINCE_2_34) => Some(StartUp::ByEntries),
        Some(_) => Some(StartUp::ByCode),
        None => code.starts_with(MUSL).then_some(StartUp::ByEntries),
    })
}

/// Whether code has both addresses in it: each as four bytes, or as the distance
/// from the end of these, which is how x86-64 has it. Other four bytes are the
/// same by chance once in 2^32. Either address alone may be that of a neighbour:
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
                let word = i32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                let behind = load.vaddr.wrapping_add(at + index + 4);
                let distant = behind.0.wrapping_add_signed(word.into());
                let absolute = u64::from(word.cast_unsigned());
                for (found, address) in found.iter_mut().zip(addresses) {
                    *found |= [distant, absolute].contains(&address.0);
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
