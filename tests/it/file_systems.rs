//! File systems that are full, limited, elsewhere, or can share blocks.

use crate::support::{Outcome, Signal, Workspace};

const PATCH: &str = "sandbox-patch --deny ptrace";
const OTHER: &str = "sandbox-patch -q --deny uname";

/// Patching `file` fails with one line that names the reason.
#[track_caller]
fn assert_fails_with(outcome: &Outcome, file: &str, reason: &str) {
    outcome
        .exits_with(1)
        .complains_in_one_line(&format!("sandbox-patch: {file}: "))
        .complains(reason);
}

mod a_full_disk {
    use super::*;

    const NO_SPACE: &str = "No space left on device";

    /// Patches a program on a disk on which `fill` left no room; nothing changes.
    #[track_caller]
    fn assert_refused_on(mount: &str, fill: &str) {
        let ws = Workspace::with_myos("gcc");
        let outcome = ws.run_with_mounts(&format!(
            "mkdir disk\n\
             {mount}\n\
             cp myos disk/\n\
             {fill}\n\
             before=$(ls -Ai disk)\n\
             status=0\n\
             {PATCH} disk/myos || status=$?\n\
             cmp myos disk/myos\n\
             [ \"$(ls -Ai disk)\" = \"$before\" ]\n\
             exit $status\n"
        ));
        assert_fails_with(&outcome, "disk/myos", NO_SPACE);
    }

    #[test]
    fn leaves_the_file_as_it_was_wherever_the_room_ends() {
        // myos has four pages, the patched program six.
        for room in 0..6 {
            let mount = format!("mount -t tmpfs -o size={}k none disk", 4 * (4 + room));
            assert_refused_on(&mount, "true");
        }
    }

    #[test]
    fn that_is_no_memory_leaves_it_so_too() {
        // Nothing is kept for root, nor promised before it is allocated.
        let make = "truncate -s 4M image && mkfs.ext4 -q -m 0 image";
        let mount = format!("{make} && mount -o loop,nodelalloc image disk");
        let fill = "dd if=/dev/zero of=disk/filler bs=1k status=none 2>/dev/null || sync -f disk";
        assert_refused_on(&mount, fill);
    }

    #[test]
    fn of_inodes_leaves_it_so_too() {
        // The folder, the program, and none for another.
        assert_refused_on("mount -t tmpfs -o nr_inodes=2 none disk", "true");
    }

    #[test]
    fn leaves_no_part_of_an_output() {
        let ws = Workspace::with_myos("gcc");
        let outcome = ws.run_with_mounts(&format!(
            "mkdir disk\n\
             mount -t tmpfs -o size=8k none disk\n\
             status=0\n\
             {PATCH} -o disk/ ./myos || status=$?\n\
             [ -z \"$(ls -A disk)\" ]\n\
             exit $status\n"
        ));
        assert_fails_with(&outcome, "./myos", NO_SPACE);
    }
}

mod a_limit {
    use super::*;

    #[test]
    fn of_a_quota_leaves_the_file_as_it_was() {
        for call in ["ftruncate", "copy_file_range", "pwrite64", "fsync"] {
            let ws = Workspace::with_myos("gcc");
            let before = ws.snapshot();
            let outcome = ws.run(&format!(
                "strace -f -o log -e inject={call}:error=EDQUOT:when=1 {PATCH} ./myos"
            ));
            ws.run("grep -q INJECTED log && rm log").succeeds();
            assert_fails_with(&outcome, "./myos", "quota exceeded");
            assert_eq!(before, ws.snapshot(), "{call}");
        }
    }

    #[test]
    fn of_the_file_size_is_an_error_and_no_end_by_a_signal() {
        let ws = Workspace::with_myos("gcc");
        let before = ws.snapshot();
        // In KiB: less than the result, more than the program.
        let outcome = ws.run(&format!("ulimit -f 17; {PATCH} ./myos"));
        assert_fails_with(&outcome, "./myos", "File too large");
        let outcome = ws.run(&format!("ulimit -f 4; {PATCH} ./myos"));
        assert_fails_with(&outcome, "./myos", "File too large");
        assert_eq!(before, ws.snapshot());
    }

