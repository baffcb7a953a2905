//! What a program keeps of its inode when it is patched and restored in place:
//! owner, mode, privileges, attributes, times; and what it is warned of.

use crate::support::{Outcome, Signal, Workspace, as_nobody, as_root, library};

const PATCH: &str = "sandbox-patch -q --deny ptrace";
const OTHER: &str = "sandbox-patch -q --deny uname";

/// Patches `./myos`, which some commands of root have made what it is, and takes
/// the patch out again: `show` prints the same before, in between and after.
#[track_caller]
fn assert_kept(make: &str, show: &str) {
    let ws = Workspace::with_myos("gcc");
    as_superuser(&ws, make);
    let before = ws.run(show);
    before.succeeds();
    as_superuser(&ws, &format!("{OTHER} ./myos"));
    ws.run(show).succeeds().prints_only(&before.stdout);
    ws.run("./myos").dies_by(Signal::SYS);
    as_superuser(&ws, "sandbox-patch -q remove ./myos");
    ws.run(show).succeeds().prints_only(&before.stdout);
    ws.run("./myos").succeeds();
    assert_eq!(ws.listing(), ["myos"]);
}

#[track_caller]
fn as_superuser(ws: &Workspace, line: &str) -> Outcome {
    let outcome = ws.run(&format!("{}env PATH=\"$PATH\" {line}", as_root()));
    outcome.succeeds();
    outcome
}

/// A workspace with the program and the tools, which others may write to, and
/// what to put before `sandbox-patch` to be another user.
fn of_all_users() -> (Workspace, String) {
    let ws = Workspace::with_myos("gcc");
    ws.run(&format!(
        "cp $(type -p sandbox-patch) {} . && chmod 777 .",
        library()
    ))
    .succeeds();
    (ws, format!("{}./", as_nobody()))
}

mod in_place {
    use super::*;

    #[test]
    fn owner_mode_and_privileges_stay() {
        for mode in ["6755", "4711", "2755", "1750", "600"] {
            let make = format!("bash -c 'chown 12:34 myos && chmod {mode} myos'");
            let ws = Workspace::with_myos("gcc");
            as_superuser(&ws, &make);
            as_superuser(&ws, &format!("{OTHER} ./myos"));
            ws.run("stat -c '%a %u %g' myos")
                .prints_only(&format!("{mode} 12 34\n"));
            as_superuser(&ws, "sandbox-patch -q remove ./myos");
            ws.run("stat -c '%a %u %g' myos")
                .prints_only(&format!("{mode} 12 34\n"));
        }
    }

    #[test]
    fn capabilities_stay() {
        assert_kept(
            "setcap cap_net_raw,cap_setuid=ep myos",
            "PATH=$PATH:/usr/sbin getcap myos",
        );
    }

    #[test]
    fn capabilities_are_in_force_and_so_is_the_policy() {
        let ws = Workspace::new();
        ws.run("cp /bin/cat . && echo secret > key && chmod 600 key")
            .succeeds();
        let read = format!("{}./cat key", as_nobody());
        ws.run(&read).exits_with(1).complains("Permission denied");
        as_superuser(&ws, "setcap cap_dac_read_search=ep cat");
        ws.run(&read).succeeds().prints_only("secret\n");
        as_superuser(&ws, &format!("{PATCH} ./cat"));
        ws.run(&read).succeeds().prints_only("secret\n");
        as_superuser(&ws, "sandbox-patch -q --replace --deny read ./cat");
        ws.run(&read).dies_by(Signal::SYS);
    }

    #[test]
    fn access_control_lists_stay() {
        assert_kept("setfacl -m u:12:rwx,g:34:rx,m::rx myos", "getfacl -cn myos");
    }

    #[test]
    fn extended_attributes_stay() {
        assert_kept(
            "bash -c 'setfattr -n user.note -v kept myos && setfattr -n user.empty myos \
             && setfattr -n trusted.note -v kept myos && setfattr -n security.label -v kept myos'",
            &format!("{}getfattr -d -m - myos", as_root()),
        );
    }

    #[test]
    fn the_largest_attribute_stays() {
        assert_kept(
            "setfattr -n user.large -v 0x$(printf '%02048d' 7) myos",
            "getfattr -d -e hex myos",
        );
    }

