//! One program or library, as a loader would have it in memory.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use goblin::elf::program_header::{PF_W, PF_X, PT_GNU_EH_FRAME, PT_GNU_RELRO, PT_LOAD};
use goblin::elf::section_header::{SHF_ALLOC, SHF_TLS};
use goblin::elf::sym::{STB_LOCAL, STT_FUNC, STT_GNU_IFUNC, STT_OBJECT};
use goblin::elf::{Elf, header};
use goblin::options::ParseOptions;

use super::isa::Machine;
use super::unwind::{self, Frames};
use super::{Error, relocations};
use crate::file;

/// What a relocation puts in its place. Addresses are those of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// An address in the same file.
    Own(u64),
    /// The address of a symbol, by its index, and what is added.
    Symbol(usize, u64),
    /// The address of a function by its symbol, which is put there when it is first called.
    Linked(usize),
    /// What a function returns that chooses among others.
    Chosen(u64),
    /// The content of a symbol of another file.
    Copy(usize),
    /// How a thread-local variable is found.
    ThreadLocal,
}

/// A part of the memory.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where in the file it begins, and how much of it is there.
    offset: usize,
    size: usize,
    pub(super) is_code: bool,
    pub(super) is_writable: bool,
}

/// A dynamic symbol.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    pub(super) name: String,
    /// The version that is asked for or defined.
    pub(super) version: Option<String>,
    pub(super) is_default: bool,
    pub(super) is_defined: bool,
    pub(super) is_local: bool,
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) kind: u8,
}

/// A file.
pub(super) struct Object {
    pub(super) path: PathBuf,
    pub(super) bytes: Vec<u8>,
    pub(super) machine: &'static Machine,
    pub(super) segments: Vec<Segment>,
    /// What is only read after the start.
    relro: Vec<(u64, u64)>,
    pub(super) entry: u64,
    pub(super) is_fixed: bool,
    pub(super) soname: Option<String>,
    pub(super) needed: Vec<String>,
    pub(super) run_paths: Vec<String>,
    /// Whether its functions keep to the convention that some registers are preserved.
    pub(super) preserves: bool,
    pub(super) symbols: Vec<Symbol>,
    /// Those that are defined, by name.
    pub(super) exports: HashMap<String, Vec<usize>>,
    /// All functions that have a name.
    pub(super) names: Vec<(u64, String)>,
    /// Sorted by where they write.
    pub(super) words: Vec<(u64, Word)>,
    pub(super) frames: Frames,
    /// The stubs by which functions of libraries are called.
    stubs: Vec<(u64, u64)>,
    /// Objects whose size is known, as (start, end), sorted.
    pub(super) sized: Vec<(u64, u64)>,
    /// Where an object may begin or end.
    pub(super) borders: Vec<u64>,
    pub(super) initialisers: Vec<u64>,
    pub(super) finalisers: Vec<u64>,
}

/// The largest file that is read, in bytes.
const LIMIT: u64 = 1 << 30;

