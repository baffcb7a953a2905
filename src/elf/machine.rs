//! What differs from one processor to the next, in one table.

use object::elf;

use super::encoding::{Dyn, Encoding, Record};
use super::{Layout, VirtAddr};

/// What is particular to the programs of a processor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    /// The largest page that kernels use, in bytes: segments of different
    /// permissions must not share one.
    pub(crate) max_page_size: u64,
    /// Size in bytes of a word of the System V hash table in ELF64 files.
    pub(crate) hash_word: u64,
    /// Segments that nothing but their program header leads to.
    pub(crate) informative_segments: &'static [elf::ProgramType],
    /// Sections in memory that nothing at run time leads to.
    pub(crate) informative_sections: &'static [elf::SectionType],
    /// A dynamic entry whose value is a distance from the entry itself.
    pub(crate) self_relative_entry: Option<elf::DynamicTag>,
    /// Whether local symbols mark where code and data start.
    pub(crate) has_mapping_symbols: bool,
    /// The types of its relocations.
    pub(crate) relocations: RelocationTypes,
}

/// Types of relocations; `None` for those that are not needed to be known, since no runtime
/// can be put into programs, or that the processor does not have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelocationTypes {
    /// It only adds the load bias.
    pub(crate) relative: Option<u32>,
    /// It copies as much as its symbol says.
    pub(crate) copy: Option<u32>,
    /// It fills two words: a descriptor of thread-local storage.
    pub(crate) descriptor: Option<u32>,
    /// It calls code of the program, to ask it for an address.
    pub(crate) resolver: Option<u32>,
}

/// What most processors have in common.
const COMMON: Machine = Machine {
    max_page_size: 0x1_0000,
    hash_word: 4,
    informative_segments: &[],
    informative_sections: &[],
    self_relative_entry: None,
    has_mapping_symbols: false,
    relocations: RelocationTypes {
        relative: None,
        copy: None,
        descriptor: None,
        resolver: None,
    },
};

/// x86-64: 4 KiB pages; the 2 MiB that GNU ld has are about huge ones. Relocations: psABI,
/// "Relocation Types".
const X86_64: Machine = Machine {
    max_page_size: 0x1000,
    relocations: RelocationTypes {
        relative: Some(elf::R_X86_64_RELATIVE.0),
        copy: Some(elf::R_X86_64_COPY.0),
        descriptor: Some(elf::R_X86_64_TLSDESC.0),
        resolver: Some(elf::R_X86_64_IRELATIVE.0),
    },
    ..COMMON
};

/// i386: 4 KiB pages. Relocations: psABI, "Relocation Types".
const I386: Machine = Machine {
    max_page_size: 0x1000,
    relocations: RelocationTypes {
        relative: Some(elf::R_386_RELATIVE.0),
        copy: Some(elf::R_386_COPY.0),
        descriptor: Some(elf::R_386_TLS_DESC.0),
        resolver: Some(elf::R_386_IRELATIVE.0),
    },
    ..COMMON
};

/// arm and aarch64: pages of up to 64 KiB, with which 64-bit kernels run 32-bit
/// programs, too (arch/arm64/Kconfig, COMPAT), as lld has it for both; GNU ld
/// has 4 KiB for arm. Mapping symbols: ELF for the Arm Architecture, ELF for the
/// Arm 64-bit Architecture, "Mapping symbols".
const ARM: Machine = Machine {
    has_mapping_symbols: true,
    ..COMMON
};

/// aarch64, with the relocations of ELF for the Arm 64-bit Architecture, "Dynamic
/// relocations".
const AARCH64: Machine = Machine {
    relocations: RelocationTypes {
        copy: Some(elf::R_AARCH64_COPY.0),
        descriptor: Some(elf::R_AARCH64_TLSDESC.0),
        resolver: Some(elf::R_AARCH64_IRELATIVE.0),
        ..COMMON.relocations
    },
    ..ARM
};

/// riscv: 4 KiB pages (arch/riscv/include/asm/page.h). Mapping symbols: RISC-V
/// psABI, "Mapping Symbol".
const RISCV: Machine = Machine {
    max_page_size: 0x1000,
    has_mapping_symbols: true,
    ..COMMON
};

/// s390: 4 KiB pages (arch/s390/include/asm/page.h). Wide hash words: glibc,
/// sysdeps/s390/s390-64/bits/elfclass.h, `Elf_Symndx`.
const S390: Machine = Machine {
    max_page_size: 0x1000,
    hash_word: 8,
    ..COMMON
};

