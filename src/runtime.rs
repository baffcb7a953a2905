//! Which runtime a program gets, where it comes from, and what is known about an existing
//! one: [`library`] for `libsandbox.so`, [`inline`] for the one inside the program.
//! [`moment`] is about when each runs, relative to the program's code.

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
    /// It is not a program, or not one that can have a runtime.
    #[error(transparent)]
    Program(#[from] elf::Error),
    /// There is no library for it.
    #[error(transparent)]
    Library(#[from] library::Error),
    /// There is none that could be put inside it.
    #[error(transparent)]
    Inline(#[from] inline::Error),
    /// It loads the library, which does not allow a choice of start.
    #[error("from when on the policy holds can be chosen for a runtime within the program only")]
    MomentOfLibrary,
}

/// Where the runtimes of this version are: the first directory that has one is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directories(pub Vec<PathBuf>);

impl Directories {
    /// The file of that name.
    fn find(&self, name: &str) -> Option<PathBuf> {
        let mut paths = self.0.iter().map(|directory| directory.join(name));
        paths.find(|path| path.is_file())
    }
}

/// What is requested.
#[derive(Clone, Debug, Default)]
pub struct Runtimes {
    /// Where those of this version are.
    pub directories: Directories,
    /// This library, instead of the one of this version.
    pub library: Option<Library>,
    /// Whether to put a runtime inside the program even if it could load the library.
    pub inline: bool,
    /// When a runtime inside the program starts to enforce the policy.
    pub start: Option<Start>,
}

/// What a program gets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Runtime {
    /// The library.
    Library(Library),
    /// A runtime inside it.
    Inline(Inline, Start),
}

impl Runtimes {
    /// Chooses for a program: one without a dynamic loader can't load a library.
    ///
    /// # Errors
    ///
    /// It is not a program, or there is no runtime for it.
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
    /// Whether it is inside the program.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        matches!(self, Self::Inline(..))
    }
}
