//! What the loader writes into a program (gABI chapter 4, "Relocation"; System V ABI, AMD64
//! supplement, 4.4).

use goblin::elf::dynamic::{
    DT_FINI, DT_FINI_ARRAY, DT_FINI_ARRAYSZ, DT_INIT, DT_INIT_ARRAY, DT_INIT_ARRAYSZ,
    DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ,
};
use goblin::elf::reloc::{
    R_X86_64_64, R_X86_64_COPY, R_X86_64_GLOB_DAT, R_X86_64_IRELATIVE, R_X86_64_JUMP_SLOT,
    R_X86_64_RELATIVE, R_X86_64_TLSDESC,
};
use goblin::elf::section_header::SHF_ALLOC;
use goblin::elf::{Elf, Reloc, header};

use super::object::{Segment, Word};

const DT_RELR: u64 = 36;
const DT_RELRSZ: u64 = 35;

/// Tables of functions, as address and size in bytes.
pub(super) struct Arrays {
    pub(super) init: Option<u64>,
    pub(super) fini: Option<u64>,
    pub(super) before: (u64, u64),
    pub(super) init_array: (u64, u64),
    pub(super) fini_array: (u64, u64),
}

fn entry(elf: &Elf<'_>, tag: u64) -> Option<u64> {
    let dynamic = elf.dynamic.as_ref()?;
    let mut entries = dynamic.dyns.iter();
    entries
        .find(|entry| entry.d_tag == tag)
        .map(|entry| entry.d_val)
}

/// What is called at the start and the end. Where there is no dynamic section, it is found by
/// the names of sections.
pub(super) fn arrays(elf: &Elf<'_>) -> Arrays {
    let array = |address, size, section: &str| {
        let dynamic = entry(elf, address).zip(entry(elf, size));
        dynamic
            .or_else(|| self::section(elf, section))
            .unwrap_or_default()
    };
    let code = |tag, section: &str| {
        entry(elf, tag).or_else(|| self::section(elf, section).map(|(address, _)| address))
    };
    Arrays {
        init: code(DT_INIT, ".init"),
        fini: code(DT_FINI, ".fini"),
        before: array(DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ, ".preinit_array"),
        init_array: array(DT_INIT_ARRAY, DT_INIT_ARRAYSZ, ".init_array"),
        fini_array: array(DT_FINI_ARRAY, DT_FINI_ARRAYSZ, ".fini_array"),
    }
}

fn section(elf: &Elf<'_>, name: &str) -> Option<(u64, u64)> {
    let mut sections = elf.section_headers.iter();
    let section = sections.find(|section| {
        section.sh_flags & u64::from(SHF_ALLOC) != 0
            && elf.shdr_strtab.get_at(section.sh_name) == Some(name)
    })?;
    Some((section.sh_addr, section.sh_size))
}

/// All that is written, sorted by address.
pub(super) fn words<'a>(
    elf: &Elf<'_>,
    segments: &[Segment],
    read: &impl Fn(u64, usize) -> Option<&'a [u8]>,
) -> Vec<(u64, Word)> {
    let mut words: Vec<(u64, Word)> = Vec::new();
    let of_sections = elf.shdr_relocs.iter().filter(|(index, _)| {
        let section = elf.section_headers.get(*index);
        elf.dynamic.is_none()
            && section.is_some_and(|section| section.sh_flags & u64::from(SHF_ALLOC) != 0)
    });
    let all = elf.dynrelas.iter().chain(elf.pltrelocs.iter());
    let all = all.chain(of_sections.flat_map(|(_, relocations)| relocations.iter()));
    words.extend(all.filter_map(|relocation| Some((relocation.r_offset, word(&relocation)?))));
    if let Some((table, size)) = entry(elf, DT_RELR).zip(entry(elf, DT_RELRSZ)) {
        packed(table, size, read, &mut words);
    }
    if elf.header.e_type == header::ET_EXEC {
        fixed(segments, elf, read, &mut words);
    }
    // The first counts, which a real relocation is.
    words.sort_by_key(|(at, _)| *at);
    words.dedup_by_key(|(at, _)| *at);
    words
}

fn word(of: &Reloc) -> Option<Word> {
    let addend = of.r_addend.unwrap_or_default().cast_unsigned();
    Some(match of.r_type {
        R_X86_64_RELATIVE => Word::Own(addend),
        R_X86_64_IRELATIVE => Word::Chosen(addend),
        R_X86_64_64 | R_X86_64_GLOB_DAT => Word::Symbol(of.r_sym, addend),
        R_X86_64_JUMP_SLOT => Word::Linked(of.r_sym),
        R_X86_64_COPY => Word::Copy(of.r_sym),
        R_X86_64_TLSDESC => Word::ThreadLocal,
        _ => return None,
    })
}

/// Packed relative relocations: an even word is an address; each bit of an odd one, from the
/// second on, stands for one of the words that follow (gABI, "Relative Relocation Table").
fn packed<'a>(
    table: u64,
    size: u64,
    read: &impl Fn(u64, usize) -> Option<&'a [u8]>,
    words: &mut Vec<(u64, Word)>,
) {
    let number = |at| {
        let bytes: [u8; 8] = read(at, 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let mut next = 0_u64;
    let mut relative = |at: u64| words.extend(number(at).map(|address| (at, Word::Own(address))));
    for at in (table..table.saturating_add(size)).step_by(8) {
        let Some(entry) = number(at) else {
            return;
        };
        if entry & 1 == 0 {
            relative(entry);
            next = entry.wrapping_add(8);
        } else {
            let bits = (0..63).filter(|bit| (entry >> (bit + 1)) & 1 == 1);
            bits.for_each(|bit| relative(next.wrapping_add(bit * 8)));
            next = next.wrapping_add(63 * 8);
        }
    }
}

/// A program at a fixed address has no relocations for its own addresses: each aligned word
/// of its data that could be one is taken for one.
fn fixed<'a>(
    segments: &[Segment],
    elf: &Elf<'_>,
    read: &impl Fn(u64, usize) -> Option<&'a [u8]>,
    words: &mut Vec<(u64, Word)>,
) {
    let is_own = |address: u64| {
        let mut segments = segments.iter();
        segments.any(|segment| (segment.start..segment.end).contains(&address))
    };
    // Unwinding data and the like have no pointers that are followed.
    let sections = elf.section_headers.iter().filter(|section| {
        let name = elf.shdr_strtab.get_at(section.sh_name).unwrap_or_default();
        let is_data = section.sh_type == goblin::elf::section_header::SHT_PROGBITS
            || [".init_array", ".fini_array", ".preinit_array"].contains(&name);
        let others = [".interp", ".eh_frame", ".eh_frame_hdr", ".gcc_except_table"];
        let is_code = section.sh_flags & u64::from(goblin::elf::section_header::SHF_EXECINSTR) != 0;
        section.sh_flags & u64::from(SHF_ALLOC) != 0
            && is_data
            && !is_code
            && !others.contains(&name)
    });
    let mut ranges: Vec<_> = sections
        .map(|section| {
            (
                section.sh_addr,
                section.sh_addr.saturating_add(section.sh_size),
            )
        })
        .collect();
    if elf.section_headers.is_empty() {
        let data = segments.iter().filter(|segment| !segment.is_code);
        ranges.extend(data.map(|segment| (segment.start, segment.end)));
    }
    for (start, end) in ranges {
        let mut at = start.next_multiple_of(8);
        while at < end {
            let Some(bytes) = read(at, 8) else {
                break;
            };
            let value = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
            if is_own(value) {
                words.push((at, Word::Own(value)));
            }
            at += 8;
        }
    }
}
