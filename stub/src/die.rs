//! Messages on standard error, and the end of the process.

use sandbox_format::NO_POLICY;

use crate::sys::{self, Errno};

/// A line being put together, so that it goes out in one write(2) and is not
/// torn apart by what others write. What exceeds it is cut off.
pub(crate) struct Line {
    bytes: [u8; Self::CAPACITY],
    length: usize,
}

impl Line {
    const CAPACITY: usize = 512;

    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            length: 0,
        }
    }

    /// Appends text. What is not visible ASCII, as an environment variable may
    /// hold it, could do things to a terminal and becomes `?`.
    #[inline(never)]
    pub(crate) fn push(&mut self, text: &[u8]) {
        // The last byte is kept for the end of the line.
        let free = self.bytes.get_mut(self.length..Self::CAPACITY - 1);
        for (place, byte) in free.unwrap_or_default().iter_mut().zip(text) {
            *place = if matches!(byte, b' '..=b'~') {
                *byte
            } else {
                b'?'
            };
            self.length += 1;
        }
    }

    pub(crate) fn send(&mut self) {
        let line = self.bytes.get_mut(..=self.length).unwrap_or_default();
        if let Some(end) = line.last_mut() {
            *end = b'\n';
        }
        // Where standard error is closed there is nobody to tell.
        sys::write_standard_error(line);
    }
}

/// Says what is wrong and ends the process.
#[cold]
pub(crate) fn die(what: &str) -> ! {
    end(&[what.as_bytes()])
}

/// Like [`die`], about the program's notes; `what` goes on from "the sandbox
/// note".
#[cold]
pub(crate) fn die_of_note(what: &str) -> ! {
    end(&[b"the sandbox note ", what.as_bytes()])
}

/// Like [`die`], for something that the kernel refused.
#[cold]
pub(crate) fn die_of_refusal(what: &str, errno: Errno) -> ! {
    end(&[
        b"the kernel refused ",
        what.as_bytes(),
        b": error ",
        decimal(errno.0, &mut [0; 4]),
        name(errno),
    ])
}

/// Likewise, from the parts of a sentence.
pub(crate) fn end(message: &[&[u8]]) -> ! {
    let mut line = Line::new();
    line.push(crate::NAME);
    line.push(b": ");
    for part in message {
        line.push(part);
    }
    line.push(b"; the program was not started");
    line.send();
    sys::exit(i32::from(NO_POLICY))
}

/// The digits of a number up to 9999, which error numbers do not exceed.
fn decimal(mut number: usize, digits: &mut [u8; 4]) -> &[u8] {
    let mut first = digits.len();
    for digit in digits.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
        first -= 1;
    }
    digits.get(first..).unwrap_or_default()
}

/// Names of the errors that prctl(2), seccomp(2) and mprotect(2) document, all
/// of one length: a `match` would be twice as large.
fn name(errno: Errno) -> &'static [u8] {
    const NUMBERS: [u8; 7] = [1, 3, 12, 13, 14, 22, 38];
    const NAMES: [[u8; 7]; 7] = [
        *b" EPERM ",
        *b" ESRCH ",
        *b" ENOMEM",
        *b" EACCES",
        *b" EFAULT",
        *b" EINVAL",
        *b" ENOSYS",
    ];
    let known = NUMBERS
        .iter()
        .position(|number| usize::from(*number) == errno.0);
    known
        .and_then(|known| NAMES.get(known))
        .map_or(b"", |name| name)
}
