//! The policy in a file, read as the runtime reads it.

use object::elf;
use sandbox_format::bpf::Instruction;
use sandbox_format::note::{
    self, ByteOrder, Collector, DYNAMIC_TAG, Header, Notes, OWNER, Problem, Seccomp, VERSION, kind,
};

use super::undo::Undo;
use crate::elf::encoding::ProgramHeader;
use crate::elf::notes::SandboxNotes;
use crate::elf::{Dynamic, FileRange, Image, Layout, SMALLEST_PAGE, Source, relocations};
use crate::note::decode_program;
use crate::rewrite::error::Error;

/// More notes than any program has; the rest of a hostile file is not read.
const MAX_NOTES: u64 = 64 << 20;

/// The policy and its related notes in a patched file.
#[derive(Clone, Debug)]
pub struct Embedded {
    /// The POLICY descriptor.
    pub policy: Vec<u8>,
    /// The HEADER descriptor.
    pub header: Header,
    /// The filter.
    pub filter: Filter,
    /// Where the descriptors that the runtime uses are in the file, the policy's first.
    pub places: Vec<FileRange>,
    /// How to undo the patch, if the note is present.
    pub undo: Option<Undo>,
}

/// What can change the policy before it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Danger {
    /// It is not mapped from the file at all.
    #[error("its policy is in no loadable segment")]
    NotLoaded,
    /// A writable segment shares pages with it.
    #[error("its policy is in memory that can be written")]
    Writable,
    /// A relocation writes to it.
    #[error("a relocation changes its policy before that is in force")]
    Relocated,
}

/// A filter, as in the RESTRICTION descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The audit architecture (`AUDIT_ARCH_*`) that it applies to.
    pub arch: u32,
    /// Whether the kernel should log every action except allow.
    pub log: bool,
    /// What identifies the filter in a process.
    pub identity: u64,
    /// The instructions.
    pub program: Vec<Instruction>,
}

impl Filter {
    /// Converts one from a note.
    pub(super) fn of(seccomp: &Seccomp<'_>, order: ByteOrder) -> Self {
        Self {
            arch: seccomp.arch,
            log: seccomp.log,
            identity: seccomp.identity,
            program: decode_program(seccomp.instructions, order),
        }
    }
}

impl Embedded {
    /// Whether the runtime is inside the program.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        self.header.is_inline()
    }

    /// The loadable segment that contains all of it.
    #[must_use]
    pub fn segment<'l>(&self, layout: &'l Layout) -> Option<&'l ProgramHeader> {
        let holds = |load: &&ProgramHeader| {
            let range = load.range();
            self.places.iter().all(|place| range.contains(place))
        };
        layout.segments_of(elf::PT_LOAD).find(holds)
    }

    /// What can change the segment before the policy is in force, even if the segment
    /// itself is not writable; `None` if nothing can.
    ///
    /// # Errors
    ///
    /// The file can't be read.
    pub fn danger(&self, image: &Image<impl Source>) -> Result<Option<Danger>, Error> {
        let Some(own) = self.segment(image) else {
            return Ok(Some(Danger::NotLoaded));
        };
        let memory = |load: &ProgramHeader| load.vaddr..load.vaddr.saturating_add(load.memsz);
        let pages = |load: &ProgramHeader| {
            let range = memory(load);
            range.start.0 / SMALLEST_PAGE..range.end.0.div_ceil(SMALLEST_PAGE)
        };
        let own_pages = pages(own);
        let shares = |load: &ProgramHeader| {
            let pages = pages(load);
            // The kernel has the page writable that it fills with zeros (`padzero`,
            // fs/binfmt_elf.c).
            let is_filled = load != own && load.memsz > load.filesz;
            (load.is_writable() || is_filled)
                && pages.start < own_pages.end
                && own_pages.start < pages.end
        };
        if image.segments_of(elf::PT_LOAD).any(shares) {
            return Ok(Some(Danger::Writable));
        }
        // Without text relocations the loader has nothing writable there, and the
        // program does not start.
        let dynamic = image.dynamic.as_ref();
        let is_touched = dynamic.is_some_and(Dynamic::has_text_relocations);
        if is_touched && relocations::write_to(image, &[memory(own)])? {
            return Ok(Some(Danger::Relocated));
        }
        Ok(None)
    }
}

