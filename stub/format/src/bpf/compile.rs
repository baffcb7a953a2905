//! The generator.
//!
//! Classic BPF jumps only forwards, so the program is written from its end to
//! its beginning: whatever an instruction jumps to is in place already, and its
//! distance is known. A conditional jump reaches 255 instructions; where the
//! target is further away, a copy of the return, or a `ja`, is put in between.

use super::error::Error;
use super::writer::{Target, Writer};
use super::{Condition, Filter, Instruction, MAX_INSTRUCTIONS, Rule, data, op};

/// The most runs of neighbouring numbers that [`Filter::compile`] distinguishes.
pub const MAX_RUNS: usize = 1024;

/// How many runs are tested one after the other instead of being halved. Three
/// equality tests cost no more than the two levels of the tree that they save.
const LINEAR: usize = 3;

/// Working memory for [`Filter::compile`], 48 KiB: two arrays of the caller's,
/// since one value that holds both would be copied when it is made.
#[derive(Debug)]
pub struct Scratch<'b> {
    /// Where the result will lie.
    pub instructions: &'b mut [Instruction; MAX_INSTRUCTIONS],
    /// What the numbers are sorted into.
    pub runs: &'b mut [Run; MAX_RUNS],
}

/// Neighbouring system call numbers that share a verdict other than
/// `unmatched`; what no run covers is unmatched.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    first: u32,
    last: u32,
    verdict: Verdict,
}

impl Run {
    /// What is about to be overwritten.
    pub const NONE: Self = Self {
        first: 0,
        last: 0,
        verdict: Verdict::Return(0),
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Return this value.
    Return(u32),
    /// The arguments decide, by the rules for this number.
    Rules(u32),
}

impl Filter<'_> {
    /// Compiles the filter. The result lies in `scratch.instructions`.
    ///
    /// # Errors
    ///
    /// See [`Error`]; no program is better than a wrong one.
    pub fn compile<'b>(&self, scratch: Scratch<'b>) -> Result<&'b [Instruction], Error> {
        let Scratch { instructions, runs } = scratch;
        let mut list = RunList {
            runs,
            len: 0,
            filler: self.unmatched,
        };
        self.collect(&mut list)?;
        let runs = list.runs.get(..list.len).ok_or(Error::TooLong)?;

        let mut generator = Generator {
            filter: self,
            out: Writer::new(instructions),
        };
        let entry = generator.search(runs, 0, u32::MAX);
        let out = &mut generator.out;
        if out.fall_into(entry) {
            out.push(op::LOAD, data::NUMBER);
        }
        let native = out.here();
        out.branch(op::JUMP_EQ, self.arch, native, Target::Return(self.foreign));
        out.push(op::LOAD, data::ARCH);
        generator.out.finish()
    }

    /// Turns the rules into runs, in ascending order.
    fn collect(&self, list: &mut RunList<'_>) -> Result<(), Error> {
        let mut foreign = self.foreign_numbers;
        let mut rest = self.rules;
        while let Some(&Rule { number, .. }) = rest.first() {
            let mut verdict = Verdict::Return(self.unmatched);
            while let Some((rule, after)) = rest.split_first()
                && rule.number == number
            {
                verdict = Self::or_else(verdict, rule);
                rest = after;
            }
            if rest.first().is_some_and(|next| next.number < number) {
                return Err(Error::Unsorted);
            }
            while let Some(((first, last), after)) = foreign.split_first()
                && *last < number
            {
                list.push(*first, *last, Verdict::Return(self.foreign));
                foreign = after;
            }
            if foreign.first().is_none_or(|range| number < range.0) {
                list.push(number, number, verdict);
            }
        }
        for (first, last) in foreign {
            list.push(*first, *last, Verdict::Return(self.foreign));
        }
        Ok(())
    }

    /// The verdict when one more rule comes after those that led to `verdict`.
    fn or_else(verdict: Verdict, rule: &Rule<'_>) -> Verdict {
        let own = Verdict::Return(rule.verdict);
        match Matches::of(rule) {
            Matches::Always => own,
            Matches::Sometimes if verdict != own => Verdict::Rules(rule.number),
            _ => verdict,
        }
    }
}

/// How much depends on the arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matches {
    /// The rule wants bits set that it has masked out.
    Never,
    Sometimes,
    Always,
}

impl Matches {
    #[inline(never)] // The runtime is to be small.
    fn of(rule: &Rule<'_>) -> Self {
        let mut matches = Self::Always;
        for condition in rule.when {
            if condition.value & !condition.mask != 0 {
                return Self::Never;
            }
            if condition.mask != 0 {
                matches = Self::Sometimes;
            }
        }
        matches
    }
}

/// Appends runs, merging neighbours and dropping what needs no test.
struct RunList<'b> {
    runs: &'b mut [Run; MAX_RUNS],
    /// Beyond [`MAX_RUNS`], when there were more.
    len: usize,
    /// The verdict between the runs.
    filler: u32,
}

impl RunList<'_> {
    fn push(&mut self, first: u32, last: u32, verdict: Verdict) {
        if verdict == Verdict::Return(self.filler) {
            return;
        }
        if let Some(before) = self.runs.get_mut(self.len.wrapping_sub(1))
            && before.last.wrapping_add(1) == first
            && before.verdict == verdict
        {
            before.last = last;
            return;
        }
        if let Some(place) = self.runs.get_mut(self.len) {
            *place = Run {
                first,
                last,
                verdict,
            };
        }
        self.len += 1;
    }
}

