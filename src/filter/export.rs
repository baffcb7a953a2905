//! A filter for those who install it themselves: as the kernel takes it, or as source text.
//!
//! It lacks the answers by which our own launcher knows a filter again, so that it means
//! what the policy says and nothing else.

use std::fmt::Write;

use sandbox_format::bpf::Instruction;
use sandbox_format::note::{ByteOrder, restriction};

use super::{Error, Memory, compile_with};
use crate::policy::Resolved;

/// The instructions for a policy.
///
/// # Errors
///
/// See [`compile`](super::compile).
pub fn instructions(resolved: &Resolved) -> Result<Vec<Instruction>, Error> {
    compile_with(resolved, &[], &mut Memory::new())
}

/// An array of `struct sock_filter` (include/uapi/linux/filter.h) in the byte order of the
/// architecture, as `bwrap --seccomp` reads it.
#[must_use]
pub fn raw(program: &[Instruction], resolved: &Resolved) -> Vec<u8> {
    let order = ByteOrder::of(resolved.arch.big_endian());
    let bytes = program
        .iter()
        .flat_map(|it| restriction::encode(*it, order));
    bytes.collect()
}

/// A header of C that defines an array and a `struct sock_fprog` of it.
#[must_use]
pub fn c_header(program: &[Instruction], resolved: &Resolved) -> String {
    let mut text = format!(
        "/* A seccomp filter for {}, made by sandbox-patch {}. */\n\
         #ifndef SECCOMP_FILTER_H\n\
         #define SECCOMP_FILTER_H\n\n\
         #include <linux/filter.h>\n\n\
         static struct sock_filter seccomp_filter[] = {{\n",
        resolved.arch,
        env!("CARGO_PKG_VERSION"),
    );
    for Instruction { code, jt, jf, k } in program {
        let line = writeln!(text, "\t{{ {code:#04x}, {jt}, {jf}, {k:#010x} }},");
        line.expect("text can be added to text");
    }
    text += "};\n\n\
             static const struct sock_fprog seccomp_program = {\n\
             \t.len = sizeof(seccomp_filter) / sizeof(seccomp_filter[0]),\n\
             \t.filter = seccomp_filter,\n\
             };\n\n\
             #endif\n";
    text
}

/// An array of Rust, whose elements are the fields of `libc::sock_filter` in their order.
#[must_use]
pub fn rust_array(program: &[Instruction], resolved: &Resolved) -> String {
    let mut text = format!(
        "/// A seccomp filter for {}, made by sandbox-patch {}: the fields `code`, `jt`, `jf` and\n\
         /// `k` of each `libc::sock_filter`.\n\
         pub static SECCOMP_FILTER: [(u16, u8, u8, u32); {}] = [\n",
        resolved.arch,
        env!("CARGO_PKG_VERSION"),
        program.len(),
    );
    for Instruction { code, jt, jf, k } in program {
        let line = writeln!(text, "    ({code:#04x}, {jt}, {jf}, {k:#010x}),");
        line.expect("text can be added to text");
    }
    text + "];\n"
}
