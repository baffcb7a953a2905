//! The parameters of system calls: what a condition calls them, how wide they are, and
//! which constants their values are named by.
//!
//! The types are those that the kernel declares (include/linux/syscalls.h and the
//! `SYSCALL_DEFINE`s of Linux 6.12; the calls that are newer or were removed, from the
//! versions that have them), not those of the C library, which often differ. An address
//! is an address even where the kernel declares a number.
//!
//! The names are those of the manual pages' section 2, with what the kernel and the pages
//! of other versions say as further names. What a page numbers by its place (prctl's
//! arg2) is called `option_arg2` and the like, since conditions count from 0.
//!
//! Where architectures differ, a row is as most have it: [`super::arguments`] knows which
//! calls have their arguments elsewhere.

use super::constants::Family;

mod table;

/// How the kernel takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// 32 bits, with a sign: `int`, `pid_t`, `clockid_t`, `key_t`.
    Int,
    /// 32 bits: `unsigned int`, `u32`, `uid_t`, `gid_t`.
    UnsignedInt,
    /// 16 bits, the kernel looks at no more: `umode_t`. The ids of the calls that have a
    /// variant for 32 bits (chown and chown32) have 16 bits, too, on x86, arm and s390;
    /// the rows say 32.
    UnsignedShort,
    /// As wide as a register, with a sign: `long`, `off_t`.
    Long,
    /// As wide as a register: `unsigned long`, `size_t`, `aio_context_t`, `old_sigset_t`.
    UnsignedLong,
    /// 64 bits, with a sign: `loff_t`. Takes two registers where these have 32 bits.
    Wide,
    /// 64 bits: `u64`. Takes two registers where these have 32 bits.
    UnsignedWide,
    /// An address in memory.
    Pointer,
}

/// A parameter of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// The name that its manual page has.
    pub(crate) name: &'static str,
    /// Further names.
    pub(crate) aliases: &'static [&'static str],
    pub(crate) kind: Type,
    /// Whether the kernel looks at the lower 32 bits only, though the type has more: a
    /// condition on all of them could be evaded with others above. These are what ends as
    /// an `int` or `unsigned int` in kernel/fork.c (`lower_32_bits`), fs/file.c (`fget`),
    /// mm/mempolicy.c (`kernel_mbind`) and kernel/ptrace.c.
    pub(crate) is_cut: bool,
    /// The constants that its values are named by.
    pub(crate) family: Option<Family>,
}

/// The parameters of a call. There are none if the kernel never had more of it than the
/// number.
pub(crate) fn of(call: &str) -> Option<&'static [Parameter]> {
    let row = table::CALLS.binary_search_by_key(&call, |row| row.0).ok()?;
    Some(table::CALLS[row].1)
}

/// The place of the parameter with this name, or with this further name, from 0.
pub(crate) fn position(call: &str, parameter: &str) -> Option<u8> {
    let has_name = |candidate: &Parameter| {
        candidate.name == parameter || candidate.aliases.contains(&parameter)
    };
    let position = of(call)?.iter().position(has_name)?;
    u8::try_from(position).ok()
}

impl Parameter {
    /// What the kernel looks at, which may be less than the type.
    pub(crate) fn looked_at(&self) -> Type {
        match self.kind {
            Type::Long if self.is_cut => Type::Int,
            _ if self.is_cut => Type::UnsignedInt,
            kind => kind,
        }
    }

    const fn new(name: &'static str, kind: Type) -> Parameter {
        Parameter {
            name,
            aliases: &[],
            kind,
            is_cut: false,
            family: None,
        }
    }

    /// The same, whose values these constants name.
    const fn of(self, family: Family) -> Parameter {
        Parameter {
            family: Some(family),
            ..self
        }
    }

    /// The same, of which the kernel looks at the lower 32 bits only.
    const fn cut(self) -> Parameter {
        Parameter {
            is_cut: true,
            ..self
        }
    }

    /// The same with further names.
    const fn or(self, aliases: &'static [&'static str]) -> Parameter {
        Parameter { aliases, ..self }
    }
}

const fn int(name: &'static str) -> Parameter {
    Parameter::new(name, Type::Int)
}

const fn unsigned(name: &'static str) -> Parameter {
    Parameter::new(name, Type::UnsignedInt)
}

const fn short(name: &'static str) -> Parameter {
    Parameter::new(name, Type::UnsignedShort)
}

