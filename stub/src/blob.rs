//! The blob as it lies in a program.

use core::slice;

use sandbox_format::inline::Place;

use crate::auxiliary::Auxiliary;
use crate::die::die;
use crate::loader;
use crate::notes::GONE;

#[cfg(target_arch = "x86_64")]
#[path = "arch/x86_64/blob.rs"]
mod arch;

/// Called by the code that the blob begins with.
///
/// # Safety
///
/// The header that `place` is of was filled in for the program, whose notes it
/// leads to from `blob`; both stay mapped, and nothing writes to them. `stack` is
/// the stack pointer that the blob was entered with, at the entry of the process
/// or as one of its initialisers.
unsafe extern "C" fn enforce(blob: *const u8, place: *const Place, stack: *const usize) {
    // SAFETY: the caller's promise.
    let place = unsafe { place.read() };
    let (Ok(offset), Ok(size)) = (place.offset.try_into(), place.size.try_into()) else {
        die(GONE);
    };
    // SAFETY: the caller's promise. Where a damaged header leads out of memory,
    // the process faults, and the policy has not been passed by.
    let notes = unsafe { slice::from_raw_parts(blob.wrapping_add(offset), size) };
    // SAFETY: the caller's promise; processes run their initialisers on the stack
    // that they began with.
    let auxiliary = unsafe { Auxiliary::above(stack) };
    crate::enforce(notes, place.align, auxiliary, || {
        if let Some(auxiliary) = auxiliary {
            // SAFETY: whoever comes to the blob comes from the loader, or from
            // the C library that it has started up, if the program has any.
            unsafe { loader::warm_heap(auxiliary, blob.addr()) };
        }
    });
}
