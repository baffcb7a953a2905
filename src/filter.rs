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

use sandbox_format::bpf::{self, Filter, Rule, Scratch, ret};

use crate::policy::{Action, List, Resolved};

/// Why a policy could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel takes no program of this length.
    #[error("the policy needs more instructions than the kernel takes (4096); name fewer calls")]
    TooLong,
    /// A condition on an argument that no system call has.
    #[error("the policy has a condition on an argument above 5; the file is damaged")]
    Argument,
}

/// Compiles a policy.
///
/// # Errors
///
/// See [`Error`]; neither happens to what [`resolve`](crate::policy::resolve)
/// made of the names of system calls.
pub fn compile(resolved: &Resolved) -> Result<Vec<Instruction>, Error> {
    let mut rules: Vec<Rule<'_>> = resolved
        .rules
        .iter()
        .map(|rule| Rule {
            number: rule.number,
            when: &rule.when,
        })
        .collect();
    rules.sort_by_key(|rule| rule.number);
    let Verdicts {
        foreign,
        matched,
        unmatched,
    } = verdicts(resolved);
    let filter = Filter {
        arch: resolved.arch.audit(),
        big_endian: resolved.arch.big_endian(),
        foreign_numbers: resolved.arch.foreign_numbers(),
        foreign,
        matched,
        unmatched,
        rules: &rules,
    };
    let mut scratch = Box::new(Scratch::new());
    match filter.compile(&mut scratch) {
        Ok(program) => Ok(program.to_vec()),
        Err(bpf::Error::TooLong) => Err(Error::TooLong),
        Err(bpf::Error::Argument) => Err(Error::Argument),
        Err(bpf::Error::Unsorted) => unreachable!("the rules were sorted above"),
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
