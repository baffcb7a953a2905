//! Which runtime a program gets: the library, or one within it.

use anyhow::{Result, ensure};
use sandbox_format::note::flags;

use super::inline::Inline;
use super::library::Library;
use crate::elf::{Error, Layout, Start};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Runtimes {
    /// This library, in place of the one that came with sandbox-patch.
    pub library: Option<Library>,
    /// A runtime within the program, also where it could load the library.
    pub inline: bool,
    /// From when on a runtime within the program is to enforce the policy.
    pub start: Option<Start>,
}

/// What a program gets.
#[derive(Clone, Debug)]
pub enum Chosen {
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
    pub fn choose(&self, layout: &Layout) -> Result<Chosen> {
        let loads_libraries = match layout.require_dynamic_program() {
            Ok(_) => true,
            Err(Error::Static | Error::StaticPie) if self.library.is_none() => false,
            Err(error) => return Err(error.into()),
        };
        if self.inline || !loads_libraries {
            layout.require_program()?;
            let start = self.start.unwrap_or(Start::Best);
            return Ok(Chosen::Inline(Inline::installed(layout)?, start));
        }
        ensure!(
            self.start.is_none(),
            "--from is for a runtime within the program; add --inline"
        );
        Ok(Chosen::Library(match &self.library {
            Some(given) => given.clone(),
            None => Library::choose(None, false)?,
        }))
    }
}

impl Chosen {
    /// The flags of the FILTER note.
    pub(super) fn flags(&self) -> u32 {
        match self {
            Self::Library(_) => 0,
            Self::Inline(..) => flags::INLINE,
        }
    }
}
