//! Programs by other compilers and for other C libraries, and those that load
//! no libraries.

use super::Case;

pub(super) fn cases() -> Vec<Case> {
    [cpp(), rust(), go(), musl(), static_programs()].concat()
}

fn cpp() -> Vec<Case> {
    let throws = |name, compiler| Case::compiled(name, compiler, "exceptions.cpp");
    vec![
        throws("C++ exceptions, GNU ld", "g++ -g -fuse-ld=bfd -pie"),
        throws(
            "C++ exceptions, gold, not PIE",
            "g++ -g -fuse-ld=gold -no-pie",
        ),
        throws("C++ exceptions, lld", "clang++ -g -fuse-ld=lld"),
        throws(
            "C++ exceptions, mold, not PIE",
            "g++ -g -fuse-ld=mold -no-pie",
        ),
    ]
}

fn rust() -> Vec<Case> {
    let rust = |name, options| {
        let compiler = format!("rustc --edition=2024 {options}");
        Case::compiled(name, &compiler, "hello.rs")
    };
    vec![
        rust("Rust", "-g"),
        rust("Rust, not PIE", "-Crelocation-model=static"),
        rust("Rust, lld", "-Clink-arg=-fuse-ld=lld"),
        rust("Rust, mold", "-Clink-arg=-fuse-ld=mold"),
    ]
}

/// Go's own linker makes other layouts than the system's does.
fn go() -> Vec<Case> {
    let go = |name, options, fixture| {
        let script = format!("go build -o before {options} \"$FIXTURES/layouts/{fixture}\"");
        Case::patched(name, script)
    };
    vec![
        go("Go with C", "", "cgo.go"),
        go("Go with C, PIE", "-buildmode=pie", "cgo.go"),
        go(
            "Go with C, lld",
            "-ldflags='-linkmode=external -extldflags=-fuse-ld=lld'",
            "cgo.go",
        ),
        go(
            "Go, its own linker",
            "-ldflags=-linkmode=internal",
            "resolves.go",
        ),
        go(
            "Go, its own linker, PIE",
            "-buildmode=pie -ldflags=-linkmode=internal",
            "resolves.go",
        ),
        go(
            "Go, its own linker, stripped",
            "-ldflags='-linkmode=internal -s -w'",
            "resolves.go",
        ),
    ]
}

fn musl() -> Vec<Case> {
    let musl = |name, options| {
        let compiler = format!("musl-gcc -g {options}");
        Case::compiled(name, &compiler, "layouts/parts.c")
    };
    vec![
        musl("musl, GNU ld", "-fPIE -pie"),
        musl("musl, GNU ld, not PIE", "-fno-pie -no-pie"),
        musl("musl, lld", "-fuse-ld=lld -fPIE -pie"),
        musl("musl, lld, not PIE", "-fuse-ld=lld -fno-pie -no-pie"),
        musl(
            "musl, mold, no RELRO, sysv hash",
            "-fuse-ld=mold -fPIE -pie -Wl,-z,norelro,--hash-style=sysv",
        ),
        musl(
            "musl, gold, full RELRO, no spare dynamic entries",
            "-fuse-ld=gold -fPIE -pie -Wl,-z,now,--spare-dynamic-tags=0",
        ),
    ]
}

/// Nothing loads a library into these.
fn static_programs() -> Vec<Case> {
    let parts = |name, compiler| Case::compiled(name, compiler, "layouts/parts.c").static_program();
    let go = "CGO_ENABLED=0 go build -o before \"$FIXTURES/layouts/resolves.go\"";
    vec![
        parts("static", "gcc -g -static"),
        parts("static, lld", "gcc -g -static -fuse-ld=lld"),
        parts("static, musl", "musl-gcc -g -static -no-pie"),
        parts("static PIE", "gcc -g -static-pie"),
        parts("static PIE, lld", "gcc -g -static-pie -fuse-ld=lld"),
        Case::patched("static, Go", go).static_program(),
    ]
}
