//! systemd's units and drop-ins: `SystemCallFilter=`, `SystemCallErrorNumber=`,
//! `SystemCallArchitectures=` and `SystemCallLog=` (systemd.exec(5)).
//!
//! What they mean is in systemd's sources: load-fragment.c reads them,
//! `seccomp_load_syscall_filter_set_raw` and `seccomp_restrict_archs` (seccomp-util.c) make
//! filters of them, one for each ABI. Other settings that make filters, as
//! `RestrictAddressFamilies=`, are warned of.

mod lines;
mod list;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeSet;

use self::lines::{Assignment, KEYS, Settings};
use self::list::{Entry, List};
use super::Input;
use crate::policy::condition::Misread;
use crate::policy::item::Item;
use crate::policy::names::{self, alike};
use crate::policy::{Action, Arch, Draft, Subject, calls, error, groups};

pub(super) use write::write;

/// ENOSYS, which calls get that an allow-list does not know.
const ENOSYS: u16 = 38;

/// The calls that have others behind them.
const MULTIPLEXERS: [&str; 2] = ["socketcall", "ipc"];

/// Reads a unit or a drop-in.
pub(super) fn read(input: &Input<'_>) -> Result<Draft, Misread> {
    let native = input.options.arch;
    let mut unit = Unit {
        native,
        implicit: !input.options.drop_implicit,
        filter: None,
        log: None,
        negative: Action::KillProcess,
        named: BTreeSet::new(),
    };
    let settings = Settings::of(input.text)?;
    for assignment in &settings.of_calls {
        unit.assign(assignment)?;
    }
    if unit.filter.is_none() && unit.log.is_none() {
        return Err(Misread {
            offset: 0,
            problem: "it filters no system calls: SystemCallFilter= is missing, or reset by \
                      the last one"
                .to_owned(),
        });
    }
    let others = settings.others.iter();
    let others = others.map(|(key, offset)| input.other_filter(&format!("{key}="), *offset));
    Ok(Draft {
        warnings: others.collect(),
        ..unit.draft(input)
    })
}

fn wrong<T>(offset: usize, problem: impl Into<String>) -> Result<T, Misread> {
    let problem = problem.into();
    Err(Misread { offset, problem })
}

/// What a unit says.
struct Unit {
    /// The ABI of systemd itself, which is taken to be that of the program.
    native: Arch,
    /// Whether what systemd adds counts.
    implicit: bool,
    /// `SystemCallFilter=`
    filter: Option<List>,
    /// `SystemCallLog=`
    log: Option<List>,
    /// `SystemCallErrorNumber=`
    negative: Action,
    /// `SystemCallArchitectures=`
    named: BTreeSet<String>,
}

impl Unit {
    fn assign(&mut self, assignment: &Assignment) -> Result<(), Misread> {
        match assignment.key.as_str() {
            "SystemCallFilter" => {
                let implicit = if self.implicit { IMPLICIT } else { &[] };
                list::assign(&mut self.filter, assignment, true, implicit)
            }
            "SystemCallLog" => list::assign(&mut self.log, assignment, false, &[]),
            "SystemCallErrorNumber" => self.error_number(assignment),
            "SystemCallArchitectures" => self.architectures(assignment),
            other => wrong(
                assignment.key_at,
                match alike(other, KEYS.iter().copied()).first() {
                    Some(key) => format!("unknown setting {other}=; did you mean {key}?"),
                    None => format!("unknown setting {other}=; there are {}", KEYS.join(", ")),
                },
            ),
        }
    }

    fn error_number(&mut self, assignment: &Assignment) -> Result<(), Misread> {
        self.negative = match assignment.words().as_slice() {
            [] => Action::KillProcess,
            [(offset, word)] => list::error(word, *offset)?,
            [_, (offset, _), ..] => return wrong(*offset, "there is one error number, or kill"),
        };
        Ok(())
    }

