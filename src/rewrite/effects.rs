//! What a patch does to a program besides what was asked for.

use super::error::NotLater;
use super::hook::Start;
use super::tail::Appended;

/// What the user should be told of a [`Plan`](super::Plan).
#[derive(Clone, Debug)]
pub struct Effects {
    /// What was appended to the ELF file, if anything was.
    pub appended: Option<Appended>,
    /// The names of what moved, for people.
    pub moved: Vec<&'static str>,
    /// Whether the new segments stand behind the program's data, and so before its
    /// heap.
    pub moves_heap: bool,
    /// What kept the program header table from growing in place, if it moved for that.
    pub obstacle: Option<String>,
    /// Whether section headers that can't be read are left out.
    pub drops_sections: bool,
    /// Where a runtime within the program takes over.
    pub start: Option<Start>,
    /// Why it does so at the entry point, though later was asked for.
    pub why_at_entry: Option<NotLater>,
}
