//! Which file a name stands for, and what keeps it from being started.
//!
//! A launcher that has installed its filter may not be able to say anything
//! any more. So what execve(2) will look at is looked at beforehand.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use object::elf;
use rustix::fs::{Access, AtFlags, CWD, accessat, getxattr};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::{NOT_FOUND, NOT_RUN, native};
use crate::elf::Image;
use crate::file;
use crate::policy::Arch;

/// Where programs are looked for without a PATH: confstr(3), `_CS_PATH`.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// How much of a script's first line the kernel reads (`BINPRM_BUF_SIZE`,
/// include/uapi/linux/binfmts.h).
const FIRST_LINE: usize = 256;

/// Which the kernel takes for EM_386 (`elf_check_arch_ia32`,
/// arch/x86/include/asm/elf.h).
pub const EM_486: elf::Machine = elf::Machine(6);

/// How many interpreters the kernel goes through (`exec_binprm`, fs/exec.c).
const INTERPRETERS: usize = 5;

/// Why a program can't be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// Not in PATH.
    #[error("it is in no directory of PATH; give its path")]
    NotInPath,
    /// No file of that name.
    #[error("there is no such file")]
    Missing,
    /// The file can't be looked at.
    #[error("it can't be reached: {0}")]
    Unreachable(io::Error),
    /// A directory.
    #[error("it is a directory, not a program")]
    Folder,
    /// A device, pipe or socket.
    #[error("it is not a regular file")]
    NotRegular,
    /// access(2).
    #[error("it may not be executed: {0}")]
    NotExecutable(io::Error),
    /// Neither ELF nor `#!`.
    #[error(
        "it is neither an ELF file nor begins with #! and an interpreter; if it is a script, name \
         its interpreter in front of it"
    )]
    NoFormat,
    /// Scripts that interpret scripts.
    #[error(
        "its interpreter is a script, whose interpreter is a script, and so on; the kernel follows 5"
    )]
    TooDeep,
    /// What a script names in its first line, or an ELF file in PT_INTERP.
    #[error("its {role} {}: {why}", path.display())]
    Interpreter {
        /// What the file calls it.
        role: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: Box<Unfit>,
    },
    /// The name can't be given to the kernel.
    #[error("its name has a zero byte")]
    Name,
}

impl Unfit {
    /// The exit status of env(1) and of shells for it.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Self::NotInPath | Self::Missing => NOT_FOUND,
            Self::Interpreter { why, .. } => why.status(),
            _ => NOT_RUN,
        }
    }

    /// Whether execve(2) fails with an error for which execvp(3) goes on to the next
    /// directory of PATH: ENOENT, EACCES.
    fn is_passed_over(&self) -> bool {
        match self {
            Self::NotExecutable(_) => true,
            Self::Interpreter { why, .. } => why.is_passed_over() || why.status() == NOT_FOUND,
            _ => false,
        }
    }
}

/// A program that the kernel will probably start.
#[derive(Debug)]
pub struct Program {
    /// The path for execve(2).
    pub path: CString,
    /// The file that the kernel loads: the program or, of a script, the last
    /// interpreter.
    pub image: PathBuf,
    /// That file, if it may be read, and is an ELF file in good order.
    pub elf: Option<File>,
    /// What the kernel takes the file for.
    pub machine: Machine,
    /// What would give it privileges that its user does not have.
    pub privileges: Option<&'static str>,
}

/// The processor that a program is for. Of an ELF file the kernel looks at little
/// more than `e_machine` (`elf_check_arch`, arch/x86/include/asm/elf.h), so that a
/// file may run that tools find damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Machine {
    /// `e_machine`, and whether the file has 64-bit headers.
    Elf(elf::Machine, bool),
    /// No ELF file: one for a handler of binfmt_misc.
    None,
    /// It may not be read.
    Unknown,
}

