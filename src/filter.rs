//! Filters: making them from a policy, reading them, running them.

mod disassemble;
mod emulate;
pub mod export;
mod operation;
mod pass;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use disassemble::{Disassembly, disassemble};
pub use emulate::{Data, Invalid, Program, emulate};
pub use pass::Pass;
/// What a filter consists of.
pub use sandbox_format::bpf::Instruction;

use sandbox_format::bpf::identity::Answers;
use sandbox_format::bpf::{
    self, Entry, Filter, MAX_INSTRUCTIONS, MAX_RUNS, Range, Rule, Run, Scratch, ret,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::policy::{self, Abi, Action, Arch, Resolved, ResolvedRule};

/// Why a policy could not be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel does not accept a program of this length.
    #[error("the policy needs more instructions than the kernel takes (4096); name fewer calls")]
    TooLong,
    /// A condition on an argument that no system call has.
    #[error("the policy has a condition on an argument above 5; the file is damaged")]
    Argument,
}

/// A compiled policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The architecture that it applies to.
    pub arch: Arch,
    /// The filter.
    pub program: Vec<Instruction>,
    /// What identifies it in a process (see [`sandbox_format::bpf::identity`]).
    pub identity: u64,
}

/// Compiles a policy.
///
/// # Errors
///
/// See [`Error`]; neither can happen if [`resolve`](crate::policy::resolve) made the
/// policy from names of system calls.
pub fn compile(resolved: &Resolved) -> Result<Compiled, Error> {
    let mut memory = Memory::new();
    let bytes = export::raw(&compile_with(resolved, &[], &mut memory)?, resolved);
    let identity = xxh3_64(&bytes);
    let answers = Answers::of(identity);
    let seccomp = policy::call_number("seccomp", resolved.arch);
    let rules = seccomp.map(|number| answers.rules(number));
    Ok(Compiled {
        arch: resolved.arch,
        program: compile_with(
            resolved,
            rules.as_ref().map_or(&[], |rules| rules),
            &mut memory,
        )?,
        identity,
    })
}

/// Working memory, which is used twice.
struct Memory {
    instructions: Box<[Instruction; MAX_INSTRUCTIONS]>,
    runs: Box<[Run; MAX_RUNS]>,
}

impl Memory {
    fn new() -> Self {
        Self {
            instructions: Box::new([Instruction::NONE; MAX_INSTRUCTIONS]),
            runs: Box::new([Run::NONE; MAX_RUNS]),
        }
    }
}

/// Compiles a policy with further rules for the program's own ABI before all others.
fn compile_with(
    resolved: &Resolved,
    first: &[Rule<'_>],
    memory: &mut Memory,
) -> Result<Vec<Instruction>, Error> {
    let mut tests = resolved
        .abis
        .iter()
        .flat_map(|abi| &abi.rules)
        .flat_map(|rule| &rule.when);
    if tests.any(|test| test.arg > 5) {
        return Err(Error::Argument);
    }
    let foreign = return_value(resolved.policy.foreign_action());
    let parts: Vec<Part<'_>> = parts(resolved)
        .into_iter()
        .map(|abis| Part::of(resolved, &abis, first, foreign))
        .collect();
    let entries: Vec<Entry<'_>> = parts.iter().map(Part::entry).collect();
    let filter = Filter {
        big_endian: resolved.arch.big_endian(),
        foreign,
        entries: &entries,
    };
    let scratch = Scratch {
        instructions: &mut memory.instructions,
        runs: &mut memory.runs,
    };
    match filter.compile(scratch) {
        Ok(program) => Ok(program.to_vec()),
        Err(bpf::Error::TooLong) => Err(Error::TooLong),
        Err(bpf::Error::Unsorted) => unreachable!("the rules were sorted above"),
        Err(bpf::Error::Comparison) => unreachable!("all comparisons are permitted"),
    }
}

/// The ABIs of a policy, those that the kernel reports as one together.
fn parts(resolved: &Resolved) -> Vec<Vec<&Abi>> {
    let mut parts: Vec<Vec<&Abi>> = Vec::new();
    for abi in &resolved.abis {
        let is_one = |part: &&mut Vec<&Abi>| part[0].arch.audit() == abi.arch.audit();
        match parts.iter_mut().find(is_one) {
            Some(part) => part.push(abi),
            None => parts.push(vec![abi]),
        }
    }
    parts
}

/// What applies to the calls that the kernel reports as of one architecture.
struct Part<'a> {
    arch: u32,
    ranges: Vec<Range>,
    unmatched: u32,
    rules: Vec<Rule<'a>>,
}

impl<'a> Part<'a> {
    fn of(resolved: &'a Resolved, abis: &[&'a Abi], first: &[Rule<'a>], foreign: u32) -> Self {
        let arch = abis[0].arch;
        let mut rules = Vec::new();
        if arch == resolved.arch {
            rules.extend_from_slice(first);
        }
        let own = abis.iter().flat_map(|abi| {
            let is_of_abi = |rule: &&ResolvedRule| abi.arch.has_number(rule.number);
            abi.rules.iter().filter(is_of_abi)
        });
        rules.extend(own.map(|rule| Rule {
            number: rule.number,
            verdict: return_value(rule.action),
            when: &rule.when,
        }));
        rules.sort_by_key(|rule| rule.number);
        let is_held = |arch: Arch| abis.iter().any(|abi| abi.arch == arch);
        let mut ranges: Vec<Range> = arch
            .foreign_numbers()
            .iter()
            .filter(|(_, of)| of.is_none_or(|of| !is_held(of)))
            .map(|&((first, last), _)| Range {
                first,
                last,
                verdict: foreign,
            })
            .collect();
        if let Some(unknown) = resolved.policy.unknown {
            let newer = abis.iter().flat_map(|abi| abi.newer());
            ranges.extend(newer.map(|(first, last)| Range {
                first,
                last,
                verdict: return_value(unknown),
            }));
        }
        ranges.sort_by_key(|range| range.first);
        Self {
            arch: arch.audit(),
            ranges,
            unmatched: return_value(resolved.policy.default),
            rules,
        }
    }

    fn entry(&self) -> Entry<'_> {
        Entry {
            arch: self.arch,
            ranges: &self.ranges,
            unmatched: self.unmatched,
            rules: &self.rules,
        }
    }
}

/// The action as the filter returns it to the kernel.
#[must_use]
pub fn return_value(action: Action) -> u32 {
    match action {
        Action::KillProcess => ret::KILL_PROCESS,
        Action::KillThread => ret::KILL_THREAD,
        Action::Trap => ret::TRAP,
        Action::Errno(number) => ret::ERRNO | u32::from(number),
        Action::Trace(number) => ret::TRACE | u32::from(number),
        Action::Log => ret::LOG,
        Action::Allow => ret::ALLOW,
    }
}
