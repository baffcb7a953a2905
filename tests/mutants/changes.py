"""Builds what is under test with each change, and runs the tests with it (see `run`)."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from typing import NamedTuple

WORK = pathlib.Path(os.environ["WORK"])
SOURCE, PROGRAMS, BUILD = WORK / "source", WORK / "programs", WORK / "build"
TESTS = os.environ["TESTS"]
# What the tests said last.
OUTPUT = WORK / "output"

ACCEPTED = pathlib.Path("tests/mutants/accepted").read_text().splitlines()

# Most of the tests wait for something most of the time.
THREADS = "8"

# One failure suffices. The option is not stable yet, for which this variable is asked.
AT_THE_FIRST = ["--quiet", "-Z", "unstable-options", "--fail-fast"]
UNSTABLE = {"RUSTC_BOOTSTRAP": "1"}

# A change may have a program wait for ever, or take all memory.
LONGEST = 300
MOST_MEMORY = 8 << 30


class Build(NamedTuple):
    """What is built anew with each change."""

    options: list[str]
    made: list[str]


RUNTIMES = Build(
    ["--release", "-p", "sandbox-stub", "-p", "sandbox-inline"],
    ["release/libsandbox.so", "release/sandbox-inline"],
)
# Not as they are shipped, which takes a minute for each change. But what they hash and
# compress they do as fast as ever.
FAST = ["--config", "profile.dev.debug=false"]
FAST += ["--config", 'profile.dev.package."*".opt-level=3']
TOOLS = Build(
    ["-p", "sandbox-patch", "--bins", *FAST], ["debug/sandbox-patch", "debug/sandboxify"]
)


class Area(NamedTuple):
    """Files that are changed, and the tests that should notice, those first that take the
    least time for what they notice: `it` are subjects of tests/it, `lib` tests beside the
    code."""

    files: str
    build: Build
    tests: list[str]


AREAS = {
    "runtime": Area(
        "stub/src/*.rs stub/src/*/*.rs",
        RUNTIMES,
        [
            "it article:: golden:: independence:: inline_runtime:: library:: runtime::",
            "it enforcement:: hostile:: inline:: programs:: stdout_kinds:: changed_afterwards::",
        ],
    ),
    "verify": Area(
        "src/program/inspect.rs src/program/inspect/*.rs"
        " src/runtime/library.rs src/runtime/moment.rs",
        TOOLS,
        [
            "it verbs::inspect:: verbs::verify:: verified::headers:: inline::tampered::"
            " inline::verbs::",
            "lib program:: runtime::",
            "it bad_request:: golden:: note_format::",
            "it inline::moment:: inline::refused:: targets:: launcher:: changed_afterwards::",
        ],
    ),
    "files": Area(
        "src/file/*.rs",
        TOOLS,
        [
            "it kept:: bad_request:: file_systems::",
            "lib file::",
            "it files:: trees::",
            "it other_users:: interrupted::",
        ],
    ),
    "launch": Area("src/launch.rs src/launch/*.rs", TOOLS, ["it launcher::"]),
    "policy": Area(
        "src/filter.rs src/filter/*.rs src/policy.rs src/policy/*.rs",
        TOOLS,
        [
            "lib",
            "it verbs:: bad_request:: golden:: note_format:: launcher::a_policy::",
            "it article:: enforcement:: targets:: patching::",
        ],
    ),
}
KINDS = {"runtime": ["runtime"], "programs": ["verify", "files", "launch", "policy"]}


def builds(build):
    command = ["cargo", "build", "--quiet", "--target-dir", BUILD, *build.options]
    if subprocess.run(command, cwd=SOURCE, stderr=subprocess.DEVNULL).returncode != 0:
        return False
    for made in build.made:
        # A program that still runs can't be written.
        beside = PROGRAMS / "new"
        shutil.copy(BUILD / made, beside)
        beside.rename(PROGRAMS / pathlib.Path(made).name)
    return True


def noticed(area):
    """The tests that fail; nothing where none does."""
    return next((tests for tests in area.tests if fails(tests)), None)


def fails(tests):
    kind, *filters = tests.split()
    if kind == "it":
        # What `make install` installs is not all here, and that sanitizer reserves more memory
        # than a test gets.
        skipped = ["--skip", "verbs::install::", "--skip", "address_sanitizer"]
        command, directory = [TESTS, *AT_THE_FIRST, *skipped, *filters], "."
    else:
        command = ["cargo", "test", "--quiet", "--lib", "--target-dir", BUILD, *FAST]
        command, directory = [*command, "-p", "sandbox-patch", "--", *filters], SOURCE
    environment = {"SANDBOX_PATCH_PROGRAMS": str(PROGRAMS), "RUST_TEST_THREADS": THREADS}
    environment |= UNSTABLE if kind == "it" else {}
    process = subprocess.Popen(
        [*alone(), "prlimit", f"--as={MOST_MEMORY}", *command],
        cwd=directory,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=OUTPUT.open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        return process.wait(LONGEST) != 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def alone():
    """Where a changed program that writes to another file than it should does no harm, and
    nothing is left of one that does not end."""
    if os.geteuid() != 0:
        return []
    kept = [os.environ.get("TMPDIR", "/tmp"), str(WORK.parent.parent)]
    kept.append(os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo")))
    script = 'while [ "$1" != -- ]; do mount --bind "$1" "$1"; shift; done; shift; '
    script += 'mount -o remount,bind,ro /; exec "$@"'
    isolation = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    return [*isolation, "sh", "-euc", script, "sh", *kept, "--"]


def patch(change, *options):
    command = ["patch", "--quiet", *options, change["file"]]
    subprocess.run(command, cwd=SOURCE, input=change["diff"], text=True, check=True)


def listed(area):
    command = ["cargo", "mutants", "--workspace", "--list", "--json", "--diff"]
    # Flags have no bit in common: then both are the same.
    command += ["--exclude-re", r"replace \| with \^"]
    for files in area.files.split():
        command += ["-f", files]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output)


def attempt(area, change):
    patch(change)
    if not builds(area.build):
        verdict, by = "not built", None
    else:
        by = noticed(area)
        verdict = "noticed" if by else "survived"
    patch(change, "-R")
    print(f"{verdict}: {change['name']}{by and f' (by {by})' or ''}", flush=True)
    return verdict


def main():
    kind, part = sys.argv[1:]
    areas = [AREAS[name] for name in KINDS.get(kind, [kind])]
    number, parts = map(int, part.split("/"))
    changes = [(area, change) for area in areas for change in listed(area)]
    changes = changes[number - 1 :: parts]
    for area in areas:
        if not builds(area.build) or noticed(area):
            sys.exit(f"the tests fail without any change, see {OUTPUT}")
    survivors = []
    counts = {"noticed": 0, "not built": 0, "survived": 0}
    for area, change in changes:
        verdict = attempt(area, change)
        counts[verdict] += 1
        if verdict == "survived":
            # Without line and column, which other changes move.
            survivors.append(f"{change['file']}: {change['name'].split(': ', 1)[-1]}")
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    unknown = [name for name in survivors if name not in ACCEPTED]
    for name in unknown:
        print(f"no test notices: {name}")
    sys.exit(bool(unknown))


main()
