//! Programs that a packer has put into a program of its own.

use crate::elf::{Image, Source};
use crate::rewrite::error::Error;

/// Refuses a program that UPX has packed: its code counts on what stands right
/// behind the program headers, of which patching makes more.
///
/// There its loader has a record, whose second word is a magic number (UPX,
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
