//! The memory that the kernel makes of the PT_LOAD headers (fs/binfmt_elf.c), by link-time
//! addresses. It maps whole pages, one segment after the other, and a later one takes the
//! pages of earlier ones; of larger pages than the smallest they would take more.

use std::ops::Range;

use crate::elf::encoding::ProgramHeader;
use crate::elf::{FileOffset, FileRange, SMALLEST_PAGE, VirtAddr};

/// What memory holds when a program starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backing {
    /// Bytes of the file, the first of which is at this offset.
    File(FileOffset),
    Zero,
    /// It depends on more than the file.
    Unknown,
}

/// Neighbouring bytes of one origin.
#[derive(Clone, Debug)]
struct Extent {
    range: Range<VirtAddr>,
    backing: Backing,
}

impl Extent {
    /// The part of it that is in a range.
    fn within(&self, range: &Range<VirtAddr>) -> Option<Self> {
        let part = self.range.start.max(range.start)..self.range.end.min(range.end);
        if part.is_empty() {
            return None;
        }
        let backing = match self.backing {
            Backing::File(offset) => {
                Backing::File(offset.saturating_add(part.start - self.range.start))
            }
            other => other,
        };
        Some(Self {
            range: part,
            backing,
        })
    }
}

/// The memory of a program, as one of the kernels makes it: ascending, none shared.
#[derive(Clone, Debug, Default)]
struct Mapping(Vec<Extent>);

impl Mapping {
    /// Maps a range anew, whatever was there.
    fn map(&mut self, range: Range<VirtAddr>, backing: Backing) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|it| it.range.end <= range.start);
        let behind = self.0.partition_point(|it| it.range.start < range.end);
        let (start, end) = (range.start, range.end);
        let covered = &self.0[first..behind.max(first)];
        let left = covered
            .first()
            .and_then(|it| it.within(&(VirtAddr(0)..start)));
        let right = covered
            .last()
            .and_then(|it| it.within(&(end..VirtAddr(u64::MAX))));
        let new = Extent { range, backing };
        let all = left.into_iter().chain([new]).chain(right);
        self.0
            .splice(first..behind.max(first), all.collect::<Vec<_>>());
    }

    /// Whether all of a range is mapped, and holds what `expected` says of each part, given
    /// as the distance from the range's start.
    fn holds(&self, range: &Range<VirtAddr>, expected: impl Fn(u64) -> Backing) -> bool {
        let first = self.0.partition_point(|it| it.range.end <= range.start);
        let mut at = range.start;
        for extent in &self.0[first..] {
            if at >= range.end {
                break;
            }
            let Some(part) = extent.within(&(at..range.end)) else {
                return false;
            };
            if part.range.start != at || part.backing != expected(at - range.start) {
                return false;
            }
            at = part.range.end;
        }
        at >= range.end
    }

    /// A segment as kernels map it since Linux 6.6 (`elf_load`): the pages of one without
    /// bytes of the file are all new ones, the first of them, too.
    fn load(&mut self, load: &ProgramHeader) {
        let Some(segment) = Segment::of(load) else {
            return;
        };
        if load.filesz > 0 {
            self.map(segment.pages_of_file(), segment.backing);
        }
        if load.memsz <= load.filesz {
            return;
        }
        if load.filesz > 0 {
            // The rest of the last page is filled with zeros where that can be written
            // (`padzero`).
            self.map(segment.file_end..up(segment.file_end), filling(load));
            self.map(up(segment.file_end)..up(segment.end), Backing::Zero);
        } else {
            self.map(
                load.vaddr.align_down(SMALLEST_PAGE)..up(segment.end),
                Backing::Zero,
            );
        }
    }

    /// The zeros between the end of all file content so far and of all memory so far, as
    /// kernels before Linux 6.6 had them (`set_brk`).
    fn fill(&mut self, bss: VirtAddr, brk: VirtAddr, filling: Backing) {
        if brk > bss {
            self.map(up(bss)..up(brk), Backing::Zero);
            self.map(bss..up(bss), filling);
        }
    }
}

/// A segment whose addresses are in order.
struct Segment {
    start: VirtAddr,
    file_end: VirtAddr,
    end: VirtAddr,
    backing: Backing,
}

