//! The records of ELF files, independent of class and byte order.
//!
//! Planning works on these records; only this file knows whether a field is four or eight
//! bytes wide and which byte comes first. The layouts themselves come from crate
//! `object`.

use object::Endianness;
use object::elf;
use object::pod;

use super::{Error, FileOffset, FileRange, VirtAddr};

/// Class and byte order of a file (`EI_CLASS`, `EI_DATA`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding {
    /// ELFCLASS64, else ELFCLASS32.
    pub is_64: bool,
    /// The byte order.
    pub endian: Endianness,
}

impl Encoding {
    /// The encoding that the first bytes of a file state.
    ///
    /// # Errors
    ///
    /// The bytes are not the start of an ELF file, or the class, byte order or version is
    /// unknown.
    pub fn of(ident: &[u8]) -> Result<Self, Error> {
        if ident.is_empty() {
            return Err(Error::Empty);
        }
        if !ident.starts_with(&elf::ELFMAG) {
            return Err(Error::NotElf);
        }
        let field = |at: usize| ident.get(at).copied().ok_or(Error::Truncated("ELF header"));
        let is_64 = match elf::FileClass(field(4)?) {
            elf::ELFCLASS32 => false,
            elf::ELFCLASS64 => true,
            _ => return Err(Error::Malformed("the class in the ELF header is unknown")),
        };
        let endian = match elf::DataEncoding(field(5)?) {
            elf::ELFDATA2LSB => Endianness::Little,
            elf::ELFDATA2MSB => Endianness::Big,
            _ => {
                return Err(Error::Malformed(
                    "the byte order in the ELF header is unknown",
                ));
            }
        };
        if elf::FileVersion(field(6)?) != elf::EV_CURRENT {
            return Err(Error::Malformed("the version in the ELF header is unknown"));
        }
        Ok(Self { is_64, endian })
    }

    /// The size of an address, and of every other word-sized field, in bytes.
    #[must_use]
    pub const fn word(self) -> u64 {
        if self.is_64 { 8 } else { 4 }
    }

    /// Whether the most significant byte comes first.
    #[must_use]
    pub fn is_big_endian(self) -> bool {
        self.endian == Endianness::Big
    }

    /// The byte order as the note format names it.
    #[must_use]
    pub fn note_order(self) -> sandbox_format::note::ByteOrder {
        match self.endian {
            Endianness::Little => sandbox_format::note::ByteOrder::Little,
            Endianness::Big => sandbox_format::note::ByteOrder::Big,
        }
    }
}

/// A record of the format, whose size is fixed in each class.
pub trait Record: Sized {
    /// Its size in the file, in bytes.
    fn size(encoding: Encoding) -> u64;

    /// Reads one from the start of `bytes`; `None` if they are too few.
    fn decode(encoding: Encoding, bytes: &[u8]) -> Option<Self>;

    /// Appends its bytes.
    ///
    /// # Errors
    ///
    /// A value does not fit the class.
    fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), Error>;

    /// Reads as many as `bytes` hold.
    fn decode_all(encoding: Encoding, bytes: &[u8]) -> Vec<Self> {
        let size = usize::try_from(Self::size(encoding)).unwrap_or(usize::MAX);
        bytes
            .chunks_exact(size)
            .filter_map(|chunk| Self::decode(encoding, chunk))
            .collect()
    }

    /// The bytes of several records.
    ///
    /// # Errors
    ///
    /// A value does not fit the class.
    fn encode_all(records: &[Self], encoding: Encoding) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        for record in records {
            record.encode(encoding, &mut out)?;
        }
        Ok(out)
    }
}

