//! Calls that the vDSO answers without the kernel where it can: they can't be
//! forbidden there. Where it can't, as with another clock source, or where a
//! process has no vDSO, they are system calls.
//!
//! What each vDSO exports is in vdso(7) and in the kernel's linker scripts
//! (vdso*.lds.S below arch/), under the names `__vdso_` or `__kernel_` and that of
//! the call. getrandom is not among these: before it answers, and after each
//! renewal of the kernel's own state, it asks the kernel for a key by
//! getrandom(2), which a filter sees (lib/vdso/getrandom.c).

/// x86_64, and i386 (where getcpu came late).
pub const X86: &[&str] = &[
    "clock_getres",
    "clock_gettime",
    "getcpu",
    "gettimeofday",
    "time",
];

/// arm, aarch64 and mips.
pub const CLOCKS: &[&str] = &["clock_getres", "clock_gettime", "gettimeofday"];

/// powerpc: the same as x86.
pub const PPC: &[&str] = X86;

/// riscv64.
pub const RISCV64: &[&str] = &[
    "clock_getres",
    "clock_gettime",
    "getcpu",
    "gettimeofday",
    "riscv_hwprobe",
];

/// s390 and s390x.
pub const S390: &[&str] = &["clock_getres", "clock_gettime", "getcpu", "gettimeofday"];

/// Those of the architecture that this code is compiled for.
#[cfg(target_arch = "x86_64")]
pub(super) const NATIVE: &[&str] = X86;
