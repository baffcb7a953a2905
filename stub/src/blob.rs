//! The blob as it lies in a program.

use core::slice;

use sandbox_format::inline::Place;

use crate::die::die;
use crate::notes::GONE;

#[cfg(target_arch = "x86_64")]
#[path = "blob/x86_64.rs"]
mod arch;

/// Called by the code that the blob begins with.
///
/// # Safety
///
/// The header that `place` is of was filled in for the program, whose notes it
/// leads to from `blob`; both stay mapped, and nothing writes to them.
unsafe extern "C" fn enforce(blob: *const u8, place: *const Place) {
    // SAFETY: the caller's promise.
    let place = unsafe { place.read() };
    let (Ok(offset), Ok(size)) = (place.offset.try_into(), place.size.try_into()) else {
        die(GONE);
    };
    // SAFETY: the caller's promise. Where a damaged header leads out of memory,
    // the process faults, and the policy has not been passed by.
    let notes = unsafe { slice::from_raw_parts(blob.wrapping_add(offset), size) };
    crate::enforce(notes, place.align);
}