impl Object {
    /// Reads a file.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let about = |what: String| Error::Unreadable {
            file: path.to_owned(),
            what,
        };
        let (file, _) = file::open(path).map_err(|error| about(error.to_string()))?;
        let mut bytes = Vec::new();
        file.take(LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| about(error.to_string()))?;
        if bytes.len() as u64 > LIMIT {
            return Err(about("it is larger than 1 GiB".to_owned()));
        }
        Self::parse(path, bytes).map_err(about)
    }

    /// Reads what a file has; the error says what is wrong with it.
    pub(super) fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, String> {
        let options = ParseOptions::permissive();
        let elf = Elf::parse_with_opts(&bytes, &options).map_err(|error| error.to_string())?;
        if elf.header.e_machine != header::EM_X86_64 || !elf.is_64 {
            return Err("only programs for x86_64 can be read yet".to_owned());
        }
        let segments = segments(&elf, bytes.len());
        let symbols = symbols(&elf);
        let mut object = Self {
            path: path.to_owned(),
            machine: &super::isa::x86_64::MACHINE,
            relro: relro(&elf),
            entry: elf.entry,
            is_fixed: elf.header.e_type == header::ET_EXEC,
            soname: elf.soname.map(str::to_owned),
            needed: elf
                .libraries
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
            run_paths: run_paths(&elf),
            preserves: !is_go(&elf),
            names: names(&elf, &symbols),
            sized: sized(&elf, &symbols),
            stubs: stubs(&elf),
            words: Vec::new(),
            frames: Frames::default(),
            borders: Vec::new(),
            initialisers: Vec::new(),
            finalisers: Vec::new(),
            segments,
            exports: exports(&symbols),
            symbols,
            bytes: Vec::new(),
        };
        let header = elf.program_headers.iter();
        let mut header = header.filter(|header| header.p_type == PT_GNU_EH_FRAME);
        let index = header.next().map(|header| header.p_vaddr);
        let (frames, words) = {
            let read = |address, size| object.read_in(&bytes, address, size);
            let words = relocations::words(&elf, &object.segments, &read);
            (unwind::frames(index, &read), words)
        };
        object.frames = frames;
        object.words = words;
        let arrays = relocations::arrays(&elf);
        let (initialisers, finalisers) = object.start_and_end(&arrays, &bytes);
        object.initialisers = initialisers;
        object.finalisers = finalisers;
        object.borders = object.all_borders(&elf, &bytes);
        drop(elf);
        object.bytes = bytes;
        Ok(object)
    }

    fn read_in<'a>(&self, bytes: &'a [u8], address: u64, size: usize) -> Option<&'a [u8]> {
        let segment = self.segment(address)?;
        let at = usize::try_from(address - segment.start).ok()?;
        let end = at.checked_add(size).filter(|end| *end <= segment.size)?;
        bytes.get(segment.offset + at..segment.offset + end)
    }

    /// The bytes at an address.
    pub(super) fn read(&self, address: u64, size: usize) -> Option<&[u8]> {
        self.read_in(&self.bytes, address, size)
    }

    /// All bytes from an address to the end of what the file has of its segment.
    pub(super) fn rest(&self, address: u64) -> &[u8] {
        let rest = self.segment(address).and_then(|segment| {
            let at = usize::try_from(address - segment.start).ok()?;
            let size = segment.size.checked_sub(at)?;
            self.read(address, size)
        });
        rest.unwrap_or_default()
    }

    pub(super) fn segment(&self, address: u64) -> Option<&Segment> {
        let mut segments = self.segments.iter();
        segments.find(|segment| (segment.start..segment.end).contains(&address))
    }

    pub(super) fn is_code(&self, address: u64) -> bool {
        self.segment(address).is_some_and(|segment| segment.is_code)
    }

    /// Whether what stands there never changes, not even at the start but for relocations.
    pub(super) fn is_constant(&self, address: u64) -> bool {
        self.segment(address)
            .is_some_and(|segment| !segment.is_writable)
    }

    /// Whether it can't be changed after the start.
    pub(super) fn is_settled(&self, address: u64) -> bool {
        let mut relro = self.relro.iter();
        self.is_constant(address) || relro.any(|(start, end)| (*start..*end).contains(&address))
    }

    /// Whether the loader links a call there: it stays what it is, also where that happens
    /// when the function is first called.
    pub(super) fn is_linked(&self, address: u64) -> bool {
        self.is_settled(address) || matches!(self.word(address), Some(Word::Linked(_)))
    }

    /// What a relocation writes at an address.
    pub(super) fn word(&self, address: u64) -> Option<&Word> {
        let found = self.words.binary_search_by_key(&address, |(at, _)| *at);
        found.ok().map(|index| &self.words[index].1)
    }

    /// The relocations that write between two addresses.
    pub(super) fn words_in(&self, start: u64, end: u64) -> &[(u64, Word)] {
        let first = self.words.partition_point(|(at, _)| *at < start);
        let last = self.words.partition_point(|(at, _)| *at < end);
        &self.words[first..last.max(first)]
    }

    /// The number that stands at an address, of 4 or 8 bytes.
    pub(super) fn number(&self, address: u64, size: u8) -> Option<u64> {
        let bytes = self.read(address, size.into())?;
        let mut number = [0; 8];
        number[..bytes.len()].copy_from_slice(bytes);
        Some(u64::from_le_bytes(number))
    }

    /// Whether an address lies in the stubs by which functions of libraries are called.
    pub(super) fn is_stub(&self, address: u64) -> bool {
        let mut stubs = self.stubs.iter();
        stubs.any(|(start, end)| (*start..*end).contains(&address))
    }

    /// The name of the function that an address lies in.
    pub(super) fn name(&self, address: u64) -> Option<&str> {
        let index = self.names.partition_point(|(at, _)| *at <= address);
        let (at, name) = &self.names[index.checked_sub(1)?];
        let start = self
            .frames
            .around(address)
            .map_or(address, |frame| frame.start);
        (*at >= start).then_some(name)
    }

    /// What is called at the start and at the end.
    fn start_and_end(&self, arrays: &relocations::Arrays, bytes: &[u8]) -> (Vec<u64>, Vec<u64>) {
        let pointers = |(start, size): (u64, u64)| {
            let size = size.min(1 << 20);
            let places = (start..start.saturating_add(size)).step_by(8);
            places.filter_map(|at| match self.word(at) {
                Some(Word::Own(address) | Word::Chosen(address)) => Some(*address),
                Some(_) => None,
                None => self.read_in(bytes, at, 8).and_then(|bytes| {
                    let address = u64::from_le_bytes(bytes.try_into().ok()?);
                    (address != 0 && address != u64::MAX).then_some(address)
                }),
            })
        };
        let mut initialisers: Vec<u64> = arrays.init.into_iter().collect();
        initialisers.extend(pointers(arrays.before));
        initialisers.extend(pointers(arrays.init_array));
        let mut finalisers: Vec<u64> = pointers(arrays.fini_array).collect();
        finalisers.extend(arrays.fini);
        (initialisers, finalisers)
    }

    /// Where objects may begin: what is referred to by code, by relocations and by symbols,
    /// and the ends of sections.
    fn all_borders(&self, elf: &Elf<'_>, bytes: &[u8]) -> Vec<u64> {
        let mut borders = Vec::new();
        for section in &elf.section_headers {
            // Thread-local sections have the addresses of others if they are all zero.
            let flags = section.sh_flags & u64::from(SHF_ALLOC | SHF_TLS);
            if flags == u64::from(SHF_ALLOC) {
                borders.extend([
                    section.sh_addr,
                    section.sh_addr.saturating_add(section.sh_size),
                ]);
            }
        }
        for segment in &self.segments {
            borders.extend([segment.start, segment.end]);
            if segment.is_code
                && let Some(code) = self.read_in(bytes, segment.start, segment.size)
            {
                let mut found = |address| {
                    if self
                        .segment(address)
                        .is_some_and(|segment| !segment.is_code)
                    {
                        borders.push(address);
                    }
                };
                (self.machine.references)(code, segment.start, &mut found);
            }
        }
        for (_, word) in &self.words {
            if let Word::Own(address) = word
                && !self.is_code(*address)
            {
                borders.push(*address);
            }
        }
        borders.extend(self.sized.iter().flat_map(|(start, end)| [*start, *end]));
        borders.sort_unstable();
        borders.dedup();
        borders
    }
}

