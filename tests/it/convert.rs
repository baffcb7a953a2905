//! Policies in other tools' formats, and filters for those who install them themselves.

use sandbox_support::Workspace;

const POLICY: &str = "action = \"errno:EACCES\"\ndeny = [\"socket(domain != AF_UNIX)\"]\n";

fn with_policy() -> Workspace {
    let ws = Workspace::new();
    ws.compile("gcc", "arguments.c");
    ws.write("local.toml", POLICY);
    ws
}

const UNDER_IT: &str = "unix: Success\ninet: Permission denied\n";

#[test]
fn a_filter_is_what_bwrap_takes() {
    let ws = with_policy();
    ws.run("sandbox-patch convert --to bpf local.toml >filter")
        .succeeds();
    ws.run("bwrap --bind / / --dev-bind /dev /dev --seccomp 9 ./arguments unix inet 9<filter")
        .prints_only(UNDER_IT);
}

#[test]
fn a_filter_is_a_header_of_c() {
    let ws = with_policy();
    ws.run("sandbox-patch convert --to c local.toml >filter.h")
        .succeeds();
    ws.compile("gcc -Wall -Werror -I.", "with-filter.c");
    ws.run("./with-filter ./arguments unix inet")
        .prints_only(UNDER_IT);
}

#[test]
fn a_filter_is_an_array_of_rust() {
    let ws = with_policy();
    ws.run("sandbox-patch convert --to rust local.toml >filter.rs")
        .succeeds();
    ws.write(
        "main.rs",
        "include!(\"filter.rs\");\n\
         fn main() {\n\
             use std::io::Write;\n\
             let mut out = std::io::stdout().lock();\n\
             for (code, jt, jf, k) in SECCOMP_FILTER {\n\
                 out.write_all(&code.to_ne_bytes()).unwrap();\n\
                 out.write_all(&[jt, jf]).unwrap();\n\
                 out.write_all(&k.to_ne_bytes()).unwrap();\n\
             }\n\
         }\n",
    );
    let cargo = std::path::Path::new(env!("CARGO"));
    let rustc = cargo.with_file_name("rustc");
    ws.run(&format!(
        "{} --edition 2024 -D warnings main.rs && ./main >as-array",
        rustc.display()
    ))
    .succeeds();
    ws.run("sandbox-patch convert --to bpf local.toml | cmp - as-array")
        .succeeds();
}

#[test]
fn a_filter_has_the_byte_order_of_its_machine() {
    let ws = with_policy();
    let instruction = |arch: &str| {
        let line = format!("sandbox-patch convert --arch {arch} --to bpf local.toml >{arch}");
        ws.run(&line).succeeds();
        ws.read(arch)[..8].to_vec()
    };
    assert_eq!(instruction("aarch64"), [0x20, 0, 0, 0, 4, 0, 0, 0]);
    assert_eq!(instruction("s390x"), [0, 0x20, 0, 0, 0, 0, 0, 4]);
}

#[test]
fn a_policy_is_taken_out_of_a_program() {
    let ws = with_policy();
    ws.run("sandbox-patch -q -p local.toml ./arguments")
        .succeeds();
    ws.run("sandbox-patch convert --to toml ./arguments")
        .prints_only(
            "default = \"allow\"\n\ndeny = [\n    \"socket(domain != AF_UNIX)=errno:EACCES\",\n]\n",
        );
    ws.run(
        "sandbox-patch convert --to toml ./arguments >again.toml && \
            sandbox-patch verify -p again.toml ./arguments",
    )
    .succeeds();
    ws.run("sandbox-patch convert --to toml /bin/true")
        .exits_with(1)
        .complains_in_one_line("/bin/true: it carries no sandbox policy");
}

#[test]
fn the_policies_that_come_along_are_their_own_conversion() {
    let ws = with_policy();
    for name in [
        "cli-filter",
        "network-client",
        "network-server",
        "no-exec",
        "no-network",
        "read-only-tool",
        "static-site-server",
    ] {
        ws.run(&format!(
            "sandbox-patch convert --to toml {name} >once.toml"
        ))
        .succeeds();
        ws.run("sandbox-patch convert --to toml once.toml | cmp - once.toml")
            .succeeds();
        ws.run(&format!(
            "sandbox-patch convert --to bpf {name} >one; \
             sandbox-patch convert --to bpf once.toml | cmp - one"
        ))
        .succeeds();
    }
}

#[test]
fn what_a_format_cannot_say_is_an_error_or_left_out_with_a_word() {
    let ws = with_policy();
    ws.write(
        "p.toml",
        "exact = true\nunknown = \"errno:ENOSYS\"\nallow = [\"read\", \"ptrace=trap\"]\n",
    );
    ws.run("sandbox-patch convert --to seccompiler p.toml")
        .exits_with(1)
        .prints_only("")
        .complains_in_one_line(
            "p.toml: unknown = errno:ENOSYS can't be said in this form: it has one action for \
             what is unlisted; --lossy leaves it out",
        );
    ws.run("sandbox-patch convert --lossy --to seccompiler p.toml")
        .succeeds()
        .prints("\"syscall\": \"read\"")
        .complains("left out: ptrace=trap");
}