    #[test]
    fn of_the_file_size_takes_an_unprotected_program_from_a_build() {
        let ws = Workspace::new();
        let source = crate::support::fixture_path("myos.c");
        let source = source.display();
        ws.run(&format!(
            "ulimit -f 17; sandbox-patch link --deny ptrace -- gcc {source} -o myos"
        ))
        .exits_with(1)
        .complains("File too large")
        .complains("the unprotected program was removed");
        assert!(ws.listing().is_empty());
    }
}

mod another_file_system {
    use super::*;

    /// A folder of another file system than the workspace's.
    const ELSEWHERE: &str = "mkdir elsewhere && mount -t tmpfs none elsewhere";

    #[test]
    fn gets_the_output_with_mode_and_holes() {
        let ws = Workspace::with_myos("gcc");
        ws.run("truncate -s 64M myos && chmod 751 myos").succeeds();
        ws.run_with_mounts(&format!(
            "{ELSEWHERE}\n\
             {OTHER} -o elsewhere/ ./myos\n\
             stat -c %a elsewhere/myos\n\
             [ $(du -k elsewhere/myos | cut -f1) -lt 1000 ]\n\
             sandbox-patch -q --replace --deny uname,sync elsewhere/myos\n\
             [ $(du -k elsewhere/myos | cut -f1) -lt 1000 ]\n\
             sandbox-patch -q remove -o restored elsewhere/myos\n\
             cmp myos restored\n\
             [ $(du -k restored | cut -f1) -lt 1000 ]\n\
             elsewhere/myos || kill -l $?\n"
        ))
        .succeeds()
        .prints_only("751\nSYS\n");
    }

    #[test]
    fn that_has_no_holes_to_tell_of_gets_the_program_all_the_same() {
        let ws = Workspace::with_myos("gcc");
        ws.run("truncate -s 1M myos").succeeds();
        let trace = "strace -f -o log -e inject=lseek:error=EINVAL:when=1";
        ws.run(&format!(
            "{trace} {OTHER} -o out ./myos && grep -q INJECTED log"
        ))
        .succeeds();
        ws.run("./out").dies_by(Signal::SYS);
        ws.run("sandbox-patch -q remove out && cmp myos out")
            .succeeds();
    }

    #[test]
    fn gets_the_output_where_the_kernel_does_not_copy_between_the_two() {
        let ws = Workspace::with_myos("gcc");
        let trace = "strace -f -o log -e inject=copy_file_range:error=EXDEV";
        ws.run(&format!(
            "{trace} {OTHER} -o out ./myos && grep -q INJECTED log"
        ))
        .succeeds();
        ws.run("./out").dies_by(Signal::SYS);
    }

    #[test]
    fn that_does_not_take_an_attribute_gets_the_program_without_it() {
        let ws = Workspace::with_myos("gcc");
        ws.run("setfattr -n user.note -v kept myos").succeeds();
        ws.run(&format!(
            "strace -f -o log -e inject=fsetxattr:error=EOPNOTSUPP {OTHER} -o out ./myos \
             && grep -q INJECTED log"
        ))
        .succeeds();
        ws.run("./out").dies_by(Signal::SYS);
    }

    #[test]
    fn behind_a_link_is_where_the_file_is_replaced() {
        let ws = Workspace::with_myos("gcc");
        ws.run_with_mounts(&format!(
            "{ELSEWHERE}\n\
             mv myos elsewhere/ && ln -s elsewhere/myos link\n\
             {OTHER} ./link\n\
             readlink link\n\
             ls -A elsewhere\n\
             ./link || kill -l $?\n"
        ))
        .succeeds()
        .prints_only("elsewhere/myos\nmyos\nSYS\n");
        assert_eq!(ws.listing(), ["elsewhere", "link"]);
    }

