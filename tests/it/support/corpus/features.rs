//! Programs that use what few use, or a lot of what all do.

use super::Case;
use super::linkers::parts;

pub(super) fn cases() -> Vec<Case> {
    [
        large(),
        libraries(),
        loader(),
        hardened(),
        notes(),
        section_headers(),
        scripts(),
        own_tail(),
    ]
    .concat()
}

fn large() -> Vec<Case> {
    let bss = |name, options| {
        let compiler = format!("gcc -g -mcmodel=medium '-DSIZE=(1UL<<30)' {options}");
        Case::compiled(name, &compiler, "large_bss.c")
    };
    let data = |name, count: u32, options| {
        let sources = "\"$FIXTURES\"/layouts/large_data.{c,S}";
        Case::patched(
            name,
            format!("gcc -g -DCOUNT={count} {options} {sources} -o before"),
        )
    };
    vec![
        bss("1 GiB .bss, GNU ld", "-fuse-ld=bfd -pie"),
        bss("1 GiB .bss, GNU ld, not PIE", "-fuse-ld=bfd -no-pie"),
        bss("1 GiB .bss, lld", "-fuse-ld=lld -pie"),
        bss("1 GiB .bss, mold, not PIE", "-fuse-ld=mold -no-pie"),
        bss("1 GiB .bss, gold", "-fuse-ld=gold -pie"),
        data("64 MiB .data, GNU ld", 8 << 20, "-fuse-ld=bfd -pie"),
        data(
            "16 MiB .data, lld, not PIE",
            2 << 20,
            "-fuse-ld=lld -no-pie",
        ),
    ]
}

fn libraries() -> Vec<Case> {
    let forty = |name, options| {
        let script = format!(
            "libraries=\n\
             for i in {{1..40}}; do\n\
             \techo \"int f$i(void) {{ return $i; }}\" | gcc -shared -fPIC -nostdlib -x c - -o lib$i.so\n\
             \tlibraries=\"$libraries -l$i\"\n\
             done\n\
             gcc -g {options} -Wl,--no-as-needed,-rpath,'$ORIGIN' \"$FIXTURES/layouts/parts.c\" -L. $libraries -o before"
        );
        Case::patched(name, script)
    };
    let opens = |name, options| {
        let script = format!(
            "gcc -shared -fPIC -nostdlib \"$FIXTURES/layouts/opened_library.c\" -o liblayouts.so\n\
             gcc -g -rdynamic {options} -Wl,-rpath,'$ORIGIN' \"$FIXTURES/layouts/opens_library.c\" -o before"
        );
        Case::patched(name, script)
    };
    let versioned = |name, options| {
        let script = format!(
            "gcc -shared -fPIC -nostdlib -Wl,--version-script=\"$FIXTURES/layouts/versioned.map\" \"$FIXTURES/layouts/versioned.c\" -o libversioned.so\n\
             gcc -g -DPROGRAM {options} \"$FIXTURES/layouts/versioned.c\" -L. -lversioned -Wl,-rpath,'$ORIGIN' -o before"
        );
        Case::patched(name, script)
    };
    vec![
        forty("40 libraries, GNU ld", "-fuse-ld=bfd -pie"),
        forty("40 libraries, lld, not PIE", "-fuse-ld=lld -no-pie"),
        opens("dlopen through $ORIGIN, GNU ld", "-fuse-ld=bfd -pie"),
        opens("dlopen through $ORIGIN, lld", "-fuse-ld=lld -pie"),
        opens(
            "dlopen through $ORIGIN, mold, not PIE, sysv hash",
            "-fuse-ld=mold -no-pie -Wl,--hash-style=sysv",
        ),
        versioned("symbol versions, GNU ld", "-fuse-ld=bfd -pie"),
        versioned("symbol versions, gold, not PIE", "-fuse-ld=gold -no-pie"),
        versioned("symbol versions, lld", "-fuse-ld=lld -pie"),
    ]
}

fn loader() -> Vec<Case> {
    vec![
        Case::compiled(
            "IFUNC, GNU ld",
            "gcc -g -fuse-ld=bfd -pie",
            "layouts/ifunc.c",
        )
        .called_early(),
        Case::compiled(
            "IFUNC, lld, not PIE",
            "gcc -g -fuse-ld=lld -no-pie",
            "layouts/ifunc.c",
        )
        .called_early(),
        Case::compiled(
            "IFUNC, gold, not PIE, full RELRO",
            "gcc -g -fuse-ld=gold -no-pie -Wl,-z,now",
            "layouts/ifunc.c",
        )
        .called_early(),
        Case::compiled(
            "TLS and threads, GNU ld",
            "gcc -g -pthread -fuse-ld=bfd -pie",
            "tls_threads.c",
        ),
        Case::compiled(
            "TLS and threads, lld, not PIE",
            "clang -g -pthread -fuse-ld=lld -no-pie",
            "tls_threads.c",
        ),
        Case::compiled(
            "no C library",
            "gcc -g -nostdlib -nostartfiles -fPIE -pie",
            "no_libc.c",
        ),
    ]
}

