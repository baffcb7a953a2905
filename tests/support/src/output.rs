//! The kinds of file that standard output can be. A C library asks about it
//! before it writes, and in different ways.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A kind of standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// pipe(2).
    Pipe,
    /// A regular file.
    File,
    /// /dev/null.
    Null,
    /// A Unix-domain socket.
    Socket,
    /// A pseudo-terminal.
    Terminal,
}

impl Output {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Pipe,
        Self::File,
        Self::Null,
        Self::Socket,
        Self::Terminal,
    ];

    /// What a program that prints `text` leaves to be read.
    pub fn shows(self, text: &str) -> &str {
        match self {
            Self::Null => "",
            _ => text,
        }
    }

    /// Gives the command this kind of standard output, and starts to read it.
    pub fn connect(self, command: &mut Command) -> Captured {
        match self {
            Self::Null => {
                command.stdout(Stdio::null());
                Captured::Nothing
            }
            Self::Pipe => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                command.stdout(writer);
                Captured::stream(reader)
            }
            Self::Socket => {
                let (near, far) = UnixStream::pair().expect("a pair of sockets");
                command.stdout(OwnedFd::from(far));
                Captured::stream(near)
            }
            Self::File => {
                let file = tempfile::tempfile().expect("a temporary file");
                command.stdout(file.try_clone().expect("a copy of a descriptor"));
                Captured::File(file)
            }
            Self::Terminal => {
                let (shown, program) = terminal();
                command.stdout(program);
                Captured::stream(shown)
            }
        }
    }
}

/// Both ends of a new terminal: the one that shows, and the program's.
fn terminal() -> (File, OwnedFd) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).expect("a pseudo terminal");
    grantpt(&master).expect("a pseudo terminal");
    unlockpt(&master).expect("a pseudo terminal");
    let name = ptsname(&master, Vec::new()).expect("a pseudo terminal has a name");
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let program = open(name, flags, Mode::empty()).expect("a pseudo terminal opens");
    (File::from(master), program)
}

/// Output that is being captured.
pub enum Captured {
    Nothing,
    Stream(JoinHandle<Vec<u8>>),
    File(File),
}

impl Captured {
    fn stream(source: impl Read + Send + 'static) -> Self {
        Self::Stream(thread::spawn(move || read_all(source)))
    }

    /// All of the output; to be called when the program has ended.
    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Stream(reader) => reader.join().expect("the reader does not panic"),
            Self::File(mut file) => {
                file.rewind().expect("a file can be rewound");
                read_all(file)
            }
        }
    }
}

fn read_all(mut source: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    match source.read_to_end(&mut bytes) {
        Ok(_) => {}
        // How a terminal says that no program has it open any more.
        Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {}
        Err(error) => panic!("reading the output: {error}"),
    }
    bytes
}
