//! Programs of many makes go on working when they are patched, and stop where
//! the policy says.

use std::io::{Read, Write};
use std::net::TcpListener;

use crate::support::{Signal, Workspace, assert_faithful};

/// What the patched programs may not do; nothing that they need.
const POLICY: &str = "--deny ptrace:mount:reboot";

/// Numbers on x86_64 (arch/x86/entry/syscalls/syscall_64.tbl).
const PTRACE: u32 = 101;
const GETUID: u32 = 102;

/// A fixture prints the same when it is patched, also when the patched file is
/// stripped, and when a stripped file is patched.
fn assert_prints_when_patched(compiler: &str, fixture: &str, expected: &str) {
    let ws = Workspace::new();
    ws.compile_as(compiler, fixture, "original");
    ws.run("strip -o stripped original").succeeds();
    ws.run("./original").succeeds().prints_only(expected);
    for original in ["original", "stripped"] {
        ws.run(&format!("sandbox-patch {POLICY} -o patched {original}"))
            .succeeds();
        assert_faithful(&ws, original, "patched");
        ws.run("./patched")
            .succeeds()
            .is_silent()
            .prints_only(expected);
        ws.run("strip -o stripped-later patched && llvm-strip -o llvm-stripped patched")
            .succeeds();
        ws.run("./stripped-later")
            .succeeds()
            .is_silent()
            .prints_only(expected);
        ws.run("./llvm-stripped")
            .succeeds()
            .is_silent()
            .prints_only(expected);
    }
}

/// The policy holds, and only the policy, whatever the make of the program.
fn assert_policy_holds(compiler: &str) {
    let ws = Workspace::new();
    ws.compile(compiler, "forbidden.c");
    ws.run("strip -o stripped forbidden").succeeds();
    for original in ["forbidden", "stripped"] {
        ws.run(&format!("./{original} {PTRACE}"))
            .succeeds()
            .prints_only("passed\n");
        ws.run(&format!("sandbox-patch {POLICY} -o patched {original}"))
            .succeeds();
        ws.run("strip -o stripped-later patched && llvm-strip -o llvm-stripped patched")
            .succeeds();
        for patched in ["patched", "stripped-later", "llvm-stripped"] {
            ws.run(&format!("./{patched} {PTRACE}"))
                .dies_by(Signal::SYS)
                .prints_only("");
            ws.run(&format!("./{patched} {GETUID}"))
                .succeeds()
                .prints_only("passed\n");
        }
    }
}

mod compilers_and_linkers {
    use super::*;

    const PLACES: [&str; 2] = ["-pie -fPIE", "-no-pie"];

    fn assert_policy_holds_for_each_place(compiler: &str) {
        for place in PLACES {
            assert_policy_holds(&format!("{compiler} {place}"));
        }
    }

    #[test]
    fn gcc_and_gnu_ld() {
        assert_policy_holds_for_each_place("gcc -fuse-ld=bfd");
    }

    #[test]
    fn gcc_and_lld() {
        assert_policy_holds_for_each_place("gcc -fuse-ld=lld");
    }

    #[test]
    fn clang_and_gnu_ld() {
        assert_policy_holds_for_each_place("clang -fuse-ld=bfd");
    }

    #[test]
    fn clang_and_lld() {
        assert_policy_holds_for_each_place("clang -fuse-ld=lld");
    }

    #[test]
    fn clang_and_mold() {
        assert_policy_holds_for_each_place("clang -fuse-ld=mold");
    }

    #[test]
    fn musl_gcc_and_gnu_ld() {
        assert_policy_holds_for_each_place("musl-gcc -fuse-ld=bfd");
    }

    #[test]
    fn musl_gcc_and_lld() {
        assert_policy_holds_for_each_place("musl-gcc -fuse-ld=lld");
    }

    #[test]
    fn full_partial_and_no_relro() {
        for relro in [
            "-Wl,-z,relro,-z,now",
            "-Wl,-z,relro,-z,lazy",
            "-Wl,-z,norelro",
        ] {
            assert_policy_holds(&format!("gcc {relro}"));
        }
    }

    #[test]
    fn old_and_new_hash_tables() {
        for style in ["sysv", "gnu", "both"] {
            assert_policy_holds(&format!("gcc -Wl,--hash-style={style}"));
        }
    }

    #[test]
    fn large_pages_and_separate_code() {
        assert_policy_holds("gcc -Wl,-z,max-page-size=0x200000,-z,common-page-size=0x200000");
        assert_policy_holds("gcc -Wl,-z,noseparate-code");
    }
}

mod languages {
    use super::*;

    #[test]
    fn cpp_exceptions_are_caught() {
        for compiler in ["g++", "g++ -no-pie", "clang++ -fuse-ld=lld"] {
            assert_prints_when_patched(
                compiler,
                "exceptions.cpp",
                "caught 0, caught 3, cleaned 7\n",
            );
        }
    }

