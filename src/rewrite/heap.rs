//! Programs that rely on where the kernel puts the heap: after the data, without address
//! space layout randomisation. The kernel goes by the last segment (fs/binfmt_elf.c,
//! `load_elf_binary`, `elf_brk`), and patching adds one if [`super::front`] can't be
//! used.

use object::elf;

use crate::elf::{Dynamic, Image, Source, imports};
use crate::rewrite::error::Error;

/// How much a program relies on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heap {
    /// Not at all, as far as can be told.
    Anywhere,
    /// It asks where the heap is (sbrk(2)), at fixed addresses.
    Asked,
    /// It is a saved heap: a process that was written to a file (`unexec` of GCL, of
    /// Emacs before 27) and that can only continue without randomisation.
    Saved,
}

impl Heap {
    /// Determines it from the program's type and from the names that it looks up.
    ///
    /// # Errors
    ///
    /// The file can't be read, or contradicts itself.
    pub fn of(image: &Image<impl Source>) -> Result<Self, Error> {
        let dynamic = image.dynamic.as_ref().filter(|_| {
            image.header.kind == elf::ET_EXEC && image.segment(elf::PT_INTERP).is_some()
        });
        let Some(dynamic) = dynamic else {
            return Ok(Self::Anywhere);
        };
        if !imports(image, dynamic, b"sbrk\0")? {
            return Ok(Self::Anywhere);
        }
        // Of what was zero when it was linked, there is something in the file.
        let last = image.segments_of(elf::PT_LOAD).last();
        let is_filled = last
            .is_some_and(|load| load.is_writable() && load.filesz == load.memsz && load.filesz > 0);
        if is_filled && imports(image, dynamic, b"personality\0")? {
            Ok(Self::Saved)
        } else {
            Ok(Self::Asked)
        }
    }
}

/// Whether a program looks up a name, if its tables tell.
fn imports(image: &Image<impl Source>, dynamic: &Dynamic, name: &[u8]) -> Result<bool, Error> {
    match imports::has(image, dynamic, name) {
        // Whoever needs them will say so.
        Err(crate::elf::Error::Malformed(_)) => Ok(false),
        found => Ok(found?),
    }
}
