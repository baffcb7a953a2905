//! What is not safe Rust about a launch: the vectors of a process, and system
//! calls that no library offers as they are needed here.

use std::ffi::{CStr, c_char, c_long};
use std::io;
use std::ptr;

use rustix::io::Errno;
use sandbox_format::bpf::identity::{ANSWERS, OPERATIONS};

use crate::filter::Instruction;

/// The numbers of the calls that the launcher makes under its own filter.
pub(super) const CALLS: [c_long; 2] = [libc::SYS_execve, libc::SYS_exit_group];

/// What goes into the last two argument registers of these calls: a word each.
pub(super) type Secret = [usize; 2];

/// What a process is given when it starts (execve(2)).
#[derive(Clone, Debug)]
pub struct Vectors {
    /// The arguments, the program's name first.
    pub arguments: Vec<&'static CStr>,
    /// The environment as it is, with entries that are no variables.
    pub environment: Vec<&'static CStr>,
}

impl Vectors {
    /// The vectors of this process.
    ///
    /// # Safety
    ///
    /// Both are what `main` was given, and nothing changes them or what they
    /// point to for as long as the process lives.
    #[must_use]
    pub unsafe fn of_main(argv: *const *const c_char, envp: *const *const c_char) -> Self {
        // SAFETY: the promise is the caller's.
        let (arguments, environment) = unsafe { (strings(argv), strings(envp)) };
        Self {
            arguments,
            environment,
        }
    }
}

/// The strings of a vector that ends with null.
///
/// # Safety
///
/// It is such a vector, and neither it nor the strings ever change.
unsafe fn strings(mut next: *const *const c_char) -> Vec<&'static CStr> {
    let mut strings = Vec::new();
    // SAFETY: `next` is in the vector as long as no null was met, and what is
    // not null is a string that never changes.
    unsafe {
        while !(*next).is_null() {
            strings.push(CStr::from_ptr(*next));
            next = next.add(1);
        }
    }
    strings
}

/// Strings as execve(2) takes them: pointers, the last one null.
pub(super) struct Pointers<'a> {
    pointers: Vec<*const c_char>,
    /// What they point to.
    _strings: &'a [&'a CStr],
}

impl<'a> Pointers<'a> {
    pub(super) fn to(strings: &'a [&'a CStr]) -> Self {
        let pointers = strings.iter().map(|string| string.as_ptr());
        Self {
            pointers: pointers.chain([ptr::null()]).collect(),
            _strings: strings,
        }
    }
}

/// execve(2) with the secret behind its arguments. Returns only if it fails.
pub(super) fn execve(
    path: &CStr,
    arguments: &Pointers<'_>,
    environment: &Pointers<'_>,
    [first, second]: Secret,
) -> Errno {
    let (arguments, environment) = (arguments.pointers.as_ptr(), environment.pointers.as_ptr());
    // SAFETY: the kernel reads a string and two vectors of strings that end
    // with null, all of which outlive the call, and passes the rest over.
    unsafe {
        libc::syscall(
            CALLS[0],
            path.as_ptr(),
            arguments,
            environment,
            0_usize,
            first,
            second,
        )
    };
    last_error()
}

/// exit_group(2) with the secret behind its argument.
pub(super) fn exit(status: u8, [first, second]: Secret) -> ! {
    let status = usize::from(status);
    // SAFETY: the call touches no memory.
    unsafe { libc::syscall(CALLS[1], status, 0_usize, 0_usize, 0_usize, first, second) };
    // A filter of the parent's keeps the process from ending so.
    std::process::abort()
}

/// seccomp(2): puts a filter in force.
///
/// # Errors
///
/// The kernel refuses it.
pub(super) fn install(filter: &[Instruction]) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?,
        // `Instruction` is `struct sock_filter`. The kernel only reads it.
        filter: filter.as_ptr().cast_mut().cast(),
    };
    let operation = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: the kernel reads `program` and as many instructions as it says,
    // all of which outlive the call.
    match unsafe { libc::syscall(libc::SYS_seccomp, operation, 0_usize, &raw const program) } {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}

/// Whether seccomp(2) claims to have done what it can't: some filter answers in
/// the kernel's place, with an error number of 0.
pub(super) fn seccomp_pretends() -> bool {
    const NO_OPERATION: u32 = u32::MAX;
    // SAFETY: the kernel knows no such operation and returns EINVAL.
    unsafe { libc::syscall(libc::SYS_seccomp, NO_OPERATION, 0_usize, ptr::null::<u8>()) == 0 }
}

/// Whether this process is under the filter of that identity
/// ([`sandbox_format::bpf::identity`]).
pub(super) fn is_in_force(identity: u64) -> bool {
    let (low, high) = (identity, identity >> 32);
    OPERATIONS
        .into_iter()
        .zip(ANSWERS)
        .all(|(operation, answer)| {
            // SAFETY: the kernel knows no such operation and looks at nothing else.
            let result = unsafe { libc::syscall(libc::SYS_seccomp, operation, low, high) };
            result == -1 && last_error().raw_os_error() == i32::from(answer)
        })
}

/// Whether this process runs with privileges that its user does not have.
pub(super) fn secure_execution() -> bool {
    // SAFETY: the call reads what the kernel gave to this process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// What the C library has kept of a call that failed.
fn last_error() -> Errno {
    let number = io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(number.unwrap_or(libc::EINVAL))
}
