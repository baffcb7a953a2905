//! The relocations that the loader carries out (gABI chapter 4, "Relocation").

use object::elf;

use super::{Dynamic, Error, FileRange, Layout, Source};

/// What a relocation says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relocation {
    /// The address that it writes to.
    pub(super) target: u64,
    /// The index of its symbol; 0 for none.
    pub(super) symbol: u64,
    /// What is added to the symbol's or the program's address; nothing where
    /// that stands at the target.
    pub(super) addend: Option<u64>,
}

/// Records read at a time.
const BATCH: u64 = 4096;

/// Calls `visit` for each but those that do nothing. DT_RELR is left out: it
/// has neither symbols nor addends.
///
/// # Errors
///
/// A table is not in the file, or `visit` fails.
pub(super) fn each(
    layout: &Layout,
    source: &(impl Source + ?Sized),
    dynamic: &Dynamic,
    mut visit: impl FnMut(Relocation) -> Result<(), Error>,
) -> Result<(), Error> {
    let word: u64 = if layout.encoding.is_64 { 8 } else { 4 };
    let has_addends = dynamic.get(elf::DT_PLTREL) == Some(elf::DT_RELA.0.cast_unsigned());
    let tables = [
        (elf::DT_RELA, elf::DT_RELASZ, 3 * word),
        (elf::DT_REL, elf::DT_RELSZ, 2 * word),
        (
            elf::DT_JMPREL,
            elf::DT_PLTRELSZ,
            if has_addends { 3 * word } else { 2 * word },
        ),
    ];
    for (address, size, entry) in tables {
        let (Some(address), Some(size)) = (dynamic.get(address), dynamic.get(size)) else {
            continue;
        };
        let wrong = Error::Malformed("its relocations are not in the file");
        let FileRange { start, size } = layout.range_at(address, size).ok_or(wrong)?;
        let mut done = 0;
        while done < size {
            let bytes = source.read_at(start.0 + done, (size - done).min(BATCH * entry))?;
            done += bytes.len() as u64;
            let entries = bytes.chunks_exact(usize::try_from(entry).unwrap_or(usize::MAX));
            for relocation in entries.map(|entry| decode(layout, entry)) {
                // R_*_NONE, which linkers leave where a relocation was dropped.
                if (relocation.target, relocation.symbol) != (0, 0) {
                    visit(relocation)?;
                }
            }
        }
    }
    Ok(())
}

/// The symbol is the upper part of `r_info`, which is 24 bits in ELF32 and 32 in
/// ELF64. In 64-bit MIPS files it is the first word, whatever the byte order
/// (MIPS ABI supplement).
fn decode(layout: &Layout, bytes: &[u8]) -> Relocation {
    let order = layout.encoding.note_order();
    if !layout.encoding.is_64 {
        let word = |at| order.read32(bytes, at).map(u64::from);
        let symbol = word(4).unwrap_or_default() >> 8;
        return Relocation {
            target: word(0).unwrap_or_default(),
            symbol,
            addend: word(8),
        };
    }
    let word = |at| order.read64(bytes, at);
    let symbol = match layout.header.machine {
        elf::EM_MIPS => order.read32(bytes, 8).unwrap_or_default().into(),
        _ => word(8).unwrap_or_default() >> 32,
    };
    Relocation {
        target: word(0).unwrap_or_default(),
        symbol,
        addend: word(16),
    }
}
