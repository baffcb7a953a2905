//! Environment mode: a policy for a program that carries none, from variables.
//!
//! The names and their meaning are those of Cloudflare's sandbox toolkit:
//!
//! * `SECCOMP_SYSCALL_ALLOW`: names, and groups (`@network-io`), separated by
//!   colons, of what the program may call; widened by portable names unless `SANDBOX_EXACT` is `1`.
//! * `SECCOMP_SYSCALL_DENY`: what it may not call, taken literally. Looked at
//!   only if there is no allow-list.
//! * `SECCOMP_DEFAULT_ACTION`: exactly `log` to log violations instead of
//!   killing the process. Any other value is passed over, as the toolkit does:
//!   the process is killed, which is the stricter of the two.
//!
//! `SANDBOX_EXACT` is not the toolkit's, but treated alike: any other value is
//! passed over, and what it could have prevented are the substitutes of calls
//! that the list names.
//!
//! Without either list no policy was asked for and nothing happens. In secure
//! execution the variables are those of an untrusted user and are ignored. The
//! program does not see them.

use sandbox_format::bpf::{
    Entry, Filter, Instruction, MAX_INSTRUCTIONS, MAX_RUNS, Range, Rule, Run, Scratch, Test, ret,
};
use sandbox_format::environment::{ACTION, ALLOW, DENY, EXACT};
use sandbox_format::groups::{self, Native};
use sandbox_format::portable::{self, CONDITIONS, VDSO};
use sandbox_format::syscall;

use crate::die::{Line, die, end};
use crate::install::is_in_force;
use crate::loaded::{self, Environ, Stack};
use crate::program::Program;
use crate::sys::AUDIT_ARCH;

/// More rules than all names of an architecture with all their substitutes.
const MAX_RULES: usize = 1024;

const CONDITIONAL: &str = "conditions on arguments, which only sandboxify reads, are in group";

const TOO_LONG: &str = "the environment's policy is too long";

/// Puts the policy of the environment in force, if there is one. Kept apart
/// from the way of a patched program, which does not come here.
#[cold]
#[inline(never)]
pub(crate) fn apply(program: &Program, stack: Stack) {
    let Some(environ) = Environ::of_process(stack) else {
        die("the environment can't be found");
    };
    let allow = environ.get(ALLOW);
    let (variable, list) = if let Some(list) = allow {
        (ALLOW, list)
    } else if let Some(list) = environ.get(DENY) {
        (DENY, list)
    } else {
        return;
    };
    let Some(secure) = loaded::secure_execution(stack) else {
        die("AT_SECURE can't be found");
    };
    if secure != 0 {
        return;
    }
    let policy = Policy {
        list,
        variable,
        is_allowed: allow.is_some(),
        widen: allow.is_some() && environ.get(EXACT) != Some(b"1"),
        violation: match environ.get(ACTION) {
            Some(b"log") => ret::LOG,
            _ => ret::KILL_PROCESS,
        },
    };
    // No filter answers to that; but it shows who answers in the kernel's place.
    is_in_force(0);
    policy.enforce(program);
    environ.remove(ALLOW);
    environ.remove(DENY);
    environ.remove(ACTION);
    environ.remove(EXACT);
}

/// What the variables ask for.
struct Policy {
    /// Names and groups, separated by colons.
    list: &'static [u8],
    /// The variable that they stand in.
    variable: &'static str,
    /// Whether the names are of what is allowed, or of what is denied.
    is_allowed: bool,
    /// Whether portable names are added.
    widen: bool,
    /// What a call gets that breaks the policy.
    violation: u32,
}