impl Program {
    /// Finds a program as execvp(3) does.
    ///
    /// # Errors
    ///
    /// There is none, or it can't be started.
    pub fn find(name: &OsStr, path: Option<&CStr>) -> Result<Self, Unfit> {
        if name.as_bytes().contains(&b'/') {
            return Self::at(name.into());
        }
        if name.is_empty() {
            return Err(Unfit::Missing);
        }
        let folders = path.map_or(DEFAULT_PATH, CStr::to_bytes);
        let mut obstacle = None;
        for folder in folders.split(|byte| *byte == b':') {
            // An empty element is the working directory.
            let candidate = Path::new(OsStr::from_bytes(folder)).join(name);
            // What can't be started for these reasons is passed over, and told only
            // if nothing else is found.
            match require_executable(&candidate).map(|()| Self::at(candidate)) {
                Ok(Err(unfit)) | Err(unfit) if unfit.is_passed_over() => {
                    obstacle.get_or_insert(unfit);
                }
                Ok(found) => return found,
                Err(_) => {}
            }
        }
        Err(obstacle.unwrap_or(Unfit::NotInPath))
    }

    /// The program of that path.
    fn at(chosen: PathBuf) -> Result<Self, Unfit> {
        let mut image = chosen.clone();
        let mut followed = 0;
        loop {
            let next = match require_executable(&image).and_then(|()| Format::of(&image)) {
                Ok(Format::Script(interpreter)) if followed < INTERPRETERS => Ok(interpreter),
                Ok(Format::Script(_)) => return Err(Unfit::TooDeep),
                Ok(Format::Loaded(machine, elf)) => {
                    return Ok(Self {
                        path: CString::new(chosen.as_os_str().as_bytes())
                            .map_err(|_| Unfit::Name)?,
                        privileges: privileges(&image),
                        image,
                        elf,
                        machine,
                    });
                }
                Err(why) => Err(why),
            };
            match next {
                Ok(interpreter) => image = interpreter,
                Err(why) if followed == 0 => return Err(why),
                Err(why) => {
                    return Err(Unfit::Interpreter {
                        role: "interpreter",
                        path: image,
                        why: Box::new(why),
                    });
                }
            }
            followed += 1;
        }
    }
}

/// Whether execve(2) gets as far as reading the file.
fn require_executable(path: &Path) -> Result<(), Unfit> {
    let metadata = path.metadata().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unfit::Missing,
        _ => Unfit::Unreachable(error),
    })?;
    if metadata.is_dir() {
        return Err(Unfit::Folder);
    }
    if !metadata.is_file() {
        return Err(Unfit::NotRegular);
    }
    // Says no on a file system that is mounted with noexec as well (access(2)).
    // Another answer is none: filters of older container managers have EPERM for
    // calls that they do not know.
    match accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) {
        Err(Errno::ACCESS) => Err(Unfit::NotExecutable(Errno::ACCESS.into())),
        _ => Ok(()),
    }
}

/// What the kernel makes of a file.
enum Format {
    /// It starts another one.
    Script(PathBuf),
    /// It loads the file, or hands it to a handler of binfmt_misc.
    Loaded(Machine, Option<File>),
}

impl Format {
    fn of(path: &Path) -> Result<Self, Unfit> {
        // What may not be read can be executed all the same.
        let unknown = Self::Loaded(Machine::Unknown, None);
        let Ok((file, _)) = file::open(path) else {
            return Ok(unknown);
        };
        // One read(2) suffices.
        let mut start = Vec::with_capacity(FIRST_LINE);
        if (&file)
            .take(FIRST_LINE as u64)
            .read_to_end(&mut start)
            .is_err()
        {
            return Ok(unknown);
        }
        if let Some(line) = start.strip_prefix(b"#!") {
            return interpreter(line).map(Self::Script);
        }
        if start.starts_with(&elf::ELFMAG) {
            let machine = machine(&start);
            // What is damaged is left to the kernel, which reads less of it.
            let Ok(image) = Image::read(file) else {
                return Ok(Self::Loaded(machine, None));
            };
            require_loader(&image)?;
            return Ok(Self::Loaded(machine, Some(image.source)));
        }
        // Text is a script without interpreter, which the kernel does not start.
        // The test is that of shells: no zero byte in the first line.
        let line = start.split(|byte| *byte == b'\n').next();
        if line.is_none_or(|line| !line.contains(&0)) && !has_handlers() {
            return Err(Unfit::NoFormat);
        }
        Ok(Self::Loaded(Machine::None, None))
    }
}

