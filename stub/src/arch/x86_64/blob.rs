//! x86-64: the start and the end of the blob.
//!
//! # What is promised at the start
//!
//! At the entry of a process (psABI, "Process Initialization") the stack pointer
//! is aligned to 16 and points to argc; rdx is a function to register with
//! atexit(3), or 0; all else is unspecified, but for the control words of x87
//! and SSE. In a function it is the ABI of C: up to six arguments in registers,
//! the return address at the stack pointer. What comes after is to find the
//! same, so that everything is kept but what lies below the stack pointer, and
//! below the 128 bytes there that the ABI leaves to functions.
//!
//! # Shadow stacks and landing pads
//!
//! What gets here by an indirect jump or call finds an `endbr64`. It goes on by
//! a direct jump, which needs none; every `ret` belongs to a `call`.

use core::arch::global_asm;

use sandbox_format::inline::{ALIGN, EXIT, PLACE, SIZE};

/// Size of what `fxsave64` writes (Intel SDM, volume 1, section 10.5); it must
/// be aligned to 16.
const FXSAVE: usize = 512;

global_asm!(
    ".pushsection .text.sandbox_inline, \"ax\", @progbits",
    ".balign {align}",
    ".globl sandbox_inline",
    ".hidden sandbox_inline",
    ".type sandbox_inline, @function",
    "sandbox_inline:",
    "endbr64",
    "jmp 2f",
    // Offset EXIT. What is written to the distance is up to the patcher; until
    // then the jump leads to the next instruction, which is a breakpoint.
    ".org sandbox_inline + {exit}, 0xcc",
    ".byte 0xe9",
    ".long 0",
    // Offset PLACE: `struct Place`.
    ".org sandbox_inline + {place}, 0xcc",
    ".org sandbox_inline + {size}, 0",
    "2:",
    // An instruction that leaves the flags alone.
    "lea rsp, [rsp - 128]",
    "pushfq",
    "push rax",
    "push rbx",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push rbp",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    // As the ABI wants it of a caller: the direction flag clear and the stack
    // pointer aligned.
    "cld",
    "mov rbp, rsp",
    "sub rsp, {fxsave}",
    "and rsp, -16",
    // The code behind this uses SSE registers; an allocator that it calls may use
    // more of them, none of which a function has to keep, nor anything at the
    // entry of a process to hold.
    "fxsave64 [rsp]",
    "lea rdi, [rip + sandbox_inline]",
    "lea rsi, [rip + sandbox_inline + {place}]",
    // The stack pointer as it was: 16 words and the 128 bytes lie below it.
    "lea rdx, [rbp + 256]",
    "call {enforce}",
    "fxrstor64 [rsp]",
    "mov rsp, rbp",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rbp",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rbx",
    "pop rax",
    "popfq",
    "lea rsp, [rsp + 128]",
    "jmp sandbox_inline + {exit}",
    ".size sandbox_inline, . - sandbox_inline",
    ".popsection",
    align = const ALIGN,
    exit = const EXIT,
    place = const PLACE,
    size = const SIZE,
    fxsave = const FXSAVE,
    enforce = sym super::enforce,
);
