//! Link options that make the program a piece of memory without relocations.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=link.ld");
    for option in OPTIONS {
        println!("cargo:rustc-link-arg-bins={option}");
    }
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rustc-link-arg-bins=-Wl,-T,{folder}/link.ld");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-all");
        // Only optimised code is as the linker script wants it: checks that
        // can't fail, and the places in the source that they would name, go.
        println!("cargo:rustc-link-arg-bins=-Wl,--defsym=optimised=1");
    }
}

const OPTIONS: &[&str] = &[
    // No C library and no start files: there is no telling what the program
    // around it has.
    "-nostdlib",
    "-nostartfiles",
    // Not simply static: the linker is to say what it would have to relocate.
    "-static-pie",
    "-Wl,--no-dynamic-linker",
    "-Wl,-z,defs",
    "-Wl,-z,norelro",
    "-Wl,-z,noexecstack",
    "-Wl,--no-eh-frame-hdr",
    // The version is in a note of its own, and there is nothing to debug with.
    "-Wl,--build-id=none",
];