impl Segment {
    /// Nothing where the kernel refuses it: it ends beyond all addresses.
    fn of(load: &ProgramHeader) -> Option<Self> {
        let start = load.vaddr.align_down(SMALLEST_PAGE);
        let room = VirtAddr(u64::MAX - SMALLEST_PAGE);
        let file_end = load.vaddr.checked_add(load.filesz)?;
        let end = load.vaddr.checked_add(load.memsz)?;
        // mmap(2) takes offsets of whole pages.
        let offset = load.offset.0.checked_sub(load.vaddr - start);
        let backing = match offset {
            Some(offset) if offset.is_multiple_of(SMALLEST_PAGE) => {
                Backing::File(FileOffset(offset))
            }
            _ => Backing::Unknown,
        };
        (file_end <= room && end <= room).then_some(Self {
            start,
            file_end,
            end,
            backing,
        })
    }

    fn pages_of_file(&self) -> Range<VirtAddr> {
        self.start..up(self.file_end)
    }
}

/// What the rest of a segment's last page is filled with.
fn filling(load: &ProgramHeader) -> Backing {
    if load.is_writable() {
        Backing::Zero
    } else {
        Backing::Unknown
    }
}

/// The end of the page that ends at an address or holds it.
fn up(address: VirtAddr) -> VirtAddr {
    VirtAddr(
        address
            .0
            .div_ceil(SMALLEST_PAGE)
            .saturating_mul(SMALLEST_PAGE),
    )
}

/// The memory of a program, as each of the kernels makes it.
#[derive(Clone, Debug)]
pub(crate) struct Mappings([Mapping; 2]);

impl Mappings {
    /// Maps the segments, in the order of their headers.
    pub(crate) fn of(loads: &[ProgramHeader], gaps_are_reclaimed: bool) -> Self {
        let mut mappings = Self([since_6_6(loads), before_6_6(loads)]);
        if !gaps_are_reclaimed {
            return mappings;
        }
        // musl gives what a writable segment leaves of its first and last page to malloc,
        // before the program's libraries start (ldso/dynlink.c, `reclaim_gaps`).
        for load in loads.iter().filter(|load| load.is_writable()) {
            let Some(segment) = Segment::of(load) else {
                continue;
            };
            for mapping in &mut mappings.0 {
                mapping.map(segment.start..load.vaddr, Backing::Unknown);
                mapping.map(segment.end..up(segment.end), Backing::Unknown);
            }
        }
        mappings
    }

    /// Whether memory from an address on holds these bytes of the file, whatever the kernel.
    pub(crate) fn shows(&self, address: VirtAddr, bytes: FileRange) -> bool {
        let expected = |distance| Backing::File(bytes.start.saturating_add(distance));
        self.all_hold(address, bytes.size, expected)
    }

    /// Whether it holds zeros that are not in the file.
    pub(crate) fn is_zero(&self, address: VirtAddr, size: u64) -> bool {
        self.all_hold(address, size, |_| Backing::Zero)
    }

    /// Whether no segment has any of it.
    pub(crate) fn is_unmapped(&self, address: VirtAddr, size: u64) -> bool {
        let range = address..address.saturating_add(size);
        let has = |mapping: &Mapping| mapping.0.iter().any(|it| it.within(&range).is_some());
        !self.0.iter().any(has)
    }

    fn all_hold(&self, address: VirtAddr, size: u64, expected: impl Fn(u64) -> Backing) -> bool {
        let Some(end) = address.checked_add(size) else {
            return false;
        };
        let range = address..end;
        self.0.iter().all(|it| it.holds(&range, &expected))
    }
}

fn since_6_6(loads: &[ProgramHeader]) -> Mapping {
    let mut mapping = Mapping::default();
    loads.iter().for_each(|load| mapping.load(load));
    mapping
}

/// As `load_elf_binary` did it: zeros are made before the next segment, and after the last.
/// Of a segment without bytes of the file that begins within a page, that page of the file
/// is mapped.
fn before_6_6(loads: &[ProgramHeader]) -> Mapping {
    let mut mapping = Mapping::default();
    let (mut bss, mut brk) = (VirtAddr(0), VirtAddr(0));
    let mut last = Backing::Zero;
    for load in loads {
        let Some(segment) = Segment::of(load) else {
            continue;
        };
        mapping.fill(bss, brk, last);
        mapping.map(segment.pages_of_file(), segment.backing);
        if segment.file_end >= bss {
            bss = segment.file_end;
            last = filling(load);
        }
        brk = brk.max(segment.end);
    }
    mapping.fill(bss, brk, last);
    mapping
}

