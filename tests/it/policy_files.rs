//! Policies in files, by path and by name.

use sandbox_support::{Signal, Workspace};

fn arguments() -> Workspace {
    let ws = Workspace::new();
    ws.compile("gcc", "arguments.c");
    ws
}

#[test]
fn a_file_has_lists_calls_and_what_others_get() {
    let ws = arguments();
    ws.write(
        "arguments.toml",
        "# what ./arguments may do\n\
         description = \"A test\"\n\
         default = \"errno:EPERM\"\n\
         unknown = \"errno:ENOSYS\"\n\
         allow = [\n    \"@stdio\", # and\n    \"\"\"openat, socket(domain == AF_UNIX)\"\"\",\n]\n\
         deny = \"uname=errno:EACCES\"\n\
         [calls]\n\
         openat = [\n  { when = \"flags & O_ACCMODE != O_RDONLY\", action = \"errno:EROFS\" },\n]\n",
    );
    ws.run("sandbox-patch --policy ./arguments.toml ./arguments")
        .succeeds()
        .prints(
            "deny openat(flags & O_ACCMODE != O_RDONLY): errno:EROFS; deny uname: errno:EACCES; \
             allow openat, socket(domain == AF_UNIX), @stdio; calls newer than this version: \
             errno:ENOSYS; anything else: errno:EPERM\n",
        );
    ws.run("./arguments unix inet read write newest")
        .prints_only(
            "unix: Success\ninet: Operation not permitted\nread: Success\n\
         write: Read-only file system\nnewest: Function not implemented\n",
        );
    ws.run("sandbox-patch inspect ./arguments")
        .prints("  about     A test\n");
    ws.run("sandbox-patch verify -p ./arguments.toml ./arguments")
        .succeeds();
    ws.run("sed -i s/EROFS/EPERM/ arguments.toml");
    ws.run("sandbox-patch verify -p ./arguments.toml ./arguments")
        .fails()
        .complains("openat(flags & O_ACCMODE != O_RDONLY)");
}

#[test]
fn the_origin_of_each_rule_is_recorded() {
    let ws = arguments();
    std::fs::create_dir(ws.path("inner")).unwrap();
    ws.write(
        "inner/base.toml",
        "allow = [\"exit_group\",\n \"write:@stdio\"]\n",
    );
    ws.write(
        "outer.toml",
        "include = [\"inner/base.toml\"]\ndeny = [\"ptrace\"]\n",
    );
    ws.run("sandbox-patch -q -p outer.toml ./arguments")
        .succeeds();
    ws.run("sandbox-patch inspect --json ./arguments")
        .prints("{\"action\":\"kill-process\",\"at\":\"outer.toml:2:10\",\"item\":\"ptrace\"}")
        .prints("{\"action\":\"allow\",\"at\":\"base.toml:1:11\",\"item\":\"exit_group\"}")
        .prints("{\"action\":\"allow\",\"at\":\"base.toml:2:9\",\"item\":\"@stdio\"}");
}

#[test]
fn options_add_to_the_file_and_stand_before_it() {
    let ws = arguments();
    ws.run("sandboxify -p no-network --deny uname=errno:EPERM ./arguments unix inet")
        .prints_only("unix: Success\ninet: Permission denied\n");
    ws.write(
        "base.toml",
        "default = \"kill-process\"\nallow = \"@stdio\"\n",
    );
    ws.run(
        "sandbox-patch -q -p base.toml --allow 'socket(domain == AF_UNIX)' \
            --deny socket=errno:EACCES --action errno:EPERM ./arguments",
    )
    .succeeds();
    // What is denied stands before what is allowed, and the file's own default holds.
    ws.run("./arguments unix")
        .prints_only("unix: Permission denied\n");
    ws.run("./arguments read").dies_by(Signal::SYS);
    ws.run("printf 'allow = \"@stdio\"' | sandbox-patch -q --replace -p - ./arguments")
        .succeeds();
    ws.run("./arguments unix").dies_by(Signal::SYS);
    ws.run("sandboxify -p - ./arguments </dev/null")
        .exits_with(2)
        .complains("standard input belongs to the program");
    ws.assert_usage_error(
        "sandbox-patch -p - --allow - ./arguments",
        "standard input can be read only once",
    );
}

