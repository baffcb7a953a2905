//! What the dynamic loader and the C library leave to `libsandbox.so`, and the
//! memory of the main program: with `sys`, all in the library that is not safe
//! Rust.
//!
//! # Entry
//!
//! The loader calls `sandbox_init` through `DT_INIT`. That needs no relocation,
//! and both libraries call it in the same place as `.init_array`: glibc in
//! `call_init` (elf/dl-init.c), musl in `do_init_fini` (ldso/dynlink.c). glibc
//! passes (argc, argv, envp) and musl nothing; what arrives is used only if it
//! can't be anything else ([`Stack`]). An architecture whose C libraries pass
//! over `DT_INIT` (riscv64) will have to use `.init_array`.
//!
//! # Weak symbols
//!
//! `dl_iterate_phdr`, `getauxval`, `malloc`, `free` and `__environ` are weak
//! undefined symbols: each is there or its address is 0. The loader binds them
//! like those of any other library, so that the program may have defined them:
//! all but `__environ`, whose name is reserved.

use core::ffi::{c_char, c_int, c_void};
use core::ops::Range;
use core::ptr;

use sandbox_format::bpf::Instruction;

use crate::sys::Errno;
use crate::sys::{call, check};

#[cfg(target_arch = "x86_64")]
#[path = "arch/x86_64/loaded.rs"]
mod arch;

mod environ;

pub(crate) use environ::{Environ, Stack};

extern "C" fn entry(argc: c_int, argv: *const *const c_char, envp: *mut *const c_char) {
    crate::initialise(Stack::of_initialiser(argc, argv, envp));
}

/// Instructions as a note holds them on this machine.
pub(crate) fn instruction_bytes(instructions: &[Instruction]) -> &[u8] {
    // SAFETY: the type is `struct sock_filter`, without padding: any of it may
    // be looked at as bytes.
    unsafe { core::slice::from_raw_parts(instructions.as_ptr().cast(), size_of_val(instructions)) }
}

const PROT_READ: usize = 1;
const PROT_WRITE: usize = 2;

/// mprotect(2) with `PROT_READ` for pages of the main program.
pub(crate) fn make_read_only(pages: &Range<usize>) -> Result<(), Errno> {
    protect(pages, PROT_READ)
}

/// Likewise with `PROT_READ` and `PROT_WRITE`.
pub(crate) fn make_writable(pages: &Range<usize>) -> Result<(), Errno> {
    protect(pages, PROT_READ | PROT_WRITE)
}

/// An empty range is no error to the kernel.
fn protect(pages: &Range<usize>, protection: usize) -> Result<(), Errno> {
    let arguments = [pages.start, pages.len(), protection, 0, 0];
    // SAFETY: what is written here to the main program's pages is written while
    // they are writable. What else writes to them afterwards faults, as the
    // note's author asked for.
    check(unsafe { call(arch::MPROTECT, arguments) })?;
    Ok(())
}

/// `count` values at an address of the main program; nothing where they can't
/// lie there.
///
/// # Safety
///
/// The values lie in memory that is mapped readable for as long as the process
/// lives and that nothing writes to while they are in use. Every bit pattern
/// is a `T`.
pub(crate) unsafe fn memory<T>(address: usize, count: usize) -> Option<&'static [T]> {
    let start = place(address)?;
    // SAFETY: not null, aligned; the rest is the caller's promise.
    Some(unsafe { core::slice::from_raw_parts(start, count) })
}

/// Likewise, to be changed.
///
/// # Safety
///
/// The values lie in memory that is mapped readable and writable, and nothing
/// else refers to them. Every bit pattern is a `T`.
pub(crate) unsafe fn memory_mut<T>(address: usize, count: usize) -> Option<&'static mut [T]> {
    let start = place(address)?;
    // SAFETY: not null, aligned; the rest is the caller's promise.
    Some(unsafe { core::slice::from_raw_parts_mut(start, count) })
}

/// The address, if a value can lie there.
fn place<T>(address: usize) -> Option<*mut T> {
    let start = ptr::with_exposed_provenance_mut::<T>(address);
    (!start.is_null() && start.is_aligned()).then_some(start)
}

