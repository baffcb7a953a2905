//! The first instructions of C libraries, and how code has addresses in it: what differs from
//! one processor to the next.

use object::elf;

use crate::elf::{Layout, VirtAddr};

/// What programs begin with on a processor.
pub(super) struct StartCode {
    /// What may come before all else.
    pub(super) prefix: &'static [u8],
    /// glibc's.
    pub(super) glibc: &'static [u8],
    /// What follows in glibc since 2.34: the registers that once led to the program's own
    /// functions for initialisers are cleared, and the C library looks for entries of the
    /// dynamic section (csu/libc-start.c, `call_init`).
    pub(super) glibc_since_2_34: &'static [u8],
    /// musl's.
    pub(super) musl: &'static [u8],
}

const X86_64: StartCode = StartCode {
    // `endbr64`, where indirect jumps may lead to.
    prefix: &[0xf3, 0x0f, 0x1e, 0xfa],
    // No frame, the loader's function kept, argc and argv taken, the stack aligned
    // (sysdeps/x86_64/start.S).
    glibc: &[
        0x31, 0xed, 0x49, 0x89, 0xd1, 0x5e, 0x48, 0x89, 0xe2, 0x48, 0x83, 0xe4, 0xf0,
    ],
    glibc_since_2_34: &[0x50, 0x54, 0x45, 0x31, 0xc0, 0x31, 0xc9],
    // No frame, the stack as first argument, `_DYNAMIC` as second (arch/x86_64/crt_arch.h).
    musl: &[0x48, 0x31, 0xed, 0x48, 0x89, 0xe7, 0x48, 0x8d, 0x35],
};

impl StartCode {
    /// That of a file's processor; `None` where it is not known, and no runtime can be put
    /// into programs.
    pub(super) fn of(layout: &Layout) -> Option<&'static Self> {
        match layout.header.machine {
            elf::EM_X86_64 => Some(&X86_64),
            _ => None,
        }
    }

    /// How many bytes have to be looked at.
    pub(super) fn longest(&self) -> usize {
        self.prefix.len() + self.glibc.len() + self.glibc_since_2_34.len()
    }
}

/// The addresses that four bytes of code at an address may stand for: x86-64 has them as they
/// are, or as the distance from their end.
pub(super) fn operands(bytes: [u8; 4], at: VirtAddr) -> [VirtAddr; 2] {
    let word = i32::from_le_bytes(bytes);
    let end = at.wrapping_add(4);
    [
        VirtAddr(end.0.wrapping_add_signed(word.into())),
        VirtAddr(word.cast_unsigned().into()),
    ]
}
