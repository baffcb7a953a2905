//! Processes, and the programs that they have been.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::ptrace::{self, Thread, Until};
use super::{Call, Program, open};
use crate::policy::Arch;

/// After so many calls that were all seen before, a process is busy, and a filter pays.
const BUSY: u32 = 1000;

/// An instruction that stops a process: int3.
const BREAKPOINT: [u8; 1] = [0xcc];

/// The bit in numbers of x32 (arch/x86/include/uapi/asm/unistd.h).
const X32: u32 = 0x4000_0000;

/// A process.
#[derive(Clone, Default)]
pub(super) struct Process {
    /// The programs that it has been, by their index, the present one last. The filters of
    /// all of them hold.
    programs: Vec<usize>,
    /// Whether the present one has come to where its policy would come into force.
    has_begun: bool,
    /// Where that is, and what is there.
    awaited: Option<(u64, [u8; 1])>,
    /// How many calls were made since the last that was not seen before.
    idle: u32,
    /// Whether it is under a filter that stops at other calls only.
    pub(super) is_restricted: bool,
    /// Whether that was tried already.
    pub(super) is_left_alone: bool,
}

impl Process {
    /// The present program.
    pub(super) fn program(&self) -> Option<usize> {
        self.programs.last().copied()
    }

    pub(super) fn become_program(&mut self, program: usize) {
        self.programs.push(program);
        self.has_begun = false;
        self.awaited = None;
        self.idle = 0;
        self.is_left_alone = false;
        self.is_restricted = false;
    }

    /// How it goes on. What a program executes is under its filter from the first call on.
    pub(super) fn until(&self, children: bool) -> Until {
        let is_child = self.programs.len() > 1;
        let is_recorded = match is_child {
            true => children,
            false => self.has_begun,
        };
        match is_recorded && !self.is_restricted {
            true => Until::Call,
            false => Until::Event,
        }
    }

    /// Counts a call; whether it is time for a filter.
    pub(super) fn counts(&mut self, is_new: bool) -> bool {
        self.idle = if is_new { 0 } else { self.idle + 1 };
        self.idle >= BUSY && !self.is_left_alone
    }

    /// All that the program does counts.
    pub(super) fn begins_at_once(&mut self) -> bool {
        self.has_begun = true;
        true
    }

    /// Has the program stop where its policy would come into force. True if that is at once.
    pub(super) fn awaits(
        &mut self,
        thread: Thread,
        path: &Path,
        moment: &dyn Fn(&File) -> Option<u64>,
    ) -> io::Result<bool> {
        let address = open(thread, path).ok().and_then(|file| {
            let address = moment(&file)?;
            let entry = entry_of(&file)?;
            let bias = entry_in_memory(thread)?.wrapping_sub(entry);
            Some(address.wrapping_add(bias))
        });
        let Some(address) = address else {
            return Ok(self.begins_at_once());
        };
        let memory = thread.memory()?;
        let former = memory.read(address)?;
        memory.write(address, &BREAKPOINT)?;
        self.awaited = Some((address, former));
        Ok(false)
    }

    /// Whether it stopped there. The program is then as it was.
    pub(super) fn has_come(&mut self, thread: Thread) -> io::Result<bool> {
        let Some((address, former)) = self.awaited else {
            return Ok(false);
        };
        let mut registers = thread.registers()?;
        if registers.rip != address.wrapping_add(1) {
            return Ok(false);
        }
        thread.memory()?.write(address, &former)?;
        registers.rip = address;
        thread.set_registers(&registers)?;
        self.awaited = None;
        self.has_begun = true;
        Ok(true)
    }
}

/// Whether a new thread belongs to a process (proc_pid_status(5)).
pub(super) fn is_thread_of(new: Thread, process: Thread) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", new.0)).unwrap_or_default();
    let group = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
    group.is_some_and(|group| group.trim().parse() == Ok(process.0))
}

/// `e_entry` of a file.
fn entry_of(file: &File) -> Option<u64> {
    use std::os::unix::fs::FileExt;
    let mut entry = [0; 8];
    file.read_exact_at(&mut entry, 24).ok()?;
    Some(u64::from_le_bytes(entry))
}

/// AT_ENTRY of a process (getauxval(3)).
fn entry_in_memory(thread: Thread) -> Option<u64> {
    const AT_ENTRY: u64 = 9;
    let vector = std::fs::read(format!("/proc/{}/auxv", thread.0)).ok()?;
    let (words, _) = vector.as_chunks::<16>();
    words.iter().find_map(|pair| {
        let (key, value) = pair.split_at(8);
        let key = u64::from_le_bytes(key.try_into().ok()?);
        let value = u64::from_le_bytes(value.try_into().ok()?);
        (key == AT_ENTRY).then_some(value)
    })
}

/// All programs that were executed.
#[derive(Default)]
pub(super) struct Programs {
    pub(super) all: Vec<Program>,
    indices: BTreeMap<PathBuf, usize>,
}

impl Programs {
    pub(super) fn of(&mut self, path: &Path) -> usize {
        if let Some(index) = self.indices.get(path) {
            return *index;
        }
        self.all.push(Program {
            path: path.to_owned(),
            calls: BTreeMap::new(),
            has_begun: false,
        });
        let index = self.all.len() - 1;
        self.indices.insert(path.to_owned(), index);
        index
    }

    pub(super) fn begin(&mut self, program: usize) {
        if let Some(program) = self.all.get_mut(program) {
            program.has_begun = true;
        }
    }

    /// Records a call for the present program, and for those under whose filters it is made.
    /// Whether it is new to one of them.
    pub(super) fn record(
        &mut self,
        process: &Process,
        call: &ptrace::Call,
        children: bool,
    ) -> bool {
        let Some((own, others)) = process.programs.split_last() else {
            return false;
        };
        let Some(call) = of(call) else {
            return false;
        };
        let mut is_new = false;
        let mut add = |program: usize, itself: bool| {
            let Some(program) = self.all.get_mut(program) else {
                return;
            };
            let by = program.calls.entry(call).or_default();
            let before = *by;
            by.itself |= itself;
            by.others |= !itself;
            is_new |= *by != before;
        };
        if process.has_begun {
            add(*own, true);
        }
        for program in others.iter().filter(|_| children) {
            add(*program, false);
        }
        is_new
    }

    /// What was recorded of the present program of a process.
    pub(super) fn calls_of(&self, process: &Process) -> impl Iterator<Item = Call> {
        let program = process.program().and_then(|program| self.all.get(program));
        program
            .into_iter()
            .flat_map(|program| program.calls.keys().copied())
    }
}

fn of(call: &ptrace::Call) -> Option<Call> {
    let number = u32::try_from(call.number & 0xffff_ffff).ok()?;
    let arch = match Arch::from_audit(call.arch)? {
        Arch::X86_64 if number & X32 != 0 && number != u32::MAX => Arch::X32,
        arch => arch,
    };
    Some(Call { arch, number })
}
