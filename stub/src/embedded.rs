//! The policy that `sandbox-patch` put into the program.

use sandbox_format::note::{self, DYNAMIC_TAG, Embedded, Header};

use crate::die::{die, die_of_note, die_of_refusal};
use crate::install::{is_in_force, require};
use crate::loaded::{self, Stack};
use crate::notes::{GONE, Notes};
use crate::program::Program;

/// What a note is that speaks of memory which is not what it says.
const ILL_PLACED: &str = "misplaces the dynamic section";

/// Puts the program's own policy in force. False: it carries none.
pub(crate) fn apply(program: &Program, stack: Stack) -> bool {
    let patched = is_patched(program);
    let Some(embedded) = find(program) else {
        if patched {
            die(GONE);
        }
        return false;
    };
    let (header, seccomp) = (&embedded.header, &embedded.seccomp);
    if header.is_inline() {
        if patched {
            die_of_note("is for a runtime inside the program");
        }
        // It enforces the policy by itself, and could not after this.
        return true;
    }
    protect(program, header);
    // With privileges that its user does not have, a process believes nothing
    // that it may have got from that user; nor where it can't tell.
    let may_ask = loaded::secure_execution(stack) == Some(0) && !seccomp.log;
    let is_present = may_ask && is_in_force(seccomp.identity);
    if !is_present {
        program.enforce(seccomp.instructions, seccomp.log);
        require(seccomp.identity);
    }
    true
}

/// Whether the dynamic section says that there must be notes.
fn is_patched(program: &Program) -> bool {
    let mut patched = false;
    let Some(entries) = program.dynamic_entries() else {
        die("the dynamic section is unreadable");
    };
    for entry in entries {
        if entry.tag == DYNAMIC_TAG as usize {
            if entry.value != note::VERSION as usize {
                die("the program was patched by another version");
            }
            patched = true;
        }
    }
    patched
}

/// The notes of owner `sandbox`, checked.
fn find(program: &Program) -> Option<Embedded<'static>> {
    let mut notes = Notes::new();
    for (bytes, align) in program.notes() {
        notes.add(bytes, align as u64);
    }
    let embedded = notes.finish()?;
    // What runs before this, the program's libraries, could change it.
    if !embedded
        .descriptors
        .iter()
        .all(|it| program.is_constant(it))
    {
        die_of_note("is in writable memory");
    }
    Some(embedded)
}

/// Makes read-only what the patcher had to move into a writable page of its
/// own, the dynamic section, which loaders write to before this runs.
fn protect(program: &Program, header: &Header) {
    if header.protect_size == 0 {
        return;
    }
    let range = usize::try_from(header.protect_address)
        .ok()
        .zip(usize::try_from(header.protect_size).ok())
        .and_then(|(address, size)| program.own_pages(address, size));
    let Some(range) = range else {
        die_of_note(ILL_PLACED);
    };
    let former = usize::try_from(header.dynamic_address).unwrap_or(usize::MAX);
    // Code that refers to `_DYNAMIC` looks at the former place, and loaders
    // have written to the present one: DT_DEBUG, and glibc run-time addresses.
    let refreshed = if former == 0 {
        Some(Ok(()))
    } else {
        program.refresh_dynamic_entries(former)
    };
    let Some(refreshed) = refreshed else {
        die_of_note(ILL_PLACED);
    };
    if let Err(errno) = refreshed.and_then(|()| loaded::make_read_only(&range)) {
        die_of_refusal("to protect the dynamic section", errno);
    }
}
