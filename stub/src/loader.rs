//! The dynamic loader's list of objects, by which debuggers find libraries, and
//! the allocator in it: the runtime inside of a program is linked to nothing.
//!
//! Whatever is not as expected ends the search without a result.

use core::ffi::c_void;
use core::ptr;

use crate::auxiliary::{AT_PHDR, AT_PHENT, AT_PHNUM, Auxiliary};

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_PHDR: u32 = 6;

const DT_NULL: usize = 0;
const DT_HASH: usize = 4;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;
const DT_DEBUG: usize = 21;
const DT_GNU_HASH: usize = 0x6fff_fef5;
const DT_VERSYM: usize = 0x6fff_fff0;

/// More than any dynamic section, any program and any library has.
const MAX_ENTRIES: usize = 1024;
const MAX_OBJECTS: usize = 4096;
const MAX_SYMBOLS: usize = 1 << 20;

/// The first address that is no program's (47 bits; Intel SDM, volume 1,
/// section 3.3.7.1).
const LIMIT: usize = 1 << 47;

/// Allocates and frees a block as `libsandbox.so` does (`loaded::warm_heap`),
/// unless the allocator is the program's own. `own` is an address of the program.
///
/// # Safety
///
/// The loader has mapped and relocated the program and its libraries, whose
/// constructors have run.
pub(crate) unsafe fn warm_heap(auxiliary: Auxiliary, own: usize) {
    type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
    type Free = unsafe extern "C" fn(*mut c_void);
    // SAFETY: the caller's promise.
    let Some([malloc, free]) = (unsafe { allocator(auxiliary, own) }) else {
        return;
    };
    // SAFETY: whatever a library offers to all others by these names has these
    // types; constructors of libraries have allocated before.
    unsafe {
        let malloc = core::mem::transmute::<*const c_void, Malloc>(malloc);
        let free = core::mem::transmute::<*const c_void, Free>(free);
        free(malloc(1));
    }
}

/// `struct link_map` of <link.h>, which musl's loader has as well.
#[repr(C)]
#[derive(Clone, Copy)]
struct Object {
    bias: usize,
    name: usize,
    dynamic: *const [usize; 2],
    next: *const Object,
}

/// `struct r_debug` of <link.h>.
#[repr(C)]
struct Debug {
    version: i32,
    first: *const Object,
    breakpoint: usize,
    /// 0 (RT_CONSISTENT) while no object is being added or removed.
    state: i32,
}

/// `Elf64_Phdr` of elf(5).
#[repr(C)]
#[derive(Clone, Copy)]
struct Segment {
    kind: u32,
    flags: u32,
    offset: usize,
    address: usize,
    physical_address: usize,
    file_size: usize,
    memory_size: usize,
    align: usize,
}

/// `Elf64_Sym` of elf(5).
#[repr(C)]
#[derive(Clone, Copy)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: usize,
    size: usize,
}

/// The addresses of malloc and free, of the first object that defines them.
///
/// # Safety
///
/// As for [`warm_heap`].
unsafe fn allocator(auxiliary: Auxiliary, own: usize) -> Option<[*const c_void; 2]> {
    // SAFETY: the loader keeps the program's dynamic section and the list that
    // DT_DEBUG leads to for debuggers; what they point to is mapped as long as
    // the process lives, or was when the loader looked symbols up there.
    unsafe {
        let dynamic = Dynamic(program_dynamic(auxiliary, own)?);
        let debug = pointer::<Debug>(dynamic.get(DT_DEBUG)?)?.read();
        if debug.version < 1 || debug.state != 0 {
            return None;
        }
        let mut object = pointer::<Object>(debug.first.addr())?;
        for index in 0..MAX_OBJECTS {
            let Object {
                bias,
                dynamic,
                next,
                ..
            } = object.read();
            let tables = Tables::of(bias, Dynamic(pointer(dynamic.addr())?));
            if let Some(malloc) = tables.as_ref().and_then(|it| it.find(b"malloc")) {
                // The program's own may need the program's constructors.
                let free = tables.and_then(|it| it.find(b"free"))?;
                return (index != 0).then_some([malloc, free]);
            }
            object = pointer(next.addr())?;
        }
    }
    None
}

/// The program's dynamic section, if what was started is the program that `own`
/// is in.
///
/// # Safety
///
/// As for [`warm_heap`].
unsafe fn program_dynamic(auxiliary: Auxiliary, own: usize) -> Option<*const [usize; 2]> {
    let table = auxiliary.get(AT_PHDR)?;
    if auxiliary.get(AT_PHENT)? != size_of::<Segment>() {
        return None;
    }
    let count = auxiliary.get(AT_PHNUM)?;
    let headers = ptr::with_exposed_provenance::<Segment>(table);
    // SAFETY: the kernel points AT_PHDR to so many headers, which need not be
    // aligned.
    let header = |index| unsafe { headers.add(index).read_unaligned() };
    let segments = || (0..count).map(header);
    let own_table = segments().find(|it| it.kind == PT_PHDR)?;
    let bias = table.wrapping_sub(own_table.address);
    let has_own = |it: &Segment| {
        it.kind == PT_LOAD && own.wrapping_sub(bias.wrapping_add(it.address)) < it.memory_size
    };
    segments().find(has_own)?;
    let dynamic = segments().rfind(|it| it.kind == PT_DYNAMIC)?;
    pointer(bias.wrapping_add(dynamic.address))
}