    fn architectures(&mut self, assignment: &Assignment) -> Result<(), Misread> {
        let words = assignment.words();
        if words.is_empty() {
            self.named.clear();
        }
        for (offset, word) in words {
            // Here systemd takes quotes away.
            let name = word.trim_matches(['"', '\'']);
            if !is_architecture(name) {
                let names = ARCHITECTURES.iter().map(|(name, _)| *name);
                let all = names.chain(["native"]);
                return wrong(
                    offset,
                    match error::either(&alike(name, all.clone())) {
                        Some(names) => {
                            format!("unknown architecture {name:?}; did you mean {names}?")
                        }
                        None => {
                            let all: Vec<_> = all.collect();
                            format!(
                                "unknown architecture {name:?}; use one of {}",
                                all.join(", ")
                            )
                        }
                    },
                );
            }
            self.named.insert(name.to_owned());
        }
        Ok(())
    }

    /// What happens to a call that the filter or the log lists; `None` if neither does.
    fn verdict(&self, name: &str) -> Option<Action> {
        let entry = self.filter.as_ref().and_then(|list| list.entry(name));
        let is_logged = self.is_logged(name);
        let permitted = if is_logged {
            Action::Log
        } else {
            Action::Allow
        };
        match (entry, self.is_allow_list()) {
            (Some(Entry { error, .. }), true) => Some(error.unwrap_or(permitted)),
            (Some(Entry { error, .. }), false) => Some(error.unwrap_or(self.negative)),
            (None, true) => None,
            (None, false) => {
                let is_listed = self
                    .log
                    .as_ref()
                    .is_some_and(|log| log.entry(name).is_some());
                is_listed.then_some(permitted)
            }
        }
    }

    fn is_allow_list(&self) -> bool {
        self.filter.as_ref().is_some_and(|list| list.is_allow_list)
    }

    /// Whether a call is logged where it is permitted: the log is a filter of its own, and
    /// of two filters the kernel takes what is stricter.
    fn is_logged(&self, name: &str) -> bool {
        let log = self.log.as_ref();
        log.is_some_and(|log| log.entry(name).is_some() == log.is_allow_list)
    }

    /// The ABIs for which there is a filter, besides systemd's own.
    fn others(&self) -> Vec<Arch> {
        let named = |arch: &Arch| self.named.is_empty() || self.named.contains(name_of(*arch));
        let others = local(self.native).iter().copied();
        let others = others.filter(|arch| *arch != self.native);
        others.filter(named).collect()
    }

    fn draft(&self, input: &Input<'_>) -> Draft {
        let others = self.others();
        // A filter that has nothing to block is not loaded.
        let all_named = local(self.native).len() == others.len() + 1;
        let nothing_is_blocked = self.named.is_empty() || all_named;
        let default = match (&self.log, self.is_allow_list()) {
            // seccomp-util.c, `override_default_action`: only what it knows gets the error.
            (_, true) => Action::Errno(ENOSYS),
            (Some(log), false) if !log.is_allow_list => Action::Log,
            (_, false) => Action::Allow,
        };
        Draft {
            allow: Some(self.items(input, others.is_empty())),
            default: Some(default),
            // systemd's filters permit the calls of ABIs that the machine has not. As none
            // can make these, they get what unlisted calls get, and so do the numbers that
            // x32 had on x86_64 before Linux 5.4, for which libseccomp has no name.
            // Others end the thread: SCMP_ACT_KILL, libseccomp's action for other ABIs.
            foreign: Some(match nothing_is_blocked {
                true => default,
                false => Action::KillThread,
            }),
            architectures: Some(others),
            exact: Some(true),
            lenient: Some(true),
            ..Draft::default()
        }
    }