impl Policy {
    /// Compiles and installs the filter.
    ///
    /// Not inlined: its working memory would have every program, also one
    /// without any of the variables, touch 70 KiB of stack.
    #[cold]
    #[inline(never)]
    fn enforce(&self, program: &Program) {
        const NONE: Rule<'_> = Rule {
            number: 0,
            verdict: 0,
            when: &[],
        };
        let (matched, unmatched) = if self.is_allowed {
            (ret::ALLOW, self.violation)
        } else {
            (self.violation, ret::ALLOW)
        };
        let rule = |number, when| Rule {
            number,
            verdict: matched,
            when,
        };
        let mut conditions = [Test::NONE; CONDITIONS];
        let portable = &portable::Native::new(&mut conditions);
        let mut rules = RuleList {
            rules: &mut [NONE; MAX_RULES],
            length: 0,
        };
        self.numbers(|number| {
            rules.insert(rule(number, &[]));
            if self.widen {
                for (number, when) in portable.of(number) {
                    rules.insert(rule(number, when));
                }
            }
        });
        if self.widen && !rules.as_slice().is_empty() {
            for number in VDSO {
                rules.insert(rule(number.into(), &[]));
            }
        }
        let filter = Filter {
            big_endian: cfg!(target_endian = "big"),
            foreign: self.violation,
            entries: &[Entry {
                arch: AUDIT_ARCH,
                ranges: &syscall::NATIVE_FOREIGN.map(|range| self.foreign(range)),
                unmatched,
                rules: rules.as_slice(),
            }],
        };
        let scratch = Scratch {
            instructions: &mut [Instruction::NONE; MAX_INSTRUCTIONS],
            runs: &mut [Run::NONE; MAX_RUNS],
        };
        match filter.compile_equal(scratch) {
            Ok(instructions) => program.enforce(loaded::instruction_bytes(instructions), false),
            Err(_) => die(TOO_LONG),
        }
    }
}

impl Policy {
    /// Calls `take` with the number of each call on the list.
    fn numbers(&self, mut take: impl FnMut(u32)) {
        let names = self.list.split(|byte| *byte == b':');
        for name in names.filter(|name| !name.is_empty()) {
            match name {
                [b'@', group @ ..] => match groups::native(group) {
                    Some(Native::Conditional) => die_about(CONDITIONAL, name, self.variable),
                    Some(group) => group.numbers(&mut take),
                    None => die_about("unknown group", name, self.variable),
                },
                _ => match syscall::native_number(name) {
                    Some(number) => take(number),
                    None => die_about("unknown system call", name, self.variable),
                },
            }
            say_added(name);
        }
    }

    /// What the numbers of another ABI get.
    fn foreign(&self, (first, last): (u32, u32)) -> Range {
        Range {
            first,
            last,
            verdict: self.violation,
        }
    }
}

/// Says that a system call has become part of the policy.
fn say_added(name: &[u8]) {
    let mut line = Line::new();
    line.push(b"adding ");
    line.push(name);
    line.push(b" to the process seccomp filter");
    line.send();
}

/// Ends the process because of a piece of an environment variable.
#[cold]
fn die_about(what: &str, text: &[u8], variable: &str) -> ! {
    end(&[
        what.as_bytes(),
        b" \"",
        // Leaves room for the rest of the sentence.
        text.get(..128).unwrap_or(text),
        b"\" in ",
        variable.as_bytes(),
    ])
}

/// Rules sorted by system call number, as [`Filter`] wants them.
struct RuleList<'a, 'b> {
    rules: &'b mut [Rule<'a>; MAX_RULES],
    length: usize,
}

impl<'a> RuleList<'a, '_> {
    /// Keeps the order, by moving those with larger numbers up. A rule that is
    /// there already, from a name given twice, is not taken again.
    fn insert(&mut self, mut rule: Rule<'a>) {
        let Some((free, used)) = self
            .rules
            .get_mut(..=self.length)
            .and_then(<[_]>::split_last_mut)
        else {
            die(TOO_LONG);
        };
        for place in used {
            if rule.number == place.number && core::ptr::eq(rule.when, place.when) {
                return;
            }
            if rule.number < place.number {
                core::mem::swap(place, &mut rule);
            }
        }
        *free = rule;
        self.length += 1;
    }

    fn as_slice(&self) -> &[Rule<'a>] {
        self.rules.get(..self.length).unwrap_or_default()
    }
}
