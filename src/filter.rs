//! Filters: making them from a policy, reading them, running them.

mod disassemble;
mod emulate;
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
use sandbox_format::bpf::{self, Filter, MAX_INSTRUCTIONS, MAX_RUNS, Rule, Run, Scratch, ret};
use sandbox_format::note::{ByteOrder, restriction};

use xxhash_rust::xxh3::xxh3_64;

use crate::policy::{self, Action, Arch, List, Resolved, Verdict};

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
    let order = ByteOrder::of(resolved.arch.big_endian());
    let mut memory = Memory::new();
    let bytes: Vec<u8> = compile_with(resolved, &[], &mut memory)?
        .into_iter()
        .flat_map(|instruction| restriction::encode(instruction, order))
        .collect();
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

/// Compiles a policy with further rules after its own.
fn compile_with(
    resolved: &Resolved,
    others: &[Rule<'_>],
    memory: &mut Memory,
) -> Result<Vec<Instruction>, Error> {
    let Verdicts {
        foreign,
        matched,
        unmatched,
    } = verdicts(resolved);
    let own = resolved.rules.iter().map(|rule| Rule {
        number: rule.number,
        verdict: rule.verdict.map_or(matched, verdict_value),
        when: &rule.when,
    });
    let mut conditions = resolved.rules.iter().flat_map(|rule| &rule.when);
    if conditions.any(|condition| condition.arg > 5) {
        return Err(Error::Argument);
    }
    let mut rules: Vec<Rule<'_>> = own.chain(others.iter().copied()).collect();
    rules.sort_by_key(|rule| rule.number);
    let filter = Filter {
        arch: resolved.arch.audit(),
        big_endian: resolved.arch.big_endian(),
        foreign_numbers: resolved.arch.foreign_numbers(),
        foreign,
        unmatched,
        rules: &rules,
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

fn verdict_value(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Allow => ret::ALLOW,
        Verdict::Act(action) => return_value(action),
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
    }
}

struct Verdicts {
    foreign: u32,
    matched: u32,
    unmatched: u32,
}

fn verdicts(resolved: &Resolved) -> Verdicts {
    let action = resolved.policy.action;
    let violation = return_value(action);
    let (matched, unmatched) = match resolved.policy.list {
        List::Allow => (ret::ALLOW, violation),
        List::Deny => (violation, ret::ALLOW),
    };
    // A call of another ABI is no call that the policy could name, so that it
    // is not answered but ends the process; who only observes breaks nothing.
    let foreign = if action == Action::Log {
        ret::LOG
    } else {
        ret::KILL_PROCESS
    };
    Verdicts {
        foreign,
        matched,
        unmatched,
    }
}