    #[test]
    fn the_wishes_of_chattr_stay() {
        for flags in ["d", "A", "S", "dAS"] {
            assert_kept(&format!("chattr +{flags} myos"), "lsattr myos");
        }
    }

    #[test]
    fn times_stay_to_the_nanosecond_on_request() {
        let ws = Workspace::with_myos("gcc");
        let show = "stat -c '%.9X %.9Y' myos";
        let stamp = "touch -a -d '2001-02-03 04:05:06.123456789 UTC' myos \
                     && touch -m -d '1999-08-07 06:05:04.987654321 UTC' myos";
        let stamped = "981173106.123456789 934005904.987654321\n";
        ws.run(stamp).succeeds();
        ws.run(&format!("{OTHER} --preserve-timestamps ./myos"))
            .succeeds();
        ws.run(show).prints_only(stamped);
        ws.run("./myos").dies_by(Signal::SYS);
        ws.run(stamp).succeeds();
        ws.run("sandbox-patch -q remove --preserve-timestamps ./myos && test -s myos")
            .succeeds();
        ws.run(show).prints_only(stamped);
    }

    #[test]
    fn a_chain_of_links_stays_a_chain() {
        let ws = Workspace::with_myos("gcc");
        ws.run(
            "mkdir -p a/b bin && mv myos a/b/ && ln -s b/myos a/second \
             && ln -s $PWD/a/second third && ln -s ../third bin/first",
        )
        .succeeds();
        ws.run(&format!("{OTHER} bin/first")).succeeds();
        ws.run("readlink bin/first a/second && find . -type f")
            .prints_only("../third\nb/myos\n./a/b/myos\n");
        ws.run("bin/first").dies_by(Signal::SYS);
        ws.run("sandbox-patch -q remove bin/first && bin/first")
            .succeeds();
        ws.run("find . -type f").prints_only("./a/b/myos\n");
    }

    #[test]
    fn a_link_that_leads_round_is_refused() {
        let ws = Workspace::new();
        ws.run("ln -s b a && ln -s a b").succeeds();
        ws.assert_refused(&format!("{PATCH} ./a"), "./a", "symbolic links");
    }

    #[test]
    fn nothing_is_gained_from_the_folder() {
        let ws = Workspace::with_myos("gcc");
        ws.run("chmod 700 myos && setfacl -d -m u:12:rwx,g:34:rwx .")
            .succeeds();
        let before = ws.run("getfacl -cn myos");
        ws.run(&format!("{OTHER} ./myos")).succeeds();
        ws.run("getfacl -cn myos").prints_only(&before.stdout);
        ws.run(&format!("{OTHER} -o out ./myos")).succeeds();
        ws.run("getfacl -cn out").prints_only(&before.stdout);
    }
}

mod what_can_not_be_kept {
    use super::*;

    #[test]
    fn of_another_users_file_is_refused() {
        let (ws, other_user) = of_all_users();
        ws.run("chmod 777 myos").succeeds();
        let line = format!("{other_user}{PATCH} ./myos");
        ws.assert_refused(&line, "./myos", "its owner can't be kept");
        ws.run("setfacl -m u:65534:rwx,o::- myos && chmod o= myos")
            .succeeds();
        ws.assert_refused(&line, "./myos", "its owner can't be kept");
        ws.run(&format!("{other_user}{PATCH} -o out ./myos && ./out"))
            .succeeds();
    }

    #[test]
    fn of_capabilities_is_refused() {
        let (ws, other_user) = of_all_users();
        as_superuser(&ws, "chown 65534:65534 myos");
        as_superuser(&ws, "setcap cap_net_raw=ep myos");
        let line = format!("{other_user}{PATCH} ./myos");
        let reason = "its extended attribute security.capability can't be kept";
        ws.assert_refused(&line, "./myos", reason);
        ws.run(&format!("{other_user}{PATCH} -o out ./myos && ./out"))
            .succeeds();
        ws.run("PATH=$PATH:/usr/sbin getcap out").prints_only("");
    }

