//! Which runtime a program gets, from where, and what is known of one that is there:
//! [`library`] for `libsandbox.so`, [`inline`] for the one within a program. [`moment`]
//! is about when each comes before the program's code.

pub mod inline;
pub mod library;
pub mod moment;
mod released;

use std::path::PathBuf;

use crate::elf::{self, Kind, Layout};
use crate::rewrite::Start;
use inline::Inline;
use library::Library;

/// Why a program gets no runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is no program, or none that can have one.
    #[error(transparent)]
    Program(#[from] elf::Error),
    /// There is no library for it.
    #[error(transparent)]
    Library(#[from] library::Error),
    /// There is none that could be put into it.
    #[error(transparent)]
    Inline(#[from] inline::Error),
    /// It loads the library, whose moment is not for choice.
    #[error("from when on the policy holds can be chosen for a runtime within the program only")]
    MomentOfLibrary,
}

/// Where the runtimes of this version are: the first directory that has one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories(pub Vec<PathBuf>);

impl Directories {
    /// The file of that name.
    fn find(&self, name: &str) -> Option<PathBuf> {
        let mut paths = self.0.iter().map(|directory| directory.join(name));
        paths.find(|path| path.is_file())
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Runtimes {
    /// Where those of this version are.
    pub directories: Directories,
    /// This library, in place of the one of this version.
    pub library: Option<Library>,
    /// A runtime within the program, also where it could load the library.
    pub inline: bool,
    /// From when on a runtime within the program is to enforce the policy.
    pub start: Option<Start>,
}

/// What a program gets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Runtime {
    /// The library.
    Library(Library),
    /// A runtime within it.
    Inline(Inline, Start),
}

impl Runtimes {
    /// Chooses for a program: what has no dynamic loader can't load a library.
    ///
    /// # Errors
    ///
    /// It is no program, or there is no runtime for it.
    pub fn choose(&self, layout: &Layout) -> Result<Runtime, Error> {
        let is_static = matches!(layout.kind(), Kind::StaticProgram | Kind::StaticPie);
        if !is_static || self.library.is_some() {
            layout.require_dynamic_program()?;
        }
        if self.inline || is_static {
            layout.require_program()?;
            let start = self.start.unwrap_or(Start::Best);
            let inline = Inline::installed(&self.directories, layout)?;
            return Ok(Runtime::Inline(inline, start));
        }
        if self.start.is_some() {
            return Err(Error::MomentOfLibrary);
        }
        Ok(Runtime::Library(match &self.library {
            Some(given) => given.clone(),
            None => Library::installed(&self.directories)?,
        }))
    }
}

impl Runtime {
    /// Whether it is within the program.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(..))
    }
}
