//! Sets of arguments, as forms of other tools can say them: alternatives, in each of which
//! some bits of an argument have a value, and no more than one such demand for an argument.
//!
//! Whatever tests a filter makes can be brought to this form: an order is one alternative
//! for each bit that decides it, and what does not hold is one for each bit that differs.
//! Forms that can say an order are given [tests](super::alternatives) instead.

use std::collections::BTreeSet;

use sandbox_format::bpf::{Comparison, Test};

/// The most alternatives that a rule may come to.
const MAX: usize = 512;

/// Demands on the six arguments, all of which must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cube([Bits; 6]);

/// That the bits of a mask have a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Bits {
    /// Which bits; none if every value will do.
    pub(super) mask: u64,
    /// Their value; 0 in all other bits.
    pub(super) value: u64,
}

/// A rule comes to too many alternatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Cube {
    /// One that demands something of an argument.
    fn of(arg: u8, mask: u64, value: u64) -> Self {
        let mut cube = Self::default();
        if let Some(bits) = cube.0.get_mut(usize::from(arg)) {
            *bits = Bits { mask, value };
        }
        cube
    }

    /// The demands, by argument.
    pub(super) fn demands(&self) -> impl Iterator<Item = (u8, Bits)> {
        let demands = (0..).zip(self.0);
        demands.filter(|(_, bits)| bits.mask != 0)
    }

    /// What both demand; `None` if that can't be.
    fn and(&self, other: &Self) -> Option<Self> {
        let mut both = *self;
        for (bits, other) in both.0.iter_mut().zip(other.0) {
            if (bits.value ^ other.value) & bits.mask & other.mask != 0 {
                return None;
            }
            bits.mask |= other.mask;
            bits.value |= other.value;
        }
        Some(both)
    }

    /// What is not in it: an alternative for each bit.
    fn complement(&self) -> Vec<Self> {
        let of_bit = |arg, bits: Bits, bit: u64| Self::of(arg, bit, !bits.value & bit);
        let of_bits = |(arg, bits): (u8, Bits)| {
            let ones = (0..u64::BITS).map(|at| 1 << at);
            let ones = ones.filter(move |bit| bits.mask & bit != 0);
            ones.map(move |bit| of_bit(arg, bits, bit))
        };
        self.demands().flat_map(of_bits).collect()
    }

    /// Whether all that is in the other is in it.
    fn contains(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(other.0);
        pairs.all(|(own, other)| {
            own.mask & !other.mask == 0 && (own.value ^ other.value) & own.mask == 0
        })
    }

    /// Those that differ from it in one bit, and for each the one that is both together.
    fn neighbours(&self) -> impl Iterator<Item = (Self, Self)> {
        let of_bit = |arg: usize, bit: u64| {
            let (mut other, mut joined) = (*self, *self);
            other.0[arg].value ^= bit;
            joined.0[arg].mask &= !bit;
            joined.0[arg].value &= !bit;
            (other, joined)
        };
        let bits = (0..u64::BITS).map(|at| 1 << at);
        let all = (0..6).flat_map(move |arg| bits.clone().map(move |bit| (arg, bit)));
        let demanded = all.filter(|(arg, bit): &(usize, u64)| self.0[*arg].mask & bit != 0);
        demanded.map(move |(arg, bit)| of_bit(arg, bit))
    }

    /// Whether arguments are in it.
    #[cfg(test)]
    fn holds(&self, args: &[u64; 6]) -> bool {
        let mut pairs = self.0.iter().zip(args);
        pairs.all(|(bits, arg)| arg & bits.mask == bits.value)
    }
}

/// The alternatives of tests that must all hold.
pub(super) fn of_tests(tests: &[Test]) -> Result<Vec<Cube>, TooMany> {
    let mut all = vec![Cube::default()];
    for test in tests {
        all = product(&all, &of_test(test))?;
    }
    Ok(all)
}

/// What is in one of each.
fn product(some: &[Cube], others: &[Cube]) -> Result<Vec<Cube>, TooMany> {
    if some.len().saturating_mul(others.len()) > MAX * 8 {
        return Err(TooMany);
    }
    let pairs = some
        .iter()
        .flat_map(|one| others.iter().filter_map(|other| one.and(other)));
    few(pairs.collect())
}

