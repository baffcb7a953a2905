//! x86-64: the entry, symbols, and numbers of the library's own.

use core::arch::global_asm;

/// The number of mprotect(2) (arch/x86/entry/syscalls/syscall_64.tbl).
pub(super) const MPROTECT: usize = 10;

/// The address that the loader bound a weak symbol to, if there is such a
/// symbol in the process.
macro_rules! weak_address {
    ($name:literal) => {{
        let address: *const core::ffi::c_void;
        // SAFETY: reads the symbol's entry in the global offset table. The
        // directive stands beside the use because binding is a property of
        // the object file, and the two might end up in different ones.
        unsafe {
            core::arch::asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) address,
                options(pure, readonly, nostack, preserves_flags),
            );
        }
        (!address.is_null()).then_some(address)
    }};
}
pub(super) use weak_address;

// DT_INIT. Called like a function; the jump leaves the stack as it has to be
// at the entry of one.
global_asm!(
    ".pushsection .text.sandbox_init, \"ax\", @progbits",
    ".globl sandbox_init",
    ".hidden sandbox_init",
    ".type sandbox_init, @function",
    "sandbox_init:",
    "jmp {entry}",
    ".size sandbox_init, . - sandbox_init",
    ".popsection",
    entry = sym super::entry,
);