#[test]
fn a_policy_of_another_tool_is_put_into_a_program() {
    let ws = with_policy();
    ws.write(
        "vmm.json",
        r#"{ "main": { "mismatch_action": "allow", "match_action": { "errno": 13 }, "filter": [
            { "syscall": "socket", "args": [
                { "index": 0, "type": "dword", "op": "ne", "val": 1 } ] } ] } }"#,
    );
    ws.run("sandbox-patch -q -p vmm.json ./arguments")
        .succeeds();
    ws.run("./arguments unix inet").prints_only(UNDER_IT);
    ws.write("vmm.json", "{\n \"main\": {\n  \"mismatch_acton\": 1 } }");
    ws.run("sandbox-patch convert --from seccompiler --to toml vmm.json")
        .exits_with(1)
        .complains_in_one_line("vmm.json:3:18: unknown field `mismatch_acton`");
}

/// A megabyte of each form that stands for far more, or takes long in a simple reader.
#[test]
fn a_file_that_says_too_much_is_refused_soon() {
    let ws = Workspace::new();
    let fill = |start: &str, piece: &str, end: &str| {
        let count = ((1 << 20) - start.len() - end.len()) / piece.len();
        format!("{start}{}{end}", piece.repeat(count))
    };
    let too_large = "with this, the rules have more than 131072 calls and comparisons";
    let names = ["read", "write", "close", "lseek", "mmap", "brk"].join(", ");
    let by_names = format!("{{{}}}: {{", [names.as_str()].repeat(12_000).join(", "));
    let chain = (1..15_000).map(|at| format!("POLICY p{at} {{ USE p{0}, USE p{0} }}\n", at - 1));
    for (name, text, problem) in [
        (
            "p.policy",
            fill(&by_names, "arg0 == 1, ", "arg0 == 2}\n"),
            too_large,
        ),
        (
            "p.policy",
            fill("read: arg0 == ", "(", ""),
            "parentheses are too deep in each other",
        ),
        (
            "p.profile",
            fill("seccomp ", "@default,", "ptrace\n"),
            too_large,
        ),
        (
            "p.profile",
            fill("", "ignore seccomp x\nseccomp\n", ""),
            "there are more than 1024 lines to ignore others",
        ),
        (
            "p.service",
            fill("[Service]\n", "SystemCallFilter=@system-service\n", ""),
            too_large,
        ),
        (
            "p.service",
            fill("[Service]\nSystemCallFilter=", "read \\\n", "write\n"),
            too_large,
        ),
        (
            "p.json",
            fill(
                "{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{\"names\": [",
                "\"read\", ",
                "\"read\"], \"action\": \"SCMP_ACT_ERRNO\", \"args\": [\
                 {\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}]}]}",
            ),
            too_large,
        ),
        (
            "p.toml",
            format!("deny = [{}]", {
                let items = (0..30_000).map(|number| format!("\"@known=trace:{number}\""));
                items.collect::<Vec<_>>().join(",")
            }),
            "the policy stands for more than 262144 rules",
        ),
        (
            "p.kafel",
            format!(
                "POLICY p0 {{ ALLOW {{ read }} }}\n{}USE p14999 DEFAULT KILL\n",
                chain.collect::<String>()
            ),
            "",
        ),
        (
            "p.kafel",
            fill("ALLOW { read { ", "(", ""),
            "this is too deep in parentheses and negations",
        ),
    ] {
        ws.write(name, &text);
        let line = format!(
            "ulimit -v 400000; timeout 20 sandbox-patch convert --to toml {name} >converted"
        );
        match problem {
            "" => ws.run(&line).succeeds(),
            _ => ws.run(&line).exits_with(1).complains_in_one_line(problem),
        };
    }
}

/// Whoever reads the policy is told.
#[test]
fn what_is_lost_of_another_tool_s_policy_is_told() {
    let ws = with_policy();
    ws.write(
        "app.service",
        "[Service]\nSystemCallFilter=~reboot\nRestrictNamespaces=yes\n",
    );
    let warning = "warning: app.service:3:1: RestrictNamespaces= makes a filter of its own";
    for line in [
        "sandbox-patch convert --to toml app.service",
        "sandbox-patch groups app.service",
        "sandbox-patch -q -p app.service ./arguments",
        "sandbox-patch verify -p app.service ./arguments",
        "sandboxify -p app.service ./arguments unix",
    ] {
        ws.run(line).succeeds().complains(warning);
    }
    let silent = ws.run("sandbox-patch --no-warn convert --to toml app.service");
    silent.succeeds().is_silent();
}