#[test]
fn policies_are_found_by_name_first_those_of_the_user() {
    let ws = arguments();
    ws.run("sandbox-patch -q -p no-network ./arguments")
        .succeeds();
    ws.run("./arguments unix inet read")
        .prints_only("unix: Success\ninet: Permission denied\nread: Success\n");
    std::fs::create_dir_all(ws.path("config/sandbox-patch")).unwrap();
    ws.write(
        "config/sandbox-patch/no-network.toml",
        "deny = [\"socket=errno:ENOENT\"]\n",
    );
    ws.run("XDG_CONFIG_HOME=$PWD/config sandbox-patch -q --replace -p no-network ./arguments")
        .succeeds();
    ws.run("./arguments unix")
        .prints_only("unix: No such file or directory\n");
    // As it is installed.
    ws.run("mkdir -p usr/bin usr/share/sandbox-patch/policies && cp $(command -v sandbox-patch) usr/bin")
        .succeeds();
    ws.write(
        "usr/share/sandbox-patch/policies/house.toml",
        "deny = \"socket=errno:EXDEV\"\n",
    );
    ws.run("usr/bin/sandbox-patch convert --to toml house")
        .prints("\"socket=errno:EXDEV\"");
    ws.run("sandbox-patch -p no-netwrk ./arguments")
        .exits_with(1)
        .complains_in_one_line("there is no policy named \"no-netwrk\"; did you mean no-network?");
}

/// What people would start with each of the policies that come along.
#[test]
fn the_policies_that_come_along_fit_programs_of_their_kind() {
    let ws = Workspace::new();
    for (name, program) in [
        ("cli-filter", "sort"),
        ("cli-filter", "grep"),
        ("read-only-tool", "ls"),
        ("read-only-tool", "find"),
        ("no-exec", "env"),
        ("no-network", "curl"),
        ("network-client", "curl"),
    ] {
        ws.run(&format!(
            "sandbox-patch -q -p {name} -o {program}-{name} $(command -v {program})"
        ))
        .succeeds();
    }
    ws.run("seq 20000 | ./sort-cli-filter -R --parallel=2 | sort -n | md5sum")
        .prints_only(&ws.run("seq 20000 | md5sum").stdout);
    ws.run("./sort-cli-filter -o new /etc/passwd")
        .dies_by(Signal::SYS);
    ws.run("./grep-cli-filter -c root: /etc/passwd")
        .prints_only("1\n");
    ws.run("./ls-read-only-tool -lR /etc/default")
        .succeeds()
        .prints("root");
    ws.run("./find-read-only-tool /etc/passwd -printf '%u %p\\n'")
        .prints_only("root /etc/passwd\n");
    ws.run("./find-read-only-tool /etc/passwd -fprint new")
        .dies_by(Signal::SYS);
    ws.run("./env-no-exec true")
        .exits_with(126)
        .complains("Permission denied");
    ws.write("page", "served\n");
    ws.run(
        "python3 -c 'import http.server as h, functools, sys\n\
         s = h.ThreadingHTTPServer((\"127.0.0.1\", 0), h.SimpleHTTPRequestHandler)\n\
         print(s.server_port, flush=True)\n\
         s.serve_forever()' 2>/dev/null >port & \
         while ! test -s port; do sleep 0.1; done; \
         ./curl-network-client -s http://localhost:$(cat port)/page; \
         ./curl-no-network -s http://localhost:$(cat port)/page; echo $?; kill %1 2>/dev/null || kill $!",
    )
    .prints_only("served\n7\n");
}

#[test]
fn a_server_of_static_files_serves_under_its_policy() {
    let ws = Workspace::new();
    ws.run(
        "sandbox-patch -q -p static-site-server $(command -v busybox) -o httpd --inline || \
            sandbox-patch -q -p static-site-server $(command -v busybox) -o httpd",
    )
    .succeeds();
    ws.write("page", "served\n");
    ws.run(
        "./httpd httpd -f -p 127.0.0.1:48123 -h . & sleep 0.5; \
         curl -s http://127.0.0.1:48123/page; kill $!",
    )
    .prints_only("served\n");
}

mod mistakes {
    use super::*;