/// As few as can be had without a search: none that is in another, and one for two that
/// differ in a bit.
fn few(cubes: Vec<Cube>) -> Result<Vec<Cube>, TooMany> {
    let mut found: BTreeSet<Cube> = cubes.into_iter().collect();
    if found.len() > MAX * 2 {
        return Err(TooMany);
    }
    let mut waiting: Vec<Cube> = found.iter().copied().collect();
    while let Some(cube) = waiting.pop() {
        if !found.contains(&cube) {
            continue;
        }
        let pair = cube.neighbours().find(|(other, _)| found.contains(other));
        if let Some((other, joined)) = pair {
            found.remove(&cube);
            found.remove(&other);
            found.insert(joined);
            waiting.push(joined);
        }
    }
    let all: Vec<Cube> = found.into_iter().collect();
    let is_apart = |cube: &&Cube| {
        !all.iter()
            .any(|other| other != *cube && other.contains(cube))
    };
    let kept: Vec<Cube> = all.iter().filter(is_apart).copied().collect();
    if kept.len() > MAX {
        return Err(TooMany);
    }
    Ok(kept)
}

fn of_test(test: &Test) -> Vec<Cube> {
    let Test {
        arg, mask, value, ..
    } = *test;
    let is_possible = value & !mask == 0;
    match test.comparison {
        Comparison::Equal if is_possible => vec![Cube::of(arg, mask, value)],
        Comparison::Equal => Vec::new(),
        Comparison::NotEqual if is_possible => Cube::of(arg, mask, value).complement(),
        Comparison::NotEqual => vec![Cube::default()],
        Comparison::Less => of_order(test, false, false),
        Comparison::LessOrEqual => of_order(test, false, true),
        Comparison::Greater => of_order(test, true, false),
        Comparison::GreaterOrEqual => of_order(test, true, true),
    }
}

/// The alternatives of an order: the bits down to the one that decides, and for equal
/// numbers all of them.
fn of_order(test: &Test, is_greater: bool, or_equal: bool) -> Vec<Cube> {
    let mut cubes = Vec::new();
    let mut above = 0;
    for bit in (0..u64::BITS).rev().map(|at| 1_u64 << at) {
        let is_set = test.value & bit != 0;
        let prefix = test.value & above;
        if test.mask & bit == 0 {
            if is_set {
                // The argument has a 0 there, so it is less, whatever follows.
                if !is_greater {
                    cubes.push(Cube::of(test.arg, above, prefix));
                }
                return cubes;
            }
            continue;
        }
        if is_set != is_greater {
            let decides = prefix | if is_greater { bit } else { 0 };
            cubes.push(Cube::of(test.arg, above | bit, decides));
        }
        above |= bit;
    }
    if or_equal {
        cubes.push(Cube::of(test.arg, above, test.value));
    }
    cubes
}

/// Which alternatives get which action, where of several rules the first that holds decides:
/// in whatever order, the alternatives of different actions have nothing in common. What no
/// rule holds for is in none.
pub(super) fn apart<A: Copy + PartialEq>(
    rules: &[(&[Test], A)],
) -> Result<Vec<(A, Vec<Cube>)>, TooMany> {
    let mut found: Vec<(A, Vec<Cube>)> = Vec::new();
    let mut earlier: Vec<(A, Vec<Cube>)> = Vec::new();
    for (tests, action) in rules {
        let own = few(of_tests(tests)?)?;
        let mut left = own.clone();
        for (_, cubes) in earlier.iter().filter(|(other, _)| other != action) {
            for cube in cubes {
                left = without(&left, cube)?;
            }
        }
        earlier.push((*action, own));
        match found.iter_mut().find(|(other, _)| other == action) {
            Some((_, cubes)) => {
                cubes.extend(left);
                *cubes = few(std::mem::take(cubes))?;
            }
            None => found.push((*action, left)),
        }
    }
    found.retain(|(_, cubes)| !cubes.is_empty());
    Ok(found)
}

