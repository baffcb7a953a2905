//! Writes a drop-in.

use std::collections::{BTreeMap, BTreeSet};

use super::{ENOSYS, IMPLICIT, local, name_of};
use crate::policy::source::{Output, Unsayable};
use crate::policy::{Abi, Action, Arch, ResolvedRule, Subject, calls, multiplexed, names};

/// How wide the lines are, in characters.
const WIDTH: usize = 96;

/// What systemd itself calls between loading the filter and the program (exec-invoke.c).
const NEEDED: [&str; 2] = ["execve", "write"];

/// Writes a drop-in for a service.
pub(in crate::policy::source) fn write(output: &mut Output<'_>) -> Result<String, Unsayable> {
    let mut unit = Unit::of(output)?;
    unit.keep_needed(output)?;
    unit.add_other_abis(output)?;
    unit.require_unknown(output)?;
    let architectures = architectures(output)?;
    let mut text = String::from(
        "# Made by sandbox-patch, for /etc/systemd/system/NAME.service.d. The empty settings\n\
         # take back what NAME.service has of these.\n\
         [Service]\nSystemCallLog=\nSystemCallFilter=\n",
    );
    unit.write(&mut text);
    text.push_str("SystemCallArchitectures=\n");
    if let Some(names) = architectures {
        text.push_str(
            "# Calls of other ABIs end the thread.\n\
             SystemCallArchitectures=",
        );
        text.push_str(&names);
        text.push('\n');
    }
    Ok(text)
}

/// What a drop-in says.
struct Unit {
    native: Arch,
    is_allow_list: bool,
    /// What happens to all other calls.
    default: Action,
    /// `SystemCallErrorNumber=`
    negative: Action,
    /// What happens to each call that systemd knows on its own ABI, and to those of other
    /// ABIs that have to be named.
    verdicts: BTreeMap<&'static str, Action>,
}

impl Unit {
    fn of(output: &mut Output<'_>) -> Result<Self, Unsayable> {
        let resolved = output.resolved;
        let native = resolved.arch;
        let is_allow_list = !resolved.policy.default.permits();
        let mut verdicts = BTreeMap::new();
        let default = sayable("all other calls", resolved.policy.default, output)?;
        for (number, name) in calls::all(native) {
            let rules = rules_for(resolved.abis.first(), number);
            verdicts.insert(name, verdict(name, &rules, default, output)?);
        }
        let mut counts: BTreeMap<Action, usize> = BTreeMap::new();
        let denied = verdicts.values().filter(|action| !action.permits());
        denied.for_each(|action| *counts.entry(*action).or_default() += 1);
        let most = counts.iter().max_by_key(|(_, count)| **count);
        let negative = most.map_or(Action::KillProcess, |(action, _)| *action);
        Ok(Self {
            native,
            is_allow_list,
            default,
            negative,
            verdicts,
        })
    }

