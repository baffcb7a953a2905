//! The architectures: one table that maps what an ELF header says to what the kernel and
//! people call it.

use std::fmt;

use sandbox_format::portable::vdso;
use sandbox_format::syscall::X32_NUMBERS;

/// A system call ABI, the unit that a filter applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each name is that of the architecture")]
#[non_exhaustive]
pub enum Arch {
    X86_64,
    X32,
    X86,
    Aarch64,
    Arm,
    Riscv64,
    Ppc64le,
    Ppc64,
    Ppc,
    S390x,
    S390,
    Mips,
    Mipsel,
    Mips64,
    Mipsel64,
    Mips64n32,
    Mipsel64n32,
}

/// `e_machine` values (include/uapi/linux/elf-em.h).
mod machine {
    pub(super) const X86: u16 = 3;
    pub(super) const MIPS: u16 = 8;
    pub(super) const PPC: u16 = 20;
    pub(super) const PPC64: u16 = 21;
    pub(super) const S390: u16 = 22;
    pub(super) const ARM: u16 = 40;
    pub(super) const X86_64: u16 = 62;
    pub(super) const AARCH64: u16 = 183;
    pub(super) const RISCV: u16 = 243;
}

/// Bits that include/uapi/linux/audit.h adds to `e_machine`.
mod audit {
    pub(super) const BITS_64: u32 = 0x8000_0000;
    pub(super) const LITTLE: u32 = 0x4000_0000;
    pub(super) const N32: u32 = 0x2000_0000;
}

/// In `e_flags`: the MIPS n32 ABI (`EF_MIPS_ABI2`, arch/mips/include/asm/elf.h).
const MIPS_N32: u32 = 0x20;

/// x32 calls have this bit in their number (`__X32_SYSCALL_BIT`,
/// arch/x86/include/uapi/asm/unistd.h).
const X32_BIT: u32 = 0x4000_0000;

struct Row {
    arch: Arch,
    name: &'static str,
    machine: u16,
    /// What is added to `machine` to get the audit architecture.
    audit: u32,
    /// ELFCLASS64.
    is_64: bool,
}

const fn row(arch: Arch, name: &'static str, machine: u16, audit: u32, is_64: bool) -> Row {
    Row {
        arch,
        name,
        machine,
        audit,
        is_64,
    }
}

use audit::{BITS_64, LITTLE, N32};

/// In the order of [`Arch`].
#[rustfmt::skip]
const TABLE: [Row; 17] = [
    row(Arch::X86_64, "x86_64", machine::X86_64, BITS_64 | LITTLE, true),
    // x32 shares its audit architecture with x86_64.
    row(Arch::X32, "x32", machine::X86_64, BITS_64 | LITTLE, false),
    row(Arch::X86, "x86", machine::X86, LITTLE, false),
    row(Arch::Aarch64, "aarch64", machine::AARCH64, BITS_64 | LITTLE, true),
    row(Arch::Arm, "arm", machine::ARM, LITTLE, false),
    row(Arch::Riscv64, "riscv64", machine::RISCV, BITS_64 | LITTLE, true),
    row(Arch::Ppc64le, "ppc64le", machine::PPC64, BITS_64 | LITTLE, true),
    row(Arch::Ppc64, "ppc64", machine::PPC64, BITS_64, true),
    row(Arch::Ppc, "ppc", machine::PPC, 0, false),
    row(Arch::S390x, "s390x", machine::S390, BITS_64, true),
    row(Arch::S390, "s390", machine::S390, 0, false),
    row(Arch::Mips, "mips", machine::MIPS, 0, false),
    row(Arch::Mipsel, "mipsel", machine::MIPS, LITTLE, false),
    row(Arch::Mips64, "mips64", machine::MIPS, BITS_64, true),
    row(Arch::Mipsel64, "mipsel64", machine::MIPS, BITS_64 | LITTLE, true),
    row(Arch::Mips64n32, "mips64n32", machine::MIPS, BITS_64 | N32, false),
    row(Arch::Mipsel64n32, "mipsel64n32", machine::MIPS, BITS_64 | LITTLE | N32, false),
];

impl Arch {
    /// The architecture of an ELF file, according to its header: `e_machine`, class, byte
    /// order and `e_flags`. `None` if the kernel has no seccomp filters for it or the
    /// table of system calls has no column.
    #[must_use]
    pub fn from_elf(machine: u16, is_64: bool, big_endian: bool, flags: u32) -> Option<Arch> {
        let n32 = machine == machine::MIPS && !is_64 && flags & MIPS_N32 != 0;
        let fits = |row: &&Row| {
            row.machine == machine
                && row.is_64 == is_64
                && (row.audit & LITTLE == 0) == big_endian
                && (row.audit & N32 != 0) == n32
        };
        TABLE.iter().find(fits).map(|row| row.arch)
    }

