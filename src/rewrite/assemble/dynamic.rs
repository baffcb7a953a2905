//! The entries of the dynamic section.

use object::elf;
use sandbox_format::note;

use super::Assembly;
use crate::elf::encoding::{Dyn, Record};
use crate::elf::machine::Machine;
use crate::elf::{Source, VirtAddr};
use crate::rewrite::error::Error;
use crate::rewrite::patching::Position;
use crate::rewrite::pieces;

impl<S: Source> Assembly<'_, S> {
    pub(super) fn entries(&self) -> Result<Vec<Dyn>, Error> {
        let mut entries = self.patching.dynamic.entries.clone();
        for entry in &mut entries {
            match entry.tag {
                elf::DT_STRSZ if self.patching.library().is_some() => {
                    entry.value = self.placement.head.size;
                }
                tag if pieces::table_of(tag).is_some() => {
                    let offset = self.patching.image.offset_of(VirtAddr(entry.value));
                    if let Some((_, address)) =
                        offset.and_then(|offset| self.placement.moved(offset))
                    {
                        entry.value = address.0;
                    }
                }
                _ => {}
            }
        }
        if let Some((_, position)) = self.patching.library() {
            self.add_library(&mut entries, position)?;
        }
        let end = Dyn {
            tag: elf::DT_NULL,
            value: 0,
        };
        let slots = match self.placement.dynamic {
            Some(range) => usize::try_from(range.size / Dyn::size(self.patching.image.encoding))
                .map_err(|_| Error::TooLarge)?,
            None => self.patching.dynamic.slots,
        };
        if self.patching.library().is_some() && slots <= entries.len() {
            return Err(Error::malformed("the dynamic section has no room"));
        }
        let segment = self.patching.image.segment(elf::PT_DYNAMIC);
        let from = segment.map_or(VirtAddr(0), |segment| segment.vaddr);
        let to = self
            .placement
            .dynamic
            .map_or(from, |range| self.placement.address(range.start));
        Machine::of(self.patching.image).keep_targets(
            self.patching.image.encoding,
            (&self.patching.dynamic.entries, from),
            (&mut entries, to),
        );
        entries.resize(slots, end);
        Ok(entries)
    }

    /// Adds the entries that make the loader load the runtime.
    fn add_library(&self, entries: &mut Vec<Dyn>, position: Position) -> Result<(), Error> {
        let needed = Dyn {
            tag: elf::DT_NEEDED,
            value: self.strings()?.size,
        };
        let at = match position {
            Position::First => 0,
            Position::Last => entries
                .iter()
                .rposition(|entry| entry.tag == elf::DT_NEEDED)
                .map_or(0, |last| last + 1),
        };
        entries.insert(at, needed);
        entries.push(Dyn {
            tag: elf::DynamicTag(i64::from(note::DYNAMIC_TAG)),
            value: note::VERSION.into(),
        });
        Ok(())
    }
}
