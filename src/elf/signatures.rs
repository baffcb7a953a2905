//! Signatures of a program inside its own file. Each tool uses names of its own; we look
//! for what they have in common.

use object::elf;

use super::{Error, FileOffset, Image, Section, Source};

/// Words in the names of sections that hold a signature or checksum:
/// `.SUNW_signature` (Solaris elfsign(1)), `signature` (bsign(1)),
/// `.sha256_sig` (AppImage), `.note.signature.v1`, `.hmac`.
const WORDS: [&str; 4] = ["sig", "signature", "digest", "hmac"];

/// The very end of a file that was signed like a kernel module (linux/module_signature.h,
/// `MODULE_SIG_STRING`), which IMA accepts for any file.
const APPENDED: &[u8] = b"~Module signature appended~\n";

/// How much of a section is looked at: some are reserved room, filled with zeros.
const LOOK: u64 = 1 << 12;

/// More than anyone would read.
const MOST: usize = 8;

/// Where the file has signatures, in a form for people to read.
///
/// # Errors
///
/// The file can't be read.
pub fn signatures(image: &Image<impl Source>) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    for section in &image.sections {
        let name = image.section_name(section);
        if is_named_so(section, &name) && is_filled(section, &image.source) && found.len() < MOST {
            found.push(format!("section {name}"));
        }
    }
    let length = APPENDED.len() as u64;
    let end = FileOffset(image.length.saturating_sub(length));
    if image.length >= length && image.source.read_at(end, length)? == APPENDED {
        found.push("the end of the file".to_owned());
    }
    Ok(found)
}

/// Whether a section is named like a signature. What a program has in memory, except for
/// notes, is for the program itself.
fn is_named_so(section: &Section, name: &str) -> bool {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let is_apart = !section.is_allocated() || section.header.kind == elf::SHT_NOTE;
    is_apart && words.any(|word| WORDS.contains(&word))
}

fn is_filled(section: &Section, source: &(impl Source + ?Sized)) -> bool {
    let range = section.range();
    source
        .read_at(range.start, range.size.min(LOOK))
        .is_ok_and(|bytes| bytes.iter().any(|&byte| byte != 0))
}
