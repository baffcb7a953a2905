//! The names that a program asks the loader to look up in libraries.

use std::collections::HashSet;

use super::encoding::Symbol;
use super::source::{blocks, records};
use super::{Dynamic, Error, Image, Source, tables};

/// Whether a program looks up a name, given with its terminating zero.
///
/// # Errors
///
/// The file can't be read, or contradicts itself.
pub(crate) fn has(
    image: &Image<impl Source>,
    dynamic: &Dynamic,
    name: &[u8],
) -> Result<bool, Error> {
    let table = tables::symbol_table(image, dynamic)?;
    let Some(range) = table.and_then(|(address, size)| image.range_at(address, size)) else {
        return Ok(false);
    };
    let names = places(image, name)?;
    if names.is_empty() {
        return Ok(false);
    }
    for symbol in records::<Symbol, _>(&image.source, image.encoding, range)? {
        let symbol = symbol?;
        if symbol.section.0 == 0 && names.contains(&symbol.name.into()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The offsets of a name in the dynamic strings: usually one, more if other names end
/// with it.
fn places(image: &Image<impl Source>, name: &[u8]) -> Result<HashSet<u64>, Error> {
    const MOST: usize = 1 << 12;
    let strings = image.dynamic_strings()?;
    let mut found = HashSet::new();
    let mut kept = Vec::new();
    for block in blocks(&image.source, strings, 1)? {
        let (at, bytes) = block?;
        // The last bytes of a block are the first of the next.
        let start = at - strings.start - kept.len() as u64;
        kept.extend(bytes);
        let windows = (start..).zip(kept.windows(name.len()));
        found.extend(windows.filter(|(_, it)| *it == name).map(|(at, _)| at));
        if found.len() > MOST {
            return Err(Error::Malformed("its dynamic strings repeat a name"));
        }
        kept.drain(..kept.len().saturating_sub(name.len() - 1));
    }
    Ok(found)
}
