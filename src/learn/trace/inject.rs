//! Putting a process under a filter, by system calls that it is made to make.

use std::io;

use super::Call;
use super::ptrace::{Thread, Until};
use crate::filter::{self, Instruction};
use crate::policy::{Action, Arch, Policy, call_name, resolve};

/// Stops at calls that are not among these, from the thread that begins one on. False if
/// that can't be done; the process is then as it was.
pub(super) fn restrict(thread: Thread, calls: impl Iterator<Item = Call>) -> io::Result<bool> {
    // A filter of its own may end it for what it would be made to call.
    let own = filters("self");
    if own.is_none() || own != filters(&thread.0.to_string()) {
        return Ok(false);
    }
    let Some(program) = filter(calls) else {
        return Ok(false);
    };
    let registers = thread.registers()?;
    let memory = thread.memory()?;
    // Below what compilers may use without saying so (the red zone of the ABI).
    let length = 16 + 8 * program.len();
    let address = (registers.rsp - 256 - length as u64) & !15;
    let former = memory.read_all(address, length)?;
    memory.write(address, &in_memory(&program, address))?;
    let seccomp = [
        libc::SECCOMP_SET_MODE_FILTER.into(),
        libc::SECCOMP_FILTER_FLAG_TSYNC,
        address,
        0,
    ];
    let mut injected = Injected { thread, registers };
    let mut result = injected.call(libc::SYS_seccomp, seccomp)?;
    if result == -i64::from(libc::EACCES) {
        let privileges = [
            u64::try_from(libc::PR_SET_NO_NEW_PRIVS).unwrap_or_default(),
            1,
            0,
            0,
        ];
        injected.call(libc::SYS_prctl, privileges)?;
        result = injected.call(libc::SYS_seccomp, seccomp)?;
    }
    memory.write(address, &former)?;
    Ok(result == 0)
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

/// How many filters a process is under; `None` if the kernel does not tell
/// (proc_pid_status(5)).
fn filters(process: &str) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let count = status
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp_filters:"))?;
    count.trim().parse().ok()
}

/// A thread that was stopped at the beginning of a call.
struct Injected {
    thread: Thread,
    /// As it was then.
    registers: libc::user_regs_struct,
}

impl Injected {
    /// How it begins the same call: at the instruction `syscall`, of two bytes.
    fn again(&self) -> libc::user_regs_struct {
        libc::user_regs_struct {
            rip: self.registers.rip - 2,
            rax: self.registers.orig_rax,
            ..self.registers
        }
    }

    /// Has it make another call first.
    fn call(&mut self, number: i64, arguments: [u64; 4]) -> io::Result<i64> {
        let thread = self.thread;
        let [rdi, rsi, rdx, r10] = arguments;
        let number = u64::try_from(number).unwrap_or_default();
        let registers = libc::user_regs_struct {
            orig_rax: number,
            rax: number,
            rdi,
            rsi,
            rdx,
            r10,
            r8: 0,
            ..self.registers
        };
        thread.set_registers(&registers)?;
        self.finish()?;
        let result = thread.registers()?.rax.cast_signed();
        // To the beginning of its own call again, in case there is another to be made.
        thread.set_registers(&self.again())?;
        self.finish()?;
        Ok(result)
    }

    /// Lets it go on to the next stop at a call.
    fn finish(&self) -> io::Result<()> {
        self.thread.go_on(Until::Call, 0)?;
        match self.thread.wait()? {
            Some((_, super::ptrace::Status::Call)) => Ok(()),
            _ => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
    }
}
