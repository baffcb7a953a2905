//! Programs that a packer has wrapped in a program of its own.

use crate::elf::{Image, Source};
use crate::rewrite::error::Error;

/// Refuses a program packed by UPX: its code relies on what is right after the program
/// headers, and patching adds some.
///
/// UPX's loader has a record there, whose second word is a magic number (UPX,
/// src/stub/src/include/linux.h, `l_info`).
///
/// # Errors
///
/// It is packed.
pub(super) fn refuse(image: &Image<impl Source>) -> Result<(), Error> {
    const MAGIC: &[u8] = b"UPX!";
    let record = image.program_headers().end();
    match image
        .source
        .read_at(record.saturating_add(4), MAGIC.len() as u64)
    {
        Ok(found) if found == MAGIC => Err(Error::Packed),
        _ => Ok(()),
    }
}
