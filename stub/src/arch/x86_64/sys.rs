//! x86-64: registers, numbers, and functions that compiled code calls.

use core::arch::{asm, global_asm};

/// `AUDIT_ARCH_X86_64` (include/uapi/linux/audit.h).
pub(crate) const AUDIT_ARCH: u32 = 0xc000_003e;

/// System call numbers (arch/x86/entry/syscalls/syscall_64.tbl).
pub(super) mod number {
    pub(in super::super) const WRITE: usize = 1;
    pub(in super::super) const PRCTL: usize = 157;
    pub(in super::super) const EXIT_GROUP: usize = 231;
    pub(in super::super) const SECCOMP: usize = 317;
}

/// A system call; the result is what the kernel left in `rax`.
///
/// # Safety
///
/// As for the call itself.
pub(crate) unsafe fn call(number: usize, arguments: [usize; 5]) -> isize {
    let result;
    // SAFETY: the kernel's convention (syscall(2)): rcx and r11 are lost, all
    // other registers are kept. What the call does to memory is the caller's
    // promise.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number.cast_signed() => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            in("r8") arguments[4],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Stops the process by an instruction that no processor knows.
pub(super) fn trap() {
    // SAFETY: faults, and touches nothing.
    unsafe { asm!("ud2", options(nomem, nostack)) };
}

// The compiler turns copies, fills and comparisons into calls of these, which
// are the C library's in other programs. Small rather than fast; hidden, or
// the program's own calls would end up here.
global_asm!(
    ".pushsection .text.sandbox_memory, \"ax\", @progbits",
    ".irp name, memcpy, memmove, memset, memcmp, bcmp, strlen",
    ".globl \\name",
    ".hidden \\name",
    ".type \\name, @function",
    ".endr",
    // void *memmove(void *to, const void *from, size_t n)
    "memmove:",
    "mov rcx, rdi",
    "sub rcx, rsi",
    "cmp rcx, rdx",
    // `to` is not within [from, from + n): forwards, like memcpy.
    "jae memcpy",
    "mov rax, rdi",
    "mov rcx, rdx",
    "lea rdi, [rdi + rdx - 1]",
    "lea rsi, [rsi + rdx - 1]",
    "std",
    "rep movsb",
    "cld",
    "ret",
    // void *memcpy(void *to, const void *from, size_t n)
    "memcpy:",
    "mov rax, rdi",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    // void *memset(void *to, int byte, size_t n)
    "memset:",
    "mov r8, rdi",
    "mov eax, esi",
    "mov rcx, rdx",
    "rep stosb",
    "mov rax, r8",
    "ret",
    // int memcmp(const void *a, const void *b, size_t n); bcmp's result is
    // less specific, so that one function serves both.
    "memcmp:",
    "bcmp:",
    "mov rcx, rdx",
    "xor eax, eax",
    // Sets the flags that an empty comparison leaves as they are.
    "cmp eax, eax",
    "repe cmpsb",
    "je 2f",
    "movzx eax, byte ptr [rdi - 1]",
    "movzx ecx, byte ptr [rsi - 1]",
    "sub eax, ecx",
    "2: ret",
    // size_t strlen(const char *s)
    "strlen:",
    "lea rax, [rdi - 1]",
    "3: inc rax",
    "cmp byte ptr [rax], 0",
    "jne 3b",
    "sub rax, rdi",
    "ret",
    ".popsection",
);

// The compiled `core` of the toolchain names this in its unwind tables. It is
// for unwinding, which a library without panics never does.
global_asm!(
    ".pushsection .text.rust_eh_personality, \"ax\", @progbits",
    ".globl rust_eh_personality",
    ".hidden rust_eh_personality",
    ".type rust_eh_personality, @function",
    "rust_eh_personality:",
    "ud2",
    ".popsection",
);
