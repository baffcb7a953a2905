//! Initialisers of files that are made here.

use object::elf;

use super::{Start, find};
use crate::elf::build::{LayoutBuilder, Segment};
use crate::elf::{Dynamic, Image, VirtAddr};
use crate::rewrite::{Error, NotLater};

/// glibc's first instructions (sysdeps/x86_64/start.S).
const GLIBC: [u8; 13] = [
    0x31, 0xed, 0x49, 0x89, 0xd1, 0x5e, 0x48, 0x89, 0xe2, 0x48, 0x83, 0xe4, 0xf0,
];

/// A static program in which each case changes one thing.
struct Program {
    start_up: &'static [u8],
    /// Whether its code contains the addresses of the list.
    refers: bool,
    /// Where the list is claimed to be, as a distance from its true place.
    skew: u64,
    /// The claimed size, in bytes.
    size: u64,
    /// What the last word of the list points to; `None` for the code.
    last: Option<u64>,
    /// Symbol, type and number of relocations of the last word.
    relocations: (u64, elf::RelocationType, usize),
    /// Whether a relocation writes to the dynamic section.
    dynamic_changes: bool,
    /// Whether two segments have the list.
    twice: bool,
}

impl Default for Program {
    fn default() -> Self {
        Self {
            start_up: &GLIBC,
            refers: true,
            skew: 0,
            size: 16,
            last: None,
            relocations: (0, elf::R_X86_64_RELATIVE, 0),
            dynamic_changes: false,
            twice: false,
        }
    }
}

impl Program {
    /// The file, and where its code is.
    fn build(&self) -> (Vec<u8>, u64) {
        let mut builder = LayoutBuilder::new(elf::ET_EXEC);
        let code = builder.next();
        // Code of 32 bytes, then the list between words that no program header leads to.
        let list = code + 40;
        let mut bytes = self.start_up.to_vec();
        if self.refers {
            for address in [list + self.skew, list + self.skew + self.size] {
                bytes.extend(u32::try_from(address).unwrap_or(u32::MAX).to_le_bytes());
            }
        }
        bytes.resize(32, 0x90);
        builder.put(&bytes);
        builder = builder.data();
        let words = [0, code, self.last.unwrap_or(code), 0];
        builder.put(&words.map(u64::to_le_bytes).concat());
        let (symbol, kind, count) = self.relocations;
        let mut table = vec![[list + 8, symbol << 32 | u64::from(kind.0), code]; count];
        let slot = builder.next();
        if self.dynamic_changes {
            table.push([slot + 24 * (count as u64 + 1), 8, 0]);
        }
        if !table.is_empty() {
            let bytes: Vec<u8> = table
                .concat()
                .iter()
                .flat_map(|it| it.to_le_bytes())
                .collect();
            let at = builder.put(&bytes);
            builder = builder
                .dynamic(elf::DT_RELA, at)
                .dynamic(elf::DT_RELASZ, bytes.len() as u64);
        }
        if self.twice {
            builder = builder.segment(Segment {
                kind: elf::PT_LOAD,
                flags: elf::PF_R,
                offset: 0,
                address: 0x10_0000,
                size: list + 24,
                align: 0x1000,
            });
        }
        let builder = builder
            .entry(code)
            .dynamic(elf::DT_INIT_ARRAY, list + self.skew)
            .dynamic(elf::DT_INIT_ARRAYSZ, self.size);
        (builder.build(), code)
    }

    fn refusal(&self) -> Option<NotLater> {
        let (file, code) = self.build();
        let image = Image::read(&file[..]).expect("an ELF file");
        let dynamic = image.dynamic.clone().expect("a dynamic section");
        let at_entry = find(&image, &dynamic, Start::Best).expect("the entry point at least");
        assert_eq!(at_entry.original, VirtAddr(code));
        match find(&image, &dynamic, Start::Main) {
            Ok(hook) => {
                assert_eq!((hook.original, hook.start()), (VirtAddr(code), Start::Main));
                assert_eq!(hook.why_not_later, None);
                None
            }
            Err(Error::NoInitialiser(why)) => {
                assert_eq!(at_entry.why_not_later, Some(why));
                assert_eq!(at_entry.start(), Start::Entry);
                Some(why)
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn each_reason_not_to_wait_for_main_is_told() {
    let relative = elf::R_X86_64_RELATIVE;
    let program = Program::default;
    let cases = [
        (program(), None),
        (
            Program {
                relocations: (0, relative, 1),
                ..program()
            },
            None,
        ),
        (
            Program {
                size: 0,
                ..program()
            },
            Some(NotLater::NoInitialisers),
        ),
        (
            Program {
                size: 4,
                ..program()
            },
            Some(NotLater::NoInitialisers),
        ),
        (
            Program {
                size: 1 << 40,
                ..program()
            },
            Some(NotLater::NoInitialisers),
        ),
        (
            Program {
                size: 12,
                ..program()
            },
            Some(NotLater::NotWords),
        ),
        (
            Program {
                skew: 4,
                size: 8,
                ..program()
            },
            Some(NotLater::NotWords),
        ),
        // Into the dynamic section.
        (
            Program {
                size: 32,
                ..program()
            },
            Some(NotLater::SharesBytes),
        ),
        (
            Program {
                start_up: b"\x90",
                ..program()
            },
            Some(NotLater::OtherStartUp),
        ),
        (
            Program {
                refers: false,
                ..program()
            },
            Some(NotLater::NotCalled),
        ),
        (
            Program {
                dynamic_changes: true,
                ..program()
            },
            Some(NotLater::DynamicChanges),
        ),
        (
            Program {
                relocations: (1, elf::R_X86_64_64, 1),
                ..program()
            },
            Some(NotLater::KnownWhenRun),
        ),
        (
            Program {
                relocations: (0, relative, 2),
                ..program()
            },
            Some(NotLater::UnusualRelocation),
        ),
        (
            Program {
                twice: true,
                ..program()
            },
            Some(NotLater::InMemoryTwice),
        ),
        (
            Program {
                last: Some(1 << 30),
                ..program()
            },
            Some(NotLater::NoCode),
        ),
    ];
    for (number, (program, why)) in cases.into_iter().enumerate() {
        assert_eq!(program.refusal(), why, "case {number}");
    }
}

#[test]
fn a_dynamic_program_is_left_at_its_entry_point_unless_asked() {
    let builder = LayoutBuilder::new(elf::ET_DYN).interpreter("/lib64/ld-linux-x86-64.so.2");
    let file = builder.dynamic(elf::DT_FLAGS_1, 0x0800_0000).build();
    let image = Image::read(&file[..]).expect("an ELF file");
    let found = find(&image, &Dynamic::default(), Start::Best).expect("an entry point");
    assert_eq!((found.start(), found.why_not_later), (Start::Entry, None));
    let asked = find(&image, &Dynamic::default(), Start::Main);
    assert!(
        matches!(asked, Err(Error::NoInitialiser(NotLater::NoInitialisers))),
        "{asked:?}"
    );
}
