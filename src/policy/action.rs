//! What happens to a call.

use std::fmt;
use std::str::FromStr;

use super::{Error, errno};

/// The largest error number that a system call can return (`MAX_ERRNO`,
/// include/linux/err.h); the kernel caps the filter's error number at it.
const MAX_ERRNO: u16 = 4095;

/// What happens to a system call. [`FromStr`] and [`Display`](fmt::Display) are the
/// spelling of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Action {
    /// The process dies as if by SIGSYS.
    KillProcess,
    /// The thread dies as if by SIGSYS.
    KillThread,
    /// The thread gets a SIGSYS that it can handle.
    Trap,
    /// The call does nothing and fails with this error number, 1 to 4095.
    Errno(u16),
    /// A tracer decides, and is given this number; without one, the call fails with
    /// ENOSYS.
    Trace(u16),
    /// The call is carried out, and the kernel logs it.
    Log,
    /// The call is carried out.
    Allow,
}

impl Action {
    /// Whether the call is carried out, whoever watches.
    #[must_use]
    pub fn permits(self) -> bool {
        matches!(self, Self::Allow | Self::Log)
    }
}

impl FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownAction(text.to_owned());
        match text.split_once(':') {
            None => match text {
                "kill-process" => Ok(Action::KillProcess),
                "kill-thread" => Ok(Action::KillThread),
                "trap" => Ok(Action::Trap),
                "trace" => Ok(Action::Trace(0)),
                "log" => Ok(Action::Log),
                "allow" => Ok(Action::Allow),
                "notify" => Err(Error::Notify),
                _ => Err(unknown()),
            },
            Some(("errno", errno)) => errno::number(errno)
                .filter(|number| (1..=MAX_ERRNO).contains(number))
                .map(Action::Errno)
                .ok_or_else(|| Error::UnknownErrno(errno.to_owned())),
            Some(("trace", number)) => {
                let number = number.parse();
                number.map(Action::Trace).map_err(|_| unknown())
            }
            Some(_) => Err(unknown()),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::KillProcess => f.write_str("kill-process"),
            Action::KillThread => f.write_str("kill-thread"),
            Action::Trap => f.write_str("trap"),
            Action::Errno(number) => match errno::name(*number) {
                Some(name) => write!(f, "errno:{name}"),
                None => write!(f, "errno:{number}"),
            },
            Action::Trace(0) => f.write_str("trace"),
            Action::Trace(number) => write!(f, "trace:{number}"),
            Action::Log => f.write_str("log"),
            Action::Allow => f.write_str("allow"),
        }
    }
}
