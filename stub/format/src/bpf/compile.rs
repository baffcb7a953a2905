//! The generator.
//!
//! Classic BPF jumps only forwards, so the program is written from its end to
//! its beginning: whatever an instruction jumps to is in place already, and its
//! distance is known. A conditional jump reaches 255 instructions; where the
//! target is further away, a copy of the return, or a `ja`, is put in between.

use super::writer::{Target, Writer};
use super::{Condition, Filter, Instruction, MAX_INSTRUCTIONS, Rule, data, op};

/// The most runs of neighbouring numbers that [`Filter::compile`] distinguishes.
pub const MAX_RUNS: usize = 1024;

/// How many runs are tested one after the other instead of being halved. Three
/// equality tests cost no more than the two levels of the tree that they save.
const LINEAR: usize = 3;

/// Why a filter could not be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The program would exceed [`MAX_INSTRUCTIONS`], or the rules [`MAX_RUNS`].
    TooLong,
    /// The rules are not sorted by number.
    Unsorted,
    /// A condition is about an argument above 5.
    Argument,
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Error::TooLong => "the rules need more instructions than the kernel takes",
            Error::Unsorted => "the rules are not sorted by number",
            Error::Argument => "a condition names an argument above 5",
        })
    }
}

impl core::error::Error for Error {}

/// Working memory for [`Filter::compile`], 48 KiB, which also holds the result.
/// All of it starts as zero, so that a static one costs nothing in the file.
#[derive(Debug)]
pub struct Scratch {
    instructions: [Instruction; MAX_INSTRUCTIONS],
    runs: [Run; MAX_RUNS],
}

impl Scratch {
    /// Empty working memory.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            instructions: [Instruction {
                code: 0,
                jt: 0,
                jf: 0,
                k: 0,
            }; MAX_INSTRUCTIONS],
            runs: [Run {
                first: 0,
                last: 0,
                verdict: Verdict::Return(0),
            }; MAX_RUNS],
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// Neighbouring system call numbers that share a verdict other than
/// `unmatched`; what no run covers is unmatched.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u32,
    last: u32,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Return this value.
    Return(u32),
    /// The arguments decide, by these rules.
    Rules { first: u16, count: u16 },
}

impl Filter<'_> {
    /// Compiles the filter. The result lies in `scratch`.
    ///
    /// Numbers from `foreign_from` on are foreign whatever the rules say, -1
    /// excepted.
    ///
    /// # Errors
    ///
    /// See [`Error`]; no program is better than a wrong one.
    pub fn compile<'b>(&self, scratch: &'b mut Scratch) -> Result<&'b [Instruction], Error> {
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
        let entry = generator.search(runs, 0, u32::MAX)?;
        let mut out = generator.out;
        if out.fall_into(entry)? {
            out.push(op::LOAD, data::NUMBER)?;
        }
        let native = out.here();
        out.branch(op::JUMP_EQ, self.arch, native, Target::Return(self.foreign))?;
        out.push(op::LOAD, data::ARCH)?;
        out.finish()
    }

    /// Turns the rules into runs, in ascending order.
    fn collect(&self, list: &mut RunList<'_>) -> Result<(), Error> {
        let foreign_from = self.foreign_from.unwrap_or(u32::MAX);
        let mut foreign = false;
        let mut rest = self.rules;
        // No `chunk_by`, which can panic for all that the compiler knows.
        while let Some(&Rule { number, .. }) = rest.first() {
            let length = rest.iter().take_while(|rule| rule.number == number).count();
            let start = self.rules.len() - rest.len();
            let group;
            (group, rest) = rest.split_at_checked(length).ok_or(Error::TooLong)?;
            if rest.first().is_some_and(|next| next.number < number) {
                return Err(Error::Unsorted);
            }
            let verdict = self.verdict(group, start)?;
            if number >= foreign_from && number != u32::MAX {
                continue;
            }
            if number == u32::MAX && !foreign {
                foreign = true;
                self.push_foreign(list)?;
            }
            list.push(number, number, verdict)?;
        }
        if foreign {
            Ok(())
        } else {
            self.push_foreign(list)
        }
    }

    fn push_foreign(&self, list: &mut RunList<'_>) -> Result<(), Error> {
        match self.foreign_from {
            Some(from) if from < u32::MAX => {
                list.push(from, u32::MAX - 1, Verdict::Return(self.foreign))
            }
            _ => Ok(()),
        }
    }

    /// The verdict of all rules for one number; `start` is the index of the
    /// first one.
    fn verdict(&self, group: &[Rule<'_>], start: usize) -> Result<Verdict, Error> {
        if group
            .iter()
            .flat_map(|rule| rule.when)
            .any(|condition| condition.arg > 5)
        {
            return Err(Error::Argument);
        }
        let always = |rule: &Rule<'_>| rule.when.iter().all(|c| c.mask == 0 && c.value == 0);
        if self.matched == self.unmatched || group.iter().all(never) {
            return Ok(Verdict::Return(self.unmatched));
        }
        if group.iter().any(always) {
            return Ok(Verdict::Return(self.matched));
        }
        let first = u16::try_from(start).map_err(|_| Error::TooLong)?;
        let count = u16::try_from(group.len()).map_err(|_| Error::TooLong)?;
        Ok(Verdict::Rules { first, count })
    }
}

/// Whether the rule cannot match: it wants bits set that it has masked out.
fn never(rule: &Rule<'_>) -> bool {
    rule.when
        .iter()
        .any(|condition| condition.value & !condition.mask != 0)
}

/// Appends runs, merging neighbours and dropping what needs no test.
struct RunList<'b> {
    runs: &'b mut [Run; MAX_RUNS],
    len: usize,
    /// The verdict between the runs.
    filler: u32,
}

