//! What differs from one processor to the next.

use object::elf;

/// The largest page that kernels for the machine use, in bytes: segments of
/// different permissions must not share one. The values are those of GNU ld
/// (`ELF_MAXPAGESIZE` in bfd/elfNN-*.c and cpu-*.c), but for x86-64, whose
/// 2 MiB is about huge pages.
#[must_use]
pub(super) fn max_page_size(machine: elf::Machine) -> u64 {
    match machine {
        elf::EM_386 | elf::EM_X86_64 | elf::EM_RISCV | elf::EM_S390 => 0x1000,
        // arm, aarch64, ppc, ppc64, mips, loongarch, and a safe value for others.
        _ => 0x1_0000,
    }
}
