//! Many ranges of a file, and whether another one overlaps any of them. This is a search,
//! since a hostile file may cause as many queries as it has ranges.

use super::{FileOffset, FileRange};

/// Ranges in the order of their starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    starts: Vec<FileOffset>,
    /// For each, the furthest end among it and those before it.
    reach: Vec<FileOffset>,
}

impl Ranges {
    pub(crate) fn of(ranges: impl Iterator<Item = FileRange>) -> Self {
        let mut ranges: Vec<FileRange> = ranges.collect();
        ranges.sort();
        let mut farthest = FileOffset(0);
        let reach = ranges.iter().map(|range| {
            farthest = range.end().max(farthest);
            farthest
        });
        Self {
            reach: reach.collect(),
            starts: ranges.iter().map(|range| range.start).collect(),
        }
    }

    /// The furthest end of those that start before an offset.
    fn reach_before(&self, offset: FileOffset) -> FileOffset {
        let behind = self.starts.partition_point(|&start| start < offset);
        behind
            .checked_sub(1)
            .map_or(FileOffset(0), |last| self.reach[last])
    }

    /// Whether one of them overlaps a range.
    pub(crate) fn overlap(&self, range: &FileRange) -> bool {
        self.reach_before(range.end()) > range.start
    }

    /// Whether one of them overlaps a range, and extends beyond it.
    pub(crate) fn cross(&self, range: &FileRange) -> bool {
        self.reach_before(range.start) > range.start || self.reach_before(range.end()) > range.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range() -> impl Strategy<Value = FileRange> {
        (0_u64..40, 0_u64..20).prop_map(|(start, size)| FileRange::new(FileOffset(start), size))
    }

    proptest! {
        #[test]
        fn searching_finds_what_looking_at_all_does(
            all in prop::collection::vec(range(), 0..12),
            asked in range(),
        ) {
            let ranges = Ranges::of(all.iter().copied());
            let overlapping = || all.iter().filter(|it| it.overlaps(&asked));
            prop_assert_eq!(ranges.overlap(&asked), overlapping().next().is_some());
            let crossing = overlapping().any(|it| !asked.contains(it));
            prop_assert_eq!(ranges.cross(&asked), crossing);
        }
    }
}
