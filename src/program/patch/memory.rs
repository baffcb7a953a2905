//! What an allow-list lacks that the program will probably call.

use object::elf;

use crate::elf::{self as rewriting, Image, Source};
use crate::policy::{List, Resolved};
use crate::program::Remark;
use crate::runtime::Runtime;

/// Both runtimes have the C library's allocator ask for its first memory before the
/// policy is in force, but not one that is the program's own, nor do they find it
/// where the loader does not say which libraries there are. Nothing where the list
/// has what it takes.
pub(super) fn lacking(
    resolved: &Resolved,
    image: &Image<impl Source>,
    runtime: &Runtime,
) -> Option<Remark> {
    let dynamic = image.dynamic.as_ref()?;
    if resolved.policy.list != List::Allow || image.segment(elf::PT_INTERP).is_none() {
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
    let is_on_list = |call: &&str| resolved.rules.iter().any(|rule| rule.name == **call);
    let missing: Vec<_> = calls.into_iter().filter(|call| !is_on_list(call)).collect();
    (!missing.is_empty()).then_some(Remark::Memory { why, missing })
}