#[cfg(test)]
mod tests {
    use object::elf;

    use super::*;

    fn load(flags: elf::ProgramFlags, offset: u64, vaddr: u64, sizes: [u64; 2]) -> ProgramHeader {
        ProgramHeader {
            kind: elf::PT_LOAD,
            flags,
            offset: FileOffset(offset),
            vaddr: VirtAddr(vaddr),
            paddr: vaddr,
            filesz: sizes[0],
            memsz: sizes[1],
            align: SMALLEST_PAGE,
        }
    }

    const RW: elf::ProgramFlags = elf::ProgramFlags(6);
    const R: elf::ProgramFlags = elf::ProgramFlags(4);

    fn shown(loads: &[ProgramHeader], address: u64, offset: u64, size: u64) -> bool {
        Mappings::of(loads, true).shows(VirtAddr(address), FileRange::new(FileOffset(offset), size))
    }

    #[test]
    fn a_segment_shows_its_bytes_and_then_zeros() {
        let loads = [load(RW, 0x1234, 0x5234, [0x100, 0x2000])];
        assert!(shown(&loads, 0x5234, 0x1234, 0x100));
        assert!(!shown(&loads, 0x5234, 0x1234, 0x101));
        let mappings = Mappings::of(&loads, true);
        assert!(mappings.is_zero(VirtAddr(0x5334), 0x1f00));
        assert!(!mappings.is_zero(VirtAddr(0x5333), 2));
        assert!(
            !mappings.is_zero(VirtAddr(0x7234), 1),
            "musl uses what is left"
        );
    }

    #[test]
    fn a_later_segment_takes_the_whole_page_of_an_earlier_one() {
        let first = load(R, 0, 0x1000, [0x800, 0x800]);
        for sizes in [[0x10, 0x10], [0, 0x10]] {
            let loads = [first, load(R, 0x3800, 0x1800, sizes)];
            assert!(!shown(&loads, 0x1000, 0, 0x800), "{sizes:?}");
        }
        let same_page_of_the_file = load(R, 0x800, 0x1800, [0x10, 0x10]);
        assert!(shown(&[first, same_page_of_the_file], 0x1000, 0, 0x810));
    }

    #[test]
    fn a_segment_without_bytes_fills_its_first_page_with_zeros_since_linux_6_6() {
        let first = load(RW, 0, 0x1000, [0x1800, 0x1800]);
        let loads = [first, load(RW, 0x1800, 0x2800, [0, 0x10])];
        assert!(shown(&loads, 0x1000, 0, 0x1000));
        assert!(!shown(&loads, 0x2000, 0x1000, 0x800));
        let apart = [first, load(RW, 0x1800, 0x3800, [0, 0x10])];
        assert!(shown(&apart, 0x1000, 0, 0x1800));
    }

    #[test]
    fn a_place_in_the_file_behind_all_others_is_no_content() {
        let loads = [
            load(RW, u64::MAX - 0xfff, 0x1000, [0, 0]),
            load(RW, u64::MAX - 0xfff, 0x1800, [0, 0x10]),
            load(RW, 0x1000, 0x1900, [0x10, 0x3000]),
        ];
        assert!(!shown(&loads, 0x1000, 0, 0x1000));
    }

    #[test]
    fn what_is_not_mapped_shows_nothing() {
        let loads = [
            load(R, 0, 0x1000, [0x1000, 0x1000]),
            load(R, 0x1000, 0x3000, [0x1000, 0x1000]),
        ];
        assert!(!shown(&loads, 0x1800, 0x800, 0x1000));
        assert!(!shown(&loads, 0, 0, 1));
        assert!(!shown(&loads, u64::MAX, 0, 2));
        let odd = [load(R, 8, 0x1000, [0x1000, 0x1000])];
        assert!(!shown(&odd, 0x1000, 8, 1), "mmap takes whole pages");
    }
}
