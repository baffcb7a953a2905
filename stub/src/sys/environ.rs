//! The environment as the C library keeps it: an array of pointers to
//! `NAME=value`, with a null pointer behind the last.

use core::ffi::{CStr, c_char};
use core::ptr::NonNull;

use super::arch::weak_address;

/// The environment that the program will see.
pub(crate) struct Environ(NonNull<*const c_char>);

/// One entry of the array, which is not null.
struct Variable(NonNull<c_char>);

impl Environ {
    /// `environ`; before the C library's own initialisation, where that is
    /// still null, what the kernel put on the stack.
    pub(crate) fn of_process() -> Option<Self> {
        Self::of_c_library().or_else(Self::of_stack)
    }

    fn of_c_library() -> Option<Self> {
        let variable = weak_address!("environ")?.cast::<*mut *const c_char>();
        // SAFETY: the symbol is the C library's variable of that type.
        NonNull::new(unsafe { variable.read() }).map(Self)
    }

    /// glibc runs the initialiser of a library that depends on nothing before
    /// its own, which sets `environ`. Its loader keeps in `__libc_stack_end`
    /// (elf/rtld.c) where the kernel put argc, as many pointers, a null
    /// pointer, and the environment (System V ABI, "Process Initialization").
    fn of_stack() -> Option<Self> {
        let variable = weak_address!("__libc_stack_end")?.cast::<*mut usize>();
        // SAFETY: the symbol is the loader's variable of that type, and points
        // at what is described above.
        unsafe {
            let stack = NonNull::new(variable.read())?;
            Some(Self(stack.add(1 + stack.read() + 1).cast()))
        }
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
    /// the program's own (bash defines one) and not ready yet.
    pub(crate) fn remove(&self, name: &str) {
        let (mut from, mut to) = (self.0, self.0);
        loop {
            // SAFETY: `from` does not go past the null pointer that ends the
            // array, and `to` is not behind `from`; the array is writable, as
            // putenv(3) needs it to be.
            unsafe {
                let entry = from.read();
                to.write(entry);
                let Some(variable) = NonNull::new(entry.cast_mut()).map(Variable) else {
                    return;
                };
                from = from.add(1);
                if variable.value_of(name).is_none() {
                    to = to.add(1);
                }
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
