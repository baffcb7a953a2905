//! What a program has in memory: its loadable segments, by address.

use object::elf;

use crate::elf::encoding::ProgramHeader;
use crate::elf::{FileRange, VirtAddr};

/// The loadable segments that are not empty. They are in ascending order and don't
/// overlap, so that a lookup need not go through all of them.
#[derive(Clone, Debug)]
pub(crate) struct Loads(Vec<ProgramHeader>);

impl Loads {
    /// Collects those of a table, which must be in order.
    pub(crate) fn of(segments: &[ProgramHeader]) -> Self {
        let loads = segments
            .iter()
            .filter(|it| it.kind == elf::PT_LOAD && it.memsz > 0);
        Self(loads.copied().collect())
    }

    /// The index of the segment that has the byte at an address.
    fn index(&self, address: VirtAddr) -> Option<usize> {
        let behind = self.0.partition_point(|load| load.vaddr <= address);
        let index = behind.checked_sub(1)?;
        (address - self.0[index].vaddr < self.0[index].memsz).then_some(index)
    }

    /// The segment that has the byte at an address, from the file or not.
    pub(crate) fn holding(&self, address: VirtAddr) -> Option<&ProgramHeader> {
        Some(&self.0[self.index(address)?])
    }

    /// The segment that maps the byte at an address from the file.
    pub(crate) fn bringing(&self, address: VirtAddr) -> Option<&ProgramHeader> {
        let load = self.holding(address)?;
        (address - load.vaddr < load.filesz).then_some(load)
    }

    /// The segments that map `size` bytes starting at an address from one range of the
    /// file: more than one if each continues the previous one, in the file and in memory,
    /// as when patchelf splits a segment.
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

    /// Whether the next segment continues this one.
    fn goes_on(&self, index: usize) -> bool {
        let load = &self.0[index];
        let next = self.0.get(index + 1);
        let place = (file_end(load), load.range().end());
        load.filesz == load.memsz && next.is_some_and(|next| (next.vaddr, next.offset) == place)
    }

    /// The file range of everything mapped from an address on, without a gap.
    pub(crate) fn rest_at(&self, address: VirtAddr) -> Option<FileRange> {
        let first = self.bringing(address)?;
        let start = first.offset + (address - first.vaddr);
        let mut last = self.index(address)?;
        while self.goes_on(last) {
            last += 1;
        }
        Some(FileRange::between(start, self.0[last].range().end()))
    }

    /// Where `size` bytes starting at an address are in the file, if they are all in one
    /// range.
    pub(crate) fn range_at(&self, address: VirtAddr, size: u64) -> Option<FileRange> {
        let first = self.spanning(address, size)?.first()?;
        let start = first.offset + (address - first.vaddr);
        Some(FileRange::new(start, size))
    }
}

/// The address after the last byte that a segment maps from the file.
fn file_end(load: &ProgramHeader) -> VirtAddr {
    load.vaddr + load.filesz
}