    #[test]
    fn of_the_set_group_id_bit_is_refused() {
        let (ws, other_user) = of_all_users();
        // The new file gets the group from the folder, and chmod(2) says
        // nothing of the bit that it leaves out.
        as_superuser(&ws, "chown 65534:12 myos");
        as_superuser(&ws, "chown :12 .");
        as_superuser(&ws, "chmod 2777 .");
        as_superuser(&ws, "chmod 2755 myos");
        let line = format!("{other_user}{PATCH} ./myos");
        ws.assert_refused(&line, "./myos", "its mode can't be kept");
        as_superuser(&ws, "chmod 755 myos");
        ws.run(&line).succeeds();
        ws.run("stat -c '%a %u %g' myos")
            .prints_only("755 65534 12\n");
    }

    #[test]
    fn is_not_an_attribute_of_a_file_that_is_read_only() {
        let (ws, other_user) = of_all_users();
        ws.run("setfattr -n user.note -v kept myos && chmod 555 myos")
            .succeeds();
        ws.run(&format!("{other_user}{PATCH} -o out ./myos && ./out"))
            .succeeds();
        ws.run("stat -c %a out && getfattr --only-values -n user.note out")
            .prints_only("555\nkept");
    }

    #[test]
    fn of_an_attribute_that_needs_privileges_is_refused() {
        let (ws, other_user) = of_all_users();
        as_superuser(&ws, "chown 65534:65534 myos");
        as_superuser(&ws, "setfattr -n security.label -v x myos");
        let line = format!("{other_user}{PATCH} ./myos");
        ws.assert_refused(&line, "./myos", "security.label");
    }
}

mod what_is_not_to_be_replaced {
    use super::*;

    /// Marks a path with chattr(1), and sees that patching is refused and leaves
    /// nothing behind; not even root may replace the file.
    #[track_caller]
    fn assert_refused_with(flag: &str, path: &str) {
        let ws = Workspace::with_myos("gcc");
        as_superuser(&ws, &format!("chattr +{flag} {path}"));
        let before = ws.listing();
        let outcomes = [PATCH, "sandbox-patch --dry-run --deny ptrace"]
            .map(|patch| ws.run(&format!("{}env PATH=\"$PATH\" {patch} ./myos", as_root())));
        let after = ws.listing();
        as_superuser(&ws, &format!("chattr -{flag} {path}"));
        for outcome in outcomes {
            outcome
                .exits_with(1)
                .prints_only("")
                .complains_in_one_line("sandbox-patch: ./myos: ");
        }
        assert_eq!(before, after);
        ws.run("sandbox-patch verify myos").exits_with(1);
    }

    #[test]
    fn an_immutable_file() {
        assert_refused_with("i", "myos");
    }

    #[test]
    fn a_file_that_only_grows() {
        assert_refused_with("a", "myos");
    }

    #[test]
    fn a_file_in_an_immutable_folder() {
        assert_refused_with("i", ".");
    }

    #[test]
    fn a_file_in_a_folder_that_only_grows() {
        assert_refused_with("a", ".");
    }

    #[test]
    fn but_a_folder_that_only_grows_takes_an_output() {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkdir log").succeeds();
        as_superuser(&ws, "chattr +a log");
        let outcome = as_superuser(&ws, &format!("{OTHER} -o log/ ./myos"));
        let listing = ws.run("ls -A log");
        as_superuser(&ws, "chattr -a log");
        outcome.succeeds();
        listing.prints_only("myos\n");
    }

    #[test]
    fn another_name_in_a_folder_that_only_grows() {
        let ws = Workspace::with_myos("gcc");
        ws.run("mkdir a b && mv myos a/ && ln a/myos b/other")
            .succeeds();
        as_superuser(&ws, "chattr +a b");
        let patch = format!("{}env PATH=\"$PATH\" {OTHER} --recursive .", as_root());
        let outcome = ws.run(&patch);
        let listing = ws.run("ls -A a b");
        as_superuser(&ws, "chattr -a b");
        outcome.exits_with(1).complains("b/other");
        listing.prints_only("a:\nmyos\n\nb:\nother\n");
        ws.run("b/other").succeeds();
    }

