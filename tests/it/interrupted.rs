//! Signals at any moment: there is the old file or the complete new one, and
//! nothing else.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::support::{Signal, Workspace, library, program};
use rustix::process::{Pid, geteuid, kill_process};

/// Patches in each series.
const ROUNDS: u32 = 200;

const SIGNALS: [Signal; 4] = [Signal::KILL, Signal::TERM, Signal::KILL, Signal::INT];

/// The program, large enough for each phase of patching to take its time, and
/// what is to be where the result goes, before and after.
struct Scene {
    ws: Workspace,
    target: &'static str,
    old: Option<Vec<u8>>,
    new: Vec<u8>,
}

impl Scene {
    fn set(target: &'static str) -> Self {
        let ws = Workspace::with_myos("gcc");
        ws.run(
            "head -c 20M /dev/urandom > blob && objcopy --add-section .blob=blob myos && rm blob",
        )
        .succeeds();
        ws.run(&format!(
            "sandbox-patch -q --deny uname --lib {} -o new ./myos",
            library()
        ))
        .succeeds();
        let new = ws.read("new");
        ws.run("rm new").succeeds();
        let old = std::fs::read(ws.path(target)).ok();
        Self {
            ws,
            target,
            old,
            new,
        }
    }

    /// Whether the new file is there; else it is as before. Nothing between the
    /// two is, and what was there before is put back.
    #[track_caller]
    fn is_replaced(&self, occasion: &str) -> bool {
        let path = self.ws.path(self.target);
        let now = std::fs::read(&path).ok();
        let is_replaced = now.as_ref() == Some(&self.new);
        assert!(is_replaced || now == self.old, "{occasion}: neither");
        if is_replaced {
            match &self.old {
                Some(old) => std::fs::write(path, old),
                None => std::fs::remove_file(path),
            }
            .expect("an own file");
        }
        is_replaced
    }

    /// What was left behind, which is removed: names and contents.
    fn left(&self) -> Vec<(String, Vec<u8>)> {
        let mut names = self.ws.listing();
        names.retain(|name| name != "myos" && name != self.target);
        let take = |name: String| {
            let contents = self.ws.read(&name);
            std::fs::remove_file(self.ws.path(&name)).expect("a file");
            (name, contents)
        };
        names.into_iter().map(take).collect()
    }

    /// Starts patching, by a command that ends with the patcher in its place.
    fn start(&self, command: &mut Command) -> Child {
        command
            .args(["-q", "--deny", "uname", "--lib", &library()])
            .args(["-o", self.target, "myos"])
            .current_dir(self.ws.root())
            .stderr(Stdio::null())
            .spawn()
            .expect("the patcher starts")
    }

    /// Patches again and again, each time with a signal a little later than
    /// before, up to the time that patching takes; `check` sees each outcome.
    #[track_caller]
    fn interrupt(
        &self,
        command: impl Fn() -> Command,
        check: impl Fn(Signal, &[(String, Vec<u8>)]),
    ) {
        let whole = (0..3).map(|_| {
            let start = Instant::now();
            self.start(&mut command()).wait().expect("an own child");
            let whole = start.elapsed();
            assert!(self.is_replaced("no signal"));
            whole
        });
        let whole = whole.min().expect("several times");

        let mut interrupted = 0;
        for round in 0..ROUNDS {
            let signal = SIGNALS[round as usize % SIGNALS.len()];
            let delay = whole * round / ROUNDS;
            let mut child = self.start(&mut command());
            thread::sleep(delay);
            // It is not waited for yet, so that its number is still its own.
            kill_process(Pid::from_child(&child), signal).expect("an own child");
            let status = child.wait().expect("an own child");
            interrupted += u32::from(status.signal().is_some());
            let occasion = format!("{signal:?} after {delay:?} of {whole:?}");
            self.is_replaced(&occasion);
            check(signal, &self.left());
        }
        // The machine may have been slower when the time was taken.
        assert!(interrupted > ROUNDS / 4, "{interrupted} of {ROUNDS}");
    }
}

/// What SIGKILL can leave is complete: the new file has a temporary name only for
/// the moment before it takes its place, and the old one for that after it.
#[test]
fn at_any_moment_leave_the_old_file_or_the_new_one() {
    let scene = Scene::set("myos");
    scene.interrupt(
        || Command::new(program()),
        |signal, left| match (signal, left) {
            (_, []) => {}
            (Signal::KILL, [(_, contents)]) => {
                assert!(*contents == scene.new || Some(contents) == scene.old.as_ref());
            }
            _ => panic!("{signal:?} left {} files", left.len()),
        },
    );
}

/// A file that is not there yet gets its own name at once.
#[test]
fn at_any_moment_leave_a_complete_output_or_none() {
    let scene = Scene::set("out");
    scene.interrupt(
        || Command::new(program()),
        |signal, left| assert!(left.is_empty(), "{signal:?} left {} files", left.len()),
    );
}

/// Where files can't be made without a name, only SIGKILL leaves them behind.
#[test]
fn at_any_moment_do_so_where_files_can_not_be_made_without_a_name() {
    let scene = Scene::set("myos");
    let namespaces = if geteuid().is_root() {
        &["--mount"][..]
    } else {
        &["--mount", "--map-root-user"]
    };
    let without_proc = "mount -t tmpfs none /proc; exec \"$0\" \"$@\"";
    let command = || {
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", without_proc]);
        command.arg(program());
        command
    };
    scene.interrupt(command, |signal, left| match (signal, left) {
        (_, []) => {}
        (Signal::KILL, [(name, _)]) => assert!(name.starts_with(".sandbox-patch-"), "{name}"),
        _ => panic!("{signal:?} left {} files", left.len()),
    });
}
