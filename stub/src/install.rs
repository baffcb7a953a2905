//! The last steps before the program runs under a policy.

use sandbox_format::bpf::identity::{ANSWERS, OPERATIONS};

use crate::die::{die, die_of_refusal};
use crate::sys;

/// Why a process ends that gets answers which the kernel does not give.
pub(crate) const UNTRUSTED: &str = "the kernel's answer can't be trusted";

/// Whether the process is under the filter of that identity already, as one is
/// that executed itself again; `no_new_privs` is set then, too.
pub(crate) fn is_in_force(identity: u64) -> bool {
    let [first, second] = OPERATIONS;
    let [to_first, to_second] = ANSWERS;
    answers(first, identity, to_first) && answers(second, identity, to_second)
}

/// Ends the process unless it is under the filter of that identity.
pub(crate) fn require(identity: u64) {
    if !is_in_force(identity) {
        die(UNTRUSTED);
    }
}

#[inline(never)]
fn answers(operation: u32, identity: u64, answer: u16) -> bool {
    match sys::ask(operation, identity) {
        // Some filter answers in the kernel's place, with an error number of 0.
        Ok(_) => die(UNTRUSTED),
        Err(errno) => errno.0 == usize::from(answer),
    }
}

/// Hands a filter to the kernel, `no_new_privs` first, without which an
/// unprivileged process may not.
pub(crate) fn install(instructions: &[u8], log: bool) {
    if let Err(errno) = sys::set_no_new_privs() {
        die_of_refusal("no_new_privs", errno);
    }
    if !sys::has_no_new_privs() {
        die(UNTRUSTED);
    }
    match sys::install_filter(instructions, log) {
        Ok(0) => (),
        // seccomp(2): with SECCOMP_FILTER_FLAG_TSYNC, the id of a thread that
        // could not be brought under the filter; no thread has got it then.
        Ok(_) => die("a thread with a filter of its own can't be filtered"),
        Err(errno) => die_of_refusal("the filter", errno),
    }
}
