use std::boxed::Box;
use std::collections::BTreeSet;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

const ARCH: u32 = 0xc000_003e;
const X32: u32 = 0x4000_0000;
const FOREIGN: u32 = ret::KILL_PROCESS;
const X32_RANGE: &[Range] = &[Range {
    first: X32,
    last: u32::MAX - 1,
    verdict: FOREIGN,
}];

#[derive(Clone, Copy, Debug)]
struct Call {
    arch: u32,
    number: u32,
    args: [u64; 6],
}

/// A filter for one architecture.
#[derive(Clone, Copy, Debug)]
struct One<'a> {
    arch: u32,
    big_endian: bool,
    ranges: &'a [Range],
    foreign: u32,
    unmatched: u32,
    rules: &'a [Rule<'a>],
}

impl<'a> One<'a> {
    fn entry(&self) -> Entry<'a> {
        Entry {
            arch: self.arch,
            ranges: self.ranges,
            unmatched: self.unmatched,
            rules: self.rules,
        }
    }
}

/// What the filter means, said the long way.
fn model(filter: &One<'_>, call: &Call) -> u32 {
    if call.arch != filter.arch {
        return filter.foreign;
    }
    let holds = |c: &Test| {
        let masked = call.args[usize::from(c.arg)] & c.mask;
        match c.comparison {
            Comparison::Equal => masked == c.value,
            Comparison::NotEqual => masked != c.value,
            Comparison::Less => masked < c.value,
            Comparison::LessOrEqual => masked <= c.value,
            Comparison::Greater => masked > c.value,
            Comparison::GreaterOrEqual => masked >= c.value,
        }
    };
    let mut rules = filter.rules.iter();
    let rule = rules.find(|r| r.number == call.number && r.when.iter().all(holds));
    let is_in = |range: &&Range| range.first <= call.number && call.number <= range.last;
    let range = filter.ranges.iter().find(is_in);
    let otherwise = range.map_or(filter.unmatched, |range| range.verdict);
    rule.map_or(otherwise, |rule| rule.verdict)
}

fn word(call: &Call, big_endian: bool, offset: u32) -> u32 {
    match offset {
        data::NUMBER => call.number,
        data::ARCH => call.arch,
        _ => {
            let place = offset - data::ARGS;
            let argument = call.args[usize::try_from(place / 8).unwrap()];
            let high = (place % 8 == 4) != big_endian;
            u32::try_from(if high {
                argument >> 32
            } else {
                argument & 0xffff_ffff
            })
            .unwrap()
        }
    }
}

/// Runs the program as the kernel does; gives the verdict and the number of
/// instructions that it took.
fn run(program: &[Instruction], call: &Call, big_endian: bool) -> (u32, usize) {
    let mut accumulator = 0;
    let mut at = 0;
    for steps in 1.. {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let decide = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            op::LOAD => accumulator = word(call, big_endian, k),
            op::AND => accumulator &= k,
            op::JUMP => at += usize::try_from(k).unwrap(),
            op::JUMP_EQ => at += decide(accumulator == k),
            op::JUMP_GT => at += decide(accumulator > k),
            op::JUMP_GE => at += decide(accumulator >= k),
            op::RETURN => return (k, steps),
            _ => panic!("unexpected operation {code:#x}"),
        }
    }
    unreachable!()
}

type Compiled = Result<Vec<Instruction>, Error>;

fn compile(filter: &One<'_>) -> Compiled {
    together(&[filter], |it, scratch| it.compile(scratch))
}

fn compile_equal(filter: &One<'_>) -> Compiled {
    together(&[filter], |it, scratch| it.compile_equal(scratch))
}