/// Implements [`Record`] for one of our structs from the two raw ones. Fields under
/// `plain` are equally wide in both classes; those under `wide` are four or eight bytes,
/// and so are those under `typed`, which have a type from `object`.
macro_rules! record {
    (
        $ours:ident, $raw32:ident, $raw64:ident,
        plain { $($plain:ident: $raw_plain:ident),* $(,)? }
        wide { $($wide:ident: $raw_wide:ident),* $(,)? }
        typed { $($typed:ident: $raw_typed:ident),* $(,)? }
        fixed { $($fixed:ident: $raw_fixed:ident),* $(,)? }
    ) => {
        impl Record for $ours {
            fn size(encoding: Encoding) -> u64 {
                let size = if encoding.is_64 {
                    size_of::<elf::$raw64<Endianness>>()
                } else {
                    size_of::<elf::$raw32<Endianness>>()
                };
                size as u64
            }

            fn decode(encoding: Encoding, bytes: &[u8]) -> Option<Self> {
                let endian = encoding.endian;
                if encoding.is_64 {
                    let (raw, _) = pod::from_bytes::<elf::$raw64<Endianness>>(bytes).ok()?;
                    Some(Self {
                        $($plain: raw.$raw_plain.get(endian),)*
                        $($wide: raw.$raw_wide.get(endian).into(),)*
                        $($typed: raw.$raw_typed.get(endian),)*
                        $($fixed: raw.$raw_fixed,)*
                    })
                } else {
                    let (raw, _) = pod::from_bytes::<elf::$raw32<Endianness>>(bytes).ok()?;
                    Some(Self {
                        $($plain: raw.$raw_plain.get(endian),)*
                        $($wide: u64::from(raw.$raw_wide.get(endian)).into(),)*
                        $($typed: raw.$raw_typed.get_u64(endian),)*
                        $($fixed: raw.$raw_fixed,)*
                    })
                }
            }

            fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), Error> {
                let endian = encoding.endian;
                let mut bytes = vec![0; usize::try_from(Self::size(encoding)).unwrap_or_default()];
                let wrong_size = Error::Malformed("a record has an unexpected size");
                if encoding.is_64 {
                    let Ok((raw, _)) = pod::from_bytes_mut::<elf::$raw64<Endianness>>(&mut bytes) else {
                        return Err(wrong_size);
                    };
                    $(raw.$raw_plain.set(endian, self.$plain);)*
                    $(raw.$raw_wide.set(endian, self.$wide.into());)*
                    $(raw.$raw_typed.set(endian, self.$typed);)*
                    $(raw.$raw_fixed = self.$fixed;)*
                } else {
                    let Ok((raw, _)) = pod::from_bytes_mut::<elf::$raw32<Endianness>>(&mut bytes) else {
                        return Err(wrong_size);
                    };
                    $(raw.$raw_plain.set(endian, self.$plain);)*
                    $(raw.$raw_wide.set(endian, u32::try_from(u64::from(self.$wide)).map_err(|_| Error::TooLarge)?);)*
                    $(raw.$raw_typed.set_u64(endian, self.$typed).map_err(|_| Error::TooLarge)?;)*
                    $(raw.$raw_fixed = self.$fixed;)*
                }
                out.extend(bytes);
                Ok(())
            }
        }
    };
}

/// The ELF header (gABI chapter 4, "ELF Header").
#[derive(Clone, Copy, Debug)]
pub struct FileHeader {
    /// `e_ident`.
    pub ident: elf::Ident,
    /// `e_type`.
    pub kind: elf::FileType,
    /// `e_machine`.
    pub machine: elf::Machine,
    /// `e_version`.
    pub version: u32,
    /// `e_entry`.
    pub entry: VirtAddr,
    /// `e_phoff`: file offset of the program header table.
    pub phoff: FileOffset,
    /// `e_shoff`: file offset of the section header table.
    pub shoff: FileOffset,
    /// `e_flags`.
    pub flags: elf::FileFlags,
    /// `e_ehsize`.
    pub ehsize: u16,
    /// `e_phentsize`.
    pub phentsize: u16,
    /// `e_phnum`.
    pub phnum: u16,
    /// `e_shentsize`.
    pub shentsize: u16,
    /// `e_shnum`.
    pub shnum: u16,
    /// `e_shstrndx`.
    pub shstrndx: elf::SymbolSection,
}

record!(
    FileHeader, FileHeader32, FileHeader64,
    plain {
        kind: e_type, machine: e_machine, version: e_version, flags: e_flags, ehsize: e_ehsize,
        phentsize: e_phentsize, phnum: e_phnum, shentsize: e_shentsize, shnum: e_shnum,
        shstrndx: e_shstrndx,
    }
    wide { entry: e_entry, phoff: e_phoff, shoff: e_shoff }
    typed {}
    fixed { ident: e_ident }
);

/// A program header (gABI chapter 5, "Program Header").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramHeader {
    /// `p_type`.
    pub kind: elf::ProgramType,
    /// `p_flags`.
    pub flags: elf::ProgramFlags,
    /// `p_offset`.
    pub offset: FileOffset,
    /// `p_vaddr`.
    pub vaddr: VirtAddr,
    /// `p_paddr`.
    pub paddr: u64,
    /// `p_filesz`.
    pub filesz: u64,
    /// `p_memsz`.
    pub memsz: u64,
    /// `p_align`.
    pub align: u64,
}

