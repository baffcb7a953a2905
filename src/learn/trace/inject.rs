//! Putting a process under a filter, by system calls that it is made to make.

use std::io;

use libc::user_regs_struct;

use super::Call;
use super::ptrace::{self, Status, Thread, Until};
use crate::filter::{self, Instruction};
use crate::policy::{Action, Arch, Policy, call_name, resolve};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is under the filter.
    Restricted,
    /// At the next call it can be.
    Prepared,
    /// It can't be done.
    LeftAlone,
}

/// Stops a process at calls that are not among these. The thread begins one, and begins it
/// anew afterwards.
pub(super) fn restrict(thread: Thread, calls: impl Iterator<Item = Call>) -> io::Result<Outcome> {
    let own = State::of("self");
    let state = State::of(&thread.0.to_string());
    // A filter of its own may end it for what it would be made to call.
    if own.filters.is_none() || own.filters != state.filters {
        return Ok(Outcome::LeftAlone);
    }
    // By another ABI the numbers would be those of other calls.
    let is_native = |call: ptrace::Call| call.arch == Arch::X86_64.audit();
    if !thread.call()?.is_some_and(is_native) {
        return Ok(Outcome::LeftAlone);
    }
    let registers = thread.registers()?;
    if !state.may_filter {
        let privileges = u64::try_from(libc::PR_SET_NO_NEW_PRIVS).unwrap_or_default();
        let result = call(thread, &registers, libc::SYS_prctl, [privileges, 1, 0])?;
        return Ok(match result {
            0 => Outcome::Prepared,
            _ => Outcome::LeftAlone,
        });
    }
    let Some(program) = filter(calls) else {
        return Ok(Outcome::LeftAlone);
    };
    let memory = thread.memory()?;
    // Below what compilers may use without saying so (the red zone of the ABI).
    let length = 16 + 8 * program.len();
    let room = u64::try_from(length).unwrap_or_default() + 256;
    let address = registers.rsp.saturating_sub(room) & !15;
    let Ok(former) = memory.read_all(address, length) else {
        return Ok(Outcome::LeftAlone);
    };
    memory.write(address, &in_memory(&program, address))?;
    let mode = libc::SECCOMP_SET_MODE_FILTER.into();
    let arguments = [mode, libc::SECCOMP_FILTER_FLAG_TSYNC, address];
    let result = call(thread, &registers, libc::SYS_seccomp, arguments)?;
    memory.write(address, &former)?;
    Ok(match result {
        0 => Outcome::Restricted,
        _ => Outcome::LeftAlone,
    })
}

/// Has a thread that begins a call make another in its place, and begin its own anew.
fn call(
    thread: Thread,
    own: &user_regs_struct,
    number: i64,
    [rdi, rsi, rdx]: [u64; 3],
) -> io::Result<i64> {
    let number = u64::try_from(number).unwrap_or_default();
    thread.set_registers(&user_regs_struct {
        orig_rax: number,
        rax: number,
        rdi,
        rsi,
        rdx,
        r10: 0,
        r8: 0,
        ..*own
    })?;
    thread.go_on(Until::Call, 0)?;
    // These calls do not wait, and a signal is delivered after their end only.
    if thread.wait_for_stop()? != Status::Call {
        return Err(io::Error::other("it stopped within a call"));
    }
    let result = thread.registers()?.rax.cast_signed();
    // The instruction `syscall` has two bytes.
    thread.set_registers(&user_regs_struct {
        rip: own.rip - 2,
        rax: own.orig_rax,
        ..*own
    })?;
    Ok(result)
}

/// A filter that lets these calls through and stops at all others.
fn filter(calls: impl Iterator<Item = Call>) -> Option<Vec<Instruction>> {
    let arch = Arch::X86_64;
    let names = calls.filter(|call| call.arch == arch);
    let names = names.filter_map(|call| call_name(call.number, arch));
    let mut policy = Policy::allow(names, Action::Trace(0));
    policy.exact = true;
    policy.foreign = Some(Action::Trace(0));
    policy.architectures = Some(Vec::new());
    let (resolved, _) = resolve(&policy, arch).ok()?;
    Some(filter::compile(&resolved).ok()?.program)
}

/// A `struct sock_fprog`, as it is to stand at this address, and its filter behind it
/// (include/uapi/linux/filter.h).
fn in_memory(program: &[Instruction], address: u64) -> Vec<u8> {
    let length = u64::try_from(program.len()).unwrap_or_default();
    let mut bytes = [length.to_le_bytes(), (address + 16).to_le_bytes()].concat();
    for instruction in program {
        bytes.extend(instruction.code.to_le_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_le_bytes());
    }
    bytes
}

/// What the kernel tells of a process (proc_pid_status(5)).
struct State {
    /// How many filters it is under; `None` before Linux 5.9.
    filters: Option<u32>,
    /// Whether it may put itself under one (seccomp(2)).
    may_filter: bool,
}

impl State {
    fn of(process: &str) -> Self {
        const CAP_SYS_ADMIN: u64 = 1 << 21;
        let path = format!("/proc/{process}/status");
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(str::trim)
        };
        let capabilities = value("CapEff:").and_then(|text| u64::from_str_radix(text, 16).ok());
        let is_privileged = capabilities.is_some_and(|it| it & CAP_SYS_ADMIN != 0);
        Self {
            filters: value("Seccomp_filters:").and_then(|count| count.parse().ok()),
            may_filter: is_privileged || value("NoNewPrivs:") == Some("1"),
        }
    }
}