    /// Permits what systemd calls itself before it starts the program.
    fn keep_needed(&mut self, output: &mut Output<'_>) -> Result<(), Unsayable> {
        let mut kept = Vec::new();
        for name in NEEDED {
            if let Some(action) = self.verdicts.get_mut(name)
                && !action.permits()
            {
                *action = Action::Allow;
                kept.push(name);
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        let why = "systemd always permits it: it needs it to start the program";
        output.leave_out(kept.join(", "), why)
    }

    /// Adds what only other ABIs have, and has all ABIs agree on the rest: there is one list.
    fn add_other_abis(&mut self, output: &mut Output<'_>) -> Result<(), Unsayable> {
        let resolved = output.resolved;
        for abi in resolved.abis.iter().skip(1) {
            for (number, name) in calls::all(abi.arch) {
                let rules = rules_for(Some(abi), number);
                let rules: Vec<_> = rules
                    .into_iter()
                    .filter(|rule| !self.follows(rule))
                    .collect();
                if rules.is_empty() && (name == "socketcall" || name == "ipc") {
                    continue;
                }
                let action = verdict(name, &rules, self.default, output)?;
                let is_here = names::is_known(name, self.native);
                match self.verdicts.get(name) {
                    Some(own) if *own == action || NEEDED.contains(&name) => {}
                    None if !is_here => {
                        self.verdicts.insert(name, action);
                    }
                    _ => output.leave_out(
                        format!("{name} of {}", abi.arch),
                        "the same happens to a call on all ABIs",
                    )?,
                }
            }
        }
        Ok(())
    }

    /// Whether a rule is one for a call behind a multiplexer that is as that for the call.
    fn follows(&self, rule: &ResolvedRule) -> bool {
        let Some(call) = &rule.because else {
            return false;
        };
        let is_behind = multiplexed::of(call)
            .is_some_and(|(by, tells)| by == rule.name && rule.when.as_slice() == [tells]);
        is_behind && self.verdicts.get(call.as_str()) == Some(&rule.action)
    }

    fn require_unknown(&self, output: &mut Output<'_>) -> Result<(), Unsayable> {
        let policy = &output.resolved.policy;
        let unknown = policy.unknown.unwrap_or(policy.default);
        match (self.is_allow_list, unknown) {
            (true, Action::Errno(ENOSYS)) | (false, Action::Allow) => Ok(()),
            (true, _) => output.leave_out(
                format!("{unknown} for calls that systemd does not know"),
                "it has these fail with ENOSYS",
            ),
            (false, _) => output.leave_out(
                format!("{unknown} for calls that systemd does not know"),
                "a deny-list permits these",
            ),
        }
    }

    fn write(&self, text: &mut String) {
        let mut permitted = Vec::new();
        let mut denied = Vec::new();
        let implicit = implicit();
        for (name, action) in &self.verdicts {
            let named = format!("{name}:{}", error_of(*action));
            match (self.is_allow_list, action.permits()) {
                (true, true) => permitted.push((*name).to_owned()),
                (true, false) if *action != self.unnamed(name) => denied.push(named),
                (true, false) if !implicit.contains(*name) => {}
                (false, true) => {}
                (false, false) if *action != self.negative => denied.push(named),
                (_, false) => denied.push((*name).to_owned()),
            }
        }
        push_list(text, "", permitted);
        if !self.is_allow_list && denied.is_empty() {
            text.push_str("SystemCallFilter=~\n");
        }
        push_list(text, "~", denied);
        text.push_str("SystemCallErrorNumber=");
        // Before version 247, there was no word for this.
        if self.negative != Action::KillProcess {
            text.push_str(&error_of(self.negative));
        }
        text.push('\n');
    }

    /// What a call gets that an allow-list does not name.
    fn unnamed(&self, name: &str) -> Action {
        match names::is_known(name, self.native) {
            true => self.negative,
            false => Action::Errno(ENOSYS),
        }
    }
}

/// The rules for a call of an ABI.
fn rules_for(abi: Option<&Abi>, number: u32) -> Vec<&ResolvedRule> {
    let rules = abi.into_iter().flat_map(|abi| &abi.rules);
    rules.filter(|rule| rule.number == number).collect()
}

/// What happens to a call, whatever its arguments are: the strictest, where that depends on
/// them.
fn verdict(
    name: &str,
    rules: &[&ResolvedRule],
    default: Action,
    output: &mut Output<'_>,
) -> Result<Action, Unsayable> {
    let mut action = default;
    let mut is_judged = false;
    for rule in rules.iter().rev() {
        is_judged |= !rule.when.is_empty();
        if rule.when.is_empty() || rule.action < action {
            action = rule.action;
        }
    }
    if is_judged {
        output.leave_out(name, "systemd's filters do not look at arguments")?;
    }
    if action == default {
        return Ok(action);
    }
    sayable(name, action, output)
}

/// An action that systemd has, in place of one that it may not have.
fn sayable(what: &str, action: Action, output: &mut Output<'_>) -> Result<Action, Unsayable> {
    let instead = match action {
        Action::Allow | Action::Errno(_) | Action::KillProcess => return Ok(action),
        Action::Log => Action::Allow,
        Action::KillThread | Action::Trap | Action::Trace(_) => Action::KillProcess,
    };
    let why = "systemd permits a call, has it fail, or kills the process";
    output.leave_out(format!("{what}={action}"), why)?;
    Ok(instead)
}

/// What stands on an allow-list anyway.
fn implicit() -> BTreeSet<String> {
    let subjects = IMPLICIT.iter().map(|name| match name.strip_prefix('@') {
        Some(group) => Subject::Group(group.to_owned()),
        None => Subject::Call((*name).to_owned()),
    });
    let calls = subjects.flat_map(|subject| super::list::calls_of(&subject));
    calls.collect()
}

fn error_of(action: Action) -> String {
    match action.to_string().strip_prefix("errno:") {
        Some(error) => error.to_owned(),
        None => "kill".to_owned(),
    }
}

/// Adds lines that name the items, each of them an assignment of its own.
fn push_list(text: &mut String, sign: &str, items: Vec<String>) {
    let start = format!("SystemCallFilter={sign}");
    let mut line = start.clone();
    for item in items {
        if line.len() > start.len() && line.len() + 1 + item.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line.clone_from(&start);
        }
        if line.len() > start.len() {
            line.push(' ');
        }
        line.push_str(&item);
    }
    if line.len() > start.len() {
        text.push_str(&line);
        text.push('\n');
    }
}

/// What `SystemCallArchitectures=` has to be; `None` if it is not needed.
fn architectures(output: &mut Output<'_>) -> Result<Option<String>, Unsayable> {
    let resolved = output.resolved;
    let held: Vec<_> = resolved.abis.iter().map(|abi| abi.arch).collect();
    let is_held = |arch: &Arch| held.contains(arch);
    if local(resolved.arch).iter().all(is_held) {
        return Ok(None);
    }
    let foreign = resolved
        .policy
        .foreign
        .unwrap_or(match resolved.policy.default {
            Action::Log => Action::Log,
            _ => Action::KillProcess,
        });
    if !matches!(foreign, Action::KillProcess | Action::KillThread) {
        let why = "systemd kills what makes these, or has the filter hold for them";
        output.leave_out(format!("{foreign} for calls of other ABIs"), why)?;
    }
    let others = held.iter().skip(1).map(|arch| name_of(*arch));
    let names: Vec<_> = std::iter::once("native").chain(others).collect();
    Ok(Some(names.join(" ")))
}