fn segments(elf: &Elf<'_>, length: usize) -> Vec<Segment> {
    let headers = elf.program_headers.iter();
    let headers = headers.filter(|header| header.p_type == PT_LOAD);
    let segment = |header: &goblin::elf::ProgramHeader| {
        let offset = usize::try_from(header.p_offset).ok()?;
        let size = usize::try_from(header.p_filesz.min(header.p_memsz)).ok()?;
        Some(Segment {
            start: header.p_vaddr,
            end: header.p_vaddr.checked_add(header.p_memsz)?,
            offset,
            size: size.min(length.checked_sub(offset)?),
            is_code: header.p_flags & PF_X != 0,
            is_writable: header.p_flags & PF_W != 0,
        })
    };
    headers.filter_map(segment).collect()
}

fn exports(symbols: &[Symbol]) -> HashMap<String, Vec<usize>> {
    let mut exports: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, symbol) in symbols.iter().enumerate() {
        if symbol.is_defined && !symbol.is_local {
            exports.entry(symbol.name.clone()).or_default().push(index);
        }
    }
    exports
}

fn relro(elf: &Elf<'_>) -> Vec<(u64, u64)> {
    let headers = elf.program_headers.iter();
    let headers = headers.filter(|header| header.p_type == PT_GNU_RELRO);
    let range = |header: &goblin::elf::ProgramHeader| {
        (
            header.p_vaddr,
            header.p_vaddr.saturating_add(header.p_memsz),
        )
    };
    headers.map(range).collect()
}

/// Whether it is written in Go, whose functions preserve no registers
/// (go/src/cmd/compile/abi-internal.md).
fn is_go(elf: &Elf<'_>) -> bool {
    let mut sections = elf.section_headers.iter();
    sections.any(|section| {
        let name = elf.shdr_strtab.get_at(section.sh_name);
        matches!(name, Some(".gopclntab" | ".note.go.buildid"))
    })
}