    #[test]
    fn another_users_file_in_a_sticky_folder() {
        let (ws, other_user) = of_all_users();
        ws.run("chmod 1777 . && cp myos input && chmod 777 myos")
            .succeeds();
        let line = format!("{other_user}{PATCH} -o myos ./input");
        ws.assert_refused(&line, "./input", "can't be replaced");
    }
}

mod a_signed_program {
    use super::*;

    /// Patching warns in one line of the places where it was signed.
    #[track_caller]
    fn assert_warned(ws: &Workspace, line: &str, places: &str) {
        ws.run(line)
            .succeeds()
            .complains_in_one_line(&format!("myos: warning: it is signed ({places}), and"))
            .complains("sign the result again");
    }

    #[test]
    fn is_warned_of_and_its_ima_and_evm_attributes_are_left_out() {
        let ws = Workspace::with_myos("gcc");
        let sign = "setfattr -n security.ima -v 0x0302 myos; \
                    setfattr -n security.evm -v 0x0302 myos";
        as_superuser(&ws, &format!("bash -c '{sign}'"));
        assert_warned(
            &ws,
            &format!("{OTHER} -o out ./myos"),
            "security.ima, security.evm",
        );
        assert_warned(
            &ws,
            &format!("{OTHER} --dry-run ./myos"),
            "security.ima, security.evm",
        );
        assert_warned(
            &ws,
            &format!("{OTHER} ./myos"),
            "security.ima, security.evm",
        );
        let show = format!("{}getfattr -m - myos out", as_root());
        ws.run(&show).succeeds().prints_only("");
        ws.run("./myos").dies_by(Signal::SYS);
        as_superuser(&ws, "setfattr -n security.ima -v 0x0302 myos");
        assert_warned(&ws, "sandbox-patch -q remove myos", "security.ima");
        ws.run(&show).succeeds().prints_only("");
        ws.run(&format!("{OTHER} ./myos")).succeeds().is_silent();
    }

    #[test]
    fn is_warned_of_when_its_blocks_are_checked_by_the_kernel() {
        let ws = Workspace::with_myos("gcc");
        // statx(2) says stx_mask, stx_blksize and, in stx_attributes,
        // STATX_ATTR_VERITY, on whatever file system this is.
        let poke = "poke_exit=@arg5=ff070000001000000000100000000000";
        let line = format!("strace -f -o log -e inject=statx:{poke} {OTHER} ./myos");
        assert_warned(&ws, &line, "fs-verity");
        ws.run("./myos").dies_by(Signal::SYS);
    }

    #[test]
    fn is_warned_of_when_a_section_has_the_signature() {
        for section in ["signature", ".sha256_sig", ".note.signature.v1", ".hmac"] {
            let ws = Workspace::with_myos("gcc");
            ws.write("signature", "signed");
            ws.run(&format!(
                "objcopy --add-section {section}=signature myos && cp myos signed"
            ))
            .succeeds();
            let place = format!("section {section}");
            assert_warned(&ws, &format!("{OTHER} ./myos"), &place);
            let replace = "sandbox-patch -q --replace --deny uname --action errno:EPERM ./myos";
            assert_warned(&ws, replace, &place);
            // It is the signed file again.
            ws.run("sandbox-patch -q remove myos && cmp myos signed")
                .succeeds()
                .is_silent();
        }
    }

    #[test]
    fn is_warned_of_when_the_signature_is_appended() {
        let ws = Workspace::with_myos("gcc");
        ws.run("(printf signed; echo '~Module signature appended~') >> myos && cp myos signed")
            .succeeds();
        ws.run(&format!("{OTHER} ./myos"))
            .succeeds()
            .complains("warning: it is signed (the end of the file), and the result no longer is");
        ws.run("./myos").dies_by(Signal::SYS);
        ws.run("sandbox-patch -q remove myos && cmp myos signed")
            .succeeds()
            .is_silent();
    }

    #[test]
    fn is_not_seen_in_names_and_room_for_signatures() {
        let ws = Workspace::with_myos("gcc");
        ws.run("head -c 1024 /dev/zero > room && echo x > text")
            .succeeds();
        ws.run(
            "objcopy --add-section .sha256_sig=room --add-section .design=text \
             --add-section .signals=text myos",
        )
        .succeeds();
        ws.run(&format!("{OTHER} ./myos")).succeeds().is_silent();
    }
}
