//! The notes of owner `sandbox`: layout, building blocks for the writer, and
//! the one check that both the runtime and the patcher's readers apply.
//!
//! The container is the ELF note of the gABI (chapter 5, "Note Section"):
//! three 4-byte words `namesz`, `descsz`, `type`, then name and descriptor,
//! each padded to four bytes. `docs/note-format.md` describes the format for
//! someone who writes a reader in another language.

use core::fmt;
use core::ops::Range;

use crate::bpf::Instruction;
use crate::sha256;

/// The name of the section that holds the notes.
pub const SECTION: &str = ".note.sandbox";

/// The owner, with the terminating NUL that `namesz` counts.
pub const OWNER: &[u8; 8] = b"sandbox\0";

/// Version of the descriptors' layouts. A reader refuses any other.
pub const VERSION: u32 = 1;

/// Note types.
pub mod kind {
    /// The policy: canonical JSON, for people and tools.
    pub const POLICY: u32 = 1;
    /// The compiled filter, for the runtime.
    pub const FILTER: u32 = 2;
    /// What `remove` needs to restore the file; the runtime passes over it.
    pub const UNDO: u32 = 3;
    /// In the runtimes themselves: which version this is.
    pub const RUNTIME: u32 = 4;
}

/// A dynamic entry of this tag tells the runtime that the program was patched,
/// so that it can refuse one whose notes were taken away. The value is
/// [`VERSION`]. The tag lies in the range that the gABI leaves to operating
/// systems (`DT_LOOS` to `DT_HIOS`), outside the parts that glibc and Solaris
/// use; loaders pass over it.
pub const DYNAMIC_TAG: u32 = 0x6000_5342;

/// The largest policy descriptor that a reader accepts, in bytes.
pub const MAX_POLICY: usize = 256 * 1024;

/// Bytes of a FILTER descriptor before its instructions.
pub const FILTER_HEADER: usize = 80;

/// Bytes of one instruction (`struct sock_filter`).
pub const INSTRUCTION_SIZE: usize = 8;

/// Flags of a FILTER note. A reader refuses flags that it does not know, since
/// each may ask for a protection.
pub mod flags {
    /// Log every action but allow (`SECCOMP_FILTER_FLAG_LOG`, whose value it
    /// has).
    pub const LOG: u32 = 2;
    /// The program has a runtime in itself: libsandbox.so leaves it alone.
    pub const INLINE: u32 = 4;
    /// All flags of this version.
    pub const KNOWN: u32 = LOG | INLINE;
}

/// Where the digest is in a FILTER descriptor.
const DIGEST: Range<usize> = 16..48;

/// Byte order of the notes: that of the file they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// Big-endian or not.
    #[must_use]
    pub const fn of(big_endian: bool) -> Self {
        if big_endian { Self::Big } else { Self::Little }
    }

    /// The byte order of the machine that this code was compiled for.
    pub const NATIVE: Self = Self::of(cfg!(target_endian = "big"));

    /// Four bytes as a number.
    #[must_use]
    pub fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Eight bytes as a number.
    #[must_use]
    pub fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }

    /// A number as four bytes.
    #[must_use]
    pub fn bytes32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    /// A number as eight bytes.
    #[must_use]
    pub fn bytes64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    /// The 4-byte word at `at`, or nothing where the bytes end before it does.
    #[must_use]
    pub fn read32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let word = bytes.get(at..at.checked_add(4)?)?;
        Some(self.u32(word.try_into().ok()?))
    }

    /// The 8-byte word at `at`, or nothing where the bytes end before it does.
    #[must_use]
    pub fn read64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let word = bytes.get(at..at.checked_add(8)?)?;
        Some(self.u64(word.try_into().ok()?))
    }
}

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
pub const HEADER: usize = 12 + OWNER.len();

/// The record that stands before a descriptor of `length` bytes: the three
/// words and the owner.
#[must_use]
pub fn header(order: ByteOrder, kind: u32, length: u32) -> [u8; HEADER] {
    let mut record = [0; HEADER];
    record[0..4].copy_from_slice(&order.bytes32(8));
    record[4..8].copy_from_slice(&order.bytes32(length));
    record[8..12].copy_from_slice(&order.bytes32(kind));
    record[12..20].copy_from_slice(OWNER);
    record
}

/// An instruction as it stands in a note.
#[must_use]
pub fn encode(instruction: Instruction, order: ByteOrder) -> [u8; INSTRUCTION_SIZE] {
    let Instruction { code, jt, jf, k } = instruction;
    let [code_0, code_1] = match order {
        ByteOrder::Little => code.to_le_bytes(),
        ByteOrder::Big => code.to_be_bytes(),
    };
    let [k_0, k_1, k_2, k_3] = order.bytes32(k);
    [code_0, code_1, jt, jf, k_0, k_1, k_2, k_3]
}