    /// The architecture of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Arch> {
        TABLE
            .iter()
            .find(|row| row.name == name)
            .map(|row| row.arch)
    }

    /// The architecture with this `AUDIT_ARCH_*` value; x86_64 for the value that it
    /// shares with x32.
    #[must_use]
    pub fn from_audit(audit: u32) -> Option<Arch> {
        TABLE
            .iter()
            .map(|row| row.arch)
            .find(|arch| arch.audit() == audit)
    }

    /// The `AUDIT_ARCH_*` value of include/uapi/linux/audit.h.
    #[must_use]
    pub fn audit(self) -> u32 {
        u32::from(self.row().machine) | self.row().audit
    }

    /// The name, as in a policy note.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Whether words are stored most significant byte first.
    #[must_use]
    pub fn big_endian(self) -> bool {
        self.row().audit & LITTLE == 0
    }

    /// The ABIs of the programs that run on the machines of this one: those of 64 bits with
    /// the 32-bit ones of their compatibility layers, all with one byte order.
    pub(super) fn machine(self) -> &'static [Arch] {
        const MACHINES: &[&[Arch]] = &[
            &[Arch::X86_64, Arch::X32, Arch::X86],
            &[Arch::Aarch64, Arch::Arm],
            &[Arch::Riscv64],
            &[Arch::Ppc64le],
            &[Arch::Ppc64, Arch::Ppc],
            &[Arch::S390x, Arch::S390],
            &[Arch::Mips64, Arch::Mips64n32, Arch::Mips],
            &[Arch::Mipsel64, Arch::Mipsel64n32, Arch::Mipsel],
        ];
        let own = MACHINES.iter().find(|machine| machine.contains(&self));
        own.copied().unwrap_or_default()
    }

    /// Numbers of another ABI that the kernel reports under the same audit architecture:
    /// ascending, inclusive ranges, with the ABI that they are of where they are only that.
    pub(crate) fn foreign_numbers(self) -> &'static [((u32, u32), Option<Arch>)] {
        // The first range was x32's only before Linux 5.4, and without its bit.
        const BESIDE_X86_64: [((u32, u32), Option<Arch>); 2] =
            [(X32_NUMBERS[0], None), (X32_NUMBERS[1], Some(Arch::X32))];
        const BESIDE_X32: [((u32, u32), Option<Arch>); 1] =
            [((0, X32_BIT - 1), Some(Arch::X86_64))];
        match self {
            Arch::X86_64 => &BESIDE_X86_64,
            Arch::X32 => &BESIDE_X32,
            _ => &[],
        }
    }

    /// Whether a number can be of this ABI.
    pub(crate) fn has_number(self, number: u32) -> bool {
        let is_x32 = (X32_BIT..u32::MAX).contains(&number);
        match self {
            Arch::X32 => is_x32,
            Arch::X86_64 => {
                let (first, last) = X32_NUMBERS[0];
                !is_x32 && !(first..=last).contains(&number)
            }
            _ => true,
        }
    }

    /// Whether errors above 34 have different numbers from those in asm-generic
    /// (arch/mips/include/uapi/asm/errno.h).
    pub(super) fn has_own_errno(self) -> bool {
        self.row().machine == machine::MIPS
    }

    /// Calls that the vDSO may answer without the kernel.
    pub(super) fn vdso(self) -> &'static [&'static str] {
        match self {
            Arch::X86_64 | Arch::X32 | Arch::X86 => vdso::X86,
            Arch::Ppc | Arch::Ppc64 | Arch::Ppc64le => vdso::PPC,
            Arch::Riscv64 => vdso::RISCV64,
            Arch::S390 | Arch::S390x => vdso::S390,
            Arch::Aarch64
            | Arch::Arm
            | Arch::Mips
            | Arch::Mipsel
            | Arch::Mips64
            | Arch::Mipsel64
            | Arch::Mips64n32
            | Arch::Mipsel64n32 => vdso::CLOCKS,
        }
    }

    /// Whether its addresses have 32 bits, if not its registers.
    pub(super) fn has_32_bit_addresses(self) -> bool {
        let is_n32 = matches!(self, Arch::Mips64n32 | Arch::Mipsel64n32);
        self.has_32_bit_registers() || self == Arch::X32 || is_n32
    }

    /// Whether its registers have 32 bits. Those of x32 and of the MIPS n32 ABI have 64.
    pub(super) fn has_32_bit_registers(self) -> bool {
        self.row().audit & BITS_64 == 0
    }

    /// The lowest system call number: the MIPS ABIs share one number space
    /// (arch/mips/include/uapi/asm/unistd.h).
    pub(super) fn first_number(self) -> u32 {
        match self {
            Arch::Mips | Arch::Mipsel => 4000,
            Arch::Mips64 | Arch::Mipsel64 => 5000,
            Arch::Mips64n32 | Arch::Mipsel64n32 => 6000,
            Arch::X32 => X32_BIT,
            _ => 0,
        }
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// All architectures.
    pub fn all() -> impl Iterator<Item = Arch> {
        TABLE.iter().map(|row| row.arch)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
