//! The main program as it lies in memory: its program headers, and what they
//! lead to. Every range is checked against the loaded segments before use.

use core::ops::Range;

use crate::install::install;
use crate::loaded::{self, Stack};
use crate::sys::Errno;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_NOTE: u32 = 4;
const PT_PHDR: u32 = 6;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// The tag that ends a dynamic section (elf(5)).
const DT_NULL: usize = 0;

/// The smallest page of any architecture that Linux supports here. On a
/// machine with larger ones, mprotect(2) refuses what is not aligned to them.
const PAGE: usize = 4096;

/// `Elf64_Dyn` or `Elf32_Dyn` of elf(5), whichever is native. Packed, as are
/// program headers: kernel and loaders take both at any address, and tools put them
/// there (LIEF).
#[repr(C, packed)]
#[derive(Clone, Copy)]
pub(crate) struct DynamicEntry {
    pub(crate) tag: usize,
    pub(crate) value: usize,
}

/// `Elf64_Phdr` or `Elf32_Phdr` of elf(5), whichever is native: they differ in
/// the place of `flags`.
#[repr(C, packed)]
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
    align: usize,
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
    /// What the C library has on record, which is right also for
    /// `ld.so ./program`.
    pub(crate) fn of_c_library() -> Option<Self> {
        let (bias, segments) = loaded::first_loaded_object()?;
        Some(Self { bias, segments })
    }

    /// What the kernel put into the auxiliary vector: what it started, which
    /// for `ld.so ./program` may be the loader.
    pub(crate) fn of_kernel(stack: Stack) -> Option<Self> {
        let segments = loaded::program_headers_of_auxiliary_vector(stack)?;
        let mut program = Self { bias: 0, segments };
        let table = segments.as_ptr().addr();
        // Without PT_PHDR nothing tells the bias. Loaders take 0 then, too, but
        // what was started may be a loader, which need not have one.
        if let Some(own) = program.last_of(PT_PHDR) {
            program.bias = table.wrapping_sub(own.address);
        }
        program.is_own(table).then_some(program)
    }

    /// Brings the process under a filter, the last thing before this program's
    /// own code runs.
    pub(crate) fn enforce(&self, instructions: &[u8], log: bool) {
        // The first malloc of a process asks the kernel for memory (brk or mmap)
        // and, since glibc 2.34, for random numbers (getrandom). Done now, it asks
        // for nothing that a policy would have to allow. An allocator of the
        // program's own may need its constructors to run first.
        loaded::warm_heap(|function| self.is_own(function));
        install(instructions, log);
    }

    /// The notes under each PT_NOTE, and what its records are padded to. One whose
    /// address leads to something else than its offset is nobody's: GNU strip leaves
    /// such headers.
    pub(crate) fn notes(&self) -> impl Iterator<Item = (&'static [u8], usize)> {
        let notes = self.segments.iter().filter(|it| it.kind == PT_NOTE);
        notes.filter_map(|it| {
            let load = self.segment_of(it.address)?;
            let bias = |it: &Segment| it.address.wrapping_sub(it.offset);
            let is_true = bias(it) == bias(load);
            let bytes = self.values(it.address, it.file_size)?;
            is_true.then_some((bytes, it.align))
        })
    }

    /// The entries of the dynamic section before DT_NULL; empty where there is
    /// no section. Nothing: it can't be read.
    pub(crate) fn dynamic_entries(&self) -> Option<&'static [DynamicEntry]> {
        // Its size does not count for loaders either.
        match self.last_of(PT_DYNAMIC) {
            Some(dynamic) => self.dynamic_entries_at(dynamic.address),
            None => Some(&[]),
        }
    }

    /// The last segment of that kind, which is the one that counts for loaders
    /// (`_dl_map_object_from_fd` and `rtld_setup_main_map` of glibc, elf/;
    /// `map_library` of musl, ldso/dynlink.c).
    #[inline(never)]
    fn last_of(&self, kind: u32) -> Option<&'static Segment> {
        self.segments.iter().rfind(|it| it.kind == kind)
    }

    /// The dynamic entries from a link-time address to DT_NULL, which must come
    /// before the end of the loaded segment.
    fn dynamic_entries_at(&self, start: usize) -> Option<&'static [DynamicEntry]> {
        let mut end = start;
        loop {
            let entry = self.values::<DynamicEntry>(end, size_of::<DynamicEntry>())?;
            if entry.first()?.tag == DT_NULL {
                return self.values(start, end - start);
            }
            end += size_of::<DynamicEntry>();
        }
    }

    /// What lies at a link-time address in `size` bytes, if loaded segments have all
    /// of it. Every bit pattern is a `T`.
    fn values<T>(&self, start: usize, size: usize) -> Option<&'static [T]> {
        if !self.is_loaded(start, size) {
            return None;
        }
        // SAFETY: the range lies in segments that the loader mapped readable and is
        // done writing to, and the main program is never unmapped.
        unsafe { loaded::memory(self.bias.wrapping_add(start), size / size_of::<T>()) }
    }

    /// Whether loaded segments have all of a range: one, or several of which each
    /// begins where the former ends.
    #[inline(never)]
    fn is_loaded(&self, start: usize, size: usize) -> bool {
        let (mut at, mut left) = (start, size);
        while left > 0 {
            let Some(segment) = self.segment_of(at) else {
                return false;
            };
            let rest = segment.memory_size - (at - segment.address);
            at = at.wrapping_add(rest);
            left = left.saturating_sub(rest);
        }
        true
    }

    /// The loaded segment that has a link-time address, if it is readable.
    #[inline(never)]
    fn segment_of(&self, address: usize) -> Option<&'static Segment> {
        self.segments.iter().find(|it| {
            it.kind == PT_LOAD
                && it.flags & PF_R != 0
                && address.wrapping_sub(it.address) < it.memory_size
        })
    }

    /// Whether a run-time address is the program's.
    fn is_own(&self, address: usize) -> bool {
        self.segment_of(address.wrapping_sub(self.bias)).is_some()
    }

    /// Gives the entries of the dynamic section's former place, a link-time
    /// address, the values that those of the same tags have now. Nothing: a
    /// place can't be read.
    pub(crate) fn refresh_dynamic_entries(&self, start: usize) -> Option<Result<(), Errno>> {
        const DT_NEEDED: usize = 1;
        const DT_STRSZ: usize = 10;
        let current = self.dynamic_entries()?;
        let count = self.dynamic_entries_at(start)?.len();
        if self.segment_of(start)?.flags & PF_W == 0 {
            // No loader has written there either.
            return Some(Ok(()));
        }
        let read_only = self.pages_under_relro();
        if let Err(errno) = loaded::make_writable(&read_only) {
            return Some(Err(errno));
        }
        // SAFETY: the entries were found in a segment that is writable again,
        // and no reference to them is left.
        let former =
            unsafe { loaded::memory_mut::<DynamicEntry>(self.bias.wrapping_add(start), count)? };
        for entry in former {
            let tag = entry.tag;
            let now = current.iter().find(|it| it.tag == tag);
            // These two belong to the former string table's beginning.
            if let Some(now) = now
                && !matches!(tag, DT_NEEDED | DT_STRSZ)
            {
                entry.value = now.value;
            }
        }
        Some(loaded::make_read_only(&read_only))
    }

    /// Run-time addresses of the pages that loaders make read-only after
    /// relocation.
    fn pages_under_relro(&self) -> Range<usize> {
        let Some(relro) = self.last_of(PT_GNU_RELRO) else {
            return 0..0;
        };
        // Both ends are rounded down (`_dl_protect_relro` of glibc,
        // elf/dl-reloc.c; `map_library` of musl, ldso/dynlink.c).
        let page = |address: usize| address & !(PAGE - 1);
        let start = self.bias.wrapping_add(relro.address);
        page(start)..page(start.wrapping_add(relro.memory_size))
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

    /// Run-time addresses of whole pages that belong to loaded segments,
    /// from a link-time address and a size.
    pub(crate) fn own_pages(&self, start: usize, size: usize) -> Option<Range<usize>> {
        let first = self.bias.wrapping_add(start);
        let is_whole = (start | size).is_multiple_of(PAGE);
        (is_whole && self.is_loaded(start, size)).then_some(first..first + size)
    }
}
