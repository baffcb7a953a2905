//! What lets the launcher's own execve through is of no use to the program.

use crate::launcher::*;

#[test]
fn does_not_let_the_program_execute_others() {
    for compiler in STATIC.into_iter().filter(|it| !it.starts_with("i686")) {
        let ws = Workspace::new();
        ws.compile(compiler, "guesses.c");
        ws.run("sandboxify -q --deny execve ./guesses 1000000")
            .dies_by(Signal::SYS)
            .prints_only("");
        // Who is told of a failed guess may go on, and gets nowhere.
        for (action, error) in [("errno:EPERM", 1), ("trace", 38)] {
            ws.run(&format!(
                "sandboxify -q --deny execve --action {action} ./guesses 1000000"
            ))
            .succeeds()
            .prints_only(&format!("error {error}\n"));
        }
    }
}

#[test]
fn is_not_left_in_registers() {
    let ws = Workspace::new();
    ws.compile("gcc -static -nostdlib", "registers_at_start.c");
    ws.run("sandboxify -q --deny ptrace ./registers_at_start")
        .succeeds();
}

/// The secret, as strace shows it in the filter, is nowhere in the memory of
/// the program, nor in what /proc tells about it.
#[test]
fn is_not_left_in_memory() {
    let ws = Workspace::new();
    ws.write(
        "dump.py",
        "import sys
names = 'auxv environ cmdline maps smaps stat status syscall stack personality'.split()
for name in names:
    sys.stdout.buffer.write(open(f'/proc/self/{name}', 'rb').read())
memory = open('/proc/self/mem', 'rb', 0)
for line in open('/proc/self/maps'):
    span, mode = line.split()[:2]
    start, end = (int(bound, 16) for bound in span.split('-'))
    if mode[0] == 'r' and start < 1 << 47 and not '[v' in line:
        memory.seek(start)
        sys.stdout.buffer.write(memory.read(end - start))
",
    );
    ws.run(
        "strace -v -s 0 -e trace=seccomp -o log sandboxify -q --deny mount python3 dump.py >dump",
    )
    .succeeds();
    let log = String::from_utf8(ws.read("log")).expect("text");
    // In the order of the filter, which is not that of memory.
    let words: Vec<[u8; 4]> = log
        .split("BPF_XOR, 0x")
        .skip(1)
        .map(|rest| {
            rest.split(|c: char| !c.is_ascii_hexdigit())
                .next()
                .expect("a number")
        })
        .map(|word| {
            u32::from_str_radix(word, 16)
                .expect("a number")
                .to_le_bytes()
        })
        .collect();
    assert_eq!(words.len(), 4, "{log}");
    let dump = ws.read("dump");
    assert!(dump.len() > 1 << 20, "{}", dump.len());
    let has = |bytes: [u8; 8]| dump.windows(8).any(|window| window == bytes);
    for first in &words {
        for second in &words {
            let both = [*first, *second].concat();
            assert!(!has(both.try_into().expect("8 bytes")), "{words:x?}");
        }
    }
}