/// Load bias and program headers of the first object that the C library lists,
/// which is the main program (dl_iterate_phdr(3), "NOTES"). `T` is a program
/// header.
pub(crate) fn first_loaded_object<T>() -> Option<(usize, &'static [T])> {
    /// The fields of `struct dl_phdr_info` that every C library has.
    #[repr(C)]
    struct Info {
        bias: usize,
        name: *const c_char,
        headers: *const c_void,
        count: u16,
    }
    type Callback = unsafe extern "C" fn(*const Info, usize, *mut c_void) -> c_int;
    type Iterate = unsafe extern "C" fn(Callback, *mut c_void) -> c_int;

    struct Found {
        bias: usize,
        headers: usize,
        count: usize,
    }
    unsafe extern "C" fn keep_first(info: *const Info, _: usize, found: *mut c_void) -> c_int {
        // SAFETY: the C library passes a valid record, and back what
        // `first_loaded_object` gave it.
        let (info, found) = unsafe { (&*info, &mut *found.cast::<Option<Found>>()) };
        *found = Some(Found {
            bias: info.bias,
            headers: info.headers.expose_provenance(),
            count: usize::from(info.count),
        });
        // Anything but 0 ends the iteration.
        1
    }

    let function = arch::weak_address!("dl_iterate_phdr")?;
    let mut found: Option<Found> = None;
    // SAFETY: whatever the process calls by that name is of that type, for all
    // else in it relies on that, and `keep_first` gets the `Option<Found>` that
    // it expects.
    unsafe {
        let iterate = core::mem::transmute::<*const c_void, Iterate>(function);
        iterate(keep_first, (&raw mut found).cast());
    }
    let found = found?;
    // SAFETY: the loader's record of the program headers, which it has read
    // from there itself; they stay mapped.
    let headers = unsafe { memory(found.headers, found.count) }?;
    (!headers.is_empty()).then_some((found.bias, headers))
}

/// Program headers of the main program as the kernel recorded them.
pub(crate) fn program_headers_of_auxiliary_vector<T>(stack: Stack) -> Option<&'static [T]> {
    const AT_PHDR: usize = 3;
    const AT_PHNUM: usize = 5;
    let (address, count) = (
        auxiliary_value(stack, AT_PHDR)?,
        auxiliary_value(stack, AT_PHNUM)?,
    );
    // SAFETY: the kernel points AT_PHDR at the table that it mapped with the
    // program.
    unsafe { memory(address, count) }
}

/// Other than 0 if the process runs with privileges that its user does not have
/// (`AT_SECURE`, getauxval(3)); nothing where that can't be told.
pub(crate) fn secure_execution(stack: Stack) -> Option<usize> {
    const AT_SECURE: usize = 23;
    auxiliary_value(stack, AT_SECURE)
}

/// A value of the auxiliary vector, 0 where it has none of that kind (which
/// `getauxval` can't tell apart).
#[inline(never)]
fn auxiliary_value(stack: Stack, kind: usize) -> Option<usize> {
    type GetAuxVal = unsafe extern "C" fn(usize) -> usize;
    if let Some(value) = stack.auxiliary_value(kind) {
        return Some(value);
    }
    let function = arch::weak_address!("getauxval")?;
    // SAFETY: whatever the process calls by that name is of that type, and
    // touches no memory of ours.
    unsafe {
        let getauxval = core::mem::transmute::<*const c_void, GetAuxVal>(function);
        Some(getauxval(kind))
    }
}

/// Allocates and frees a block, if there is an allocator, and `is_own` does not
/// say of both addresses that they are the program's. (One alone may be that of
/// a PLT entry, which stands for the function in a program that is not
/// position-independent and takes its address.) One byte does for glibc's whole
/// first arena; musl maps memory of its own for larger ones.
pub(crate) fn warm_heap(is_own: impl Fn(usize) -> bool) {
    type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
    type Free = unsafe extern "C" fn(*mut c_void);
    let malloc = arch::weak_address!("malloc");
    let free = arch::weak_address!("free");
    let (Some(malloc), Some(free)) = (malloc, free) else {
        return;
    };
    if is_own(malloc.addr()) && is_own(free.addr()) {
        return;
    }
    // SAFETY: the symbols are the allocator's functions of those types;
    // initialisers of libraries may allocate, and free takes null as well.
    unsafe {
        let malloc = core::mem::transmute::<*const c_void, Malloc>(malloc);
        let free = core::mem::transmute::<*const c_void, Free>(free);
        free(malloc(1));
    }
}