/// Compiles filters for several architectures into one.
fn together(
    filters: &[&One<'_>],
    compile: impl for<'b> Fn(&Filter<'_>, Scratch<'b>) -> Result<&'b [Instruction], Error>,
) -> Compiled {
    let scratch = Scratch {
        instructions: &mut Box::new([Instruction::NONE; MAX_INSTRUCTIONS]),
        runs: &mut Box::new([Run::NONE; MAX_RUNS]),
    };
    let entries: Vec<_> = filters.iter().map(|filter| filter.entry()).collect();
    let filter = Filter {
        big_endian: filters[0].big_endian,
        foreign: filters[0].foreign,
        entries: &entries,
    };
    compile(&filter, scratch).map(<[_]>::to_vec)
}

/// Numbers and arguments at which the verdict could change.
fn boundary_calls(filter: &One<'_>) -> Vec<Call> {
    let mut numbers = BTreeSet::from([0, 1, X32 - 1, X32, X32 + 1, u32::MAX - 1, u32::MAX]);
    for &Range { first, last, .. } in filter.ranges {
        numbers.extend([first.saturating_sub(1), first, last, last.saturating_add(1)]);
    }
    for rule in filter.rules {
        numbers.extend([
            rule.number.wrapping_sub(1),
            rule.number,
            rule.number.wrapping_add(1),
        ]);
    }
    let mut calls = Vec::new();
    for &number in &numbers {
        calls.push(Call {
            arch: filter.arch,
            number,
            args: [0; 6],
        });
        calls.push(Call {
            arch: 0x4000_0003,
            number,
            args: [0; 6],
        });
        for rule in filter.rules.iter().filter(|rule| rule.number == number) {
            let mut args = [0; 6];
            for c in rule.when {
                args[usize::from(c.arg)] |= c.value;
            }
            calls.push(Call {
                arch: filter.arch,
                number,
                args,
            });
            for c in rule.when {
                let at = args[usize::from(c.arg)];
                let flips = [1, 1 << 31, 1 << 32, 1 << 63, c.mask, !c.mask, u64::MAX];
                let near = [1, 1 << 32].map(|step| [at.wrapping_sub(step), at.wrapping_add(step)]);
                let near = near.into_iter().flatten().chain([0, u64::MAX]);
                for argument in flips.map(|flip| at ^ flip).into_iter().chain(near) {
                    let mut args = args;
                    args[usize::from(c.arg)] = argument;
                    calls.push(Call {
                        arch: filter.arch,
                        number,
                        args,
                    });
                }
            }
        }
    }
    calls
}

fn check(filter: &One<'_>, program: &[Instruction]) {
    assert!(program.len() <= MAX_INSTRUCTIONS);
    for call in boundary_calls(filter) {
        let (verdict, _) = run(program, &call, filter.big_endian);
        assert_eq!(verdict, model(filter, &call), "{call:x?} of {filter:x?}");
    }
}

/// That each of two architectures in one filter gets what its own filter says.
fn check_both(one: &One<'_>, other: &One<'_>) {
    let program = together(&[one, other], |it, scratch| it.compile(scratch)).unwrap();
    for filter in [one, other] {
        let calls = boundary_calls(filter).into_iter();
        for call in calls.filter(|call| call.arch == filter.arch) {
            let (verdict, _) = run(&program, &call, filter.big_endian);
            assert_eq!(verdict, model(filter, &call), "{call:x?} of {filter:x?}");
        }
    }
    let third = Call {
        arch: 0x4000_0003,
        number: 1,
        args: [0; 6],
    };
    assert_eq!(run(&program, &third, one.big_endian).0, one.foreign);
}

fn filter<'a>(rules: &'a [Rule<'a>]) -> One<'a> {
    One {
        arch: ARCH,
        big_endian: false,
        ranges: X32_RANGE,
        foreign: FOREIGN,
        unmatched: ret::ERRNO | 1,
        rules,
    }
}

fn plain(numbers: impl IntoIterator<Item = u32>) -> Vec<Rule<'static>> {
    numbers
        .into_iter()
        .map(|number| allow(number, &[]))
        .collect()
}

fn allow(number: u32, when: &[Test]) -> Rule<'_> {
    Rule {
        number,
        verdict: ret::ALLOW,
        when,
    }
}

#[test]
fn one_run_of_numbers_is_tested_by_its_end_alone() {
    let rules = plain(0..330);
    let program = compile(&filter(&rules)).unwrap();
    check(&filter(&rules), &program);
    assert_eq!(program.len(), 9, "{program:?}");
}

#[test]
fn no_rules_leave_only_the_foreign_calls_apart() {
    let program = compile(&filter(&[])).unwrap();
    check(&filter(&[]), &program);
    let bare = One {
        ranges: &[],
        ..filter(&[])
    };
    let program = compile(&bare).unwrap();
    check(&bare, &program);
    assert_eq!(program.len(), 4, "load, compare, two returns: {program:?}");
}

#[test]
fn scattered_numbers_stay_shallow_and_short() {
    let rules = plain((0..330).map(|i| 3 * i + i % 2));
    let program = compile(&filter(&rules)).unwrap();
    check(&filter(&rules), &program);
    assert!(program.len() < 500, "{}", program.len());
    let deepest = (0..1100)
        .map(|number| {
            run(
                &program,
                &Call {
                    arch: ARCH,
                    number,
                    args: [0; 6],
                },
                false,
            )
            .1
        })
        .max();
    assert!(deepest <= Some(3 + 7 + LINEAR_TESTS + 2), "{deepest:?}");
}

