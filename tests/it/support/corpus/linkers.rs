//! One program, laid out in the ways that the linkers know: combinations in
//! which each option meets each other one of the same linker.

use super::Case;

/// `parts.c`, linked as the options say.
pub(super) fn parts(options: &str) -> String {
    format!("gcc -g {options} \"$FIXTURES/layouts/parts.c\" -o before")
}

fn linked(name: &'static str, options: &str) -> Case {
    Case::patched(name, parts(options))
}

pub(super) fn cases() -> Vec<Case> {
    [gnu_ld(), gold(), lld(), mold()].concat()
}

fn gnu_ld() -> Vec<Case> {
    vec![
        linked("GNU ld", "-fuse-ld=bfd -pie"),
        linked("GNU ld, not PIE", "-fuse-ld=bfd -no-pie"),
        linked(
            "GNU ld, not PIE, full RELRO, no separate code, sysv hash",
            "-fuse-ld=bfd -no-pie -Wl,-z,relro,-z,now,-z,noseparate-code,--hash-style=sysv",
        ),
        linked(
            "GNU ld, no RELRO, no separate code, both hashes, 64K pages",
            "-fuse-ld=bfd -pie -Wl,-z,norelro,-z,noseparate-code,--hash-style=both,-z,max-page-size=0x10000",
        ),
        linked(
            "GNU ld, not PIE, no RELRO, separate code, gnu hash, 2M pages",
            "-fuse-ld=bfd -no-pie -Wl,-z,norelro,-z,separate-code,--hash-style=gnu,-z,max-page-size=0x200000",
        ),
        linked(
            "GNU ld, full RELRO, packed RELR, no spare dynamic entries, 2M pages",
            "-fuse-ld=bfd -pie -Wl,-z,relro,-z,now,-z,pack-relative-relocs,--spare-dynamic-tags=0,-z,max-page-size=0x200000",
        ),
        linked(
            "GNU ld, not PIE, lazy, no spare dynamic entries, both hashes, no build-id",
            "-fuse-ld=bfd -no-pie -Wl,-z,relro,-z,lazy,--spare-dynamic-tags=0,--hash-style=both,--build-id=none,-z,max-page-size=0x1000",
        ),
        linked(
            "GNU ld, no build-id, no separate code, sysv hash, 4K pages",
            "-fuse-ld=bfd -pie -Wl,--build-id=none,-z,noseparate-code,--hash-style=sysv,-z,max-page-size=0x1000",
        ),
        linked(
            "GNU ld, not PIE, executable stack, lazy, 64K pages",
            "-fuse-ld=bfd -no-pie -Wl,-z,execstack,-z,lazy,-z,max-page-size=0x10000",
        ),
        linked(
            "GNU ld, packed RELR, no RELRO, no spare dynamic entries, executable stack",
            "-fuse-ld=bfd -pie -Wl,-z,pack-relative-relocs,-z,norelro,--spare-dynamic-tags=0,-z,execstack",
        ),
        linked(
            "GNU ld, relocations kept",
            "-fuse-ld=bfd -pie -Wl,--emit-relocs",
        ),
        linked(
            "GNU ld, not PIE, at a high address",
            "-fuse-ld=bfd -no-pie -Wl,-Ttext-segment=0x70000000",
        ),
    ]
}

/// gold keeps code and data together and knows no packed relocations.
fn gold() -> Vec<Case> {
    vec![
        linked("gold", "-fuse-ld=gold -pie"),
        linked("gold, not PIE", "-fuse-ld=gold -no-pie"),
        linked(
            "gold, not PIE, full RELRO, sysv hash",
            "-fuse-ld=gold -no-pie -Wl,-z,relro,-z,now,--hash-style=sysv",
        ),
        linked(
            "gold, no RELRO, both hashes, 64K pages",
            "-fuse-ld=gold -pie -Wl,-z,norelro,--hash-style=both,-z,max-page-size=0x10000",
        ),
        linked(
            "gold, not PIE, lazy, no spare dynamic entries, 2M pages",
            "-fuse-ld=gold -no-pie -Wl,-z,lazy,--spare-dynamic-tags=0,-z,max-page-size=0x200000",
        ),
        linked(
            "gold, full RELRO, no spare dynamic entries, no build-id",
            "-fuse-ld=gold -pie -Wl,-z,relro,-z,now,--spare-dynamic-tags=0,--build-id=none",
        ),
        linked(
            "gold, not PIE, no RELRO, executable stack, gnu hash, 4K pages",
            "-fuse-ld=gold -no-pie -Wl,-z,norelro,-z,execstack,--hash-style=gnu,-z,max-page-size=0x1000",
        ),
        linked(
            "gold, separate code, sysv hash",
            "-fuse-ld=gold -pie -Wl,--rosegment,--hash-style=sysv",
        )
        .with_headers_moved(),
    ]
}