/// An address as a pointer, if a value can lie there.
fn pointer<T>(address: usize) -> Option<*const T> {
    let pointer = ptr::with_exposed_provenance::<T>(address);
    (address < LIMIT && !pointer.is_null() && pointer.is_aligned()).then_some(pointer)
}

/// A dynamic section.
#[derive(Clone, Copy)]
struct Dynamic(*const [usize; 2]);

impl Dynamic {
    /// The value of the last entry of a tag, as loaders take it.
    ///
    /// # Safety
    ///
    /// It is one that the loader has read.
    unsafe fn get(self, tag: usize) -> Option<usize> {
        let mut found = None;
        for index in 0..MAX_ENTRIES {
            // SAFETY: the section ends with DT_NULL, which is not passed.
            match unsafe { self.0.add(index).read() } {
                [DT_NULL, _] => return found,
                [other, value] if other == tag => found = Some(value),
                _ => {}
            }
        }
        None
    }
}

/// What the symbols of an object are found by.
struct Tables {
    bias: usize,
    symbols: *const Symbol,
    names: *const u8,
    /// A word for each symbol, if there are versions.
    versions: Option<*const u16>,
    gnu_hash: Option<*const u32>,
    hash: Option<*const u32>,
}

impl Tables {
    /// Of an object that has symbols.
    ///
    /// # Safety
    ///
    /// The loader has looked symbols up in that object.
    unsafe fn of(bias: usize, dynamic: Dynamic) -> Option<Self> {
        // SAFETY: the caller's promise.
        let entry = |tag| unsafe { dynamic.get(tag) };
        // glibc relocates the section, musl does not, and nobody the vDSO's.
        let address = |value: usize| if value < bias { value + bias } else { value };
        if bias >= LIMIT {
            return None;
        }
        Some(Self {
            bias,
            symbols: pointer(address(entry(DT_SYMTAB)?))?,
            names: pointer(address(entry(DT_STRTAB)?))?,
            versions: entry(DT_VERSYM).map(address).and_then(pointer),
            gnu_hash: entry(DT_GNU_HASH).map(address).and_then(pointer),
            hash: entry(DT_HASH).map(address).and_then(pointer),
        })
    }

    /// The address of a function that the object offers to all others.
    fn find(&self, name: &[u8]) -> Option<*const c_void> {
        // SAFETY: the tables are those that the loader itself goes through for
        // every symbol that it has not found before this object.
        let value = unsafe {
            match (self.gnu_hash, self.hash) {
                (Some(table), _) => self.find_by_gnu_hash(table, name),
                // Its second word is the number of symbols.
                (None, Some(table)) => {
                    let count = table.add(1).read() as usize;
                    (1..count.min(MAX_SYMBOLS)).find_map(|index| self.function(index, name))
                }
                (None, None) => None,
            }
        }?;
        pointer(self.bias.wrapping_add(value))
    }

    /// The value of a function's symbol.
    ///
    /// # Safety
    ///
    /// `table` is the object's DT_GNU_HASH: number of buckets, index of the
    /// first symbol, words of the Bloom filter and its shift; the filter, the
    /// buckets, and a hash for each symbol, whose lowest bit ends a chain.
    unsafe fn find_by_gnu_hash(&self, table: *const u32, name: &[u8]) -> Option<usize> {
        const WORDS: usize = size_of::<usize>() / size_of::<u32>();
        let hash = name.iter().fold(5381_u32, |hash, byte| {
            hash.wrapping_mul(33).wrapping_add(u32::from(*byte))
        });
        // SAFETY: the caller's promise, and `function`'s for a symbol with a hash.
        unsafe {
            let [buckets, first, filter] = table.cast::<[u32; 3]>().read();
            let start = table.add(4).add(WORDS * filter as usize);
            let bucket = hash.checked_rem(buckets)?;
            let from = start.add(bucket as usize).read();
            let hashes = start.add(buckets as usize);
            // An empty bucket has 0, which is below every index.
            let place = from.checked_sub(first)? as usize;
            for step in 0..MAX_SYMBOLS {
                let found = hashes.add(place + step).read();
                if found | 1 == hash | 1
                    && let Some(value) = self.function(from as usize + step, name)
                {
                    return Some(value);
                }
                if found & 1 != 0 {
                    return None;
                }
            }
        }
        None
    }

    /// The value of a symbol, if it is that function, of its default version.
    ///
    /// # Safety
    ///
    /// There is a symbol of that index.
    unsafe fn function(&self, index: usize, name: &[u8]) -> Option<usize> {
        const GLOBAL_FUNCTION: u8 = 0x12;
        const WEAK_FUNCTION: u8 = 0x22;
        const HIDDEN: u16 = 0x8000;
        // SAFETY: the caller's promise; names end with a NUL, and a comparison
        // ends where they do.
        unsafe {
            let symbol = self.symbols.add(index).read();
            if !matches!(symbol.info, GLOBAL_FUNCTION | WEAK_FUNCTION)
                || symbol.section == 0
                || symbol.other & 3 != 0
                || self
                    .versions
                    .is_some_and(|it| it.add(index).read() & HIDDEN != 0)
            {
                return None;
            }
            let mut at = self.names.add(symbol.name as usize);
            for byte in name.iter().chain(b"\0") {
                if at.read() != *byte {
                    return None;
                }
                at = at.add(1);
            }
            Some(symbol.value)
        }
    }
}
