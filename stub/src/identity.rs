//! The note by which the patcher recognises this runtime and its version.

use sandbox_format::note::{OWNER, VERSION, kind};

const TEXT: &str = env!("CARGO_PKG_VERSION");

/// The package version, padded with NULs to the 4-byte words of a note.
const TEXT_SIZE: usize = TEXT.len().next_multiple_of(4);

/// A note as the gABI lays it out, in the byte order of this machine.
#[repr(C)]
struct Note {
    owner_size: u32,
    descriptor_size: u32,
    kind: u32,
    owner: [u8; OWNER.len()],
    version: u32,
    text: [u8; TEXT_SIZE],
}

/// Linkers keep notes even where they drop unused sections, and LLVM makes
/// any section whose name starts with `.note` one of type SHT_NOTE.
#[used]
#[unsafe(link_section = ".note.sandbox")]
static NOTE: Note = Note {
    owner_size: word(OWNER.len()),
    descriptor_size: word(4 + TEXT_SIZE),
    kind: kind::RUNTIME,
    owner: *OWNER,
    version: VERSION,
    text: padded(),
};

#[expect(clippy::cast_possible_truncation, reason = "sizes of a few bytes")]
const fn word(size: usize) -> u32 {
    size as u32
}

const fn padded() -> [u8; TEXT_SIZE] {
    let mut text = [0; TEXT_SIZE];
    let mut at = 0;
    while at < TEXT.len() {
        text[at] = TEXT.as_bytes()[at];
        at += 1;
    }
    text
}