/// What is in some of the cubes and not in this one.
fn without(cubes: &[Cube], out: &Cube) -> Result<Vec<Cube>, TooMany> {
    let mut left = Vec::new();
    for cube in cubes {
        if cube.and(out).is_none() {
            left.push(*cube);
        } else {
            left.extend(out.complement().iter().filter_map(|it| cube.and(it)));
        }
    }
    few(left)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![
            0_u64..8,
            any::<u32>().prop_map(u64::from),
            any::<u64>(),
            Just(u64::MAX),
            Just(0x8000_0000),
        ]
    }

    pub(in crate::policy) fn test() -> impl Strategy<Value = Test> {
        let comparison = prop_oneof![
            Just(Comparison::Equal),
            Just(Comparison::NotEqual),
            Just(Comparison::Less),
            Just(Comparison::LessOrEqual),
            Just(Comparison::Greater),
            Just(Comparison::GreaterOrEqual),
        ];
        (0_u8..2, number(), number(), comparison).prop_map(|(arg, mask, value, comparison)| Test {
            arg,
            mask,
            value,
            comparison,
        })
    }

    /// Arguments near what is compared.
    pub(in crate::policy) fn near(tests: &[Test]) -> Vec<[u64; 6]> {
        let values: Vec<u64> = tests
            .iter()
            .flat_map(|test| {
                let near = [
                    test.value.wrapping_sub(1),
                    test.value,
                    test.value.wrapping_add(1),
                ];
                near.into_iter()
                    .flat_map(|it| [it, it & test.mask, it | !test.mask])
            })
            .chain([0, u64::MAX])
            .collect();
        let pairs = values
            .iter()
            .flat_map(|one| values.iter().map(move |other| [*one, *other, 0, 0, 0, 0]));
        pairs.collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn a_test_is_its_alternatives(test in test(), args in any::<[u64; 6]>()) {
            let cubes = of_test(&test);
            for args in near(&[test]).into_iter().chain([args]) {
                let holds = test.holds(args[usize::from(test.arg)]);
                prop_assert_eq!(cubes.iter().any(|cube| cube.holds(&args)), holds);
            }
        }

        #[test]
        fn rules_apart_decide_as_rules_in_order(
            rules in prop::collection::vec((prop::collection::vec(test(), 0..2), 0_u8..3), 1..4),
        ) {
            let borrowed: Vec<(&[Test], u8)> =
                rules.iter().map(|(tests, action)| (&tests[..], *action)).collect();
            let Ok(apart) = apart(&borrowed) else { return Ok(()) };
            let tests: Vec<Test> = rules.iter().flat_map(|(tests, _)| tests.clone()).collect();
            for args in near(&tests) {
                let holds = |tests: &[Test]| {
                    tests.iter().all(|test| test.holds(args[usize::from(test.arg)]))
                };
                let first = rules.iter().find(|(tests, _)| holds(tests));
                let has = |cubes: &[Cube]| cubes.iter().any(|cube| cube.holds(&args));
                let found: Vec<u8> =
                    apart.iter().filter(|(_, cubes)| has(cubes)).map(|(action, _)| *action).collect();
                let expected: Vec<u8> = first.map(|(_, action)| *action).into_iter().collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn common_tests_are_few_alternatives() {
        let test = |mask, value, comparison| Test {
            arg: 0,
            mask,
            value,
            comparison,
        };
        for (test, count) in [
            (test(u64::MAX, 7, Comparison::Equal), 1),
            (test(u64::MAX, 3, Comparison::LessOrEqual), 1),
            (test(u64::MAX, 4, Comparison::Less), 1),
            (test(1, 1, Comparison::NotEqual), 1),
            (
                test(0xffff_ffff, 0x8000_0000, Comparison::GreaterOrEqual),
                1,
            ),
            (test(u64::MAX, 10, Comparison::LessOrEqual), 3),
        ] {
            assert_eq!(of_tests(&[test]).unwrap().len(), count, "{test:?}");
        }
    }
}