/// Puts into a FILTER descriptor its digest, which ties it to the POLICY
/// descriptor: SHA-256 of the policy and of all that is in the filter but the
/// digest.
///
/// # Panics
///
/// If the descriptor is shorter than [`FILTER_HEADER`].
pub fn seal(policy: &[u8], filter: &mut [u8]) {
    let digest = sha256::digest(&[policy, &filter[..DIGEST.start], &filter[DIGEST.end..]]);
    filter[DIGEST].copy_from_slice(&digest);
}

/// The fixed part of a FILTER descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterHeader {
    /// See [`flags`].
    pub flags: u32,
    /// The audit architecture (`AUDIT_ARCH_*`) that the filter is for.
    pub arch: u32,
    /// How many instructions follow.
    pub count: u32,
    /// Link-time address of the page-aligned range that the runtime makes
    /// read-only; meaningless where `protect_size` is 0.
    pub protect_address: u64,
    /// Size of that range in bytes; 0: there is none.
    pub protect_size: u64,
    /// Link-time address of the place that the dynamic section had before it
    /// moved to that range. Code that refers to `_DYNAMIC` looks there.
    pub dynamic_address: u64,
    /// What the filter answers to (see [`crate::bpf::identity`]).
    pub identity: u64,
}

impl FilterHeader {
    /// Whether the program has a runtime in itself.
    #[must_use]
    pub const fn is_inline(&self) -> bool {
        self.flags & flags::INLINE != 0
    }

    /// Whether every action but allow is logged.
    #[must_use]
    pub const fn logs(&self) -> bool {
        self.flags & flags::LOG != 0
    }

    /// The header as it stands in the note, but for the digest, which
    /// [`seal`] adds:
    ///
    /// | offset | size | what |
    /// | --- | --- | --- |
    /// | 0 | 4 | [`VERSION`] |
    /// | 4 | 4 | flags |
    /// | 8 | 4 | audit architecture |
    /// | 12 | 4 | number of instructions |
    /// | 16 | 32 | SHA-256 of the POLICY descriptor, then this one without these 32 bytes |
    /// | 48 | 8 | address of the range to make read-only |
    /// | 56 | 8 | its size |
    /// | 64 | 8 | where the dynamic section in that range was before |
    /// | 72 | 8 | identity of the filter |
    #[must_use]
    pub fn to_bytes(&self, order: ByteOrder) -> [u8; FILTER_HEADER] {
        let mut bytes = [0; FILTER_HEADER];
        bytes[0..4].copy_from_slice(&order.bytes32(VERSION));
        bytes[4..8].copy_from_slice(&order.bytes32(self.flags));
        bytes[8..12].copy_from_slice(&order.bytes32(self.arch));
        bytes[12..16].copy_from_slice(&order.bytes32(self.count));
        bytes[48..56].copy_from_slice(&order.bytes64(self.protect_address));
        bytes[56..64].copy_from_slice(&order.bytes64(self.protect_size));
        bytes[64..72].copy_from_slice(&order.bytes64(self.dynamic_address));
        bytes[72..80].copy_from_slice(&order.bytes64(self.identity));
        bytes
    }
}

/// A checked FILTER descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterNote<'a> {
    /// The fixed part.
    pub header: FilterHeader,
    /// All of the descriptor.
    pub descriptor: &'a [u8],
    /// The instructions, each [`INSTRUCTION_SIZE`] bytes in the file's byte
    /// order; in memory they stand 4-aligned.
    pub instructions: &'a [u8],
}

impl<'a> FilterNote<'a> {
    fn parse(descriptor: &'a [u8], order: ByteOrder) -> Result<Self, Problem> {
        if order.read32(descriptor, 0).ok_or(Problem::Truncated)? != VERSION {
            return Err(Problem::UnknownVersion);
        }
        let (fixed, instructions) = descriptor
            .split_first_chunk::<FILTER_HEADER>()
            .ok_or(Problem::Truncated)?;
        let word32 = |at| order.read32(fixed, at).ok_or(Problem::Truncated);
        let word64 = |at| order.read64(fixed, at).ok_or(Problem::Truncated);
        let header = FilterHeader {
            flags: word32(4)?,
            arch: word32(8)?,
            count: word32(12)?,
            protect_address: word64(48)?,
            protect_size: word64(56)?,
            dynamic_address: word64(64)?,
            identity: word64(72)?,
        };
        if header.flags & !flags::KNOWN != 0 {
            return Err(Problem::UnknownFlags);
        }
        let count = header.count as usize;
        if count == 0 || count > crate::bpf::MAX_INSTRUCTIONS {
            return Err(Problem::InstructionCount);
        }
        if instructions.len() != count * INSTRUCTION_SIZE {
            return Err(Problem::Truncated);
        }
        Ok(Self {
            header,
            descriptor,
            instructions,
        })
    }

    /// Whether the digest is that of this filter with the policy.
    fn belongs_to(&self, policy: &[u8]) -> bool {
        let Some((before, rest)) = self.descriptor.split_at_checked(DIGEST.start) else {
            return false;
        };
        let Some((digest, after)) = rest.split_first_chunk() else {
            return false;
        };
        sha256::is_digest(digest, &[policy, before, after])
    }
}