/// What an ELF file says of its processor, as the kernel reads it: in its own byte
/// order, and of 64 bits if that is how large a program header is said to be
/// (`load_elf_phdrs`, fs/binfmt_elf.c).
fn machine(start: &[u8]) -> Machine {
    let half = |at: usize| Some(u16::from_ne_bytes(*start.get(at..)?.first_chunk()?));
    let (e_machine, e_phentsize) = (18, 54);
    let Some(machine) = half(e_machine) else {
        return Machine::None;
    };
    Machine::Elf(elf::Machine(machine), half(e_phentsize) == Some(56))
}

/// Whether the kernel may have a handler for files of any content
/// (Documentation/admin-guide/binfmt-misc.rst).
fn has_handlers() -> bool {
    let Ok(files) = Path::new("/proc/sys/fs/binfmt_misc").read_dir() else {
        return false;
    };
    let is_handler = |name: &OsStr| name != "register" && name != "status";
    files.flatten().any(|file| is_handler(&file.file_name()))
}

/// The interpreter that a script's first line names behind `#!` (fs/
/// binfmt_script.c): the first word, which must not be cut off.
fn interpreter(start: &[u8]) -> Result<PathBuf, Unfit> {
    let is_full = start.len() == FIRST_LINE - 2;
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begin = start.iter().position(|byte| !is_blank(byte));
    let rest = &start[begin.unwrap_or(start.len())..];
    let end = rest
        .iter()
        .position(|byte| is_blank(byte) || matches!(byte, b'\n' | 0));
    match end {
        Some(0) => Err(Unfit::NoFormat),
        None if is_full || rest.is_empty() => Err(Unfit::NoFormat),
        end => Ok(OsStr::from_bytes(&rest[..end.unwrap_or(rest.len())]).into()),
    }
}

/// The program interpreter of a dynamic program must be there, too. Programs for
/// other machines are run by emulators, which look for it elsewhere.
fn require_loader(image: &Image<File>) -> Result<(), Unfit> {
    if !is_native(image.header.machine) {
        return Ok(());
    }
    let Ok(Some(loader)) = image.interpreter() else {
        return Ok(());
    };
    // A name that is no text was not read as it is.
    if loader.contains(char::REPLACEMENT_CHARACTER) {
        return Ok(());
    }
    require_executable(Path::new(&loader)).map_err(|why| Unfit::Interpreter {
        role: "dynamic loader",
        path: loader.into(),
        why: Box::new(why),
    })
}

/// Whether the kernel runs programs of a machine by itself.
fn is_native(machine: elf::Machine) -> bool {
    match native() {
        Some(Arch::X86_64) => [elf::EM_X86_64, elf::EM_386, EM_486].contains(&machine),
        _ => true,
    }
}

/// What would give a program privileges, if no_new_privs did not prevent it.
fn privileges(path: &Path) -> Option<&'static str> {
    let metadata = path.metadata().ok()?;
    let has = |mode: u32| metadata.permissions().mode() & mode == mode;
    if has(0o4000) && metadata.uid() != geteuid().as_raw() {
        return Some("set-user-ID bit");
    }
    // Without permission for the group, the bit is no such thing (inode(7)).
    if has(0o2010) && metadata.gid() != getegid().as_raw() {
        return Some("set-group-ID bit");
    }
    // Root has them anyway (capabilities(7), "Capabilities and execution of
    // programs by root").
    let is_capable = || getxattr(path, c"security.capability", &mut [0_u8; 0]).is_ok();
    (!geteuid().is_root() && is_capable()).then_some("file capabilities")
}