    /// Each is one line with the file, the line and the column, and changes nothing.
    #[test]
    fn are_said_with_their_place() {
        let ws = arguments();
        ws.run("mkfifo pipe").succeeds();
        for (text, problem) in [
            (
                "alow = []\n",
                "p.toml:1:1: unknown key \"alow\"; did you mean allow?",
            ),
            ("allow = []\nallow = []\n", "p.toml:2:1: duplicate key"),
            ("allow = [\n  \"read\"", "p.toml:2:9: "),
            (
                "allow = [\"read\", 7]",
                "p.toml:1:18: this must be a text in quotes",
            ),
            (
                "allow = 7",
                "p.toml:1:9: a list is an array of texts, or a text",
            ),
            (
                "allow = [\"read, opena\"]",
                "p.toml:1:17: unknown system call \"opena\"; did you mean openat, open or openat2?",
            ),
            (
                "allow = [\"@stdoi\"]",
                "p.toml:1:11: unknown group \"@stdoi\"; did you mean @stdio?",
            ),
            (
                "allow = [\"read\",\n \"socket(domain = 1)\"]",
                "p.toml:2:17: '=' is no comparison; write ==",
            ),
            (
                "allow = [\"socket(domian == 1)\"]",
                "p.toml:1:11: \"socket(domian == 1)\": socket has no argument \"domian\"",
            ),
            (
                "default = \"kil\"\nallow = []",
                "p.toml:1:11: unknown action \"kil\"",
            ),
            (
                "action = \"allow\"\nallow = []",
                "p.toml:1:10: allow is no action on a violation",
            ),
            (
                "unknown = \"notify\"\nallow = []",
                "p.toml:1:11: notify needs a process that answers",
            ),
            (
                "exact = 1\nallow = []",
                "p.toml:1:9: this must be true or false",
            ),
            (
                "architectures = [\"i387\"]\nallow = []",
                "p.toml:1:18: unknown architecture \"i387\"",
            ),
            (
                "[calls]\nraed = \"allow\"",
                "p.toml:2:1: unknown system call \"raed\"; did you mean read",
            ),
            (
                "[calls]\nread = [{ when = \"fd == 1\" }]",
                "p.toml:2:9: action is missing: what happens to these calls",
            ),
            (
                "[calls]\nread = { when = \"fd = 1\", action = \"log\" }",
                "p.toml:2:21: '=' is no comparison; write ==",
            ),
            (
                "[calls]\nread = \"errno:EPERM\"",
                "the policy does not say what happens to calls that it does not name",
            ),
            (
                "[calls]\nread = []",
                "p.toml:2:8: no case is given, so nothing would happen",
            ),
            (
                "include = [\"other.toml\"]",
                "p.toml:1:12: other.toml: the policy can't be read: No such file",
            ),
            (
                "include = [\"/dev/zero\"]",
                "p.toml:1:12: /dev/zero: the policy can't be read: it is no regular file",
            ),
            (
                "include = [\"./pipe\"]",
                "p.toml:1:12: ./pipe: the policy can't be read: it is no regular file",
            ),
            (
                "include = [\"-\"]",
                "p.toml:1:12: a policy includes others by their name or path",
            ),
            (
                "allow = [\"writ\",\n \"opena\"]",
                "unknown system calls p.toml:1:11: \"writ\" (did you mean write, writev or \
                 pwritev?), p.toml:2:3: \"opena\"",
            ),
            (
                "include = [\"p.toml\"]",
                "p.toml:1:12: files include each other: p.toml -> p.toml",
            ),
            (
                "allow = []\ninclude = [\"no-exce\"]",
                "p.toml:2:12: there is no policy named \"no-exce\"; did you mean no-exec?",
            ),
            ("allow = \"\0\"", "p.toml:1:10: "),
        ] {
            ws.write("p.toml", text);
            let before = ws.snapshot();
            ws.run("sandbox-patch -p p.toml ./arguments")
                .exits_with(1)
                .complains_in_one_line(problem);
            assert_eq!(before, ws.snapshot(), "{text}");
        }
        ws.write("p.toml", b"allow = \"r\xff\"");
        ws.run("sandbox-patch -p p.toml ./arguments")
            .exits_with(1)
            .complains_in_one_line("p.toml:1:11: a policy is UTF-8 text, and this is none");
    }

