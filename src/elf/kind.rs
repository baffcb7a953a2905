//! What an ELF file is.

use std::fmt;

use object::elf;

use super::{Dynamic, Error, Layout};

/// What an ELF file is, judging by its header, interpreter and dynamic section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A program that a loader starts.
    DynamicProgram,
    /// A program at fixed addresses that the kernel starts without a loader.
    StaticProgram,
    /// A program that the kernel starts without a loader at any address: it relocates
    /// itself.
    StaticPie,
    /// A library; also one that can be started, such as libc.so.6.
    SharedLibrary,
    /// ET_REL.
    Relocatable,
    /// ET_CORE.
    Core,
    /// ET_NONE.
    None,
    /// Any other `e_type`.
    Unknown,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamicProgram => "dynamic program",
            Self::StaticProgram => "static program",
            Self::StaticPie => "static-pie program",
            Self::SharedLibrary => "shared library",
            Self::Relocatable => "relocatable object",
            Self::Core => "core dump",
            Self::None => "ELF file without type",
            Self::Unknown => "ELF file of unknown type",
        })
    }
}

impl Layout {
    /// What the file is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.header.kind {
            elf::ET_EXEC | elf::ET_DYN => {}
            elf::ET_REL => return Kind::Relocatable,
            elf::ET_CORE => return Kind::Core,
            elf::ET_NONE => return Kind::None,
            _ => return Kind::Unknown,
        }
        let has_interpreter = self.segment(elf::PT_INTERP).is_some();
        let Some(dynamic) = &self.dynamic else {
            return Kind::StaticProgram;
        };
        let named = dynamic.get(elf::DT_SONAME).is_some() && !dynamic.is_pie();
        match (has_interpreter, named) {
            // libc.so.6 has an interpreter, to print its version.
            (true, false) => Kind::DynamicProgram,
            (false, false) if dynamic.is_pie() => Kind::StaticPie,
            (false, false) if self.header.kind == elf::ET_EXEC => Kind::StaticProgram,
            _ => Kind::SharedLibrary,
        }
    }

    /// Refuses anything but a program with a dynamic loader.
    ///
    /// # Errors
    ///
    /// The error says what the file is instead.
    pub fn require_dynamic_program(&self) -> Result<&Dynamic, Error> {
        match (self.kind(), &self.dynamic) {
            (Kind::DynamicProgram, Some(dynamic)) => Ok(dynamic),
            (Kind::DynamicProgram | Kind::StaticProgram, _) => Err(Error::Static),
            (Kind::StaticPie, _) => Err(Error::StaticPie),
            (Kind::SharedLibrary, _) => Err(Error::SharedLibrary),
            (Kind::Relocatable, _) => Err(Error::Relocatable),
            (Kind::Core, _) => Err(Error::Core),
            (Kind::None | Kind::Unknown, _) => Err(Error::UnknownType),
        }
    }

    /// Refuses anything but a program that Linux can start; returns its dynamic section,
    /// if it has one.
    ///
    /// # Errors
    ///
    /// The error says what the file is instead.
    pub fn require_program(&self) -> Result<Option<&Dynamic>, Error> {
        if !matches!(self.kind(), Kind::StaticProgram | Kind::StaticPie) {
            self.require_dynamic_program()?;
        }
        let system = self.header.ident.os_abi;
        let is_linux = [elf::ELFOSABI_NONE, elf::ELFOSABI_GNU].contains(&system);
        if !is_linux || self.segment(elf::PT_LOAD).is_none() {
            return Err(Error::Foreign);
        }
        Ok(self.dynamic.as_ref())
    }
}
