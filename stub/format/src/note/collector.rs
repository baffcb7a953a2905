//! The notes of a program, gathered and checked.

use super::{
    ByteOrder, Header, MAX_POLICY, MAX_RESTRICTIONS, MIN_POLICY, Notes, OWNER, Problem, Seccomp,
    UNIT, header, kind,
};

/// The notes of a patched program, checked: see [`Collector::finish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded<'a> {
    /// The POLICY descriptor: canonical JSON.
    pub policy: &'a [u8],
    /// What the HEADER descriptor says.
    pub header: Header,
    /// The filter.
    pub seccomp: Seccomp<'a>,
    /// The descriptors that the runtime goes by: POLICY, HEADER and that of the filter.
    pub descriptors: [&'a [u8]; 3],
    /// The UNDO descriptor, if there is one.
    pub undo: Option<&'a [u8]>,
}

/// Gathers the notes of a program, one PT_NOTE segment after the other.
#[derive(Clone, Debug)]
pub struct Collector<'a> {
    order: ByteOrder,
    policy: Option<&'a [u8]>,
    header: Option<&'a [u8]>,
    undo: Option<&'a [u8]>,
    restrictions: [&'a [u8]; MAX_RESTRICTIONS],
    /// How many of them there are.
    count: usize,
    malformed: bool,
}

/// What the notes of a segment are padded to. mold puts notes of both paddings under
/// one header, and postject all of them, padded to 4, under one that says 8: where
/// they can't be read to the end as the header says, but the other way, that it is.
fn padding(bytes: &[u8], order: ByteOrder, align: u64) -> u64 {
    let is_whole = |align| Notes::new(bytes, order, align).all(|note| note.is_ok());
    let other = other_padding(align);
    if !is_whole(align) && is_whole(other) {
        other
    } else {
        align
    }
}

/// The one of the two paddings that a header does not say.
#[must_use]
pub const fn other_padding(align: u64) -> u64 {
    if align == 8 { 4 } else { 8 }
}

impl<'a> Collector<'a> {
    /// An empty collector for notes in the given byte order.
    #[must_use]
    pub const fn new(order: ByteOrder) -> Self {
        Self {
            order,
            policy: None,
            header: None,
            undo: None,
            restrictions: [&[]; MAX_RESTRICTIONS],
            count: 0,
            malformed: false,
        }
    }

    /// Reads the notes of one segment; those of other owners are passed over.
    ///
    /// # Errors
    ///
    /// A note of owner `sandbox` that is there too often, or of unknown type.
    pub fn segment(&mut self, bytes: &'a [u8], align: u64) -> Result<(), Problem> {
        self.padded(bytes, padding(bytes, self.order, align))
    }

    /// Likewise, where it is known what the notes are padded to.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn padded(&mut self, bytes: &'a [u8], align: u64) -> Result<(), Problem> {
        for note in Notes::new(bytes, self.order, align) {
            // Programs have odd notes of their own. What counts is whether all
            // are there in the end.
            let Ok(note) = note else {
                self.malformed = true;
                return Ok(());
            };
            if note.owner != OWNER {
                continue;
            }
            // Not through a reference to the right one of the three, which
            // would keep the compiler from holding the collector in registers.
            let known = match note.kind {
                kind::POLICY => self.policy.replace(note.descriptor),
                kind::HEADER => self.header.replace(note.descriptor),
                kind::UNDO => self.undo.replace(note.descriptor),
                kind::RESTRICTION => {
                    let place = self.restrictions.get_mut(self.count);
                    *place.ok_or(Problem::TooManyRestrictions)? = note.descriptor;
                    self.count += 1;
                    None
                }
                _ => return Err(Problem::UnknownKind),
            };
            if known.is_some() {
                return Err(Problem::Duplicate);
            }
        }
        Ok(())
    }

    /// What was found: nothing, or a policy and what belongs to it.
    ///
    /// # Errors
    ///
    /// Anything that leaves a doubt: the notes are to be taken whole or not.
    pub fn finish(&self) -> Result<Option<Embedded<'a>>, Problem> {
        let missing = if self.malformed {
            Problem::Truncated
        } else {
            Problem::Unpaired
        };
        let (policy, descriptor) = match (self.policy, self.header) {
            (None, None) if self.undo.is_none() && self.count == 0 => return Ok(None),
            (Some(policy), Some(header)) => (policy, header),
            _ => return Err(missing),
        };
        let header = Header::parse(descriptor, self.order)?;
        if policy.len() > MAX_POLICY {
            return Err(Problem::PolicyTooLarge);
        }
        let restrictions = self.restrictions.get(..self.count).unwrap_or_default();
        let is_whole = |it: &[u8]| it.len().is_multiple_of(UNIT);
        let whole = restrictions.iter().all(|it| is_whole(it));
        if policy.len() < MIN_POLICY || !is_whole(policy) || !whole {
            return Err(Problem::Truncated);
        }
        if header.restrictions as usize != self.count {
            return Err(missing);
        }
        if !header::is_sealed(descriptor, self.order, policy, restrictions) {
            return Err(Problem::HashMismatch);
        }
        let mut found = None;
        for restriction in restrictions {
            if let Some(seccomp) = Seccomp::parse(restriction, self.order)? {
                if found.is_some() {
                    return Err(Problem::Duplicate);
                }
                found = Some((seccomp, *restriction));
            }
        }
        let (seccomp, filter) = found.ok_or(Problem::Unpaired)?;
        Ok(Some(Embedded {
            policy,
            header,
            seccomp,
            descriptors: [policy, descriptor, filter],
            undo: self.undo,
        }))
    }
}