    #[test]
    fn that_is_a_single_mounted_file_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let outcome = ws.run_with_mounts(&format!(
            "cp myos mounted && mount --bind myos mounted\n\
             status=0\n\
             {PATCH} ./mounted || status=$?\n\
             cmp myos mounted\n\
             exit $status\n"
        ));
        assert_fails_with(&outcome, "./mounted", "can't be replaced");
        outcome.complains("write the result elsewhere with -o");
        assert_eq!(ws.listing(), ["mounted", "myos"]);
    }

    #[test]
    fn that_is_read_only_is_refused() {
        let ws = Workspace::with_myos("gcc");
        let outcome = ws.run_with_mounts(&format!(
            "mkdir fixed && mv myos fixed/ && mount --bind fixed fixed\n\
             mount -o remount,ro,bind fixed\n\
             {PATCH} fixed/myos\n"
        ));
        assert_fails_with(&outcome, "fixed/myos", "may not be written");
    }
}

/// As in the image of a container: the files are in a layer that stays as it is.
#[test]
fn layers_get_the_new_file_above_the_old_one_and_keep_its_names() {
    let ws = Workspace::with_myos("gcc");
    ws.run_with_mounts(
        "mkdir lower upper merged && cp myos lower/one && cp myos lower/a && ln lower/a lower/b\n\
         mount -t tmpfs none upper && mkdir upper/files upper/work\n\
         mount -t overlay none merged -o lowerdir=lower,upperdir=upper/files,workdir=upper/work\n\
         sandbox-patch -q --deny uname -r merged\n\
         sandbox-patch verify -r merged\n\
         ls -A merged\n\
         [ merged/a -ef merged/b ] && echo joined\n\
         sandbox-patch -q remove -r merged\n\
         cmp myos merged/one && cmp myos merged/b && cmp myos lower/a\n",
    )
    .succeeds()
    .is_silent()
    .prints_only(
        "merged: 2 ok, 0 without a policy, 0 with problems, 0 failed\na\nb\none\njoined\n",
    );
}

mod shared_blocks {
    use super::*;

    /// A program of 8 MiB is patched, replaced and restored; both files share
    /// what the patch did not change.
    #[track_caller]
    fn assert_shared(make: &str, trace: &str) -> Outcome {
        let ws = Workspace::with_myos("gcc");
        ws.run_with_mounts(&format!(
            "head -c 8M /dev/urandom > blob\n\
             objcopy --add-section .blob=blob myos\n\
             truncate -s 400M image && {make} image\n\
             mkdir disk && mount -o loop image disk\n\
             cp myos disk/ && sync disk/myos\n\
             {trace}{OTHER} -o disk/out disk/myos\n\
             filefrag -v disk/out | grep -c shared\n\
             disk/out || kill -l $?\n\
             sandbox-patch -q remove disk/out\n\
             cmp myos disk/out\n\
             filefrag -v disk/out | grep -c shared\n"
        ))
    }

    #[test]
    fn are_used_on_xfs() {
        assert_shared("mkfs.xfs -q", "").succeeds().prints("SYS\n");
    }

    #[test]
    fn are_used_on_btrfs() {
        assert_shared("mkfs.btrfs -q", "")
            .succeeds()
            .prints("SYS\n");
    }

    /// What is appended to a program, and is kept at two places.
    #[test]
    fn hold_what_is_there_twice() {
        let ws = Workspace::new();
        ws.compile_as("gcc -DIN_DATA -DWIDE", "finds_payload.c", "app");
        let bundle = crate::support::fixture_path("bundle.py");
        ws.run(&format!(
            "python3 {} app IN_DATA WIDE && head -c 8M /dev/urandom >> app",
            bundle.display()
        ))
        .succeeds();
        ws.run_with_mounts(&format!(
            "truncate -s 400M image && mkfs.xfs -q image\n\
             mkdir disk && mount -o loop image disk\n\
             cp app disk/ && sync disk/app\n\
             used() {{ df --output=used -k disk | tail -1; }}\n\
             before=$(used)\n\
             {OTHER} -o disk/out disk/app\n\
             sync disk/out\n\
             test $(($(used) - before)) -lt 1000\n\
             test $(stat -c %s disk/out) -gt 16000000\n\
             disk/out\n"
        ))
        .succeeds()
        .prints_only("PAYLOAD of the program\n");
    }

    #[test]
    fn can_be_told_from_copied_ones() {
        let copied = "strace -f -o log -e inject=ioctl,copy_file_range:error=EOPNOTSUPP ";
        assert_shared("mkfs.xfs -q", copied).exits_with(1);
    }
}