/// The notes of owner `sandbox` under each PT_NOTE, and the alignment there.
fn note_segments(image: &Image<impl Source>) -> Result<Vec<(SandboxNotes, u64)>, Error> {
    let mut left = MAX_NOTES;
    let mut segments = Vec::new();
    // The runtime passes over the same ones.
    let notes = image.segments_of(elf::PT_NOTE);
    for segment in notes.filter(|segment| image.is_of_notes(segment)) {
        let range = segment.range();
        left = left
            .checked_sub(range.size)
            .ok_or(Error::malformed("its notes are too large"))?;
        segments.push(read_padded(image, &range, segment.align)?);
    }
    Ok(segments)
}

/// The notes of a range and their padding, which is determined as the runtime does
/// (`sandbox_format::note::Collector::segment`).
pub(super) fn read_padded(
    image: &Image<impl Source>,
    range: &FileRange,
    align: u64,
) -> Result<(SandboxNotes, u64), Error> {
    let notes = SandboxNotes::read(image, range, align)?;
    if !notes.is_whole {
        let other = note::other_padding(align);
        let notes = SandboxNotes::read(image, range, other)?;
        if notes.is_whole {
            return Ok((notes, other));
        }
    }
    Ok((notes, align))
}

/// Whether the dynamic section says that the program was patched.
#[must_use]
pub fn is_marked(layout: &Layout) -> bool {
    let tag = elf::DynamicTag(i64::from(DYNAMIC_TAG));
    layout
        .dynamic
        .as_ref()
        .is_some_and(|dynamic| dynamic.get(tag).is_some())
}

/// Reads the policy of a file; `None` if it has none.
///
/// # Errors
///
/// The runtime would refuse the notes: the program would not start.
pub fn read(image: &Image<impl Source>) -> Result<Option<Embedded>, Error> {
    let order = image.encoding.note_order();
    let segments = note_segments(image)?;
    let mut collector = Collector::new(order);
    for (notes, align) in &segments {
        collector.padded(&notes.bytes, *align)?;
    }
    let Some(found) = collector.finish()? else {
        return if is_marked(image) {
            Err(Error::NoteGone)
        } else {
            Ok(None)
        };
    };
    let tag = elf::DynamicTag(i64::from(DYNAMIC_TAG));
    let version = image.dynamic.as_ref().and_then(|dynamic| dynamic.get(tag));
    if version.is_some_and(|version| version != u64::from(VERSION)) {
        return Err(Problem::UnknownVersion.into());
    }
    let place = |descriptor| {
        let mut notes = segments.iter().map(|(notes, _)| notes);
        notes.find_map(|notes| notes.place(descriptor))
    };
    Ok(Some(Embedded {
        places: found
            .descriptors
            .iter()
            .map(|descriptor| place(descriptor).unwrap_or_default())
            .collect(),
        policy: found.policy.to_vec(),
        header: found.header,
        filter: Filter::of(&found.seccomp, order),
        undo: found
            .undo
            .map(|undo| Undo::parse(undo, order))
            .transpose()?,
    }))
}

/// What a libsandbox.so says about itself in its RUNTIME note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// The version of the note format that it reads.
    pub format: u32,
    /// Its own version.
    pub version: String,
}

/// Reads the RUNTIME note of a library; `None` if it has none.
///
/// # Errors
///
/// The file can't be read.
pub fn runtime(image: &Image<impl Source>) -> Result<Option<Runtime>, Error> {
    let order = image.encoding.note_order();
    for (notes, align) in note_segments(image)? {
        for note in Notes::new(&notes.bytes, order, align).flatten() {
            if note.owner != OWNER || note.kind != kind::RUNTIME {
                continue;
            }
            let Some((format, version)) = note.descriptor.split_at_checked(4) else {
                continue;
            };
            let format = order.read32(format, 0).unwrap_or_default();
            let version = String::from_utf8_lossy(version)
                .trim_end_matches('\0')
                .to_owned();
            return Ok(Some(Runtime { format, version }));
        }
    }
    Ok(None)
}
