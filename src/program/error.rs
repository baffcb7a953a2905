//! Why a verb failed.

use std::io;

use crate::elf::memory::Divergence;
use crate::learn::trace;
use crate::policy::Arch;
use crate::{elf, file, filter, policy, rewrite, runtime};

/// Why a verb failed; the file is then unchanged. The caller prefixes the file's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file can't be opened or replaced.
    #[error(transparent)]
    File(#[from] file::Error),
    /// The program can't be read, changed or restored.
    #[error(transparent)]
    Elf(#[from] elf::Error),
    /// No policy can be put into it, or taken out.
    #[error(transparent)]
    Rewrite(rewrite::Error),
    /// No policy in the file.
    #[error("it carries no sandbox policy; there is nothing to remove")]
    NotPatched,
    /// A policy without a record of the original.
    #[error(
        "it carries a policy but no record of the original file; build it again from its source"
    )]
    NoUndo,
    /// Another tool changed what the patch wrote.
    #[error("another tool changed what the patch wrote, so it can't be taken out byte for byte")]
    Changed,
    /// The policy means nothing for the program's architecture.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// It can't be compiled.
    #[error(transparent)]
    Filter(#[from] filter::Error),
    /// It can't be run and recorded.
    #[error(transparent)]
    Learn(#[from] trace::Error),
    /// There is no runtime for the program.
    #[error(transparent)]
    Runtime(runtime::Error),
    /// Its architecture is in none of the tables: the number in its header (`e_machine`).
    #[error(
        "no filter can be made for its architecture (ELF machine {0}); known are {known}",
        known = Arch::all().map(Arch::name).collect::<Vec<_>>().join(", ")
    )]
    Architecture(u16),
    /// It carries another policy, which was not to be replaced.
    #[error("it carries another policy already")]
    AnotherPolicy,
    /// It carries this policy, with another runtime or one that takes over at another
    /// moment.
    #[error("it carries this policy already, enforced in another way or from another moment on")]
    AnotherWay,
    /// What runs would differ from what the patched file says, as it does for the
    /// original.
    #[error("{0}; no policy in it could be relied on: link it anew")]
    Divergence(Divergence),
    /// The result, read again, is not what it should be.
    #[error("the result is not right ({0}); nothing was changed; please report this")]
    Unfaithful(String),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Elf(error.into())
    }
}

impl From<rewrite::Error> for Error {
    fn from(error: rewrite::Error) -> Self {
        match error {
            rewrite::Error::Elf(error) => Self::Elf(error),
            other => Self::Rewrite(other),
        }
    }
}

impl From<runtime::Error> for Error {
    fn from(error: runtime::Error) -> Self {
        match error {
            runtime::Error::Program(error) => Self::Elf(error),
            other => Self::Runtime(other),
        }
    }
}