struct Generator<'a, 'b> {
    filter: &'a Filter<'a>,
    out: Writer<'b>,
}

impl Generator<'_, '_> {
    /// Emits the search for a number that is known to lie in `low..=high`.
    fn search(&mut self, runs: &[Run], low: u32, high: u32) -> Target {
        if runs.len() <= LINEAR {
            return self.scan(runs, low, high);
        }
        let (left, right) = runs.split_at(runs.len() / 2);
        let pivot = right.first().map_or(low, |run| run.first);
        let yes = self.search(right, pivot, high);
        let no = self.search(left, low, pivot.saturating_sub(1));
        self.out.branch(op::JUMP_GE, pivot, yes, no)
    }

    /// Emits tests for the runs one by one, ascending; none for a bound that
    /// `low..=high`, where the number is known to lie, implies.
    fn scan(&mut self, runs: &[Run], low: u32, high: u32) -> Target {
        let unmatched = Target::Return(self.filter.unmatched);
        let Some((run, rest)) = runs.split_first() else {
            return unmatched;
        };
        let Run {
            first,
            last,
            verdict,
        } = *run;
        let from_start = first <= low;
        let to_end = last >= high;
        // An equality test says nothing about the numbers below, so that those
        // are still possible afterwards.
        let single = first == last && !from_start && !to_end;
        let above = if single { low } else { last.saturating_add(1) };
        let other = if to_end {
            unmatched
        } else {
            self.scan(rest, above, high)
        };
        let hit = match verdict {
            Verdict::Return(value) => Target::Return(value),
            Verdict::Rules(number) => self.alternatives(number),
        };
        if single {
            return self.out.branch(op::JUMP_EQ, first, hit, other);
        }
        let in_reach = if to_end {
            hit
        } else {
            self.out.branch(op::JUMP_GT, last, other, hit)
        };
        if from_start {
            return in_reach;
        }
        self.out.branch(op::JUMP_GE, first, in_reach, unmatched)
    }

    /// Emits the tests of the rules for one number, each an alternative.
    fn alternatives(&mut self, number: u32) -> Target {
        let rules = self.filter.rules.iter();
        let rules = rules.filter(|rule| rule.number == number);
        let mut next = Alternative {
            load: Load::NONE,
            test: Target::Return(self.filter.unmatched),
        };
        for rule in rules {
            if Matches::of(rule) != Matches::Never {
                next = self.alternative(rule, next);
            }
        }
        self.begin(next)
    }

    /// Emits the tests of one rule; `next` is what to try when one fails.
    fn alternative(&mut self, rule: &Rule<'_>, next: Alternative) -> Alternative {
        let (filter, when) = (self.filter, rule.when);
        let words = || (0..2 * when.len()).filter_map(|index| filter.word(when, index));
        // Who fails with what `next` wants loaded goes right to its test; if
        // all do, that load is not needed at all.
        let start = if words().all(|word| word.load == next.load) {
            next.test
        } else {
            self.begin(next)
        };
        let mut this = Alternative {
            load: Load::NONE,
            test: Target::Return(rule.verdict),
        };
        for Word { load, value } in words() {
            let fail = if load == next.load { next.test } else { start };
            let success = self.begin(this);
            let test = self.out.branch(op::JUMP_EQ, value, success, fail);
            this = Alternative { load, test };
        }
        this
    }

    /// Emits the load that the alternative's first test wants; the test must
    /// have been emitted last.
    fn begin(&mut self, Alternative { load, test }: Alternative) -> Target {
        // Where both ways led to the same verdict, no test was emitted either.
        if let Target::Return(_) = test {
            return test;
        }
        if load.mask != u32::MAX {
            self.out.push(op::AND, load.mask);
        }
        self.out.push(op::LOAD, load.offset);
        self.out.here()
    }
}

/// The beginning of a rule's tests, whose first load is not emitted yet.
#[derive(Clone, Copy)]
struct Alternative {
    /// What the first test compares; [`Load::NONE`] when there is no test.
    load: Load,
    /// The test itself, or where to go when there is none.
    test: Target,
}

/// Bits of half an argument.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Load {
    offset: u32,
    mask: u32,
}

impl Load {
    const NONE: Self = Self { offset: 0, mask: 0 };
}

/// Half a condition.
struct Word {
    load: Load,
    value: u32,
}

impl Filter<'_> {
    /// The halves of the conditions that matter, in the order in which they are
    /// emitted: from the last condition to the first, of each the high half
    /// first, which makes it the second to be run.
    fn word(&self, when: &[Condition], index: usize) -> Option<Word> {
        let condition = when.iter().rev().nth(index / 2)?;
        let is_high = index.is_multiple_of(2);
        let shift = if is_high { 32 } else { 0 };
        let place = if is_high == self.big_endian { 0 } else { 4 };
        let load = Load {
            offset: data::ARGS + 8 * u32::from(condition.arg) + place,
            mask: half(condition.mask, shift),
        };
        let value = half(condition.value, shift);
        (load.mask != 0).then_some(Word { load, value })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn half(value: u64, shift: u32) -> u32 {
    (value >> shift) as u32
}