/// The notes of a patched program, checked: see [`Collector::finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded<'a> {
    /// The POLICY descriptor: canonical JSON.
    pub policy: &'a [u8],
    /// The FILTER descriptor.
    pub filter: FilterNote<'a>,
    /// The UNDO descriptor, if there is one.
    pub undo: Option<&'a [u8]>,
}

/// Why the notes of a program can't be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A record or descriptor ends before its sizes say.
    Truncated,
    /// The policy is larger than [`MAX_POLICY`].
    PolicyTooLarge,
    /// No instruction, or more than the kernel takes.
    InstructionCount,
    /// Two notes of one type.
    Duplicate,
    /// A note of owner `sandbox` that this version does not know.
    UnknownKind,
    /// A layout that this version does not know.
    UnknownVersion,
    /// A flag that this version does not know.
    UnknownFlags,
    /// The digest is not that of this policy and this filter.
    HashMismatch,
    /// A policy without filter, or a filter without policy.
    Unpaired,
}

impl Problem {
    /// What is wrong, as the end of "the sandbox note …".
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Truncated => "is truncated",
            Self::PolicyTooLarge => "holds an oversized policy",
            Self::InstructionCount => "holds a filter of impossible length",
            Self::Duplicate => "is there twice",
            Self::UnknownKind => "is of an unknown type",
            Self::UnknownVersion => "is of an unknown version",
            Self::UnknownFlags => "has unknown flags",
            Self::HashMismatch => "does not match its digest",
            Self::Unpaired => "lacks its policy or its filter",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the sandbox note {}", self.message())
    }
}

impl core::error::Error for Problem {}

/// Gathers the notes of a program, one PT_NOTE segment after the other.
#[derive(Clone, Debug)]
pub struct Collector<'a> {
    order: ByteOrder,
    policy: Option<&'a [u8]>,
    filter: Option<&'a [u8]>,
    undo: Option<&'a [u8]>,
    malformed: bool,
}

/// What the notes of a segment are padded to. mold puts notes of both paddings under
/// one header, and postject all of them, padded to 4, under one that says 8: where
/// they can't be read to the end as the header says, but the other way, that it is.
fn padding(bytes: &[u8], order: ByteOrder, align: u64) -> u64 {
    let is_whole = |align| Notes::new(bytes, order, align).all(|note| note.is_ok());
    let other = other_padding(align);
    if !is_whole(align) && is_whole(other) {
        other
    } else {
        align
    }
}

/// The one of the two paddings that a header does not say.
#[must_use]
pub const fn other_padding(align: u64) -> u64 {
    if align == 8 { 4 } else { 8 }
}

impl<'a> Collector<'a> {
    /// An empty collector for notes in the given byte order.
    #[must_use]
    pub const fn new(order: ByteOrder) -> Self {
        Self {
            order,
            policy: None,
            filter: None,
            undo: None,
            malformed: false,
        }
    }

    /// Reads the notes of one segment; those of other owners are passed over.
    ///
    /// # Errors
    ///
    /// A note of owner `sandbox` that is there twice, or of unknown type.
    pub fn segment(&mut self, bytes: &'a [u8], align: u64) -> Result<(), Problem> {
        self.padded(bytes, padding(bytes, self.order, align))
    }

    /// Likewise, where it is known what the notes are padded to.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn padded(&mut self, bytes: &'a [u8], align: u64) -> Result<(), Problem> {
        for note in Notes::new(bytes, self.order, align) {
            // Programs have odd notes of their own. What counts is whether the pair
            // is there in the end.
            let Ok(note) = note else {
                self.malformed = true;
                return Ok(());
            };
            if note.owner != OWNER {
                continue;
            }
            // Not through a reference to the right one of the three, which
            // would keep the compiler from holding the collector in registers.
            let known = match note.kind {
                kind::POLICY => self.policy.replace(note.descriptor),
                kind::FILTER => self.filter.replace(note.descriptor),
                kind::UNDO => self.undo.replace(note.descriptor),
                _ => return Err(Problem::UnknownKind),
            };
            if known.is_some() {
                return Err(Problem::Duplicate);
            }
        }
        Ok(())
    }

    /// What was found: nothing, or a policy and the filter that belongs to it.
    ///
    /// # Errors
    ///
    /// Anything that leaves a doubt: the notes are to be taken whole or not.
    pub fn finish(self) -> Result<Option<Embedded<'a>>, Problem> {
        let (policy, filter) = match (self.policy, self.filter) {
            (None, None) if self.undo.is_none() => return Ok(None),
            (Some(policy), Some(filter)) => (policy, filter),
            _ if self.malformed => return Err(Problem::Truncated),
            _ => return Err(Problem::Unpaired),
        };
        if policy.len() > MAX_POLICY {
            return Err(Problem::PolicyTooLarge);
        }
        let filter = FilterNote::parse(filter, self.order)?;
        if !filter.belongs_to(policy) {
            return Err(Problem::HashMismatch);
        }
        Ok(Some(Embedded {
            policy,
            filter,
            undo: self.undo,
        }))
    }
}

#[cfg(test)]
mod tests;