    fn items(&self, input: &Input<'_>, is_native_only: bool) -> Vec<Item> {
        let item = |subject, action, offset: Option<usize>| Item {
            subject,
            when: None,
            action: Some(action),
            origin: offset.map(input.origin),
        };
        let call = |name: &str| Subject::Call(name.to_owned());
        let mut items = Vec::new();
        // In libseccomp, a rule without conditions takes the place of those with some, and
        // the calls behind a multiplexer are such.
        for name in MULTIPLEXERS {
            let is_native = self.is_allow_list() && names::is_known(name, self.native);
            let unlisted = is_native.then_some(self.negative);
            if let Some(action) = self.verdict(name).or(unlisted) {
                items.push(item(call(name), action, None));
            }
        }
        for list in [&self.filter, &self.log].into_iter().flatten() {
            for (index, written) in list.written.iter().enumerate() {
                for (subject, name) in list.subjects(index, &|name| self.verdict(name)) {
                    if let Some(action) = self.verdict(&name) {
                        items.push(item(subject, action, written.offset));
                    }
                }
            }
            for (name, offset) in &list.unknown {
                items.push(item(call(name), self.negative, Some(*offset)));
            }
        }
        // What the log lists, the filter may have decided.
        let mut seen = BTreeSet::new();
        items.retain(|item| seen.insert(item.subject.to_string()));
        if self.is_allow_list() {
            items.extend(
                self.known(is_native_only)
                    .into_iter()
                    .map(|subject| item(subject, self.negative, None)),
            );
        }
        items
    }

    /// What an allow-list answers with the error: what systemd knows on its own ABI. Calls
    /// that only other ABIs have get ENOSYS there (seccomp-util.c passes over them).
    fn known(&self, is_native_only: bool) -> Vec<Subject> {
        if is_native_only {
            return vec![Subject::Group(groups::KNOWN.to_owned())];
        }
        let known = calls::names().into_iter();
        let here = known.filter(|name| names::is_known(name, self.native));
        let unlisted = here.filter(|name| self.verdict(name).is_none());
        unlisted
            .map(|name| Subject::Call(name.to_owned()))
            .collect()
    }
}

/// What systemd adds to an allow-list: `@default` (load-fragment.c), and since version 256
/// the call by which it tells that the program is about to start (exec-invoke.c). That one
/// it also takes out of deny-lists, which is not done here: older versions leave it.
const IMPLICIT: &[&str] = &["@default", "write"];

/// The names of the ABIs that systemd has filters for (seccomp-util.c,
/// `seccomp_arch_from_string`), as far as we have them.
#[rustfmt::skip]
const ARCHITECTURES: [(&str, Arch); 17] = [
    ("x86", Arch::X86), ("x86-64", Arch::X86_64), ("x32", Arch::X32),
    ("arm", Arch::Arm), ("arm64", Arch::Aarch64),
    ("mips", Arch::Mips), ("mips64", Arch::Mips64), ("mips64-n32", Arch::Mips64n32),
    ("mips-le", Arch::Mipsel), ("mips64-le", Arch::Mipsel64),
    ("mips64-le-n32", Arch::Mipsel64n32),
    ("ppc", Arch::Ppc), ("ppc64", Arch::Ppc64), ("ppc64-le", Arch::Ppc64le),
    ("riscv64", Arch::Riscv64),
    ("s390", Arch::S390), ("s390x", Arch::S390x),
];

/// Those that we have not.
const OTHER_ARCHITECTURES: [&str; 3] = ["loongarch64", "parisc", "parisc64"];

fn is_architecture(name: &str) -> bool {
    name == "native"
        || ARCHITECTURES.iter().any(|(known, _)| *known == name)
        || OTHER_ARCHITECTURES.contains(&name)
}

/// systemd's name of an ABI.
fn name_of(arch: Arch) -> &'static str {
    let row = ARCHITECTURES.iter().find(|(_, of)| *of == arch);
    row.map_or("native", |(name, _)| *name)
}

/// The ABIs for which a systemd of this one has filters (seccomp-util.c,
/// `seccomp_local_archs`): those of the machine, if it is built for all of that. It also has
/// some for the other byte order, which no kernel has beside its own.
fn local(native: Arch) -> &'static [Arch] {
    let all = native.machine();
    let is_wide = all.first() == Some(&native);
    let is_n32 = matches!(native, Arch::Mips64n32 | Arch::Mipsel64n32);
    let own = all.iter().position(|arch| *arch == native);
    match own {
        Some(own) if !is_wide && !is_n32 => &all[own..=own],
        _ => all,
    }
}
