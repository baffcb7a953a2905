//! An ELF file: its headers and its bytes.

use std::ops::Deref;

use object::elf;

use super::{Error, Layout, Section, Source};

/// An ELF file whose headers have been read; its other bytes are read on demand.
///
/// It dereferences to its [`Layout`].
#[derive(Clone, Debug)]
pub struct Image<S> {
    /// What the headers say.
    pub layout: Layout,
    /// The bytes.
    pub source: S,
}

impl<S> Deref for Image<S> {
    type Target = Layout;

    fn deref(&self) -> &Layout {
        &self.layout
    }
}

impl<S: Source> Image<S> {
    /// Reads the headers of a file.
    ///
    /// # Errors
    /// # Errors
    ///
    /// See [`Layout::read`].
    pub fn read(source: S) -> Result<Self, Error> {
        Ok(Self {
            layout: Layout::read(&source)?,
            source,
        })
    }

    /// The name of a section, cut at the longest length allowed; bytes that are not UTF-8
    /// are replaced.
    #[must_use]
    pub fn section_name(&self, section: &Section) -> String {
        const LONGEST: u64 = 256;
        let at = u64::from(section.header.name);
        let size = self
            .layout
            .section_names
            .size
            .saturating_sub(at)
            .min(LONGEST);
        let name = self
            .source
            .read_at(self.layout.section_names.start.saturating_add(at), size);
        let name = name.unwrap_or_default();
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }

    /// The program interpreter, as PT_INTERP names it.
    ///
    /// # Errors
    ///
    /// The name is cut off, unterminated, or longer than a path may be.
    pub fn interpreter(&self) -> Result<Option<String>, Error> {
        let Some(segment) = self.segment(elf::PT_INTERP) else {
            return Ok(None);
        };
        // The kernel takes 2 to PATH_MAX bytes (fs/binfmt_elf.c, load_elf_binary).
        if !(2..=4096).contains(&segment.filesz) {
            return Err(Error::Malformed(
                "the program interpreter's name has an impossible length",
            ));
        }
        let bytes = self
            .source
            .read_at(segment.offset, segment.filesz)
            .map_err(|_| Error::Truncated("program interpreter's name"))?;
        if bytes.last() != Some(&0) {
            return Err(Error::Malformed(
                "the program interpreter's name has no end",
            ));
        }
        // It is opened up to the first zero byte.
        let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        Ok(Some(String::from_utf8_lossy(name).into_owned()))
    }

    /// The string at an offset into the dynamic string table.
    ///
    /// # Errors
    ///
    /// The table is not in the file, or the string is not in the table.
    pub fn dynamic_string(&self, offset: u64) -> Result<String, Error> {
        const LIMIT: u64 = 4096;
        let strings = self.dynamic_strings()?;
        let left = strings
            .size
            .checked_sub(offset)
            .ok_or(Error::Malformed("a dynamic string lies outside its table"))?;
        let bytes = self
            .source
            .read_at(strings.start + offset, left.min(LIMIT))
            .map_err(|_| Error::Truncated("dynamic string table"))?;
        let end = bytes.iter().position(|&byte| byte == 0);
        let end = end.ok_or(Error::Malformed("a dynamic string has no end"))?;
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    /// The libraries that the program names (DT_NEEDED), in order.
    ///
    /// # Errors
    ///
    /// A name is not in the dynamic string table, or the names are together longer than
    /// those of any program: many entries may refer to one long string.
    pub fn needed(&self) -> Result<Vec<String>, Error> {
        const LONGEST: usize = 1 << 20;
        let mut needed = Vec::new();
        let mut length = 0;
        for entry in self.dynamic.iter().flat_map(|dynamic| &dynamic.entries) {
            if entry.tag == elf::DT_NEEDED {
                let name = self.dynamic_string(entry.value)?;
                length += name.len() + size_of::<String>();
                needed.push(name);
            }
            if length > LONGEST {
                return Err(Error::Malformed(
                    "the names of the libraries that it needs are longer than any program's",
                ));
            }
        }
        Ok(needed)
    }
}
