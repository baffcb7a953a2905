//! The same policy compiled by libseccomp, as a second opinion.

use std::io::{Read, Seek};

use libseccomp::{ScmpAction, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall};
use sandbox_format::bpf::{Comparison, Instruction, Test, op};

use crate::policy::calls::tests::scmp;
use crate::policy::{Action, Resolved};

fn scmp_action(action: Action) -> ScmpAction {
    match action {
        Action::KillProcess => ScmpAction::KillProcess,
        Action::KillThread => ScmpAction::KillThread,
        Action::Trap => ScmpAction::Trap,
        Action::Errno(number) => ScmpAction::Errno(number.into()),
        Action::Trace(number) => ScmpAction::Trace(number),
        Action::Log => ScmpAction::Log,
        Action::Allow => ScmpAction::Allow,
    }
}

/// libseccomp accepts one comparison per argument.
fn comparisons(when: &[Test]) -> Vec<ScmpArgCompare> {
    let of = |arg: u8| {
        let mut conditions = when.iter().filter(|c| c.arg == arg).peekable();
        let first = conditions.peek()?;
        let operator = match first.comparison {
            Comparison::Equal => None,
            Comparison::NotEqual => Some(ScmpCompareOp::NotEqual),
            Comparison::Less => Some(ScmpCompareOp::Less),
            Comparison::LessOrEqual => Some(ScmpCompareOp::LessOrEqual),
            Comparison::Greater => Some(ScmpCompareOp::Greater),
            Comparison::GreaterOrEqual => Some(ScmpCompareOp::GreaterEqual),
        };
        if let Some(operator) = operator {
            return Some(ScmpArgCompare::new(arg.into(), operator, first.value));
        }
        let both = |(mask, value), c: &Test| (mask | c.mask, value | c.value);
        let (mask, value) = conditions.fold((0, 0), both);
        Some(ScmpArgCompare::new(
            arg.into(),
            ScmpCompareOp::MaskedEqual(mask),
            value,
        ))
    };
    (0..6).filter_map(of).collect()
}

/// Whether libseccomp knows a system call, which may be newer.
pub(super) fn knows(name: &str) -> bool {
    ScmpSyscall::from_name(name).is_ok()
}

/// Compiles with libseccomp.
pub(super) fn compile(resolved: &Resolved) -> Vec<Instruction> {
    compile_rules(resolved, |context, matched| {
        for rule in resolved.rules() {
            // Rules are given in native numbers, or pseudo numbers for calls that
            // the native architecture does not have; libseccomp translates.
            let call = ScmpSyscall::from_name(&rule.name)
                .unwrap_or_else(|_| i32::try_from(rule.number).unwrap().into());
            context
                .add_rule_conditional(matched, call, &comparisons(&rule.when))
                .unwrap();
        }
    })
}

/// Compiles from nothing but the names in the policy.
pub(super) fn compile_names(resolved: &Resolved) -> Vec<Instruction> {
    compile_rules(resolved, |context, matched| {
        for rule in &resolved.policy.rules {
            let call = ScmpSyscall::from_name(&rule.to_string()).unwrap();
            context.add_rule(matched, call).unwrap();
        }
    })
}

fn compile_rules(
    resolved: &Resolved,
    add_rules: impl Fn(&mut ScmpFilterContext, ScmpAction),
) -> Vec<Instruction> {
    let unmatched = scmp_action(resolved.policy.default);
    let rules = resolved.policy.rules.iter();
    let matched = rules
        .map(|rule| rule.action)
        .next()
        .unwrap_or(Action::Allow);
    let matched = scmp_action(matched);
    let foreign = if resolved.policy.foreign == Some(Action::Log) {
        ScmpAction::Log
    } else {
        ScmpAction::KillProcess
    };

    let mut context = ScmpFilterContext::new(unmatched).unwrap();
    context.set_act_badarch(foreign).unwrap();
    let arch = scmp(resolved.arch);
    if !context.is_arch_present(arch).unwrap() {
        context.remove_arch(libseccomp::ScmpArch::Native).unwrap();
        context.add_arch(arch).unwrap();
    }
    add_rules(&mut context, matched);

    let mut file = tempfile::tempfile().unwrap();
    context.export_bpf(&file).unwrap();
    file.rewind().unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    let actions = resolved.policy.rules.iter().map(|rule| rule.action);
    let actions = actions.chain([resolved.policy.default, Action::Allow]);
    let returned: Vec<_> = actions.map(super::return_value).collect();
    let returned = [
        returned,
        vec![super::return_value(resolved.policy.foreign_action())],
    ]
    .concat();
    let big = resolved.arch.big_endian();
    let number = |bytes: &[u8]| {
        let push = |number: u32, byte: &u8| number << 8 | u32::from(*byte);
        if big {
            bytes.iter().fold(0, push)
        } else {
            bytes.iter().rfold(0, push)
        }
    };
    let (records, []) = bytes.as_chunks::<8>() else {
        panic!("half an instruction")
    };
    let record = |&[c0, c1, jt, jf, ref k @ ..]: &[u8; 8]| {
        let code = u16::try_from(number(&[c0, c1])).unwrap();
        // libseccomp 2.5.4 leaves some returned values in the host's order.
        let in_host_order = code == op::RETURN && !returned.contains(&number(k));
        let k = if in_host_order {
            u32::from_ne_bytes(*k)
        } else {
            number(k)
        };
        Instruction { code, jt, jf, k }
    };
    records.iter().map(record).collect()
}
