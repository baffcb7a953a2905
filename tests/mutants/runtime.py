"""Builds the runtimes with each change, and runs the tests with them (see `run`)."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

WORK = pathlib.Path(os.environ["WORK"])
SOURCE, PROGRAMS, BUILD = WORK / "source", WORK / "programs", WORK / "build"

# The subjects that notice most, and what else starts patched programs.
FIRST = "article:: golden:: independence:: inline_runtime:: library:: runtime::".split()
THEN = "enforcement:: hostile:: inline:: programs:: stdout_kinds:: changed_afterwards::".split()

ACCEPTED = pathlib.Path("tests/mutants/accepted").read_text().splitlines()

# A change may have a program wait for ever.
LONGEST = 300


def builds():
    command = ["cargo", "build", "--release", "--quiet", "--target-dir", BUILD]
    command += ["-p", "sandbox-stub", "-p", "sandbox-inline"]
    if subprocess.run(command, cwd=SOURCE, stderr=subprocess.DEVNULL).returncode != 0:
        return False
    for name in "libsandbox.so", "sandbox-inline":
        shutil.copy(BUILD / "release" / name, PROGRAMS / name)
    return True


def noticed():
    return fails(FIRST) or fails(THEN)


def fails(tests):
    environment = os.environ | {"SANDBOX_PATCH_PROGRAMS": str(PROGRAMS)}
    command = ["cargo", "test", "--quiet", "--test", "it", "--", *tests]
    try:
        done = subprocess.run(
            command, env=environment, timeout=LONGEST, capture_output=True, start_new_session=True
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def main():
    number, parts = map(int, os.environ["PART"].split("/"))
    changes = json.loads((WORK / "list.json").read_text())[number - 1 :: parts]
    if not builds() or noticed():
        sys.exit("the tests fail without any change")
    survivors = []
    counts = {"noticed": 0, "not built": 0, "survived": 0}
    for change in changes:
        patch = ["patch", "--quiet", change["file"]]
        subprocess.run(patch, cwd=SOURCE, input=change["diff"], text=True, check=True)
        # Without line and column, which other changes move.
        name = f"{change['file']}: {change['name'].split(': ', 1)[-1]}"
        if not builds():
            verdict = "not built"
        elif noticed():
            verdict = "noticed"
        else:
            verdict = "survived"
            survivors.append(name)
        counts[verdict] += 1
        print(f"{verdict}: {change['name']}", flush=True)
        subprocess.run([*patch, "-R"], cwd=SOURCE, input=change["diff"], text=True, check=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    unknown = [name for name in survivors if name not in ACCEPTED]
    for name in unknown:
        print(f"no test notices: {name}")
    sys.exit(bool(unknown))


main()
