//! One list for every C library: what a function calls in one library is traced,
//! and with that list the function works in every other, thanks to portable names.
//!
//! `make libcs` writes docs/libcs.md, the exceptions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{Workspace, target_folder};
use sandbox_format::syscall::X86_64;
use sandbox_patch::filter;
use sandbox_patch::policy::{Action, Arch, Policy, resolve};

/// How often a list is made anew before a failure counts: what threads call
/// differs from run to run.
const TRACES: usize = 2;

/// A C library, with the program for it.
struct Libc {
    name: String,
    /// What starts the program.
    command: Vec<PathBuf>,
    /// Whether lists are made with it, too.
    is_traced: bool,
}

impl Libc {
    fn start(&self, before: &[&str], arguments: &[&str], folder: &Path) -> Output {
        let words = before.iter().map(PathBuf::from);
        let mut words = words.chain(self.command.iter().cloned());
        let mut command = Command::new(words.next().expect("a command"));
        let command = command.args(words).args(arguments).current_dir(folder);
        let output = command.stdin(Stdio::null()).env("TZ", "UTC").output();
        output.unwrap_or_else(|error| panic!("{command:?}: {error} (see `make setup`)"))
    }

    /// The functions that the program knows.
    fn functions(&self, folder: &Path) -> Vec<String> {
        let output = self.start(&[], &[], folder);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("names");
        text.lines().map(str::to_owned).collect()
    }

    /// What the function calls, by name; nothing if it does not work here.
    fn trace(&self, function: &str, folder: &Folder) -> Option<BTreeSet<String>> {
        let log = folder.fresh().join("../trace");
        let before = ["timeout", "20", "strace", "-f", "-o", log.to_str()?];
        let output = self.start(&before, &[function], &folder.path);
        if !output.status.success() {
            return None;
        }
        let log = std::fs::read_to_string(log).expect("a trace");
        let (_, log) = log.split_once("close(-1000").expect("the mark");
        let called = |line: &str| {
            let (_pid, call) = line.split_once(' ')?;
            let (name, _) = call.trim_start().split_once('(')?;
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            (!name.is_empty() && name.chars().all(is_name)).then(|| name_of_call(name))
        };
        Some(log.lines().filter_map(called).collect())
    }

    /// Runs the function under a list; what stopped it, if anything did. Threads that
    /// meet by chance, on a busy machine, make a call more: what fails once and can't be
    /// seen to is tried again.
    fn fails(&self, function: &str, list: &BTreeSet<String>, folder: &Folder) -> Option<String> {
        const ATTEMPTS: usize = 3;
        let mut outcome = None;
        for _ in 0..ATTEMPTS {
            outcome = self.fails_once(function, list, folder);
            if outcome.as_deref() != Some(UNSEEN) {
                break;
            }
        }
        outcome
    }

    fn fails_once(
        &self,
        function: &str,
        list: &BTreeSet<String>,
        folder: &Folder,
    ) -> Option<String> {
        let filter = folder.fresh().join("../filter");
        std::fs::write(&filter, compile(list)).expect("a filter");
        let arguments = [function, "../filter"];
        let output = self.start(&["timeout", "20"], &arguments, &folder.path);
        if output.status.success() {
            return None;
        }
        let log = folder.fresh().join("../trace");
        let before = ["timeout", "20", "strace", "-f", "-o", log.to_str()?];
        self.start(&before, &arguments, &folder.path);
        let log = std::fs::read_to_string(log).expect("a trace");
        // The last that was begun: when one thread is killed, all are.
        let mut last = String::new();
        for line in log.lines() {
            let (_pid, event) = line.split_once(' ').unwrap_or_default();
            if event.contains("+++ killed by SIGSYS") {
                return Some(last);
            }
            let event = event.trim();
            if event.contains('(') && event.starts_with(|first: char| first.is_ascii_lowercase()) {
                event.clone_into(&mut last);
            }
        }
        Some(UNSEEN.to_owned())
    }
}

/// The function failed, but not when it was watched.
const UNSEEN: &str = "fails without a violation";

/// The name of a call as strace has it, which may be older than the call.
fn name_of_call(text: &str) -> String {
    let number = text.strip_prefix("syscall_0x");
    let number = number.and_then(|number| u32::from_str_radix(number, 16).ok());
    let name = number.and_then(|number| X86_64.name(number));
    name.unwrap_or(text).to_owned()
}

