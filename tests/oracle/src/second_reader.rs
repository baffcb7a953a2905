//! What goblin, a reader that others use, finds in both files: a mistake that the judge's own
//! reader makes as well as the patcher's would be seen by it.

use goblin::elf::{Elf, Reloc, Symtab};

use crate::{Difference, require};

/// What a loader or a debugger is told by a file.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    interpreter: Option<String>,
    name: Option<String>,
    search: Vec<String>,
    /// Name, value, size, information, version.
    symbols: Vec<(String, u64, u64, u8, Option<u16>)>,
    /// Place, symbol, type.
    relocations: Vec<(u64, usize, u32)>,
    /// File, and names in it.
    versions: Vec<(String, Vec<String>)>,
}

impl Told {
    fn by(elf: &Elf<'_>) -> Self {
        let owned = |text: &&str| (*text).to_owned();
        let name_of = |names: &goblin::strtab::Strtab<'_>, at| {
            names.get_at(at).unwrap_or_default().to_owned()
        };
        let versions = elf.verneed.iter().flat_map(|needed| needed.iter());
        Self {
            interpreter: elf.interpreter.map(str::to_owned),
            name: elf.soname.map(str::to_owned),
            search: elf.rpaths.iter().chain(&elf.runpaths).map(owned).collect(),
            symbols: symbols(elf, &elf.dynsyms),
            relocations: elf
                .dynrelas
                .iter()
                .chain(elf.dynrels.iter())
                .chain(elf.pltrelocs.iter())
                .map(|it: Reloc| (it.r_offset, it.r_sym, it.r_type))
                .collect(),
            versions: versions
                .map(|needed| {
                    let names = needed.iter();
                    let names = names.map(|it| name_of(&elf.dynstrtab, it.vna_name));
                    (name_of(&elf.dynstrtab, needed.vn_file), names.collect())
                })
                .collect(),
        }
    }
}

fn symbols(elf: &Elf<'_>, table: &Symtab<'_>) -> Vec<(String, u64, u64, u8, Option<u16>)> {
    let versions: Vec<_> = elf.versym.iter().flat_map(|all| all.iter()).collect();
    let symbol = |(index, it): (usize, goblin::elf::Sym)| {
        let name = elf.dynstrtab.get_at(it.st_name).unwrap_or_default();
        let version = versions.get(index).map(|it| it.vs_val);
        (
            name.to_owned(),
            it.st_value,
            it.st_size,
            it.st_info,
            version,
        )
    };
    table.iter().enumerate().map(symbol).collect()
}

/// Compares what the two files tell goblin of themselves. Not for damaged files, in which
/// it sees other things than loaders do.
///
/// # Errors
///
/// The first difference that a patch must not make.
pub fn check(before: &[u8], after: &[u8]) -> Result<(), Difference> {
    // What goblin does not read, it has no opinion on.
    let Ok(original) = Elf::parse(before) else {
        return Ok(());
    };
    let patched = Elf::parse(after)
        .map_err(|error| Difference(format!("goblin can't read the patched file: {error}")))?;
    let (old, new) = (Told::by(&original), Told::by(&patched));
    require!(
        old.interpreter == new.interpreter,
        "goblin sees another loader"
    );
    require!(old.name == new.name, "goblin sees another DT_SONAME");
    require!(old.search == new.search, "goblin sees other search paths");
    require!(
        old.symbols == new.symbols,
        "goblin sees other dynamic symbols"
    );
    require!(
        old.relocations == new.relocations,
        "goblin sees other relocations"
    );
    require!(old.versions == new.versions, "goblin sees other versions");
    let mut libraries = patched.libraries.clone();
    if libraries.len() > original.libraries.len() {
        let last = libraries.len() - 1;
        let at = if libraries[..last] == original.libraries {
            last
        } else {
            0
        };
        libraries.remove(at);
    }
    require!(
        libraries == original.libraries,
        "goblin sees libraries {:?} in place of {:?}",
        patched.libraries,
        original.libraries
    );
    Ok(())
}