/// Tests at the bottom of the tree.
const LINEAR_TESTS: usize = 3;

#[test]
fn equal_verdicts_need_no_tests() {
    let rules = plain([1, 5, 9]);
    let all = One {
        ranges: &[],
        foreign: ret::ALLOW,
        unmatched: ret::ALLOW,
        ..filter(&rules)
    };
    let program = compile(&all).unwrap();
    check(&all, &program);
    assert!(program.len() <= 4, "{program:?}");
}

#[test]
fn a_rule_without_conditions_wins() {
    let when = [Test::equal(0, 1, 1)];
    let rules = [allow(3, &when), allow(3, &[])];
    let program = compile(&filter(&rules)).unwrap();
    check(&filter(&rules), &program);
    assert!(program.iter().all(|i| i.code != op::AND));
}

#[test]
fn of_several_rules_the_last_that_holds_decides() {
    let word = |mask, value| [Test::equal(0, mask, value)];
    let when = [
        word(0xffff_ffff, 0),
        word(u64::MAX, 0),
        word(0xffff_ffff, 1),
    ];
    let rule = |verdict, when| Rule {
        number: 3,
        verdict,
        when,
    };
    let rules = [
        rule(ret::TRAP, &[][..]),
        // The same, so that nothing is left to test.
        rule(ret::TRAP, &when[0]),
        rule(ret::LOG, &when[1]),
        rule(ret::TRACE, &when[2]),
    ];
    check(&filter(&rules), &compile(&filter(&rules)).unwrap());
}

#[test]
fn alternatives_on_one_argument_load_it_once() {
    let values = [0x5401, 0x5413, 0x5402];
    let when = values.map(|value| [Test::equal(1, 0xffff_ffff, value)]);
    let rules = [0, 1, 2].map(|i| allow(16, &when[i]));
    let program = compile(&filter(&rules)).unwrap();
    check(&filter(&rules), &program);
    let loads = program
        .iter()
        .filter(|i| i.code == op::LOAD && i.k == data::ARGS + 8);
    assert_eq!(loads.count(), 1);
}

#[test]
fn impossible_conditions_never_match() {
    let when = [Test::equal(0, 1, 2)];
    let rules = [allow(3, &when)];
    check(&filter(&rules), &compile(&filter(&rules)).unwrap());
}

#[test]
fn bad_rules_are_refused() {
    assert_eq!(compile(&filter(&plain([2, 1]))), Err(Error::Unsorted));
    assert_eq!(
        compile(&filter(&plain((0..3000).map(|i| 2 * i)))),
        Err(Error::TooLong)
    );
}

/// 512 rules of two conditions each: by number, or all for one number.
#[test]
fn the_largest_policy_is_compiled_or_refused_but_never_wrong() {
    for step in [0, 1, 2] {
        for mask in [0xff, 0xffff_ffff, u64::MAX] {
            let when: Vec<_> = (0..512)
                .map(|i| {
                    let value = u64::from(i % 251_u32);
                    [Test::equal(0, mask, value), Test::equal(5, mask, 7)]
                })
                .collect();
            let rules: Vec<_> = (0..512)
                .zip(&when)
                .map(|(i, when)| allow(step * i, when))
                .collect();
            match compile(&filter(&rules)) {
                Ok(program) => check(&filter(&rules), &program),
                Err(error) => {
                    assert_eq!(error, Error::TooLong);
                    assert!(
                        mask == u64::MAX,
                        "two short conditions need but six instructions"
                    );
                }
            }
        }
    }
}

#[test]
fn far_targets_are_bridged() {
    let when: Vec<_> = (0..300)
        .map(|i| [Test::equal(0, 0xff00, u64::from(i % 256_u32) << 8)])
        .collect();
    let mut rules: Vec<_> = when.iter().map(|when| allow(100, when)).collect();
    rules.extend(plain([101, 105, 108, 111]));
    let program = compile(&filter(&rules)).unwrap();
    check(&filter(&rules), &program);
    let returns = program.iter().filter(|i| i.code == op::RETURN).count();
    assert!(
        returns > 3,
        "returns are repeated where they are out of reach"
    );
}

