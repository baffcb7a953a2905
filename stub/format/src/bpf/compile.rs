//! The generator.
//!
//! Classic BPF jumps only forwards, so the program is written from its end to
//! its beginning: whatever an instruction jumps to is in place already, and its
//! distance is known. A conditional jump reaches 255 instructions; where the
//! target is further away, a copy of the return, or a `ja`, is put in between.

use super::error::Error;
use super::writer::{Target, Writer};
use super::{
    Comparison, Entry, Filter, Instruction, MAX_INSTRUCTIONS, Range, Rule, Test, data, op,
};

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
        self.generate::<true>(scratch)
    }

    /// Compiles a filter whose conditions all are comparisons for equality, with less code:
    /// the runtime is to be small.
    ///
    /// # Errors
    ///
    /// As [`Filter::compile`], or another comparison.
    pub fn compile_equal<'b>(&self, scratch: Scratch<'b>) -> Result<&'b [Instruction], Error> {
        let rules = self.entries.iter().flat_map(|entry| entry.rules);
        let mut conditions = rules.flat_map(|rule| rule.when);
        if conditions.any(|it| it.comparison != Comparison::Equal) {
            return Err(Error::Comparison);
        }
        self.generate::<false>(scratch)
    }

    /// With all comparisons, or for equality only.
    fn generate<'b, const ALL: bool>(
        &self,
        scratch: Scratch<'b>,
    ) -> Result<&'b [Instruction], Error> {
        let Scratch { instructions, runs } = scratch;
        let mut out = Writer::new(instructions);
        let mut other = Target::Return(self.foreign);
        for entry in self.entries.iter().rev() {
            let mut list = RunList {
                runs,
                len: 0,
                filler: entry.unmatched,
            };
            entry.collect::<ALL>(&mut list)?;
            let runs = list.runs.get(..list.len).ok_or(Error::TooLong)?;
            let mut generator = Generator::<ALL> {
                big_endian: self.big_endian,
                entry,
                out: &mut out,
            };
            let search = generator.search(runs, 0, u32::MAX);
            if out.fall_into(search) {
                out.push(op::LOAD, data::NUMBER);
            }
            let own = out.here();
            other = out.branch(op::JUMP_EQ, entry.arch, own, other);
        }
        out.fall_into(other);
        out.push(op::LOAD, data::ARCH);
        out.finish()
    }
}

impl Entry<'_> {
    /// Turns the rules and the ranges into runs, in ascending order.
    fn collect<const ALL: bool>(&self, list: &mut RunList<'_>) -> Result<(), Error> {
        let mut ranges = self.ranges.iter().copied();
        let mut range = ranges.next();
        let mut rest = self.rules;
        while let Some(&Rule { number, .. }) = rest.first() {
            let is_other = |rule: &Rule<'_>| rule.number != number;
            let end = rest.iter().position(is_other).unwrap_or(rest.len());
            let (own, after) = rest.split_at(end);
            if after.first().is_some_and(|next| next.number < number) {
                return Err(Error::Unsorted);
            }
            rest = after;
            // The ranges, as far as they come before the number.
            while let Some(Range {
                first,
                last,
                verdict,
            }) = range
                && first <= number
            {
                if first < number {
                    let end = last.min(number.saturating_sub(1));
                    list.push(first, end, Verdict::Return(verdict));
                }
                if last > number {
                    range = Some(Range {
                        first: number.saturating_add(1),
                        last,
                        verdict,
                    });
                    break;
                }
                range = ranges.next();
            }
            list.push(number, number, self.verdict::<ALL>(number, own));
        }
        for Range {
            first,
            last,
            verdict,
        } in range.into_iter().chain(ranges)
        {
            list.push(first, last, Verdict::Return(verdict));
        }
        Ok(())
    }

    /// The verdict for a number, by the rules for it.
    fn verdict<const ALL: bool>(&self, number: u32, rules: &[Rule<'_>]) -> Verdict {
        let otherwise = Verdict::Return(self.otherwise(number));
        let or_else = |verdict, rule: &Rule<'_>| Self::or_else::<ALL>(verdict, rule);
        rules.iter().rev().fold(otherwise, or_else)
    }

    /// The verdict where one more rule comes before those that led to `verdict`.
    fn or_else<const ALL: bool>(verdict: Verdict, rule: &Rule<'_>) -> Verdict {
        let own = Verdict::Return(rule.verdict);
        match Matches::of::<ALL>(rule) {
            Matches::Always => own,
            Matches::Sometimes if verdict != own => Verdict::Rules(rule.number),
            _ => verdict,
        }
    }
}