fn stubs(elf: &Elf<'_>) -> Vec<(u64, u64)> {
    let sections = elf.section_headers.iter().filter(|section| {
        let name = elf.shdr_strtab.get_at(section.sh_name);
        matches!(name, Some(".plt" | ".plt.sec" | ".plt.got" | ".iplt"))
    });
    let range = |section: &goblin::elf::SectionHeader| {
        (
            section.sh_addr,
            section.sh_addr.saturating_add(section.sh_size),
        )
    };
    sections.map(range).collect()
}

fn run_paths(elf: &Elf<'_>) -> Vec<String> {
    // ld.so(8): DT_RPATH counts only where there is no DT_RUNPATH.
    let paths = if elf.runpaths.is_empty() {
        &elf.rpaths
    } else {
        &elf.runpaths
    };
    let paths = paths.iter().flat_map(|path| path.split(':'));
    paths.map(str::to_owned).collect()
}

fn symbols(elf: &Elf<'_>) -> Vec<Symbol> {
    let versions = Versions::of(elf);
    let symbol = |(index, symbol): (usize, goblin::elf::Sym)| {
        let (version, is_default) = versions.get(elf, index);
        Symbol {
            name: elf
                .dynstrtab
                .get_at(symbol.st_name)
                .unwrap_or_default()
                .to_owned(),
            version,
            is_default,
            is_defined: symbol.st_shndx != 0,
            is_local: symbol.st_bind() == STB_LOCAL,
            address: symbol.st_value,
            size: symbol.st_size,
            kind: symbol.st_type(),
        }
    };
    elf.dynsyms.iter().enumerate().map(symbol).collect()
}

/// The names of versions by their index.
struct Versions(HashMap<u16, String>);

impl Versions {
    fn of(elf: &Elf<'_>) -> Self {
        let mut names = HashMap::new();
        let name = |at: usize| elf.dynstrtab.get_at(at).map(str::to_owned);
        for defined in elf.verdef.iter().flat_map(|section| section.iter()) {
            if let Some(first) = defined.iter().next() {
                names.extend(name(first.vda_name).map(|name| (defined.vd_ndx, name)));
            }
        }
        for needed in elf.verneed.iter().flat_map(|section| section.iter()) {
            for version in needed.iter() {
                names.extend(name(version.vna_name).map(|name| (version.vna_other, name)));
            }
        }
        Self(names)
    }

    /// The version of a symbol, and whether it is the one that is meant without a version.
    fn get(&self, elf: &Elf<'_>, index: usize) -> (Option<String>, bool) {
        let version = elf
            .versym
            .as_ref()
            .and_then(|section| section.get_at(index));
        version.map_or((None, true), |version| {
            let name = self.0.get(&version.version()).cloned();
            (name, !version.is_hidden())
        })
    }
}

fn names(elf: &Elf<'_>, symbols: &[Symbol]) -> Vec<(u64, String)> {
    let of_kind = |kind| kind == STT_FUNC || kind == STT_GNU_IFUNC;
    let exported = symbols
        .iter()
        .filter(|symbol| symbol.is_defined && of_kind(symbol.kind));
    let mut names: Vec<_> = exported
        .map(|symbol| (symbol.address, symbol.name.clone()))
        .collect();
    let all = elf
        .syms
        .iter()
        .filter(|symbol| symbol.st_shndx != 0 && of_kind(symbol.st_type()));
    names.extend(all.filter_map(|symbol| {
        let name = elf.strtab.get_at(symbol.st_name)?;
        Some((symbol.st_value, name.to_owned()))
    }));
    names.sort_unstable();
    names.dedup_by_key(|(address, _)| *address);
    names
}

fn sized(elf: &Elf<'_>, symbols: &[Symbol]) -> Vec<(u64, u64)> {
    let exported = symbols.iter().filter(|symbol| symbol.is_defined);
    let exported = exported.map(|symbol| (symbol.kind, symbol.address, symbol.size));
    let all = elf.syms.iter().filter(|symbol| symbol.st_shndx != 0);
    let all = all.map(|symbol| (symbol.st_type(), symbol.st_value, symbol.st_size));
    let objects = exported
        .chain(all)
        .filter(|(kind, _, size)| *size > 0 && *kind == STT_OBJECT);
    let ranges = objects.map(|(_, start, size)| (start, start.saturating_add(size)));
    let mut ranges: Vec<_> = ranges.collect();
    ranges.sort_unstable();
    ranges.dedup();
    ranges
}
