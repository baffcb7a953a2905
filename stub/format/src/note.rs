//! The notes of owner `sandbox`: layout, building blocks for the writer, and
//! the one check that both the runtime and the patcher's readers apply.
//!
//! The container is the ELF note of the gABI (chapter 5, "Note Section"):
//! three 4-byte words `namesz`, `descsz`, `type`, then name and descriptor,
//! each padded to four bytes. `docs/note-format.md` describes the format for
//! someone who writes a reader in another language.

mod byte_order;
mod collector;
pub mod header;
mod problem;
pub mod restriction;

pub use byte_order::ByteOrder;
pub use collector::{Collector, Embedded, other_padding};
pub use header::Header;
pub use problem::Problem;
pub use restriction::Seccomp;

/// The name of the section that holds the notes.
pub const SECTION: &str = ".note.sandbox";

/// The owner, with the terminating NUL that `namesz` counts.
pub const OWNER: &[u8; 8] = b"sandbox\0";

/// Version of the descriptors' layouts. From 2 on, a reader knows all earlier ones, and
/// refuses later ones.
pub const VERSION: u32 = 2;

/// Note types.
pub mod kind {
    /// The policy: canonical JSON, for people and tools.
    pub const POLICY: u32 = 1;
    /// What holds the others together, and what the runtime is to do besides.
    pub const HEADER: u32 = 2;
    /// What `remove` needs to restore the file; the runtime passes over it.
    pub const UNDO: u32 = 3;
    /// In the runtimes themselves: which version this is.
    pub const RUNTIME: u32 = 4;
    /// What the kernel is given, of one of the kinds in [`restriction`](super::restriction).
    pub const RESTRICTION: u32 = 5;
}

/// A dynamic entry of this tag tells the runtime that the program was patched,
/// so that it can refuse one whose notes were taken away. The value is
/// [`VERSION`]. The tag lies in the range that the gABI leaves to operating
/// systems (`DT_LOOS` to `DT_HIOS`), outside the parts that glibc and Solaris
/// use; loaders pass over it.
pub const DYNAMIC_TAG: u32 = 0x6000_5342;

/// The largest policy descriptor that a reader accepts, in bytes.
pub const MAX_POLICY: usize = 256 * 1024;

/// The smallest, to which shorter texts are padded with blanks: the digest needs as much
/// ([`crate::digest::SHORTEST`]).
pub const MIN_POLICY: usize = 256;

/// The most restrictions of a program.
pub const MAX_RESTRICTIONS: usize = 4;

/// What the size of each descriptor is a multiple of, in bytes, so that tools which
/// write sizes rounded up, to 4 or to 8, change nothing.
pub const UNIT: usize = 8;

/// One note of any owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// The owner's name with its terminating NUL.
    pub owner: &'a [u8],
    /// The type; its meaning is the owner's.
    pub kind: u32,
    /// The descriptor, without padding.
    pub descriptor: &'a [u8],
}

/// The notes of one segment or section, in order.
///
/// Ends after the first record that does not fit the bytes, which comes out as
/// an error.
#[derive(Clone, Debug)]
pub struct Notes<'a> {
    rest: &'a [u8],
    order: ByteOrder,
    align: usize,
}

impl<'a> Notes<'a> {
    /// The notes in `bytes`. `align` is `p_align` or `sh_addralign`: records
    /// of an 8-aligned segment are padded to eight bytes (x86-64 psABI,
    /// `NT_GNU_PROPERTY_TYPE_0`), all others to four whatever the header says.
    #[must_use]
    pub fn new(bytes: &'a [u8], order: ByteOrder, align: u64) -> Self {
        let align = if align == 8 { 8 } else { 4 };
        Self {
            rest: bytes,
            order,
            align,
        }
    }

    fn record(&self) -> Option<(Note<'a>, &'a [u8])> {
        const HEADER: usize = 12;
        let word = |at| self.order.read32(self.rest, at);
        let (name_size, descriptor_size) = (word(0)? as usize, word(4)? as usize);
        let name_end = HEADER.checked_add(name_size)?;
        let start = name_end.checked_next_multiple_of(self.align)?;
        let end = start.checked_add(descriptor_size)?;
        let note = Note {
            owner: self.rest.get(HEADER..name_end)?,
            kind: word(8)?,
            descriptor: self.rest.get(start..end)?,
        };
        // The last record's padding may be missing.
        let next = end.checked_next_multiple_of(self.align)?;
        Some((note, self.rest.get(next..).unwrap_or_default()))
    }
}

impl<'a> Iterator for Notes<'a> {
    type Item = Result<Note<'a>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((note, rest)) = self.record() else {
            self.rest = &[];
            return Some(Err(Problem::Truncated));
        };
        self.rest = rest;
        Some(Ok(note))
    }
}

/// Bytes before the descriptor of a note of owner `sandbox`, without padding.
pub const RECORD: usize = 12 + OWNER.len();

/// The record that stands before a descriptor of `length` bytes: the three
/// words and the owner.
#[must_use]
pub fn record(order: ByteOrder, kind: u32, length: u32) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[0..4].copy_from_slice(&order.bytes32(8));
    record[4..8].copy_from_slice(&order.bytes32(length));
    record[8..12].copy_from_slice(&order.bytes32(kind));
    record[12..20].copy_from_slice(OWNER);
    record
}

#[cfg(test)]
mod tests;