/// A directory to work in, with room beside it.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn of_thread(ws: &Workspace, number: usize) -> Self {
        let path = ws.path(&format!("thread-{number}/work"));
        Self { path }
    }

    fn fresh(&self) -> &Path {
        let _ = std::fs::remove_dir_all(&self.path);
        std::fs::create_dir_all(&self.path).expect("a directory");
        &self.path
    }
}

/// The filter of an allow-list, as the kernel takes it.
fn compile(list: &BTreeSet<String>) -> Vec<u8> {
    let mut text: Vec<_> = list.iter().map(String::as_str).collect();
    // Every program makes the first when it begins, and the second when it ends.
    text.extend(["brk", "exit_group"]);
    let policy = Policy::allow(text, Action::KillProcess);
    let (resolved, _) = resolve(&policy, Arch::X86_64).expect("names of system calls");
    let filter = filter::compile(&resolved).expect("a filter");
    let bytes = filter.program.iter().flat_map(|instruction| {
        let [c0, c1] = instruction.code.to_ne_bytes();
        let [k0, k1, k2, k3] = instruction.k.to_ne_bytes();
        [c0, c1, instruction.jt, instruction.jf, k0, k1, k2, k3]
    });
    bytes.collect()
}

/// A function that does not work with a list of another library.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Exception {
    function: String,
    /// Where the list is from.
    from: String,
    /// Where it does not suffice.
    on: String,
    call: String,
}

/// What of one function does not work with lists of other libraries, and how
/// many pairs were tried.
fn examine(function: &str, libcs: &[Libc], folder: &Folder) -> (usize, Vec<Exception>) {
    let traces: Vec<_> = libcs
        .iter()
        .map(|libc| libc.trace(function, folder))
        .collect();
    let (mut tried, mut exceptions) = (0, Vec::new());
    for (from, list) in libcs.iter().zip(&traces).filter(|(from, _)| from.is_traced) {
        let Some(mut list) = list.clone() else {
            continue;
        };
        for (on, called) in libcs.iter().zip(&traces) {
            let Some(called) = called else { continue };
            tried += 1;
            if called.is_subset(&list) {
                continue;
            }
            let mut failure = on.fails(function, &list, folder);
            for _ in 1..TRACES {
                if failure.is_none() {
                    break;
                }
                list.extend(from.trace(function, folder).unwrap_or_default());
                failure = on.fails(function, &list, folder);
            }
            exceptions.extend(failure.map(|call| Exception {
                function: function.to_owned(),
                from: from.name.clone(),
                on: on.name.clone(),
                call,
            }));
        }
    }
    (tried, exceptions)
}

/// Every function with every list on every library.
fn examine_all(ws: &Workspace, libcs: &[Libc]) -> (usize, Vec<Exception>) {
    let functions = libcs[0].functions(ws.root());
    let next = AtomicUsize::new(0);
    let found = Mutex::new((0, Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for number in 0..threads {
            let (functions, next, found) = (&functions, &next, &found);
            scope.spawn(move || {
                let folder = Folder::of_thread(ws, number);
                while let Some(function) = functions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (tried, exceptions) = examine(function, libcs, &folder);
                    let mut found = found.lock().expect("no panic");
                    found.0 += tried;
                    found.1.extend(exceptions);
                }
            });
        }
    });
    let (tried, mut exceptions) = found.into_inner().expect("no panic");
    exceptions.sort();
    (tried, exceptions)
}

/// The C libraries of this machine.
fn installed(ws: &Workspace) -> Vec<Libc> {
    let libc = |name: &str, compiler: &str| Libc {
        name: name.to_owned(),
        command: vec![ws.compile_as(compiler, "libc_functions.c", name)],
        is_traced: true,
    };
    let own = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let own = String::from_utf8(own.expect("getconf").stdout).expect("the version");
    vec![
        libc(own.trim(), "gcc -w -pthread"),
        libc("musl", "musl-gcc -w"),
    ]
}

