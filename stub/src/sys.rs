//! What the runtime asks of the kernel, and the functions that compiled code
//! calls by itself: all that `libsandbox.so` and the runtime inside of a program
//! (`sandbox-inline`) have in common of what is not safe Rust.

use core::ffi::c_int;

use sandbox_format::note::restriction::INSTRUCTION_SIZE;

#[cfg(target_arch = "x86_64")]
#[path = "arch/x86_64/sys.rs"]
mod arch;
#[cfg(not(target_arch = "x86_64"))]
compile_error!("the runtime has no system call layer for this architecture");

pub(crate) use arch::{AUDIT_ARCH, call};

/// An error number of the kernel (`include/uapi/asm-generic/errno*.h`).
#[derive(Clone, Copy)]
pub(crate) struct Errno(pub(crate) usize);

/// What the kernel returned: a number, or -4095 to -1 for an error.
pub(crate) fn check(result: isize) -> Result<usize, Errno> {
    match result {
        -4095..=-1 => Err(Errno(result.unsigned_abs())),
        value => Ok(value.cast_unsigned()),
    }
}

/// Writes to file descriptor 2 until all is written or an error occurs, which
/// is passed over: there is no other place to complain.
pub(crate) fn write_standard_error(mut text: &[u8]) {
    while !text.is_empty() {
        let arguments = [2, text.as_ptr().addr(), text.len(), 0, 0];
        // SAFETY: write(2) reads `text.len()` bytes from a live slice.
        match check(unsafe { call(arch::number::WRITE, arguments) }) {
            Ok(written) if written > 0 => text = text.get(written..).unwrap_or_default(),
            _ => return,
        }
    }
}

/// Ends the process, all threads of it, also where a filter of its parent
/// keeps exit_group(2) from doing so.
pub(crate) fn exit(status: c_int) -> ! {
    // SAFETY: exit_group(2) touches no memory.
    unsafe { call(arch::number::EXIT_GROUP, [status as usize, 0, 0, 0, 0]) };
    loop {
        arch::trap();
    }
}

/// Gives up new privileges for good: execve(2) ignores set-user-ID bits then.
pub(crate) fn set_no_new_privs() -> Result<(), Errno> {
    const PR_SET_NO_NEW_PRIVS: usize = 38;
    // SAFETY: this option of prctl(2) touches no memory.
    check(unsafe { call(arch::number::PRCTL, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]) })?;
    Ok(())
}

/// seccomp(2) with `SECCOMP_SET_MODE_FILTER`, for all threads of the process;
/// with `log` every action but allow is logged. Anything but 0 is the id of a
/// thread that could not be filtered along.
pub(crate) fn install_filter(instructions: &[u8], log: bool) -> Result<usize, Errno> {
    // include/uapi/linux/seccomp.h
    const SECCOMP_SET_MODE_FILTER: usize = 1;
    const SECCOMP_FILTER_FLAG_TSYNC: usize = 1;
    const SECCOMP_FILTER_FLAG_LOG: usize = 2;
    /// `struct sock_fprog` of include/uapi/linux/filter.h.
    #[repr(C)]
    struct Program {
        count: u16,
        instructions: *const u8,
    }
    const EINVAL: Errno = Errno(22);
    let program = Program {
        count: u16::try_from(instructions.len() / INSTRUCTION_SIZE).map_err(|_| EINVAL)?,
        instructions: instructions.as_ptr(),
    };
    let address = (&raw const program).expose_provenance();
    let flags = SECCOMP_FILTER_FLAG_TSYNC | (usize::from(log) * SECCOMP_FILTER_FLAG_LOG);
    let arguments = [SECCOMP_SET_MODE_FILTER, flags, address, 0, 0];
    // SAFETY: the kernel reads `program` and as many instructions as it says,
    // all of which are live.
    check(unsafe { call(arch::number::SECCOMP, arguments) })
}

/// Whether `no_new_privs` is set. A filter that answers in the kernel's place
/// can claim 0 or an error, but not 1.
pub(crate) fn has_no_new_privs() -> bool {
    const PR_GET_NO_NEW_PRIVS: usize = 39;
    // SAFETY: this option of prctl(2) touches no memory.
    check(unsafe { call(arch::number::PRCTL, [PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0]) })
        .is_ok_and(|it| it == 1)
}

/// Puts a question of [`sandbox_format::bpf::identity`].
#[expect(clippy::cast_possible_truncation, reason = "32 bits count")]
pub(crate) fn ask(operation: u32, identity: u64) -> Result<usize, Errno> {
    let (low, high) = (identity as usize, (identity >> 32) as usize);
    // SAFETY: the kernel knows no such operation, and looks at nothing else.
    check(unsafe { call(arch::number::SECCOMP, [operation as usize, low, high, 0, 0]) })
}