    #[test]
    fn of_size_are_bounded() {
        let ws = arguments();
        ws.run("truncate -s 100M p.toml").succeeds();
        ws.run("sandbox-patch -p p.toml ./arguments")
            .exits_with(1)
            .complains_in_one_line("p.toml: it has more than 1048576 bytes, which no policy needs");
        ws.write("p.toml", format!("allow = {}", "[".repeat(500_000)));
        ws.run("sandbox-patch -p p.toml ./arguments")
            .exits_with(1)
            .complains_in_one_line("p.toml:1:");
        for depth in 0..20 {
            let text = format!("include = [\"./{}\"]", depth + 1);
            ws.write(&depth.to_string(), text);
        }
        ws.run("sandbox-patch -p ./0 ./arguments")
            .exits_with(1)
            .complains_in_one_line("files include others more than 16 deep");
        // Each file twice, which doubles at every level.
        for depth in 0..12 {
            let text = format!("include = [\"./{0}\", \"./{0}\"]", depth + 1);
            ws.write(&depth.to_string(), text);
        }
        ws.write("12", "allow = \"read\"");
        ws.run("sandbox-patch -p ./0 ./arguments")
            .exits_with(1)
            .complains_in_one_line("more than 256 files are included");
    }

    #[test]
    fn are_quoted_in_part_where_they_are_long() {
        let ws = arguments();
        let long = "a".repeat(1_000_000);
        for text in [
            format!("{long} = 1"),
            format!("allow = \"{long}\""),
            format!("allow = \"{long}, b{long}\""),
            format!("allow = \"@{long}\""),
            format!("action = \"{long}\""),
            format!("include = [\"{long}\"]"),
        ] {
            ws.write("p.toml", &text[..text.len().min(1 << 20)]);
            let line = ws.run("sandbox-patch -p p.toml ./arguments");
            line.exits_with(1).complains_in_one_line("p.toml:1:");
            assert!(line.stderr.len() < 10_000, "{}", line.stderr.len());
        }
    }

    /// One line of another form's does not make a policy of it.
    #[test]
    fn are_not_made_about_the_format() {
        let ws = arguments();
        ws.write(
            "list",
            "allow = [\"\"\"\nread # what follows is one, too\nseccomp\nuname\n\"\"\"]\n",
        );
        for given in ["-p ./list", "-p - <list", "-p <(cat list)"] {
            ws.run(&format!(
                "bash -c 'sandbox-patch --dry-run {given} ./arguments'"
            ))
            .succeeds()
            .prints("allow read, seccomp, uname; anything else: kill-process");
        }
        ws.write("list", "read: 1\nseccomp.drop ptrace\n");
        ws.run("sandbox-patch -p ./list ./arguments")
            .exits_with(1)
            .complains_in_one_line("./list:1:1: it looks like none of toml, oci,");
        ws.write("list", "seccomp.drop ptrac,@nothing\n");
        ws.run("sandbox-patch -p ./list ./arguments")
            .exits_with(1)
            .complains_in_one_line("(read as firejail)");
        // Some editors write a mark before the first line.
        ws.write("list", "\u{feff}seccomp.drop uname\n");
        ws.run("sandbox-patch --dry-run -p ./list ./arguments")
            .prints("uname: errno:EPERM");
    }

    #[test]
    fn of_two_files_that_differ_are_not_guessed_at() {
        let ws = arguments();
        ws.write("a.toml", "allow = \"read\"\ndefault = \"trap\"");
        ws.write("b.toml", "allow = \"write\"\ndefault = \"log\"");
        ws.run("sandbox-patch -p a.toml -p b.toml ./arguments")
            .exits_with(1)
            .complains_in_one_line("a.toml and b.toml differ in default: trap and log");
        ws.write("c.toml", "include = [\"a.toml\", \"b.toml\"]");
        ws.run("sandbox-patch -p c.toml ./arguments")
            .exits_with(1)
            .complains_in_one_line(
                "c.toml: a.toml and b.toml differ in default: trap and log; say which",
            );
        ws.write(
            "c.toml",
            "default = \"trap\"\ninclude = [\"a.toml\", \"b.toml\"]",
        );
        ws.run("sandbox-patch -p c.toml ./arguments")
            .succeeds()
            .prints("allow read, write; anything else: trap");
    }
}
