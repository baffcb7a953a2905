//! Programs that carry the runtime themselves: static ones, which can't load it,
//! and others on request.

mod attacks;
mod moment;
mod programs;
mod refused;
mod tampered;
mod verbs;

use crate::support::{Signal, Workspace};

/// What the programs may not do; nothing that they need to start or to end.
const PATCH: &str = "sandbox-patch -q --inline --deny uname:getppid";

/// System call numbers of x86_64 (arch/x86/entry/syscalls/syscall_64.tbl), as
/// fixtures/forbidden.c takes them: one that is permitted, and one that is not.
const GETPID: &str = "39";
const GETPPID: &str = "110";

/// Makes of programs without a loader. The program headers of mold's can't grow
/// in place where the program has a fixed address.
const STATIC: [&str; 10] = [
    "gcc -static",
    "gcc -static-pie",
    "gcc -static-pie -Wl,-z,pack-relative-relocs",
    "gcc -static -fuse-ld=gold",
    "musl-gcc -static",
    "clang -static -fuse-ld=lld",
    "clang -static-pie -fuse-ld=lld",
    "clang -static-pie -fuse-ld=lld -Wl,--pack-dyn-relocs=relr",
    "clang -static-pie -fuse-ld=mold",
    "clang -static -fuse-ld=mold",
];

/// Makes of programs with one.
const DYNAMIC: [&str; 9] = [
    "gcc",
    "gcc -no-pie",
    "gcc -Wl,-z,pack-relative-relocs",
    "gcc -fuse-ld=gold",
    "clang -fuse-ld=lld",
    "clang -no-pie -fuse-ld=lld",
    "clang -fuse-ld=mold",
    "musl-gcc",
    "musl-gcc -no-pie",
];

fn makes() -> impl Iterator<Item = &'static str> {
    STATIC.into_iter().chain(DYNAMIC)
}

/// A program of fixtures/forbidden.c runs, dies when it makes the call that
/// [`PATCH`] denies, and passes the gate.
#[track_caller]
fn assert_sandboxed(ws: &Workspace, program: &str) {
    ws.run(&format!("./{program} {GETPID}"))
        .succeeds()
        .is_silent()
        .prints_only("passed\n");
    ws.run(&format!("./{program} {GETPPID}"))
        .dies_by(Signal::SYS)
        .prints_only("");
    ws.run(&format!("sandbox-patch verify {program}"))
        .succeeds();
}