fn lld() -> Vec<Case> {
    vec![
        linked("lld", "-fuse-ld=lld -pie"),
        linked("lld, not PIE", "-fuse-ld=lld -no-pie"),
        linked(
            "lld, not PIE, full RELRO, separate code, sysv hash",
            "-fuse-ld=lld -no-pie -Wl,-z,relro,-z,now,-z,separate-code,--hash-style=sysv",
        ),
        linked(
            "lld, no RELRO, no separate code, both hashes, 64K pages",
            "-fuse-ld=lld -pie -Wl,-z,norelro,-z,noseparate-code,--hash-style=both,-z,max-page-size=0x10000",
        ),
        linked(
            "lld, not PIE, no RELRO, gnu hash, 2M pages",
            "-fuse-ld=lld -no-pie -Wl,-z,norelro,--hash-style=gnu,-z,max-page-size=0x200000",
        ),
        Case::patched(
            "lld, packed RELR, full RELRO, separate segments",
            relr("-Wl,-z,relro,-z,now,-z,separate-loadable-segments"),
        ),
        Case::patched(
            "lld, packed RELR, no RELRO, no build-id, 64K pages",
            relr("-Wl,-z,norelro,--build-id=none,-z,max-page-size=0x10000"),
        ),
        linked(
            "lld, not PIE, lazy, one read-only segment, build-id, 4K pages",
            "-fuse-ld=lld -no-pie -Wl,-z,relro,-z,lazy,--no-rosegment,--build-id=sha1,-z,max-page-size=0x1000",
        ),
        linked(
            "lld, executable stack, sysv hash",
            "-fuse-ld=lld -pie -Wl,-z,execstack,--hash-style=sysv",
        ),
        linked(
            "lld, read-only dynamic section",
            "-fuse-ld=lld -pie -Wl,-z,rodynamic",
        ),
        linked(
            "lld, relocations kept",
            "-fuse-ld=lld -pie -Wl,--emit-relocs",
        ),
        linked(
            "lld, not PIE, at a high address",
            "-fuse-ld=lld -no-pie -Wl,--image-base=0x70000000",
        ),
    ]
}

fn mold() -> Vec<Case> {
    vec![
        linked("mold", "-fuse-ld=mold -pie"),
        linked("mold, not PIE", "-fuse-ld=mold -no-pie"),
        linked(
            "mold, not PIE, full RELRO, separate code, sysv hash",
            "-fuse-ld=mold -no-pie -Wl,-z,relro,-z,now,-z,separate-code,--hash-style=sysv",
        ),
        linked(
            "mold, no RELRO, no separate code, both hashes, 64K pages",
            "-fuse-ld=mold -pie -Wl,-z,norelro,-z,noseparate-code,--hash-style=both,-z,max-page-size=0x10000",
        ),
        linked(
            "mold, not PIE, no RELRO, gnu hash, no build-id, 2M pages",
            "-fuse-ld=mold -no-pie -Wl,-z,norelro,--hash-style=gnu,--build-id=none,-z,max-page-size=0x200000",
        ),
        linked(
            "mold, full RELRO, no spare dynamic entries, no build-id",
            "-fuse-ld=mold -pie -Wl,-z,relro,-z,now,--spare-dynamic-tags=0,--build-id=none",
        ),
        linked(
            "mold, not PIE, lazy, no spare dynamic entries, separate segments, 4K pages",
            "-fuse-ld=mold -no-pie -Wl,-z,relro,-z,lazy,--spare-dynamic-tags=0,-z,separate-loadable-segments,-z,max-page-size=0x1000",
        ),
        linked(
            "mold, executable stack, no separate code, sysv hash",
            "-fuse-ld=mold -pie -Wl,-z,execstack,-z,noseparate-code,--hash-style=sysv",
        ),
    ]
}

/// Packed relative relocations by lld, which does not know what glibc wants with
/// them (see `relr_version.c`). mold does not either, and makes no weak reference
/// to a library: what it packs does not run.
fn relr(options: &str) -> String {
    format!(
        "cd \"$FIXTURES/layouts\"; made=$OLDPWD\n\
         gcc -shared -fPIC -fno-builtin -nostdlib -Wl,-soname,libc.so.6,--version-script=relr_version.map relr_version.c -o \"$made/relr.so\"\n\
         gcc -g -pie -fuse-ld=lld {options} -Wl,--pack-dyn-relocs=relr,--allow-shlib-undefined -DPROGRAM parts.c relr_version.c \"$made/relr.so\" -o \"$made/before\""
    )
}
