//! ptrace(2): what is not safe Rust.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_uint};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt;
use std::ptr;

use libc::{pid_t, user_regs_struct};
use signal_hook::SigId;

/// What is wanted of each process: to be told of its threads, children, executions and
/// filters' stops; and system calls to be told from signals.
const OPTIONS: c_int = libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACESECCOMP
    | libc::PTRACE_O_TRACESYSGOOD;

/// Besides, of a process that this one starts: its end with that of this one, without which
/// the calls that its filter stops at would fail.
const OPTIONS_OF_OWN: c_int = OPTIONS | libc::PTRACE_O_EXITKILL;

/// A thread that is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Thread(pub(super) pid_t);

/// How a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// To the next event or signal.
    Event,
    /// To the beginning or the end of the next system call, if that is sooner.
    Call,
}

/// A system call that is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    /// The architecture, as in audit.h.
    pub(super) arch: u32,
    /// Its number.
    pub(super) number: u64,
    /// Its arguments.
    pub(super) arguments: [u64; 6],
}

/// What waitpid(2) tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Exited(i32),
    Killed(i32),
    /// At the beginning or the end of a system call.
    Call,
    /// By a signal that it is about to get.
    Signal(i32),
    /// An event, and the signal of a stop.
    Event(i32, i32),
}

impl Thread {
    /// Any, to be waited for.
    pub(super) const ANY: Self = Self(-1);

    fn request(self, request: c_uint, address: usize, data: usize) -> io::Result<c_long> {
        // SAFETY: the requests that are made here take numbers, or pointers to memory of
        // this process that lives, as large as they say.
        let result = unsafe { libc::ptrace(request, self.0, address, data) };
        match result {
            -1 => Err(io::Error::last_os_error()),
            result => Ok(result),
        }
    }

    /// Traces it from now on. It is not stopped.
    fn seize(self, options: c_int) -> io::Result<()> {
        let options = usize::try_from(options).unwrap_or_default();
        self.request(libc::PTRACE_SEIZE, 0, options).map(|_| ())
    }

    /// Traces one that runs already, and stops it.
    pub(super) fn attach(self) -> io::Result<()> {
        self.seize(OPTIONS)?;
        self.interrupt()
    }

    /// Stops it.
    pub(super) fn interrupt(self) -> io::Result<()> {
        self.request(libc::PTRACE_INTERRUPT, 0, 0).map(|_| ())
    }

    /// Leaves it alone, with a signal if that is not 0.
    pub(super) fn detach(self, signal: i32) -> io::Result<()> {
        let signal = usize::try_from(signal).unwrap_or_default();
        self.request(libc::PTRACE_DETACH, 0, signal).map(|_| ())
    }

    /// Lets it go on, with a signal if that is not 0.
    pub(super) fn go_on(self, until: Until, signal: i32) -> io::Result<()> {
        let request = match until {
            Until::Event => libc::PTRACE_CONT,
            Until::Call => libc::PTRACE_SYSCALL,
        };
        let signal = usize::try_from(signal).unwrap_or_default();
        self.request(request, 0, signal).map(|_| ())
    }

    /// Leaves it stopped, as its group is.
    pub(super) fn stay_stopped(self) -> io::Result<()> {
        self.request(libc::PTRACE_LISTEN, 0, 0).map(|_| ())
    }

    /// What an event is about: a new thread, or the former one that executed.
    pub(super) fn message(self) -> io::Result<pid_t> {
        let mut message: libc::c_ulong = 0;
        self.request(libc::PTRACE_GETEVENTMSG, 0, &raw mut message as usize)?;
        pid_t::try_from(message).map_err(io::Error::other)
    }

    /// The call at whose beginning it is stopped; `None` at the end of one.
    pub(super) fn call(self) -> io::Result<Option<Call>> {
        // struct ptrace_syscall_info (include/uapi/linux/ptrace.h), in words.
        let mut info = [0_u64; 11];
        let size = size_of_val(&info);
        self.request(
            libc::PTRACE_GET_SYSCALL_INFO,
            size,
            info.as_mut_ptr() as usize,
        )?;
        let [start, _, _, number, arguments @ .., _] = info;
        let operation = start & 0xff;
        const ENTRY: u64 = 1;
        const SECCOMP: u64 = 3;
        let is_start = operation == ENTRY || operation == SECCOMP;
        Ok(is_start.then_some(Call {
            arch: u32::try_from(start >> 32).unwrap_or_default(),
            number,
            arguments,
        }))
    }

    pub(super) fn registers(self) -> io::Result<user_regs_struct> {
        let mut registers = MaybeUninit::<user_regs_struct>::zeroed();
        self.request(libc::PTRACE_GETREGS, 0, registers.as_mut_ptr() as usize)?;
        // SAFETY: they are numbers, all of which were written, and were 0 before.
        Ok(unsafe { registers.assume_init() })
    }

    pub(super) fn set_registers(self, registers: &user_regs_struct) -> io::Result<()> {
        let registers = ptr::from_ref(registers) as usize;
        self.request(libc::PTRACE_SETREGS, 0, registers).map(|_| ())
    }

