//! What `libsandbox.so` is as a file: it becomes part of every patched program,
//! so it has to be small, to need nothing, and to offer nothing.

use object::elf::{
    DT_NEEDED, FileHeader64, PF_W, PF_X, PT_GNU_RELRO, PT_GNU_STACK, PT_LOAD, ProgramHeader64,
};
use object::read::elf::{Dyn, ElfFile, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol};

use crate::support::library;

type File<'data> = ElfFile<'data, FileHeader64<Endianness>>;

const PAGE: u64 = 4096;

fn with_library(check: impl Fn(&File<'_>, &[u8])) {
    let bytes = std::fs::read(library()).expect("the library was built");
    check(&File::parse(&*bytes).expect("an ELF file"), &bytes);
}

fn headers_of<'data>(
    file: &File<'data>,
    kind: object::elf::ProgramType,
) -> Vec<&'data ProgramHeader64<Endianness>> {
    let all = file.elf_program_headers().iter();
    all.filter(|header| header.p_type(file.endian()) == kind)
        .collect()
}

#[test]
fn it_is_at_most_20_kib_large() {
    with_library(|_, bytes| assert!(bytes.len() <= 20 * 1024, "{} bytes", bytes.len()));
}

#[test]
fn it_needs_no_other_library() {
    with_library(|file, bytes| {
        let endian = file.endian();
        let headers = file.elf_program_headers().iter();
        let dynamic: Vec<_> = headers
            .filter_map(|header| header.dynamic(endian, bytes).expect("readable"))
            .flatten()
            .collect();
        assert!(!dynamic.is_empty());
        for entry in dynamic {
            assert_ne!(entry.d_tag(endian), DT_NEEDED);
        }
    });
}

#[test]
fn it_exports_no_symbol_and_insists_on_none() {
    with_library(|file, _| {
        let symbols: Vec<_> = file.dynamic_symbols().collect();
        assert!(symbols.iter().any(|it| it.name() == Ok("malloc")));
        for symbol in symbols {
            assert!(symbol.is_undefined() && symbol.is_weak(), "{symbol:?}");
        }
    });
}

#[test]
fn it_takes_two_mappings_of_which_none_is_writable_and_executable() {
    with_library(|file, _| {
        let loads = headers_of(file, PT_LOAD);
        assert_eq!(loads.len(), 2);
        for load in loads {
            let flags = load.p_flags(file.endian());
            assert!(!(flags.contains(PF_W) && flags.contains(PF_X)), "{load:?}");
        }
    });
}

#[test]
fn it_asks_for_no_executable_stack() {
    with_library(|file, _| {
        let [stack] = headers_of(file, PT_GNU_STACK)[..] else {
            panic!("one PT_GNU_STACK");
        };
        assert!(!stack.p_flags(file.endian()).contains(PF_X));
    });
}

/// Loaders make whole pages read-only, and leave out the last one if the
/// segment does not reach its end (`_dl_protect_relro` of glibc, elf/dl-reloc.c).
#[test]
fn all_that_is_writable_is_one_page_that_the_loader_makes_read_only() {
    with_library(|file, _| {
        let endian = file.endian();
        let [relro] = headers_of(file, PT_GNU_RELRO)[..] else {
            panic!("one PT_GNU_RELRO");
        };
        let start = relro.p_vaddr(endian) / PAGE * PAGE;
        let end = (relro.p_vaddr(endian) + relro.p_memsz(endian)) / PAGE * PAGE;
        assert_eq!(end - start, PAGE);
        for load in headers_of(file, PT_LOAD) {
            if load.p_flags(endian).contains(PF_W) {
                assert!(start <= load.p_vaddr(endian));
                assert!(load.p_vaddr(endian) + load.p_memsz(endian) <= end);
            }
        }
    });
}
