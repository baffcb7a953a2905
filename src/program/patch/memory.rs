//! What an allow-list lacks although the program will probably call it.

use object::elf;

use crate::elf::{self as rewriting, Image, Source};
use crate::policy::Resolved;
use crate::program::Remark;
use crate::runtime::Runtime;

/// Both runtimes make the C library's allocator request its first memory before the
/// policy is in force. They can't do this for an allocator of the program's own, or if
/// the loader does not say which libraries there are. `None` if the list has everything
/// needed.
pub(super) fn lacking(
    resolved: &Resolved,
    image: &Image<impl Source>,
    runtime: &Runtime,
) -> Option<Remark> {
    let dynamic = image.dynamic.as_ref()?;
    if resolved.policy.default.permits() || image.segment(elf::PT_INTERP).is_none() {
        return None;
    }
    let is_inline = matches!(runtime, Runtime::Inline(..));
    let (why, calls) = if rewriting::defines(image, &[b"malloc\0", b"free\0"]) {
        ("its allocator is its own", ["brk", "mmap"])
    } else if is_inline && dynamic.get(elf::DT_DEBUG).is_none() {
        (
            "it has no DT_DEBUG, by which libraries are found",
            ["brk", "getrandom"],
        )
    } else {
        return None;
    };
    let is_on_list = |call: &&str| resolved.rules().iter().any(|rule| rule.name == **call);
    let missing: Vec<_> = calls.into_iter().filter(|call| !is_on_list(call)).collect();
    (!missing.is_empty()).then_some(Remark::Memory { why, missing })
}
