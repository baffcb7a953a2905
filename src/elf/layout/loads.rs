//! What a program has in memory: its loadable segments, by address.

use object::elf;

use crate::elf::encoding::ProgramHeader;
use crate::elf::{FileRange, VirtAddr};

/// The loadable segments that are not empty. They are in ascending order and
/// apart, so that one of many is found without looking at all.
#[derive(Clone, Debug)]
pub(crate) struct Loads(Vec<ProgramHeader>);

impl Loads {
    /// Those of a table in which they are in order.
    pub(crate) fn of(segments: &[ProgramHeader]) -> Self {
        let loads = segments
            .iter()
            .filter(|it| it.kind == elf::PT_LOAD && it.memsz > 0);
        Self(loads.copied().collect())
    }

    /// The index of the one that has the byte at an address.
    fn index(&self, address: VirtAddr) -> Option<usize> {
        let behind = self.0.partition_point(|load| load.vaddr <= address);
        let index = behind.checked_sub(1)?;
        (address - self.0[index].vaddr < self.0[index].memsz).then_some(index)
    }

    /// The one that has the byte at an address, be it from the file or not.
    pub(crate) fn holding(&self, address: VirtAddr) -> Option<&ProgramHeader> {
        Some(&self.0[self.index(address)?])
    }

    /// The one that brings the byte at an address from the file.
    pub(crate) fn bringing(&self, address: VirtAddr) -> Option<&ProgramHeader> {
        let load = self.holding(address)?;
        (address - load.vaddr < load.filesz).then_some(load)
    }

    /// Those that bring `size` bytes from an address on from one range of the file:
    /// more than one where each goes on where the former ends, in the file and in
    /// memory, as patchelf cuts a segment in two.
    pub(crate) fn spanning(&self, address: VirtAddr, size: u64) -> Option<&[ProgramHeader]> {
        let end = address.checked_add(size)?;
        self.bringing(address)?;
        let first = self.index(address)?;
        let mut last = first;
        while end > file_end(&self.0[last]) {
            if !self.goes_on(last) {
                return None;
            }
            last += 1;
        }
        Some(&self.0[first..=last])
    }

    /// Whether the next one goes on where one ends.
    fn goes_on(&self, index: usize) -> bool {
        let load = &self.0[index];
        let next = self.0.get(index + 1);
        let place = (file_end(load), load.range().end());
        load.filesz == load.memsz && next.is_some_and(|next| (next.vaddr, next.offset) == place)
    }

    /// The file range of all that is brought from an address on, without a gap.
    pub(crate) fn rest_at(&self, address: VirtAddr) -> Option<FileRange> {
        let first = self.bringing(address)?;
        let start = first.offset + (address - first.vaddr);
        let mut last = self.index(address)?;
        while self.goes_on(last) {
            last += 1;
        }
        Some(FileRange::between(start, self.0[last].range().end()))
    }

    /// Where `size` bytes from an address on are in the file, if one range of it has
    /// them all.
    pub(crate) fn range_at(&self, address: VirtAddr, size: u64) -> Option<FileRange> {
        let first = self.spanning(address, size)?.first()?;
        let start = first.offset + (address - first.vaddr);
        Some(FileRange::new(start, size))
    }
}

/// The address behind what a segment brings from the file.
fn file_end(load: &ProgramHeader) -> VirtAddr {
    load.vaddr + load.filesz
}