/// Whether a condition holds whatever the argument is, or never does.
fn constant<const ALL: bool>(condition: &Test) -> Option<bool> {
    if ALL {
        return condition.constant();
    }
    let Test {
        arg, mask, value, ..
    } = *condition;
    Test::equal(arg, mask, value).constant()
}

/// How much depends on the arguments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matches {
    /// A condition can't hold.
    Never,
    Sometimes,
    Always,
}

impl Matches {
    #[inline(never)] // The runtime is to be small.
    fn of<const ALL: bool>(rule: &Rule<'_>) -> Self {
        let mut matches = Self::Always;
        for condition in rule.when {
            match constant::<ALL>(condition) {
                Some(false) => return Self::Never,
                Some(true) => {}
                None => matches = Self::Sometimes,
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

struct Generator<'a, 'o, 'b, const ALL: bool> {
    big_endian: bool,
    entry: &'a Entry<'a>,
    out: &'o mut Writer<'b>,
}

impl<const ALL: bool> Generator<'_, '_, '_, ALL> {
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
        let unmatched = Target::Return(self.entry.unmatched);
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
        let entry = self.entry;
        let mut next = Alternative {
            load: Load::NONE,
            test: Target::Return(entry.otherwise(number)),
        };
        let mut rules = entry.rules.split(|rule| rule.number != number);
        let rules = rules.find(|rules| !rules.is_empty()).unwrap_or_default();
        // Nothing comes behind a rule that always holds.
        let always = rules
            .iter()
            .position(|rule| Matches::of::<ALL>(rule) == Matches::Always);
        let reached = always.and_then(|last| rules.get(..=last)).unwrap_or(rules);
        for rule in reached.iter().rev() {
            if Matches::of::<ALL>(rule) != Matches::Never {
                next = self.alternative(rule, next);
            }
        }
        self.begin(next)
    }

    /// Emits the tests of one rule; `next` is what to try when one fails.
    fn alternative(&mut self, rule: &Rule<'_>, next: Alternative) -> Alternative {
        let big_endian = self.big_endian;
        let mut loads = (0..2 * rule.when.len()).filter_map(|index| {
            let condition = rule.when.get(index / 2)?;
            word::<ALL>(condition, index.is_multiple_of(2), big_endian)
        });
        // Who fails with what `next` wants loaded goes right to its test; if
        // all do, that load is not needed at all.
        let start = if loads.all(|word| word.load == next.load) {
            next.test
        } else {
            self.begin(next)
        };
        let failure = Failure { next, start };
        let mut this = Alternative {
            load: Load::NONE,
            test: Target::Return(rule.verdict),
        };
        for condition in rule.when.iter().rev() {
            this = self.condition(condition, this, &failure);
        }
        this
    }

    /// Emits the tests of one condition, after which `this` comes. Of the halves of an
    /// argument, the one that is emitted first is run last.
    fn condition(&mut self, condition: &Test, this: Alternative, failure: &Failure) -> Alternative {
        let high = word::<ALL>(condition, true, self.big_endian);
        let low = word::<ALL>(condition, false, self.big_endian);
        if !ALL || condition.comparison == Comparison::Equal {
            let this = self.word(high, this, failure);
            return self.word(low, this, failure);
        }
        let holds = self.begin_if(high.is_some() || low.is_some(), this);
        let order = match condition.comparison {
            Comparison::Greater => (op::JUMP_GT, false),
            Comparison::LessOrEqual => (op::JUMP_GT, true),
            Comparison::GreaterOrEqual => (op::JUMP_GE, false),
            Comparison::Less => (op::JUMP_GE, true),
            Comparison::Equal | Comparison::NotEqual => {
                let high = self.differs(high, None, holds, failure);
                return self.differs(low, high, holds, failure).unwrap_or(this);
            }
        };
        self.order([high, low], order, holds, failure)
            .unwrap_or(this)
    }

    /// That half an argument is as it should be.
    #[inline(never)]
    fn word(&mut self, word: Option<Word>, this: Alternative, failure: &Failure) -> Alternative {
        let Some(Word { load, value }) = word else {
            return this;
        };
        let success = self.begin(this);
        let fail = failure.after(load);
        let test = self.out.branch(op::JUMP_EQ, value, success, fail);
        Alternative { load, test }
    }

    /// That half an argument is not so, or what is `other` holds of the other half.
    fn differs(
        &mut self,
        word: Option<Word>,
        other: Option<Alternative>,
        holds: Target,
        failure: &Failure,
    ) -> Option<Alternative> {
        let Some(Word { load, value }) = word else {
            return other;
        };
        let equal = match other {
            Some(other) => self.begin(other),
            None => failure.after(load),
        };
        let test = self.out.branch(op::JUMP_EQ, value, equal, holds);
        Some(Alternative { load, test })
    }

    /// That an argument is larger by this comparison of its low half, or not (`is_inverted`):
    /// the high half decides, unless it is equal.
    fn order(
        &mut self,
        [high, low]: [Option<Word>; 2],
        (code, is_inverted): (u16, bool),
        holds: Target,
        failure: &Failure,
    ) -> Option<Alternative> {
        let ways = |load| match is_inverted {
            false => (holds, failure.after(load)),
            true => (failure.after(load), holds),
        };
        let Word { load, value } = low?;
        let (larger, smaller) = ways(load);
        let test = self.out.branch(code, value, larger, smaller);
        let low = Alternative { load, test };
        let Some(Word { load, value }) = high else {
            return Some(low);
        };
        let (larger, smaller) = ways(load);
        let equal = self.begin(low);
        let not_larger = self.out.branch(op::JUMP_EQ, value, equal, smaller);
        let test = self.out.branch(op::JUMP_GT, value, larger, not_larger);
        Some(Alternative { load, test })
    }

    /// Where an alternative begins; nothing is emitted where nothing leads to it.
    fn begin_if(&mut self, is_needed: bool, this: Alternative) -> Target {
        if is_needed {
            self.begin(this)
        } else {
            this.test
        }
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

/// Where the failing go.
struct Failure {
    next: Alternative,
    /// The beginning of `next`.
    start: Target,
}

impl Failure {
    /// Where they go that have loaded this.
    fn after(&self, load: Load) -> Target {
        if load == self.next.load {
            self.next.test
        } else {
            self.start
        }
    }
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

/// Half a condition; none where it is no matter, for all that it is compared with is 0.
#[inline(never)] // The runtime is to be small.
fn word<const ALL: bool>(condition: &Test, is_high: bool, big_endian: bool) -> Option<Word> {
    if constant::<ALL>(condition).is_some() {
        return None;
    }
    let shift = if is_high { 32 } else { 0 };
    let place = if is_high == big_endian { 0 } else { 4 };
    let load = Load {
        offset: data::ARGS + 8 * u32::from(condition.arg) + place,
        mask: half(condition.mask, shift),
    };
    let value = half(condition.value, shift);
    let is_ordered = ALL
        && !matches!(
            condition.comparison,
            Comparison::Equal | Comparison::NotEqual
        );
    // The low half of an order counts even where the mask leaves nothing of it.
    let counts = load.mask != 0 || (is_ordered && !is_high);
    counts.then_some(Word { load, value })
}
#[expect(clippy::cast_possible_truncation, reason = "that is what it is for")]
fn half(value: u64, shift: u32) -> u32 {
    (value >> shift) as u32
}
