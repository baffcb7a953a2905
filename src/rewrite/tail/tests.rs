//! Data appended to files that are made here, and where it goes.

use object::elf;

use super::{PADDING, Reader, Tail, find};
use crate::elf::Image;
use crate::elf::build::LayoutBuilder;

/// Bytes that look like nothing: no number, no text, no zero.
fn noise(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| 0x81 + u8::try_from(at * 7 % 97).unwrap_or_default())
        .collect()
}

/// A program that refers to `offset` in its data, with something appended, and where that
/// starts.
fn program(named: Option<u64>, appended: impl Fn(u64) -> Vec<u8>) -> (Vec<u8>, u64) {
    let mut builder = LayoutBuilder::new(elf::ET_EXEC);
    builder.put(&[0x90; 8]);
    builder = builder.data();
    builder.put(&named.unwrap_or(u64::MAX).to_le_bytes());
    let mut file = builder.build();
    let start = file.len() as u64;
    file.extend(appended(start));
    (file, start)
}

fn tail(file: &[u8]) -> Tail {
    find(&Image::read(file).expect("an ELF file")).expect("a place for it")
}

/// An archive's end of central directory record, for a directory of one byte that begins
/// at `offset`.
fn zip(offset: u64) -> Vec<u8> {
    let mut bytes = b"PK\x05\x06".to_vec();
    bytes.extend([0; 8]);
    bytes.extend(1_u32.to_le_bytes());
    bytes.extend(u32::try_from(offset).expect("a small file").to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

#[test]
fn nothing_and_padding_are_nothing() {
    for appended in [Vec::new(), vec![0; 100]] {
        let (file, _) = program(None, |_| appended.clone());
        assert_eq!(tail(&file).range.size, 0);
    }
    let zeros = usize::try_from(PADDING).expect("a small number");
    let (file, _) = program(None, |_| vec![0; zeros]);
    assert_eq!(tail(&file).range.size, PADDING, "more zeros than padding");
}

#[test]
fn what_nothing_names_goes_with_the_end_of_the_file() {
    let (file, start) = program(None, |_| noise(300));
    let found = tail(&file);
    assert_eq!((found.range.start.0, found.range.size), (start, 300));
    assert_eq!((found.stays, found.reader), (false, Reader::FromEnd));
    assert_eq!(found.elf_end().0, start);
    let appended = found.appended(file.len() as u64 + 0x2000).expect("some");
    assert_eq!((appended.in_place, appended.shift), (false, Some(0x2000)));
}

#[test]
fn what_the_program_names_stays_and_is_at_the_end_as_well() {
    let (_, start) = program(None, |_| Vec::new());
    let (file, _) = program(Some(start), |_| noise(300));
    let found = tail(&file);
    assert!(found.stays);
    assert!(matches!(found.reader, Reader::ByOffset(_)), "{found:?}");
    assert_eq!(found.last, found.range);
    assert_eq!(found.elf_end().0, file.len() as u64);
}

#[test]
fn a_trailer_that_names_the_start_is_to_name_the_new_one() {
    let (file, start) = program(None, |start| {
        [noise(300), start.to_le_bytes().to_vec()].concat()
    });
    let found = tail(&file);
    assert_eq!((found.stays, found.reader), (true, Reader::ByTrailer));
    let number = found.renumbered.expect("a number");
    assert_eq!((number.at.0, number.value), (start + 300, start));
    assert_eq!(number.with(7), Some(7_u64.to_le_bytes().to_vec()));
}

#[test]
fn formats_are_known_by_how_they_are_read() {
    type Appended = fn(u64) -> Vec<u8>;
    let cases: [(Appended, bool, Reader); 4] = [
        // The directory stands 301 bytes behind the start.
        (
            |_| [noise(301), zip(300)].concat(),
            false,
            Reader::Known("a ZIP archive"),
        ),
        (
            |start| [noise(301), zip(start + 300)].concat(),
            true,
            Reader::ByOffset("the archive's directory counts from the start of the file"),
        ),
        (
            |start| {
                let magic = b"LCBS\0\0\0\0";
                let core = [&magic[..], &noise(300)].concat();
                [&core[..], &start.to_le_bytes(), magic].concat()
            },
            true,
            Reader::Known("a saved SBCL system"),
        ),
        (
            |start| {
                let magic = 0x7076_8bd2_u32.to_le_bytes();
                let memory = [&magic[..], &noise(300)].concat();
                [&memory[..], &start.to_le_bytes()].concat()
            },
            true,
            Reader::Known("a saved CLISP system"),
        ),
    ];
    for (appended, stays, reader) in cases {
        let (file, _) = program(None, appended);
        let found = tail(&file);
        assert_eq!((found.stays, found.reader), (stays, reader));
    }
    let (mut file, _) = program(None, |_| noise(300));
    file[8..11].copy_from_slice(b"AI\x02");
    let found = tail(&file);
    assert_eq!(
        (found.stays, found.reader),
        (false, Reader::Known("an AppImage"))
    );
}
