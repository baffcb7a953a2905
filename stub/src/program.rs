//! The main program as it lies in memory: its program headers, and what they
//! lead to. Every range is checked against the loaded segments before use.

use core::ops::Range;

use crate::sys;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PT_PHDR: u32 = 6;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// The smallest page of any architecture that Linux supports here. On a
/// machine with larger ones, mprotect(2) refuses what is not aligned to them.
const PAGE: usize = 4096;

/// `Elf64_Phdr` or `Elf32_Phdr` of elf(5), whichever is native: they differ in
/// the place of `flags`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    kind: u32,
    #[cfg(target_pointer_width = "64")]
    flags: u32,
    offset: usize,
    address: usize,
    physical_address: usize,
    file_size: usize,
    memory_size: usize,
    #[cfg(target_pointer_width = "32")]
    flags: u32,
    /// Alignment in bytes; for notes, what their records are padded to.
    pub(crate) align: usize,
}

impl Segment {
    /// Link-time addresses of the pages that it touches.
    fn pages(&self) -> Range<usize> {
        let end = self.address.saturating_add(self.memory_size);
        let last = end.saturating_add(PAGE - 1);
        self.address & !(PAGE - 1)..last & !(PAGE - 1)
    }
}

/// The main program of this process.
pub(crate) struct Program {
    /// Run-time address minus link-time address.
    bias: usize,
    segments: &'static [Segment],
}

impl Program {
    /// The program that this process runs: what the C library has on record,
    /// which is right also for `ld.so ./program`; else what the kernel put
    /// into the auxiliary vector.
    pub(crate) fn running() -> Option<Self> {
        if let Some((bias, table)) = sys::first_loaded_object::<Segment>() {
            return Some(Self {
                bias,
                segments: table,
            });
        }
        let segments = sys::program_headers_of_auxiliary_vector::<Segment>()?;
        let own = segments.iter().find(|segment| segment.kind == PT_PHDR);
        // Without PT_PHDR nothing tells the bias; ld.so takes 0 then, too.
        let bias = own.map_or(0, |own| segments.as_ptr().addr().wrapping_sub(own.address));
        Some(Self { bias, segments })
    }

    /// The segments of notes that are not empty.
    pub(crate) fn note_segments(&self) -> impl Iterator<Item = &'static Segment> {
        let notes = self.segments.iter().filter(|it| it.kind == PT_NOTE);
        notes.filter(|it| it.file_size != 0)
    }

    /// The bytes of a segment that the file backs, if they can be read.
    pub(crate) fn bytes_from_file(&self, segment: &Segment) -> Option<&'static [u8]> {
        self.values(segment.address, segment.file_size)
    }

    /// The dynamic section as (tag, value), up to DT_NULL and beyond; empty
    /// where there is none. Nothing: it can't be read.
    pub(crate) fn dynamic_entries(&self) -> Option<&'static [[usize; 2]]> {
        let mut dynamic = self.segments.iter().filter(|it| it.kind == PT_DYNAMIC);
        let Some(dynamic) = dynamic.next() else {
            return Some(&[]);
        };
        self.values(dynamic.address, dynamic.memory_size)
    }

    /// What lies at a link-time address in `size` bytes, if one loaded segment
    /// has all of it. Every bit pattern is a `T`.
    fn values<T>(&self, start: usize, size: usize) -> Option<&'static [T]> {
        let count = size / size_of::<T>();
        self.is_loaded(start, size)
            // SAFETY: the range lies in a segment that the loader mapped
            // readable and is done writing to, and the main program is never
            // unmapped.
            .then(|| unsafe { sys::memory(self.bias.wrapping_add(start), count) })
    }

    /// Whether a range of link-time addresses lies in one readable segment.
    #[inline(never)]
    fn is_loaded(&self, start: usize, size: usize) -> bool {
        self.segments.iter().any(|it| {
            let at = start.wrapping_sub(it.address);
            it.kind == PT_LOAD
                && it.flags & PF_R != 0
                && it.address <= start
                && at <= it.memory_size
                && size <= it.memory_size - at
        })
    }

    /// Whether none of the bytes shares a page with a writable segment.
    pub(crate) fn is_constant(&self, bytes: &[u8]) -> bool {
        let start = bytes.as_ptr().addr().wrapping_sub(self.bias);
        let end = start.saturating_add(bytes.len());
        let mut writable = self.segments.iter().filter(|it| it.flags & PF_W != 0);
        !writable.any(|it| {
            let pages = it.pages();
            it.kind == PT_LOAD && pages.start < end && start < pages.end
        })
    }

    /// Run-time addresses of whole pages that belong to one loaded segment,
    /// from a link-time address and a size.
    pub(crate) fn own_pages(&self, start: usize, size: usize) -> Option<Range<usize>> {
        let end = start.checked_add(size)?;
        let whole = start.is_multiple_of(PAGE) && size.is_multiple_of(PAGE);
        let own = self.segments.iter().any(|it| {
            let pages = it.pages();
            it.kind == PT_LOAD && pages.start <= start && end <= pages.end
        });
        let first = self.bias.wrapping_add(start);
        (whole && own).then_some(first..first.wrapping_add(size))
    }
}
