//! The environment as the C library keeps it: an array of pointers to
//! `NAME=value`, with a null pointer behind the last.

use core::ffi::{CStr, c_char, c_int};
use core::ptr::NonNull;

use super::arch::weak_address;

/// The environment that the program will see.
pub(crate) struct Environ(NonNull<*const c_char>);

/// One entry of the array, which is not null.
struct Variable(NonNull<c_char>);

/// Where the kernel put the environment on the stack, if the loader said so to
/// the initialiser.
#[derive(Clone, Copy)]
pub(crate) struct Stack(Option<NonNull<*const c_char>>);

impl Stack {
    /// From the arguments of an initialiser: glibc's loader passes those of
    /// `main` (elf/dl-init.c), musl's none, so that they are what happened to be
    /// in registers. The kernel puts argv, a null pointer and the environment
    /// one behind the other (System V ABI, "Process Initialization").
    pub(super) fn of_initialiser(
        argc: c_int,
        argv: *const *const c_char,
        envp: *mut *const c_char,
    ) -> Self {
        let count = argc.cast_unsigned() as usize;
        let passed = argv.wrapping_add(count + 1) == envp;
        Self(NonNull::new(envp).filter(|_| passed))
    }

    /// A value of the auxiliary vector, 0 where it has none of that kind;
    /// nothing where the place of the vector is unknown.
    pub(super) fn auxiliary_value(self, kind: usize) -> Option<usize> {
        const AT_NULL: usize = 0;
        let mut at = self.0?.cast::<usize>();
        // SAFETY: the environment ends with a null pointer, with several where
        // variables were taken out in place (as unsetenv(3) and `remove` do);
        // the vector's pairs of kind and value follow, of which the last has
        // kind 0.
        unsafe {
            while at.read() != 0 {
                at = at.add(1);
            }
            while at.read() == 0 {
                at = at.add(1);
            }
            loop {
                match at.read() {
                    AT_NULL => return Some(0),
                    found if found == kind => return Some(at.add(1).read()),
                    _ => at = at.add(2),
                }
            }
        }
    }
}

impl Environ {
    /// What the C library has; before its own initialisation, or without one,
    /// what the kernel put on the stack. (glibc runs the initialiser of a
    /// library that depends on nothing before its own.)
    ///
    /// Not `environ`, a name that programs may use for something else.
    pub(crate) fn of_process(stack: Stack) -> Option<Self> {
        Self::of_c_library().or(stack.0.map(Self))
    }

    fn of_c_library() -> Option<Self> {
        let variable = weak_address!("__environ")?.cast::<*mut *const c_char>();
        // SAFETY: the symbol is the C library's variable of that type.
        NonNull::new(unsafe { variable.read() }).map(Self)
    }

    /// The value of the first variable of that name, without its NUL.
    pub(crate) fn get(&self, name: &str) -> Option<&'static [u8]> {
        let mut at = self.0;
        loop {
            // SAFETY: `at` does not go past the null pointer that ends the
            // array, and nothing else changes the array during start-up.
            let variable = Variable(NonNull::new(unsafe { at.read() }.cast_mut())?);
            if let Some(value) = variable.value_of(name) {
                return Some(value);
            }
            // SAFETY: the entry was not the null pointer.
            at = unsafe { at.add(1) };
        }
    }

    /// Takes all variables of that name out, in place: unsetenv(3) may be
    /// the program's own (bash defines one) and not ready yet. Null pointers
    /// fill what becomes free.
    pub(crate) fn remove(&self, name: &str) {
        let (mut from, mut to) = (self.0, self.0);
        // SAFETY: `from` does not go past the null pointer that ends the array,
        // and `to` is not behind `from`; the array is writable, as putenv(3)
        // needs it to be.
        unsafe {
            while let Some(entry) = NonNull::new(from.read().cast_mut()) {
                if Variable(entry).value_of(name).is_none() {
                    to.write(entry.as_ptr());
                    to = to.add(1);
                }
                from = from.add(1);
            }
            while to < from {
                to.write(core::ptr::null());
                to = to.add(1);
            }
        }
    }
}

impl Variable {
    /// What stands behind `NAME=`, if that is the name.
    fn value_of(&self, name: &str) -> Option<&'static [u8]> {
        let mut at = self.0.cast::<u8>();
        for expected in name.bytes().chain([b'=']) {
            // SAFETY: all bytes before were equal to ones that are not NUL,
            // so the string goes on.
            unsafe {
                if at.read() != expected {
                    return None;
                }
                at = at.add(1);
            }
        }
        // SAFETY: `at` is within the string, or at its NUL. The strings stay
        // where they are when the array no longer points to them.
        Some(unsafe { CStr::from_ptr(at.as_ptr().cast()) }.to_bytes())
    }
}
