//! Profiles that are written, under the tools that they are for: containers of crun, and
//! systemd's own check of units.

use libseccomp::ScmpSyscall;
use sandbox_support::{Outcome, Workspace};

/// What crun is told of a container, around its profile and its command. The capabilities
/// are those that a profile makes a difference with.
const CONFIG: &str = r#"
import json, sys
capabilities = ["CAP_SYS_ADMIN", "CAP_SYS_CHROOT"]
sets = ["bounding", "effective", "permitted"]
namespaces = ["pid", "mount", "uts"]
json.dump({
    "ociVersion": "1.0.0",
    "process": {
        "user": {"uid": 0, "gid": 0},
        "args": sys.argv[2:],
        "env": ["PATH=/bin"],
        "cwd": "/",
        "capabilities": {name: capabilities for name in sets},
        "noNewPrivileges": True,
    },
    "root": {"path": "root"},
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
    ],
    "linux": {
        "namespaces": [{"type": name} for name in namespaces],
        "seccomp": json.load(open(sys.argv[1])),
    },
}, open("config.json", "w"))
"#;

/// A directory with what a container has in it: a shell with its tools, and ./arguments.
fn with_root() -> Workspace {
    let ws = Workspace::new();
    std::fs::create_dir_all(ws.path("root/bin")).unwrap();
    for directory in ["root/dev", "root/proc"] {
        std::fs::create_dir(ws.path(directory)).unwrap();
    }
    ws.run("cp $(command -v busybox) root/bin/busybox")
        .succeeds();
    ws.compile_as("gcc -static", "arguments.c", "root/arguments");
    ws.write("config.py", CONFIG);
    ws
}

/// Runs a command in a container under a profile. crun wants the kind of control groups that
/// is not mounted everywhere, and a directory for its state.
fn in_container(ws: &Workspace, profile: &str, command: &str) -> Outcome {
    ws.run(&format!("python3 config.py {profile} {command}"))
        .succeeds();
    ws.run_with_mounts(
        "mount -t cgroup2 none /sys/fs/cgroup
         mount -t tmpfs none /run
         exec crun --cgroup-manager=disabled run tested </dev/null",
    )
}

#[test]
fn a_container_is_what_the_patched_program_is() {
    let ws = with_root();
    ws.write(
        "p.toml",
        "default = \"errno:EPERM\"\nunknown = \"errno:ENOSYS\"\nforeign = \"kill-thread\"\n\
         allow = [\"@system-service\"]\n\
         deny = [\n\
             \"ioctl(request in {TIOCSTI, TIOCLINUX})=errno:EBUSY\",\n\
             \"socket(domain != AF_UNIX)=errno:EACCES\",\n\
             \"mmap(prot & PROT_EXEC && prot & PROT_WRITE)=errno:ENOMEM\",\n\
         ]\n",
    );
    let words = "unix inet sti exec map newest read";
    let expected = "unix: Success\ninet: Permission denied\nsti: Device or resource busy\n\
                    exec: Cannot allocate memory\nmap: Success\n\
                    newest: Function not implemented\nread: Success\n";
    ws.run("sandbox-patch -q -p p.toml root/arguments -o patched")
        .succeeds();
    ws.run(&format!("./patched {words} </dev/null"))
        .prints_only(expected);
    for format in ["oci", "docker"] {
        ws.run(&format!(
            "sandbox-patch convert --to {format} p.toml >p.json"
        ))
        .succeeds();
        in_container(&ws, "p.json", &format!("/arguments {words}")).prints_only(expected);
    }
    // The judge would notice.
    ws.write("none.json", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}");
    in_container(&ws, "none.json", "/arguments inet exec")
        .prints_only("inet: Success\nexec: Success\n");
}

#[test]
fn podman_s_profile_depends_on_capabilities_as_there() {
    let ws = with_root();
    let profile = "/usr/share/containers/seccomp.json";
    for (options, printed, status) in [("", "", 1), ("--cap CAP_SYS_CHROOT", "reached\n", 0)] {
        ws.run(&format!(
            "sandbox-patch convert {options} --to oci {profile} >p.json"
        ))
        .succeeds();
        let chroot = "/bin/busybox chroot / /bin/busybox echo reached";
        in_container(&ws, "p.json", chroot)
            .exits_with(status)
            .prints_only(printed);
    }
}

#[test]
fn systemd_has_nothing_to_say_about_a_drop_in() {
    let ws = Workspace::new();
    let verify = |filter: &str| {
        let unit = format!("[Service]\nExecStart=/bin/true\n{filter}");
        ws.write("tested.service", unit);
        ws.run("systemd-analyze verify --man=no ./tested.service 2>&1")
    };
    // It passes over calls that libseccomp does not know, which is all that it may say.
    for (list, action) in [
        (
            "--allow @system-service:ptrace=errno:EACCES",
            "--action errno:EPERM",
        ),
        ("--deny @mount:ptrace", ""),
    ] {
        ws.run(&format!(
            "sandbox-patch --exact {list} {action} --unknown errno:ENOSYS -o patched /bin/true"
        ))
        .succeeds();
        ws.run("sandbox-patch convert --lossy --to systemd patched >drop-in")
            .succeeds();
        let drop_in = String::from_utf8(ws.read("drop-in")).unwrap();
        assert!(drop_in.contains("\nSystemCallFilter="), "{drop_in}");
        let said = verify(&drop_in);
        said.succeeds();
        for line in said.stdout.lines() {
            let newer = line.split_once("Failed to parse system call, ignoring: ");
            let (_, name) = newer.unwrap_or_else(|| panic!("{line}"));
            assert!(ScmpSyscall::from_name(name).is_err(), "{line}");
        }
    }
    verify("SystemCallFilter=@no-such\n").prints("@no-such");
}