impl ProgramHeader {
    /// Whether the program may read the segment (PF_R).
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        self.flags.0 & elf::PF_R.0 != 0
    }

    /// Whether it may write to it (PF_W).
    #[must_use]
    pub const fn is_writable(&self) -> bool {
        self.flags.0 & elf::PF_W.0 != 0
    }

    /// Whether it may run code in it (PF_X).
    #[must_use]
    pub const fn is_executable(&self) -> bool {
        self.flags.0 & elf::PF_X.0 != 0
    }

    /// The bytes that the segment has in the file.
    #[must_use]
    pub fn range(&self) -> FileRange {
        FileRange::new(self.offset, self.filesz)
    }
}

record!(
    ProgramHeader, ProgramHeader32, ProgramHeader64,
    plain { kind: p_type, flags: p_flags }
    wide {
        offset: p_offset, vaddr: p_vaddr, paddr: p_paddr, filesz: p_filesz, memsz: p_memsz,
        align: p_align,
    }
    typed {}
    fixed {}
);

/// A section header (gABI chapter 4, "Sections").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectionHeader {
    /// `sh_name`: offset in the section name string table.
    pub name: u32,
    /// `sh_type`.
    pub kind: elf::SectionType,
    /// `sh_flags`.
    pub flags: elf::SectionFlags,
    /// `sh_addr`.
    pub addr: VirtAddr,
    /// `sh_offset`.
    pub offset: FileOffset,
    /// `sh_size`.
    pub size: u64,
    /// `sh_link`.
    pub link: u32,
    /// `sh_info`.
    pub info: u32,
    /// `sh_addralign`.
    pub addralign: u64,
    /// `sh_entsize`.
    pub entsize: u64,
}

record!(
    SectionHeader, SectionHeader32, SectionHeader64,
    plain { name: sh_name, kind: sh_type, link: sh_link, info: sh_info }
    wide {
        addr: sh_addr, offset: sh_offset, size: sh_size, addralign: sh_addralign,
        entsize: sh_entsize,
    }
    typed { flags: sh_flags }
    fixed {}
);

/// A symbol (gABI chapter 4, "Symbol Table").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// `st_name`: offset in the string table.
    pub name: u32,
    /// `st_info`.
    pub info: elf::SymbolInfo,
    /// `st_other`.
    pub other: elf::SymbolOther,
    /// `st_shndx`: the section that the symbol belongs to.
    pub section: elf::SymbolSection,
    /// `st_value`: in a program, an address.
    pub value: u64,
    /// `st_size`, in bytes.
    pub size: u64,
}

record!(
    Symbol, Sym32, Sym64,
    plain { name: st_name, section: st_shndx }
    wide { value: st_value, size: st_size }
    typed {}
    fixed { info: st_info, other: st_other }
);

/// A dynamic entry (gABI chapter 5, "Dynamic Section").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dyn {
    /// `d_tag`.
    pub tag: elf::DynamicTag,
    /// `d_val` or `d_ptr`.
    pub value: u64,
}

impl Record for Dyn {
    fn size(encoding: Encoding) -> u64 {
        if encoding.is_64 { 16 } else { 8 }
    }

    fn decode(encoding: Encoding, bytes: &[u8]) -> Option<Self> {
        let endian = encoding.endian;
        if encoding.is_64 {
            let (raw, _) = pod::from_bytes::<elf::Dyn64<Endianness>>(bytes).ok()?;
            Some(Self {
                tag: raw.d_tag.get(endian),
                value: raw.d_val.get(endian),
            })
        } else {
            let (raw, _) = pod::from_bytes::<elf::Dyn32<Endianness>>(bytes).ok()?;
            Some(Self {
                tag: raw.d_tag.get_i64(endian),
                value: raw.d_val.get(endian).into(),
            })
        }
    }

    fn encode(&self, encoding: Encoding, out: &mut Vec<u8>) -> Result<(), Error> {
        let endian = encoding.endian;
        let narrow = |_| Error::TooLarge;
        if encoding.is_64 {
            let tag = object::endian::I64::new(endian, self.tag);
            let raw = elf::Dyn64 {
                d_tag: tag,
                d_val: object::endian::U64::new(endian, self.value),
            };
            out.extend_from_slice(pod::bytes_of(&raw));
        } else {
            let tag = object::endian::I32::new_i64(endian, self.tag).map_err(narrow)?;
            let value = u32::try_from(self.value).map_err(narrow)?;
            let raw = elf::Dyn32 {
                d_tag: tag,
                d_val: object::endian::U32::new(endian, value),
            };
            out.extend_from_slice(pod::bytes_of(&raw));
        }
        Ok(())
    }
}
