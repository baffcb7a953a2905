//! Tests of reading, on files that are made here.

use object::elf;

use super::build::LayoutBuilder;
use super::{Error, Image, Kind, VirtAddr, tables};

const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// DF_1_PIE of DT_FLAGS_1.
const PIE: u64 = 0x0800_0000;

fn read(file: &[u8]) -> Image<&[u8]> {
    Image::read(file).unwrap()
}

#[test]
fn each_kind_of_file_is_told() {
    let exec = || LayoutBuilder::new(elf::ET_EXEC);
    let dyn_ = || LayoutBuilder::new(elf::ET_DYN);
    let named = |builder: LayoutBuilder| {
        let (builder, places) = builder.strings(&["libx.so"]);
        builder.dynamic(elf::DT_SONAME, places[0])
    };
    let pie = |builder: LayoutBuilder| builder.dynamic(elf::DT_FLAGS_1, PIE);
    let debug = |builder: LayoutBuilder| builder.dynamic(elf::DT_DEBUG, 0);
    let cases = [
        (exec(), Kind::StaticProgram),
        (debug(exec()), Kind::StaticProgram),
        (debug(exec().interpreter(LOADER)), Kind::DynamicProgram),
        (pie(dyn_().interpreter(LOADER)), Kind::DynamicProgram),
        // Before DF_1_PIE was, and a program that has a name all the same.
        (debug(dyn_().interpreter(LOADER)), Kind::DynamicProgram),
        (pie(named(dyn_().interpreter(LOADER))), Kind::DynamicProgram),
        (pie(dyn_()), Kind::StaticPie),
        (named(dyn_()), Kind::SharedLibrary),
        (debug(dyn_()), Kind::SharedLibrary),
        // As libc.so.6.
        (named(dyn_().interpreter(LOADER)), Kind::SharedLibrary),
        (LayoutBuilder::new(elf::ET_REL), Kind::Relocatable),
        (LayoutBuilder::new(elf::ET_CORE), Kind::Core),
        (LayoutBuilder::new(elf::ET_NONE), Kind::None),
        (LayoutBuilder::new(elf::FileType(0xfe00)), Kind::Unknown),
    ];
    for (number, (builder, kind)) in cases.into_iter().enumerate() {
        let file = builder.build();
        let image = read(&file);
        assert_eq!(image.kind(), kind, "case {number}");
        let is_dynamic = image.require_dynamic_program().is_ok();
        assert_eq!(is_dynamic, kind == Kind::DynamicProgram, "case {number}");
        let programs = [Kind::DynamicProgram, Kind::StaticProgram, Kind::StaticPie];
        let is_program = image.require_program().is_ok();
        assert_eq!(is_program, programs.contains(&kind), "case {number}");
    }
}

#[test]
fn loader_and_libraries_are_read() {
    let builder = LayoutBuilder::new(elf::ET_DYN).interpreter(LOADER);
    let (builder, places) = builder.strings(&["liba.so", "libb.so"]);
    let file = places.iter().fold(builder, |builder, place| {
        builder.dynamic(elf::DT_NEEDED, *place)
    });
    let file = file.build();
    let image = read(&file);
    let interpreter = image.interpreter().unwrap();
    assert_eq!(interpreter.as_deref(), Some(LOADER));
    assert_eq!(image.needed().unwrap(), ["liba.so", "libb.so"]);
}

#[test]
fn a_name_outside_of_the_strings_is_an_error() {
    let (builder, _) = LayoutBuilder::new(elf::ET_DYN).strings(&["liba.so"]);
    let file = builder.dynamic(elf::DT_NEEDED, 1000).build();
    let needed = read(&file).needed();
    assert!(matches!(needed, Err(Error::Malformed(_))), "{needed:?}");
}

/// Builds a file with room for `symbols` symbols and a hash table; returns the size of
/// the dynamic symbols found through it.
fn size_of_symbols(symbols: usize, tag: elf::DynamicTag, table: &[u32]) -> Option<u64> {
    let mut builder = LayoutBuilder::new(elf::ET_DYN);
    let at = builder.put(&vec![0; symbols * 24]);
    let hash = builder.put_words(table);
    let file = builder
        .dynamic(elf::DT_SYMTAB, at)
        .dynamic(elf::DT_SYMENT, 24)
        .dynamic(tag, hash)
        .build();
    let image = read(&file);
    let dynamic = image.dynamic.as_ref().unwrap();
    let found = tables::symbol_table(&image, dynamic).unwrap();
    found.map(|(address, size)| {
        assert_eq!(address, VirtAddr(at));
        size
    })
}

#[test]
fn hash_tables_tell_how_many_symbols_there_are() {
    // Two buckets, five chain words.
    let system_v = [2, 5, 1, 3, 0, 2, 0, 4, 0];
    assert_eq!(size_of_symbols(8, elf::DT_HASH, &system_v), Some(5 * 24));
    // One bucket, symbols from 2 on, one word of the Bloom filter; the bucket leads to
    // symbol 2, whose chain ends with symbol 4.
    let gnu = [1, 2, 1, 6, 0, 0, 2, 10, 12, 15];
    assert_eq!(size_of_symbols(8, elf::DT_GNU_HASH, &gnu), Some(5 * 24));
    // Without any symbol it does not tell: as many as there is room for up to the next table.
    let empty = [1, 1, 1, 6, 0, 0, 0];
    assert_eq!(size_of_symbols(3, elf::DT_GNU_HASH, &empty), Some(3 * 24));
}

#[test]
fn a_hash_table_is_closed_if_it_leads_to_its_symbols_only() {
    let is_closed = |table: &[u32]| {
        let mut builder = LayoutBuilder::new(elf::ET_DYN);
        let at = builder.put_words(table);
        let file = builder.dynamic(elf::DT_HASH, at).build();
        tables::hash_is_closed(&read(&file), VirtAddr(at)).unwrap()
    };
    assert!(is_closed(&[1, 2, 1, 0, 0]));
    assert!(!is_closed(&[1, 2, 2, 0, 0]), "a bucket");
    assert!(!is_closed(&[1, 2, 1, 0, 2]), "a chain");
    assert!(!is_closed(&[1, 1 << 20, 1, 0]), "beyond the file");
    assert!(is_closed(&[1, 0, 0]), "of no symbol");
}
