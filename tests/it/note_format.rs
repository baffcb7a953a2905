//! The examples of `docs/note-format.md` are run as they stand there, on a
//! program that was just patched: the document is what others build readers on.

use crate::support::{Kind, PatchedFile, Workspace};
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../docs/note-format.md");

/// The document's only code block in a language.
fn example(language: &str) -> &'static str {
    let fence = format!("\n```{language}\n");
    let mut blocks = DOCUMENT.split(&*fence).skip(1);
    let block = blocks.next().expect("a code block in that language");
    assert!(blocks.next().is_none(), "two code blocks in {language}");
    let (code, _) = block.split_once("\n```").expect("a block that ends");
    code
}

/// The policy that the document shows, in a program.
fn patched(compiler: &str) -> Workspace {
    let ws = Workspace::with_myos(compiler);
    ws.run("sandbox-patch --allow exit_group:fstat:uname:write ./myos")
        .succeeds();
    ws.write("reader.py", example("python"));
    ws
}

fn value(json: &str) -> Value {
    serde_json::from_str(json).expect("JSON")
}

/// The policy of `./myos`, as `inspect` reads it.
fn inspected(ws: &Workspace) -> Value {
    let outcome = ws.run("sandbox-patch inspect --json ./myos");
    outcome.succeeds();
    value(&outcome.stdout)["policy"].take()
}

#[test]
fn the_reader_in_python_finds_the_policy() {
    // ld.bfd leaves .dynamic in place, lld makes it move; musl is another loader.
    for compiler in ["gcc", "clang -fuse-ld=lld", "musl-gcc"] {
        let ws = patched(compiler);
        let outcome = ws.run("python3 reader.py ./myos");
        outcome.succeeds().is_silent();
        assert_eq!(value(&outcome.stdout), inspected(&ws), "{compiler}");
    }
}

#[test]
fn the_reader_in_python_finds_it_in_a_stripped_program() {
    for strip in ["strip", "llvm-strip --strip-sections"] {
        let ws = patched("gcc");
        ws.run(&format!("{strip} ./myos")).succeeds();
        let outcome = ws.run("python3 reader.py ./myos");
        outcome.succeeds();
        assert_eq!(value(&outcome.stdout), inspected(&ws), "{strip}");
    }
}

#[test]
fn the_reader_in_python_refuses_what_the_document_says_to_refuse() {
    let damaged = |damage: &dyn Fn(PatchedFile) -> PatchedFile| {
        let ws = patched("gcc");
        damage(PatchedFile::open(&ws.path("myos"))).save();
        ws.run("python3 reader.py ./myos")
    };
    // The digest, and an instruction.
    for (kind, offset) in [(Kind::Header, 16), (Kind::Restriction, 24)] {
        damaged(&|file| file.set_word(kind, offset, 0xffff))
            .exits_with(1)
            .complains("AssertionError: changed");
    }
    for kind in [Kind::Policy, Kind::Header, Kind::Restriction] {
        damaged(&|file| file.disown(kind))
            .exits_with(1)
            .complains("KeyError");
    }
}

#[test]
fn the_commands_for_a_shell_print_the_policy() {
    let ws = patched("gcc");
    let outcome = ws.run(example("sh"));
    outcome.succeeds().is_silent();
    assert_eq!(value(&outcome.stdout), inspected(&ws));
}

#[test]
fn the_policy_that_the_document_shows_is_the_one_that_is_written() {
    let ws = patched("gcc");
    assert_eq!(value(example("json")), inspected(&ws));
}

#[test]
fn the_reader_in_python_is_short() {
    assert!(example("python").lines().count() <= 16);
}

/// What is recorded is as the schema says, and what is not so is told by it.
#[test]
fn the_schema_describes_what_is_recorded() {
    let ws = Workspace::with_myos("gcc");
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.schema.json");
    ws.write(
        "judge.py",
        format!(
            "import json, jsonschema, sys\n\
             schema = json.load(open({schema:?}))\n\
             jsonschema.Draft202012Validator.check_schema(schema)\n\
             jsonschema.validate(json.load(sys.stdin)['policy'], schema)\n"
        ),
    );
    ws.write(
        "all.toml",
        "description = \"A test\"\nunknown = \"errno:ENOSYS\"\nforeign = \"log\"\n\
         architectures = [\"x86\"]\nlenient = true\nexact = true\n\
         allow = [\"@stdio\", \"cacheflush\", \"write(count < 4096)=trace:7\"]\n",
    );
    for policy in [
        "--allow exit_group:fstat:uname:write",
        "--deny 'socket(domain != AF_UNIX)' --action errno:EACCES",
        "-p ./all.toml",
        "-p network-server",
        "--allow ''",
    ] {
        ws.run(&format!(
            "sandbox-patch -q --no-warn --replace {policy} ./myos"
        ))
        .succeeds();
        ws.run("sandbox-patch inspect --json ./myos | python3 judge.py")
            .succeeds();
    }
    for change in ["s/\"exact\":false/\"exact\":7/", "s/\"rules\"/\"rulez\"/"] {
        ws.run(&format!(
            "sandbox-patch inspect --json ./myos | sed '{change}' | python3 judge.py"
        ))
        .exits_with(1)
        .complains("ValidationError");
    }
}
