//! Programs that other tools changed before.

use super::Case;
use super::linkers::parts;

pub(super) fn cases() -> Vec<Case> {
    [by_patchelf(), by_binutils(), by_others()].concat()
}

fn changed(name: &'static str, options: &str, tool: &str) -> Case {
    Case::patched(name, format!("{}\n{tool}", parts(options)))
}

fn by_patchelf() -> Vec<Case> {
    let longer = "patchelf --set-rpath /opt/some/where/that/is/long/enough/to/need/room before";
    vec![
        changed("patchelf: run path, GNU ld", "-fuse-ld=bfd -pie", longer),
        changed(
            "patchelf: run path, GNU ld, not PIE",
            "-fuse-ld=bfd -no-pie",
            longer,
        ),
        changed("patchelf: run path, lld", "-fuse-ld=lld -pie", longer),
        changed(
            "patchelf: library, mold, not PIE",
            "-fuse-ld=mold -no-pie",
            "patchelf --add-needed libm.so.6 before",
        ),
        changed(
            "patchelf: interpreter, GNU ld",
            "-fuse-ld=bfd -pie",
            "patchelf --set-interpreter /lib64/../lib64/../lib64/../lib64/ld-linux-x86-64.so.2 before",
        ),
        changed(
            "patchelf twice, lld, not PIE",
            "-fuse-ld=lld -no-pie",
            "patchelf --add-needed libm.so.6 before\n\
             patchelf --set-rpath /opt/some/where/that/is/long/enough/to/need/room before",
        ),
    ]
}

fn by_binutils() -> Vec<Case> {
    let split = "objcopy --only-keep-debug before before.debug\n\
                 objcopy --strip-debug --add-gnu-debuglink=before.debug before";
    vec![
        changed("strip, GNU ld", "-fuse-ld=bfd -pie", "strip before"),
        changed(
            "strip, gold, not PIE",
            "-fuse-ld=gold -no-pie",
            "strip before",
        ),
        changed("llvm-strip, lld", "-fuse-ld=lld -pie", "llvm-strip before"),
        changed(
            "llvm-strip, mold",
            "-fuse-ld=mold -pie",
            "llvm-strip before",
        ),
        changed(
            "eu-strip, GNU ld",
            "-fuse-ld=bfd -no-pie",
            "eu-strip before",
        ),
        changed("debug link, GNU ld", "-fuse-ld=bfd -pie", split),
        changed(
            "objcopy: section added, GNU ld",
            "-fuse-ld=bfd -pie",
            "objcopy --add-section .extra=/bin/bash before",
        ),
        changed(
            "objcopy: section added, lld, not PIE",
            "-fuse-ld=lld -no-pie",
            "objcopy --add-section .extra=/bin/bash before",
        ),
        changed(
            "objcopy: debug sections compressed, mold",
            "-fuse-ld=mold -pie",
            "objcopy --compress-debug-sections before",
        ),
    ]
}

fn by_others() -> Vec<Case> {
    vec![
        changed(
            "chrpath, GNU ld",
            "-fuse-ld=bfd -pie -Wl,-rpath,/opt/first/folder",
            "chrpath -r /opt/second before >/dev/null",
        ),
        changed(
            "chrpath: run path deleted, lld",
            "-fuse-ld=lld -pie -Wl,-rpath,/opt/first/folder",
            "chrpath -d before",
        ),
        changed(
            "prelinked, GNU ld, not PIE",
            "-fuse-ld=bfd -no-pie",
            "python3 \"$FIXTURES/layouts/prelink.py\" before",
        ),
        changed(
            "filled up with zeros, GNU ld",
            "-fuse-ld=bfd -pie",
            "truncate -s %64K before",
        ),
        Case::patched(
            "packed",
            format!(
                "{}\n\
                 gcc -static -nostdlib -no-pie -DPROGRAM='\"before\"' \"$FIXTURES/layouts/packed.S\" -o packed\n\
                 llvm-strip --strip-sections packed\n\
                 mv packed before",
                parts("-fuse-ld=bfd -pie")
            ),
        )
        .static_program(),
    ]
}