const fn long(name: &'static str) -> Parameter {
    Parameter::new(name, Type::Long)
}

/// An unsigned long.
const fn word(name: &'static str) -> Parameter {
    Parameter::new(name, Type::UnsignedLong)
}

const fn wide(name: &'static str) -> Parameter {
    Parameter::new(name, Type::Wide)
}

const fn unsigned_wide(name: &'static str) -> Parameter {
    Parameter::new(name, Type::UnsignedWide)
}

const fn pointer(name: &'static str) -> Parameter {
    Parameter::new(name, Type::Pointer)
}

/// The directory that a path is relative to.
const DIRFD: Parameter = int("dirfd").of(Family::AtDirectory).or(&["dfd"]);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::policy::names::numbers;
    use crate::policy::{Arch, calls};

    #[test]
    fn every_call_of_every_architecture_has_a_row() {
        for arch in Arch::all() {
            let names = numbers(arch).filter_map(|number| calls::name(number, arch));
            for name in names {
                assert!(of(name).is_some(), "{name} of {arch}");
            }
        }
    }

    #[test]
    fn rows_are_in_order_and_of_known_calls() {
        assert!(table::CALLS.is_sorted_by(|one, next| one.0 < next.0));
        for (call, _) in table::CALLS {
            assert!(calls::is_known(call), "{call}");
        }
    }

    #[test]
    fn names_are_identifiers_and_distinct() {
        for (call, parameters) in table::CALLS {
            assert!(parameters.len() <= 6, "{call}");
            let names = parameters
                .iter()
                .flat_map(|parameter| parameter.aliases.iter().chain([&parameter.name]));
            let mut seen = BTreeSet::new();
            for name in names {
                assert!(seen.insert(name), "{call} {name}");
                let is_first = |c: char| c.is_ascii_lowercase() || c == '_';
                assert!(name.starts_with(is_first), "{call} {name}");
                let is_inner = |c: char| is_first(c) || c.is_ascii_digit();
                assert!(name.chars().all(is_inner), "{call} {name}");
                // Which are for numbered arguments.
                let number = name.strip_prefix("arg").map(str::parse::<u8>);
                assert!(!matches!(number, Some(Ok(_))), "{call} {name}");
            }
        }
    }

    #[test]
    fn what_the_kernel_cuts_is_declared_as_wider() {
        for (call, parameters) in table::CALLS {
            for parameter in parameters.iter().filter(|parameter| parameter.is_cut) {
                let is_wide = matches!(parameter.kind, Type::Long | Type::UnsignedLong);
                assert!(is_wide, "{call} {}", parameter.name);
            }
        }
        let is_cut = |call, name| {
            let position = position(call, name).unwrap();
            of(call).unwrap()[usize::from(position)].is_cut
        };
        assert!(is_cut("clone", "flags") && is_cut("readv", "fd") && is_cut("mmap", "fd"));
        assert!(!is_cut("mmap", "flags") && !is_cut("read", "fd"));
    }

    #[test]
    fn the_kernel_s_types_and_the_manual_s_names() {
        let parameter = |call, name| {
            let position = position(call, name).unwrap_or_else(|| panic!("{call} {name}"));
            (position, of(call).unwrap()[usize::from(position)].kind)
        };
        assert_eq!(parameter("ioctl", "request"), (1, Type::UnsignedInt));
        assert_eq!(parameter("ioctl", "op"), (1, Type::UnsignedInt));
        assert_eq!(parameter("ioctl", "cmd"), (1, Type::UnsignedInt));
        assert_eq!(parameter("mmap", "prot"), (2, Type::UnsignedLong));
        assert_eq!(parameter("mmap", "addr"), (0, Type::Pointer));
        assert_eq!(parameter("open", "mode"), (2, Type::UnsignedShort));
        assert_eq!(parameter("kill", "pid"), (0, Type::Int));
        assert_eq!(parameter("pread64", "offset"), (3, Type::Wide));
        assert_eq!(parameter("prctl", "option_arg2"), (1, Type::UnsignedLong));
        assert_eq!(position("prctl", "arg2"), None);
        assert_eq!(position("getpid", "pid"), None);
        assert_eq!(of("tuxcall"), Some(&[] as &[Parameter]));
        assert_eq!(of("no_such_call"), None);
    }
}
