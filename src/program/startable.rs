//! Which files of a tree are programs.
//!
//! A gate that goes through a tree must not skip anything that can be started, so a file
//! is left out only if it certainly is not a program. One that can't be read, or is
//! damaged, is not left out: the code that handles it will report that.

use std::ffi::OsStr;
use std::io::Read;

use object::elf;

use crate::elf::encoding::ProgramHeader;
use crate::elf::{Kind, Layout};
use crate::file::Place;

/// Why an executable file is not a program; `None` if it is or may be one.
#[must_use]
pub fn why_not(place: &Place) -> Option<&'static str> {
    let (file, _) = place.open().ok()?;
    let mut start = Vec::new();
    (&file).take(4).read_to_end(&mut start).ok()?;
    if start.starts_with(b"#!") {
        return Some("a script");
    }
    if start != elf::ELFMAG {
        return Some("not an ELF file");
    }
    let layout = Layout::read(&file).ok()?;
    // The kernel starts files of two types only (fs/binfmt_elf.c, load_elf_binary).
    match layout.kind() {
        Kind::Relocatable => Some("a relocatable object"),
        Kind::Core => Some("a core dump"),
        Kind::None | Kind::Unknown => Some("an ELF file of unknown type"),
        Kind::SharedLibrary if is_library(place.name(), &layout) => Some("a shared library"),
        Kind::StaticProgram if is_without_code(&layout) => Some("debugging information"),
        // klibc's library is one: a program by its form, and the interpreter of
        // those that are linked with it.
        Kind::StaticProgram if is_named_like_library(place.name()) => Some("a shared library"),
        _ => None,
    }
}

/// Whether a file with the form of a library is one: the kernel would start it if it has
/// an interpreter, as libc.so.6 has, or an entry point, and then only its name tells.
fn is_library(name: &OsStr, layout: &Layout) -> bool {
    let is_startable = layout.segment(elf::PT_INTERP).is_some() || layout.header.entry.0 != 0;
    !is_startable || is_named_like_library(name)
}

fn is_named_like_library(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.ends_with(".so") || name.contains(".so.")
}

/// Whether there is nothing to run: the file that objcopy(1) makes with
/// `--only-keep-debug` has the program's headers, and its mode. execve(2) refuses an
/// interpreter without a name.
fn is_without_code(layout: &Layout) -> bool {
    if let Some(interpreter) = layout.segment(elf::PT_INTERP) {
        return interpreter.filesz == 0;
    }
    let is_code = |load: &&ProgramHeader| load.is_executable();
    let mut code = layout.segments_of(elf::PT_LOAD).filter(is_code).peekable();
    code.peek().is_some() && code.all(|load| load.filesz == 0)
}