    #[test]
    fn thread_local_storage_is_where_threads_expect_it() {
        for compiler in [
            "gcc -pthread",
            "gcc -pthread -no-pie",
            "clang -pthread",
            "musl-gcc",
        ] {
            assert_prints_when_patched(compiler, "tls_threads.c", "total 16320, main 40 0\n");
        }
    }

    #[test]
    fn rust_programs_run() {
        for compiler in [
            "rustc --edition=2024",
            "rustc --edition=2024 -Crelocation-model=static",
        ] {
            assert_prints_when_patched(compiler, "hello.rs", "thread 2, main 1, caught true\n");
        }
    }
}

/// Copies of what Debian ships: each does a piece of its work under the policy,
/// and dies by what it is told not to do.
mod distribution {
    use super::*;

    /// A patched copy of a program, as `./NAME`.
    fn patched(ws: &Workspace, program: &str, options: &str) {
        let name = program.rsplit('/').next().expect("a path");
        ws.run(&format!(
            "rm -f {name} && cp -L {program} {name} && sandbox-patch {options} ./{name}"
        ))
        .succeeds();
    }

    #[test]
    fn ls_lists() {
        let ws = Workspace::new();
        let expected = ws.run("/bin/ls -l --color=never /bin/").stdout;
        patched(&ws, "/bin/ls", POLICY);
        ws.run("./ls -l --color=never /bin/")
            .succeeds()
            .is_silent()
            .prints_only(&expected);
        patched(&ws, "/bin/ls", "--deny getdents64");
        ws.run("./ls -l /").dies_by(Signal::SYS);
    }

    #[test]
    fn bash_runs_a_script() {
        let ws = Workspace::new();
        ws.write(
            "script",
            "for i in {1..3}; do echo \"line $i\"; done | tac\n\
             x=$(printf %05d 42); (( x == 34 )) && echo \"$x\"\n\
             coproc cat; echo through >&\"${COPROC[1]}\"; read -r y <&\"${COPROC[0]}\"; echo \"$y\"\n",
        );
        patched(&ws, "/bin/bash", POLICY);
        ws.run("./bash script")
            .succeeds()
            .is_silent()
            .prints_only("line 3\nline 2\nline 1\n00042\nthrough\n");
        patched(&ws, "/bin/bash", "--deny execve");
        ws.run("./bash -c 'exec /bin/true'").dies_by(Signal::SYS);
    }

    #[test]
    fn grep_searches() {
        let ws = Workspace::new();
        ws.write("text", "alpha\nbeta\ngamma\n");
        patched(&ws, "/bin/grep", POLICY);
        ws.run("./grep -nE 'a$' text")
            .succeeds()
            .prints_only("1:alpha\n2:beta\n3:gamma\n");
        ws.run("./grep delta text").exits_with(1).prints_only("");
        patched(&ws, "/bin/grep", "--deny openat");
        ws.run("./grep a text").dies_by(Signal::SYS);
    }

    #[test]
    fn python_computes_and_starts_processes() {
        let ws = Workspace::new();
        ws.write(
            "work.py",
            "import hashlib, json, subprocess, threading\n\
             print(json.dumps({'digest': hashlib.sha256(b'abc').hexdigest()[:8]}))\n\
             thread = threading.Thread(target=lambda: print('thread'))\n\
             thread.start(); thread.join()\n\
             print(subprocess.check_output(['echo', 'child'], text=True), end='')\n",
        );
        ws.write(
            "trace.py",
            "import ctypes\nctypes.CDLL(None).ptrace(0, 0, 0, 0)\n",
        );
        patched(&ws, "/usr/bin/python3", POLICY);
        ws.run("./python3 work.py")
            .succeeds()
            .is_silent()
            .prints_only("{\"digest\": \"ba7816bf\"}\nthread\nchild\n");
        ws.run("./python3 trace.py").dies_by(Signal::SYS);
    }

    #[test]
    fn curl_fetches() {
        let ws = Workspace::new();
        let url = serve_once("over the wire\n");
        patched(&ws, "/usr/bin/curl", POLICY);
        ws.run(&format!("./curl --silent --show-error {url}"))
            .succeeds()
            .is_silent()
            .prints_only("over the wire\n");
        patched(&ws, "/usr/bin/curl", "--deny socket");
        ws.run(&format!("./curl --silent {url}"))
            .dies_by(Signal::SYS);
    }

    /// An HTTP server for one request; returns its address.
    fn serve_once(body: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 4096];
            let count = stream.read(&mut request).expect("a request");
            assert!(count > 0);
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .expect("the client listens");
        });
        format!("http://{address}/")
    }
}
