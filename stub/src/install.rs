//! The last steps before the program runs under a policy.

use crate::die::{die, die_of_refusal};
use crate::sys;

/// Hands a filter to the kernel, `no_new_privs` first, without which an
/// unprivileged process may not.
pub(crate) fn install(instructions: &[u8], log: bool) {
    if let Err(errno) = sys::set_no_new_privs() {
        die_of_refusal("no_new_privs", errno);
    }
    if sys::seccomp_pretends() {
        die("the kernel's answer can't be trusted");
    }
    match sys::install_filter(instructions, log) {
        Ok(0) => (),
        // seccomp(2): with SECCOMP_FILTER_FLAG_TSYNC, the id of a thread that
        // could not be brought under the filter; no thread has got it then.
        Ok(_) => die("a thread with a filter of its own can't be filtered"),
        Err(errno) => die_of_refusal("the filter", errno),
    }
}