impl RunList<'_> {
    fn push(&mut self, first: u32, last: u32, verdict: Verdict) -> Result<(), Error> {
        if verdict == Verdict::Return(self.filler) {
            return Ok(());
        }
        let before = self
            .len
            .checked_sub(1)
            .and_then(|index| self.runs.get_mut(index));
        if let Some(before) = before
            && before.last.checked_add(1) == Some(first)
            && before.verdict == verdict
        {
            before.last = last;
            return Ok(());
        }
        *self.runs.get_mut(self.len).ok_or(Error::TooLong)? = Run {
            first,
            last,
            verdict,
        };
        self.len += 1;
        Ok(())
    }
}

struct Generator<'a, 'b> {
    filter: &'a Filter<'a>,
    out: Writer<'b>,
}

impl Generator<'_, '_> {
    /// Emits the search for a number that is known to lie in `low..=high`.
    fn search(&mut self, runs: &[Run], low: u32, high: u32) -> Result<Target, Error> {
        if runs.len() <= LINEAR {
            return self.scan(runs, low, high);
        }
        let (left, right) = runs.split_at(runs.len() / 2);
        let pivot = right.first().map_or(low, |run| run.first);
        let yes = self.search(right, pivot, high)?;
        let no = self.search(left, low, pivot.saturating_sub(1))?;
        self.out.branch(op::JUMP_GE, pivot, yes, no)
    }

    /// Emits tests for the runs one by one, ascending; none for a bound that
    /// `low..=high`, where the number is known to lie, implies.
    fn scan(&mut self, runs: &[Run], low: u32, high: u32) -> Result<Target, Error> {
        let unmatched = Target::Return(self.filter.unmatched);
        let Some((run, rest)) = runs.split_first() else {
            return Ok(unmatched);
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
            self.scan(rest, above, high)?
        };
        let hit = match verdict {
            Verdict::Return(value) => Target::Return(value),
            Verdict::Rules { first, count } => self.alternatives(first, count)?,
        };
        if single {
            return self.out.branch(op::JUMP_EQ, first, hit, other);
        }
        let in_reach = if to_end {
            hit
        } else {
            self.out.branch(op::JUMP_GT, last, other, hit)?
        };
        if from_start {
            return Ok(in_reach);
        }
        self.out.branch(op::JUMP_GE, first, in_reach, unmatched)
    }

    /// Emits the tests of the rules for one number, each an alternative.
    fn alternatives(&mut self, first: u16, count: u16) -> Result<Target, Error> {
        let first = usize::from(first);
        let rules = self
            .filter
            .rules
            .get(first..first + usize::from(count))
            .ok_or(Error::TooLong)?;
        let mut next = Alternative {
            word: None,
            test: Target::Return(self.filter.unmatched),
        };
        for rule in rules.iter().rev().filter(|rule| !never(rule)) {
            next = self.alternative(rule.when, next)?;
        }
        self.begin(next)
    }

    /// Emits the tests of one rule; `next` is what to try when one fails.
    fn alternative(&mut self, when: &[Condition], next: Alternative) -> Result<Alternative, Error> {
        let filter = self.filter;
        let words = || {
            let words = when
                .iter()
                .rev()
                .flat_map(|condition| filter.words(condition));
            words.filter(|word| word.mask != 0)
        };
        // Who fails with the word loaded that `next` wants goes right to its
        // test; if all do, that load is not needed at all.
        let loaded = |word: Word| next.word.is_some_and(|wanted| wanted.is_same_load(word));
        let start = if words().all(loaded) {
            next.test
        } else {
            self.begin(next)?
        };
        let mut this = Alternative {
            word: None,
            test: Target::Return(filter.matched),
        };
        for word in words() {
            let fail = if loaded(word) { next.test } else { start };
            let success = self.begin(this)?;
            let test = self.out.branch(op::JUMP_EQ, word.value, success, fail)?;
            this = Alternative {
                word: Some(word),
                test,
            };
        }
        Ok(this)
    }

    /// Emits the load that the alternative's first test wants; the test must
    /// have been emitted last.
    fn begin(&mut self, alternative: Alternative) -> Result<Target, Error> {
        let Some(word) = alternative.word else {
            return Ok(alternative.test);
        };
        if word.mask != u32::MAX {
            self.out.push(op::AND, word.mask)?;
        }
        self.out.push(op::LOAD, word.offset)?;
        Ok(self.out.here())
    }
}

/// The beginning of a rule's tests, whose first load is not emitted yet.
#[derive(Clone, Copy)]
struct Alternative {
    /// What the first test compares; none when there is no test.
    word: Option<Word>,
    /// The test itself, or where to go when there is none.
    test: Target,
}

/// Half an argument, and what it is compared with.
#[derive(Clone, Copy)]
struct Word {
    offset: u32,
    mask: u32,
    value: u32,
}

impl Word {
    fn is_same_load(self, other: Word) -> bool {
        self.offset == other.offset && self.mask == other.mask
    }
}

impl Filter<'_> {
    /// The halves of a condition, in the order in which they are emitted: the
    /// high one first, which makes it the second to be run.
    fn words(&self, condition: &Condition) -> [Word; 2] {
        let argument = data::ARGS + 8 * u32::from(condition.arg);
        let (high, low) = if self.big_endian { (0, 4) } else { (4, 0) };
        [(high, 32), (low, 0)].map(|(offset, shift)| Word {
            offset: argument + offset,
            mask: half(condition.mask, shift),
            value: half(condition.value, shift),
        })
    }
}

fn half(value: u64, shift: u32) -> u32 {
    u32::try_from((value >> shift) & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}