/// The property note tells the loader that the code is made for Intel CET.
fn hardened() -> Vec<Case> {
    vec![
        Case::patched(
            "CET, GNU ld",
            parts("-fuse-ld=bfd -pie -fcf-protection -Wl,-z,ibt,-z,shstk"),
        ),
        Case::patched(
            "CET, GNU ld, not PIE, no separate code",
            parts("-fuse-ld=bfd -no-pie -fcf-protection -Wl,-z,ibt,-z,shstk,-z,noseparate-code"),
        ),
        Case::patched(
            "CET, lld",
            parts("-fuse-ld=lld -pie -fcf-protection -Wl,-z,shstk"),
        ),
        Case::patched(
            "CET, mold",
            parts("-fuse-ld=mold -pie -fcf-protection -Wl,-z,ibt,-z,shstk"),
        ),
    ]
}

fn notes() -> Vec<Case> {
    let walks = |name, options: &str| {
        Case::compiled(
            name,
            &format!("gcc -g {options} -Wl,--build-id=sha1"),
            "layouts/walks_own_notes.c",
        )
    };
    vec![
        walks(
            "reads its notes through AT_PHDR, GNU ld",
            "-fuse-ld=bfd -pie",
        ),
        walks(
            "reads its notes through AT_PHDR, GNU ld, not PIE",
            "-fuse-ld=bfd -no-pie",
        ),
        walks(
            "reads its notes through AT_PHDR, gold, not PIE",
            "-fuse-ld=gold -no-pie",
        ),
        walks(
            "reads its notes through AT_PHDR, lld, not PIE",
            "-fuse-ld=lld -no-pie",
        ),
        walks(
            "reads its notes through AT_PHDR, mold, not PIE",
            "-fuse-ld=mold -no-pie",
        ),
    ]
}

fn section_headers() -> Vec<Case> {
    let without = |name, options| {
        let script = format!("{}\nllvm-strip --strip-sections before", parts(options));
        Case::patched(name, script)
    };
    let lying = |name, options| {
        let script = format!(
            "{}\npython3 \"$FIXTURES/layouts/section_headers_lie.py\" before",
            parts(options)
        );
        Case {
            sections_lie: true,
            ..Case::patched(name, script)
        }
    };
    vec![
        without("no section headers, GNU ld", "-fuse-ld=bfd -pie"),
        without(
            "no section headers, GNU ld, not PIE",
            "-fuse-ld=bfd -no-pie",
        ),
        without("no section headers, gold", "-fuse-ld=gold -pie"),
        without("no section headers, lld, not PIE", "-fuse-ld=lld -no-pie"),
        without("no section headers, mold", "-fuse-ld=mold -pie"),
        lying("section headers that lie, GNU ld", "-fuse-ld=bfd -pie"),
        lying(
            "section headers that lie, lld, not PIE",
            "-fuse-ld=lld -no-pie",
        ),
    ]
}

/// Code right behind the program headers, which then can't grow.
fn scripts() -> Vec<Case> {
    let script = "-Wl,-T,\"$FIXTURES/layouts/text_behind_headers.ld\"";
    vec![
        Case::patched(
            "text behind the program headers",
            parts(&format!("-fuse-ld=bfd -pie {script}")),
        )
        .with_headers_moved(),
        Case::patched(
            "text behind the program headers, not PIE",
            parts(&format!(
                "-fuse-ld=bfd -no-pie -Wl,-Ttext-segment=0x400000 {script}"
            )),
        ),
    ]
}

/// Data behind everything that the ELF headers know of.
fn own_tail() -> Vec<Case> {
    let reads = |name, options| {
        let script = format!(
            "gcc -g {options} \"$FIXTURES/layouts/reads_own_tail.c\" -o before\n\
             printf %-32s 'PAYLOAD at the end of the file' >>before"
        );
        Case::patched(name, script)
    };
    vec![
        reads("reads what is appended to it, GNU ld", "-fuse-ld=bfd -pie"),
        reads(
            "reads what is appended to it, lld, not PIE",
            "-fuse-ld=lld -no-pie",
        ),
    ]
}