fn conditions() -> impl Strategy<Value = Test> {
    let mask = prop_oneof![
        4 => Just(u64::from(u32::MAX)),
        2 => Just(u64::MAX),
        1 => Just(0),
        1 => Just(0xffff_ffff_0000_0000),
        2 => any::<u64>(),
    ];
    (
        0..6_u8,
        mask,
        prop_oneof![0..4_u64, any::<u64>()],
        prop::bool::weighted(0.95),
        prop::sample::select(std::vec![
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
        ]),
    )
        .prop_map(|(arg, mask, value, possible, comparison)| Test {
            arg,
            mask,
            value: if possible { value & mask } else { value },
            comparison,
        })
}

/// Ascending ranges between these.
fn ranges(ends: BTreeSet<u32>) -> Vec<Range> {
    let ends: Vec<_> = ends.into_iter().collect();
    let range = |ends: &[u32]| Range {
        first: ends[0],
        last: ends[ends.len() - 1],
        verdict: ends[0] % 4,
    };
    ends.chunks(2).map(range).collect()
}

#[test]
fn filters_for_equality_are_compiled_to_the_same_by_the_smaller_generator() {
    let when = [Test::equal(0, u64::MAX, 7 << 32), Test::equal(1, 0xff, 3)];
    let rules = [allow(3, &when), allow(3, &when[1..]), allow(5, &[])];
    let equal = filter(&rules);
    assert_eq!(compile_equal(&equal), compile(&equal));
    let other = [Test {
        comparison: Comparison::NotEqual,
        ..when[0]
    }];
    let rules = [allow(3, &[]), allow(4, &other)];
    assert_eq!(compile_equal(&filter(&rules)), Err(Error::Comparison));
}

/// Two halves, of which either decides.
#[test]
fn each_comparison_is_made_of_all_64_bits() {
    let values = [
        0,
        1,
        5,
        1 << 31,
        (1 << 32) - 1,
        1 << 32,
        (7 << 32) + 5,
        u64::MAX,
    ];
    let masks = [u64::MAX, u64::from(u32::MAX), !u64::from(u32::MAX), 0xff, 0];
    for comparison in [
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ] {
        for (mask, value) in masks
            .iter()
            .flat_map(|mask| values.map(|value| (*mask, value)))
        {
            let condition = Test {
                arg: 2,
                mask,
                value,
                comparison,
            };
            let when = [condition, Test::equal(3, u64::MAX, 1)];
            let first = [Test::equal(2, 1 << 40, 1 << 40)];
            let rules = [allow(1, &first), allow(1, &when)];
            for big_endian in [false, true] {
                let filter = One {
                    big_endian,
                    ..filter(&rules)
                };
                let program = compile(&filter).unwrap();
                check(&filter, &program);
                for argument in values {
                    let mut call = Call {
                        arch: ARCH,
                        number: 1,
                        args: [0; 6],
                    };
                    (call.args[2], call.args[3]) = (argument, 1);
                    let (verdict, _) = run(&program, &call, big_endian);
                    assert_eq!(
                        verdict,
                        model(&filter, &call),
                        "{condition:x?} {argument:#x}"
                    );
                    let known = condition.constant();
                    assert!(known.is_none_or(|known| known == condition.holds(argument)));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn the_program_means_what_the_filter_says(
        mut rules in prop::collection::vec(
            (
                prop_oneof![8 => 0..60_u32, 4 => 0..1000_u32, 1 => any::<u32>(), 1 => Just(u32::MAX)],
                prop_oneof![
                    Just(Vec::new()),
                    prop::collection::vec(conditions(), 0..4),
                ],
                prop_oneof![4 => Just(0), 1 => 0..8_u32],
            ),
            0..200,
        ),
        big_endian: bool,
        ranges in prop_oneof![
            Just(X32_RANGE.to_vec()),
            prop::collection::btree_set(prop_oneof![0..1000_u32, 0..u32::MAX], 0..6).prop_map(ranges),
        ],
        verdicts in prop::array::uniform3(0..3_u32),
        split in 0..200_usize,
    ) {
        rules.sort_by_key(|(number, ..)| *number);
        let [foreign, matched, unmatched] = verdicts;
        let rules: Vec<_> = rules
            .iter()
            .map(|(number, when, other)| Rule { number: *number, verdict: matched + other, when })
            .collect();
        let filter = One {
            arch: ARCH, big_endian, ranges: &ranges, foreign, unmatched, rules: &rules,
        };
        let program = compile(&filter).unwrap();
        check(&filter, &program);

        let (some, others) = rules.split_at(split.min(rules.len()));
        let one = One { rules: some, ..filter };
        let other = One { arch: ARCH ^ 1, rules: others, ranges: X32_RANGE, ..filter };
        check_both(&one, &other);
    }
}
