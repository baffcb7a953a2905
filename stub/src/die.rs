//! Messages on standard error, and the end of the process.

use crate::sys;

/// Exit status of a process whose policy could not be put in force.
const STATUS: i32 = 121;

/// An error number of the kernel (`include/uapi/asm-generic/errno*.h`).
#[derive(Clone, Copy)]
pub(crate) struct Errno(pub(crate) usize);

/// A line being put together, so that it goes out in one write(2) and is not
/// torn apart by what others write. What exceeds it is cut off.
struct Line {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl Line {
    const CAPACITY: usize = 512;

    const fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            length: 0,
        }
    }

    /// The beginning of a message.
    fn about(what: &str) -> Self {
        let mut line = Self::new();
        line.push(b"libsandbox.so: ");
        line.push(what.as_bytes());
        line
    }

    /// Appends text. Control characters, which an environment variable may
    /// hold, would do things to a terminal and become `?`.
    #[inline(never)]
    fn push(&mut self, text: &[u8]) {
        // The last byte is kept for the end of the line.
        for byte in text {
            if self.length < Self::CAPACITY - 1
                && let Some(place) = self.bytes.get_mut(self.length)
            {
                *place = if byte.is_ascii_control() { b'?' } else { *byte };
                self.length += 1;
            }
        }
    }

    fn send(&mut self) {
        if let Some(end) = self.bytes.get_mut(self.length) {
            *end = b'\n';
            self.length += 1;
        }
        // Where standard error is closed there is nobody to tell.
        sys::write_standard_error(self.bytes.get(..self.length).unwrap_or_default());
    }
}

/// Says that a system call has become part of the policy.
pub(crate) fn say_added(name: &[u8]) {
    let mut line = Line::new();
    line.push(b"adding ");
    line.push(name);
    line.push(b" to the process seccomp filter");
    line.send();
}

/// Says what is wrong and ends the process.
#[cold]
pub(crate) fn die(what: &str) -> ! {
    end(&mut Line::about(what))
}

/// Like [`die`], about the program's notes; `what` goes on from "the sandbox
/// note".
#[cold]
pub(crate) fn die_of_note(what: &str) -> ! {
    let mut line = Line::about("the sandbox note ");
    line.push(what.as_bytes());
    end(&mut line)
}

/// Like [`die`], for something that the kernel refused.
#[cold]
pub(crate) fn die_of_refusal(what: &str, errno: Errno) -> ! {
    let mut line = Line::about("the kernel refused ");
    line.push(what.as_bytes());
    line.push(b": error ");
    push_number(&mut line, errno.0);
    line.push(name(errno).as_bytes());
    end(&mut line)
}

/// Like [`die`], about a piece of an environment variable.
#[cold]
pub(crate) fn die_about(what: &str, text: &[u8], variable: &str) -> ! {
    let mut line = Line::about(what);
    line.push(b" \"");
    // Leaves room for the rest of the sentence.
    line.push(text.get(..128).unwrap_or(text));
    line.push(b"\" in ");
    line.push(variable.as_bytes());
    end(&mut line)
}

fn end(line: &mut Line) -> ! {
    line.push(b"; the program was not started");
    line.send();
    sys::exit(STATUS)
}

fn push_number(line: &mut Line, number: usize) {
    if number > 9 {
        push_number(line, number / 10);
    }
    let digit = number % 10;
    line.push(b"0123456789".get(digit..=digit).unwrap_or_default());
}

/// Names of the errors that prctl(2), seccomp(2) and mprotect(2) document.
fn name(errno: Errno) -> &'static str {
    match errno.0 {
        1 => " (EPERM)",
        3 => " (ESRCH)",
        12 => " (ENOMEM)",
        13 => " (EACCES)",
        14 => " (EFAULT)",
        22 => " (EINVAL)",
        38 => " (ENOSYS)",
        _ => "",
    }
}