/// Those of Debian's releases, where `tests/libcs/setup` put them.
fn of_releases(ws: &Workspace) -> Vec<Libc> {
    let mut libcs = installed(ws);
    for suite in ["bullseye", "trixie", "sid"] {
        let root = target_folder().join("libcs").join(suite);
        let libraries = root.join("usr/lib/x86_64-linux-gnu");
        let (root, directory) = (root.display(), libraries.display());
        assert!(
            libraries.exists(),
            "{root} is not there (see `tests/libcs/setup`)"
        );
        let compiler = format!(
            "gcc -w --sysroot={root} -B{directory} -L{directory} \
             -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include \
             -l:libpthread.so.0 -l:librt.so.1"
        );
        let with = |program| {
            let loader = libraries.join("ld-linux-x86-64.so.2");
            vec![loader, "--library-path".into(), libraries.clone(), program]
        };
        let version = version(&libraries);
        let name = format!("glibc {version}");
        let own = with(ws.compile_as(&compiler, "libc_functions.c", suite));
        libcs.push(Libc {
            name,
            command: own,
            is_traced: true,
        });
        if suite != "bullseye" {
            // A program of this release, with a later library.
            let name = format!("glibc {version} with an older program");
            let command = with(libcs[0].command[0].clone());
            libcs.push(Libc {
                name,
                command,
                is_traced: false,
            });
        }
    }
    libcs
}

fn version(libraries: &Path) -> String {
    let loader = libraries.join("ld-linux-x86-64.so.2");
    let output = Command::new(loader)
        .arg(libraries.join("libc.so.6"))
        .output();
    let output = output.expect("the library says its version");
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split("release version ").nth(1).expect("a version");
    version
        .split(|c: char| !c.is_ascii_digit() && c != '.')
        .next()
        .unwrap_or_default()
        .trim_end_matches('.')
        .to_owned()
}

/// The exceptions as rows of docs/libcs.md, those together that differ in nothing
/// but the library that the list is from.
fn as_table(exceptions: &[Exception]) -> String {
    let mut on: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for exception in exceptions {
        let key = (
            &exception.function,
            call_name(&exception.call),
            &exception.from,
        );
        on.entry(key).or_default().insert(&exception.on);
    }
    let mut from: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for ((function, call, library), on) in on {
        from.entry((function, call, on)).or_default().push(library);
    }
    let mut table = String::new();
    for ((function, call, on), from) in from {
        let on: Vec<_> = on.into_iter().collect();
        let (from, on) = (from.join(", "), on.join(", "));
        writeln!(table, "| `{function}` | `{call}` | {from} | {on} |").expect("text");
    }
    table
}

fn call_name(call: &str) -> String {
    name_of_call(call.split('(').next().unwrap_or_default())
}

/// Exceptions that docs/libcs.md does not have, whatever the call is that was
/// seen first.
fn unknown(exceptions: Vec<Exception>) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/libcs.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let is_known = |exception: &Exception| {
        let of = |row: &str| {
            let mut cells = row.split('|').map(str::trim);
            let function = format!("`{}`", exception.function);
            let has = |cell: Option<&str>, name: &str| {
                cell.is_some_and(|cell| cell.split(", ").any(|part| part == name))
            };
            cells.nth(1) == Some(&function)
                && has(cells.nth(1), &exception.from)
                && has(cells.next(), &exception.on)
        };
        page.lines().any(of)
    };
    let unknown: Vec<_> = exceptions.into_iter().filter(|it| !is_known(it)).collect();
    as_table(&unknown)
}

#[test]
fn a_list_made_with_one_installed_library_is_right_for_the_other() {
    let ws = Workspace::new();
    let (tried, exceptions) = examine_all(&ws, &installed(&ws));
    assert!(tried > 4 * 250, "{tried}");
    assert_eq!(unknown(exceptions), "");
}

/// With `LIBCS_TABLE`, writes the table there.
#[test]
#[ignore = "long: runs each function with the lists of all C libraries (`make libcs`)"]
fn a_list_made_with_one_release_is_right_for_the_others() {
    let ws = Workspace::new();
    let (tried, exceptions) = examine_all(&ws, &of_releases(&ws));
    println!("{tried} pairs, {} exceptions", exceptions.len());
    if let Some(path) = std::env::var_os("LIBCS_TABLE") {
        std::fs::write(path, as_table(&exceptions)).expect("the table");
        return;
    }
    assert_eq!(unknown(exceptions), "");
}