/// alpha: glibc, sysdeps/unix/sysv/linux/alpha/bits/elfclass.h, `Elf_Symndx`.
const ALPHA: Machine = Machine {
    hash_word: 8,
    ..COMMON
};

/// mips: pages of up to 64 KiB (arch/mips/Kconfig).
///
/// Linkers put register masks and ABI flags right behind the program headers.
/// The kernel reads the flags by their file offset (arch/mips/kernel/elf.c,
/// `arch_elf_pt_proc`), glibc by address (sysdeps/mips/dl-machine-reject-phdr.h).
/// `.MIPS.options`, the 64-bit ABIs' form of the register masks, has a program
/// header on IRIX only (bfd/elfxx-mips.c).
///
/// The dynamic section is read-only. Through DT_MIPS_RLD_MAP_REL loaders find
/// the word behind which debuggers find the loaded objects (glibc,
/// sysdeps/mips/dl-debug.h; musl, arch/mips/reloc.h and ldso/dynlink.c), so that
/// a false distance has them write somewhere else.
const MIPS: Machine = Machine {
    informative_segments: &[
        elf::PT_MIPS_REGINFO,
        elf::PT_MIPS_OPTIONS,
        elf::PT_MIPS_ABIFLAGS,
    ],
    informative_sections: &[elf::SHT_MIPS_OPTIONS],
    self_relative_entry: Some(elf::DT_MIPS_RLD_MAP_REL),
    ..COMMON
};

impl Machine {
    /// The table. Page sizes are those of GNU ld 2.40 (CONSTANT(MAXPAGESIZE) in
    /// a linker script) where nothing else is said; ppc and ppc64 have nothing
    /// particular but their 64 KiB.
    pub(crate) fn of(layout: &Layout) -> Self {
        match layout.header.machine {
            elf::EM_386 => I386,
            elf::EM_X86_64 => X86_64,
            elf::EM_ARM => ARM,
            elf::EM_AARCH64 => AARCH64,
            elf::EM_RISCV => RISCV,
            elf::EM_S390 => S390,
            elf::EM_ALPHA => ALPHA,
            elf::EM_MIPS => MIPS,
            _ => COMMON,
        }
    }

    /// Has self-relative entries of a dynamic section lead where they led in
    /// the one that it takes the place of.
    pub(crate) fn keep_targets(
        &self,
        encoding: Encoding,
        (old, old_address): (&[Dyn], VirtAddr),
        (new, new_address): (&mut [Dyn], VirtAddr),
    ) {
        let Some(tag) = self.self_relative_entry else {
            return;
        };
        let places = |start: VirtAddr| {
            (0..).map(move |index| start.0.wrapping_add(Dyn::size(encoding) * index))
        };
        // Both have the same ones in the same order; a loader takes the last.
        let old = old.iter().zip(places(old_address));
        let new = new.iter_mut().zip(places(new_address));
        let old = old.filter(|(entry, _)| entry.tag == tag);
        let new = new.filter(|(entry, _)| entry.tag == tag);
        for ((old, before), (new, after)) in old.zip(new) {
            let distance = before.wrapping_add(old.value).wrapping_sub(after);
            // A distance backwards, in a field of the class's width.
            new.value = if encoding.is_64 {
                distance
            } else {
                distance & u64::from(u32::MAX)
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use object::Endianness;

    use super::*;

    #[test]
    fn all_self_relative_entries_lead_where_they_led() {
        let encoding = Encoding {
            endian: Endianness::Big,
            is_64: false,
        };
        let entry = |tag, value| Dyn { tag, value };
        let relative = elf::DT_MIPS_RLD_MAP_REL;
        let old = [
            entry(relative, 0x100),
            entry(elf::DT_DEBUG, 0),
            entry(relative, 0x200),
        ];
        let mut new = vec![entry(elf::DT_NEEDED, 1)];
        new.extend_from_slice(&old);
        MIPS.keep_targets(
            encoding,
            (&old, VirtAddr(0x1000)),
            (&mut new, VirtAddr(0x5000)),
        );
        let led = |entries: &[Dyn], start: u64| {
            let places = (start..).step_by(8);
            let relative = entries
                .iter()
                .zip(places)
                .filter(|(e, _)| e.tag == relative);
            let led = relative.map(|(e, at)| (at + e.value) & u64::from(u32::MAX));
            led.collect::<Vec<_>>()
        };
        assert_eq!(led(&old, 0x1000), [0x1100, 0x1210]);
        assert_eq!(led(&new, 0x5000), led(&old, 0x1000));
    }
}
