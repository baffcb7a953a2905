//! Link options that make the crate a library of the bare dynamic loader.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=link.ld");
    for option in OPTIONS {
        println!("cargo:rustc-cdylib-link-arg={option}");
    }
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{folder}/link.ld");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,--strip-all");
    }
}

const OPTIONS: &[&str] = &[
    // No C library and no start files: the same file serves glibc, musl and
    // programs that have neither.
    "-nostdlib",
    "-nostartfiles",
    // The patcher's default DT_NEEDED value is a path; loaders take this name
    // for the same library when something else asks for it by its bare name.
    "-Wl,-soname,libsandbox.so",
    // DT_INIT rather than .init_array: it needs no relocation. See src/loaded.rs.
    "-Wl,-init,sandbox_init",
    "-Wl,-u,sandbox_init",
    // Whatever is not weak must be defined here: a program must not fail in
    // the middle because its C library lacks something.
    "-Wl,-z,defs",
    "-Wl,-z,noseparate-code",
    "-Wl,-z,relro",
    "-Wl,-z,now",
    "-Wl,-z,noexecstack",
    "-Wl,--no-eh-frame-hdr",
    "-Wl,--hash-style=gnu",
    // The version is in a note of its own, and there is nothing to debug with.
    "-Wl,--build-id=none",
];
