//! What a patch does to a program besides what was requested.

use super::error::NotLater;
use super::hook::Start;
use super::tail::Appended;

/// What the user should be told of a [`Plan`](super::Plan).
#[derive(Clone, Debug)]
pub struct Effects {
    /// What was appended to the ELF file, if anything.
    pub appended: Option<Appended>,
    /// The names of the moved parts, for people.
    pub moved: Vec<&'static str>,
    /// Whether the new segments come after the program's data, and so before its heap.
    pub moves_heap: bool,
    /// What kept the program header table from growing in place, if it had to move.
    pub obstacle: Option<String>,
    /// Whether section headers that can't be read are left out.
    pub drops_sections: bool,
    /// Where a runtime inside the program takes over.
    pub start: Option<Start>,
    /// Why it takes over at the entry point, if a later start was requested.
    pub why_at_entry: Option<NotLater>,
}