    /// Its memory, which can be written wherever it may be read (proc(5)).
    pub(super) fn memory(self) -> io::Result<Memory> {
        let path = format!("/proc/{}/mem", self.0);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Memory(file))
    }

    /// Ends its process.
    pub(super) fn kill(self) {
        // SAFETY: it takes numbers.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }

    /// Waits for this thread, or for any if it is -1; `None` if there is none any more.
    pub(super) fn wait(self) -> io::Result<Option<(Self, Status)>> {
        loop {
            match self.wait_or_signal() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                found => return found,
            }
        }
    }

    /// Waits until this thread stops. That it ended is an error (ESRCH), and left to be told
    /// by [`wait`](Self::wait).
    pub(super) fn wait_for_stop(self) -> io::Result<Status> {
        let id = libc::id_t::try_from(self.0).unwrap_or_default();
        let options = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT | libc::__WALL;
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: `info` lives.
        let result = unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), options) };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was filled in, and was 0 before.
        let code = unsafe { info.assume_init() }.si_code;
        if [libc::CLD_EXITED, libc::CLD_KILLED, libc::CLD_DUMPED].contains(&code) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        match self.wait()? {
            Some((_, status)) => Ok(status),
            None => Err(io::Error::from_raw_os_error(libc::ESRCH)),
        }
    }

    /// The same as `wait`, or an error of the kind `Interrupted` after a signal to this process.
    pub(super) fn wait_or_signal(self) -> io::Result<Option<(Self, Status)>> {
        let mut status: c_int = 0;
        // SAFETY: `status` lives.
        let thread = unsafe { libc::waitpid(self.0, &raw mut status, libc::__WALL) };
        if thread != -1 {
            return Ok(Some((Self(thread), Status::of(status))));
        }
        match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
            error => Err(error),
        }
    }
}

/// Interrupts what this process waits for, ten times a second, while it lives.
pub(super) struct Clock;

impl Clock {
    pub(super) fn start() -> io::Result<Self> {
        extern "C" fn nothing(_: c_int) {}
        let handler: extern "C" fn(c_int) = nothing;
        // SAFETY: all fields may be 0: no flags, SA_RESTART above all, and no mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handler as libc::sighandler_t;
        // SAFETY: the handler does nothing, and the action lives.
        let result = unsafe { libc::sigaction(libc::SIGALRM, &raw const action, ptr::null_mut()) };
        if result == -1 {
            return Err(io::Error::last_os_error());
        }
        Self::set(100_000)?;
        Ok(Self)
    }

    fn set(microseconds: libc::suseconds_t) -> io::Result<()> {
        let time = libc::timeval {
            tv_sec: 0,
            tv_usec: microseconds,
        };
        let timer = libc::itimerval {
            it_interval: time,
            it_value: time,
        };
        // SAFETY: the timer lives.
        match unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = Self::set(0);
    }
}

impl Status {
    fn of(status: c_int) -> Self {
        if libc::WIFEXITED(status) {
            return Self::Exited(libc::WEXITSTATUS(status));
        }
        if libc::WIFSIGNALED(status) {
            return Self::Killed(libc::WTERMSIG(status));
        }
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        match (signal, event) {
            (signal, 0) if signal == libc::SIGTRAP | 0x80 => Self::Call,
            (signal, 0) => Self::Signal(signal),
            (signal, event) => Self::Event(event, signal),
        }
    }
}

/// The memory of a process.
pub(super) struct Memory(File);

impl Memory {
    pub(super) fn read<const N: usize>(&self, address: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact_at(&mut bytes, address)?;
        Ok(bytes)
    }

    pub(super) fn read_all(&self, address: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact_at(&mut bytes, address)?;
        Ok(bytes)
    }

    pub(super) fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, address)
    }
}

/// Starts a program that is traced before its first instruction, by the path of its file.
/// If it can't be executed, it exits with the number of the error.
pub(super) fn start(path: &CStr, arguments: &[CString]) -> io::Result<Thread> {
    let mut words: Vec<*const c_char> = arguments.iter().map(|word| word.as_ptr()).collect();
    words.push(ptr::null());
    let (mut until_traced, traced) = io::pipe()?;
    // SAFETY: this process has one thread, and the child goes on to execve(2) without
    // anything but calls that signal handlers may make, too (signal-safety(7)).
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(traced);
            let _ = until_traced.read(&mut [0]);
            // SAFETY: path and words are strings, the latter with null behind them, and
            // environ(7) is what this process was given.
            unsafe { libc::execve(path.as_ptr(), words.as_ptr(), environ) };
            let error = io::Error::last_os_error().raw_os_error();
            // SAFETY: it ends this process.
            unsafe { libc::_exit(error.unwrap_or(libc::ENOEXEC)) }
        }
        child => {
            let child = Thread(child);
            child.seize(OPTIONS_OF_OWN).inspect_err(|_| child.kill())?;
            drop(traced);
            Ok(child)
        }
    }
}

/// While it lives, signals that would end this process do not: what ends a program is passed
/// on to the one that is traced, and it gets those of the terminal anyway.
pub(super) struct Signals(Vec<SigId>);

impl Signals {
    pub(super) fn pass_on(to: Thread) -> io::Result<Self> {
        let mut signals = Self(Vec::new());
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP] {
            let is_of_terminal = signal == libc::SIGINT || signal == libc::SIGQUIT;
            let pass_on = move || {
                if !is_of_terminal {
                    // SAFETY: it takes numbers.
                    unsafe { libc::kill(to.0, signal) };
                }
            };
            // SAFETY: kill(2) is among what handlers may call (signal-safety(7)).
            let handler = unsafe { signal_hook::low_level::register(signal, pass_on) };
            signals.0.push(handler?);
        }
        Ok(signals)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for handler in self.0.drain(..) {
            signal_hook::low_level::unregister(handler);
        }
    }
}

unsafe extern "C" {
    /// The environment (environ(7)).
    static environ: *const *const c_char;
}
