//! The auxiliary vector (getauxval(3)), found on the stack that the process began
//! with: the runtime inside of a program has no C library to ask.

const AT_NULL: usize = 0;
pub(crate) const AT_PHDR: usize = 3;
pub(crate) const AT_PHENT: usize = 4;
pub(crate) const AT_PHNUM: usize = 5;
const AT_PAGESZ: usize = 6;
const AT_SECURE: usize = 23;
const AT_RANDOM: usize = 25;

/// A bit for each of some kinds that every vector has (`create_elf_tables`,
/// fs/binfmt_elf.c).
const EXPECTED: u32 = 1 << AT_PHDR | 1 << AT_PAGESZ | 1 << AT_SECURE | 1 << AT_RANDOM;

/// More pairs than the kernel makes: there are about 25.
const PAIRS: usize = 64;

/// More words than lie between a function that runs at start-up and the vector:
/// frames, and pointers to arguments and variables, of which the kernel takes
/// 6 MiB (`bprm_stack_limits`, fs/exec.c).
const WORDS: usize = 1 << 20;

/// Pairs of kind and value.
#[derive(Clone, Copy)]
pub(crate) struct Auxiliary(*const [usize; 2]);

impl Auxiliary {
    /// The vector above a place of the stack: it follows on the null pointer that
    /// ends the environment (psABI, "Process Initialization"). C libraries give
    /// initialisers the environment or do not, and some copy the vector, but
    /// none keeps such a copy in the frames that are looked at here.
    ///
    /// # Safety
    ///
    /// The place is aligned to words and lies in the stack that the kernel or the
    /// loader made for the process, below the vector.
    pub(crate) unsafe fn above(place: *const usize) -> Option<Self> {
        let mut at = place;
        for _ in 0..WORDS {
            // SAFETY: `at` has not passed the vector, where this ends.
            unsafe {
                let is_null = at.read() == 0;
                at = at.add(1);
                if is_null && is_vector(at) {
                    return Some(Self(at.cast()));
                }
            }
        }
        None
    }

    /// A value, if the vector has one of that kind.
    pub(crate) fn get(self, kind: usize) -> Option<usize> {
        let mut at = self.0;
        loop {
            // SAFETY: `at` has not passed the pair that ends the vector.
            let [found, value] = unsafe { at.read() };
            if found == kind {
                return Some(value);
            }
            if found == AT_NULL {
                return None;
            }
            // SAFETY: there is another pair.
            at = unsafe { at.add(1) };
        }
    }

    /// Whether the process has privileges that its user does not have.
    pub(crate) fn is_secure(self) -> bool {
        self.get(AT_SECURE) != Some(0)
    }
}

/// Whether a vector begins there, which ends and has what every one has.
///
/// # Safety
///
/// As for [`Auxiliary::above`].
unsafe fn is_vector(mut at: *const usize) -> bool {
    /// No kind is as large (include/uapi/linux/auxvec.h).
    const KIND_LIMIT: usize = 128;
    let mut found = 0;
    for _ in 0..PAIRS {
        // SAFETY: what begins below the vector has another kind of word before
        // the vector's end, or ends there as well.
        let kind = unsafe { at.read() };
        if kind == AT_NULL {
            return found & EXPECTED == EXPECTED;
        }
        if kind >= KIND_LIMIT {
            return false;
        }
        if kind < 32 {
            found |= 1_u32 << kind;
        }
        // SAFETY: a pair that does not end the vector has another behind it.
        at = unsafe { at.add(2) };
    }
    false
}
