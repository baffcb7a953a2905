#!/bin/bash
# The story of docs/article.md, told by running it: `make demo`.
#
# Each command is shown after a `$ ` prompt, then its output, and its status
# when that is not 0. The script fails as soon as anything does not go as told.
#
# usage: demo.sh DIRECTORY, where the release build left its results
set -euo pipefail

release=$(realpath "$1")
source=$(realpath "$(dirname "$0")/../fixtures/myos.c")
PATH=$release:$PATH

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cp "$source" myos.c

# The environment of whoever runs this must not change the story.
export LC_ALL=C
unset LD_PRELOAD LD_LIBRARY_PATH SANDBOX_PATCH_OPTIONS \
    SECCOMP_SYSCALL_ALLOW SECCOMP_SYSCALL_DENY SECCOMP_DEFAULT_ACTION SANDBOX_EXACT
# A killed program would leave a core file, and whether bash says so depends on it.
ulimit -c 0

# Exit status of a process that SIGSYS (signal 31) ended, as shells report it.
readonly killed_by_sigsys=$((128 + 31))

say() {
    printf '\n'
    printf '# %s\n' "$@"
}

# show STATUS COMMAND: runs the command line, shows it as a transcript, leaves
# what it printed in $output.
show() {
    local expected=$1 command=$2 status=0
    printf '$ %s\n' "$command"
    # A shell of its own, so that it reports "Bad system call" as the user's would.
    output=$(bash -c "$command"$'\nexit $?' 2>&1) || status=$?
    # bash prefixes that report with its own name and the command's line.
    output=$(sed -E 's/^bash: (line [0-9]+: )? *[0-9]+ (Bad system call).*/\2/' <<<"$output")
    [ -z "$output" ] || printf '%s\n' "$output"
    [ "$status" -eq 0 ] || printf '(exit status %s)\n' "$status"
    [ "$status" -eq "$expected" ] || fail "expected exit status $expected"
}

# prints TEXT: the last command's output must contain it.
prints() {
    [[ $output == *"$1"* ]] || fail "expected the output to contain: $1"
}

fail() {
    printf 'demo: %s\n' "$1" >&2
    exit 1
}

say 'A program that asks the system for its name.'
show 0 'gcc -o myos myos.c'
show 0 './myos'
prints 'My OS is Linux!'
show 0 'cp myos myos.orig'

say 'It needs four system calls. Let it have those, and no other, from now on:'
show 0 'sandbox-patch --allow exit_group:fstat:uname:write ./myos'
show 0 './myos'
prints 'My OS is Linux!'

say 'The policy is in the file, for anyone to read.'
show 0 'sandbox-patch inspect ./myos'
prints 'uname'
show 0 'sandbox-patch verify ./myos'

say 'What if the program asks for something else? Take uname off the list:' \
    'the kernel ends it with SIGSYS, which a shell reports as status 159.'
show 0 'sandbox-patch -q --replace --allow exit_group:fstat:write ./myos'
show "$killed_by_sigsys" './myos'
prints 'Bad system call'

say 'Or forbid a single call,'
show 0 'sandbox-patch -q --replace --deny uname ./myos'
show "$killed_by_sigsys" './myos'

say 'and have it fail with an error of your choice in place of the end.'
show 0 'sandbox-patch -q --replace --deny uname --action errno:EPERM ./myos'
show 1 './myos'
prints 'uname failed: : Operation not permitted'
show 0 'sandbox-patch -q --replace --deny uname --action errno:ENETDOWN ./myos'
show 1 './myos'
prints 'uname failed: : Network is down'

say 'The environment cannot loosen what is in the file.'
show 1 'SECCOMP_SYSCALL_ALLOW=uname:newfstatat:write:exit_group ./myos'
prints 'Network is down'

say 'A static program loads no library: it gets the code inside, and the list is the same.'
show 0 'gcc -static -o static-myos myos.c'
show 0 'sandbox-patch --allow exit_group:fstat:uname:write ./static-myos'
show 0 './static-myos'
prints 'My OS is Linux!'

say 'Undo it: the file is what it was, byte for byte.'
show 0 'sandbox-patch remove ./myos'
show 0 'cmp myos myos.orig'
show 0 './myos'
prints 'My OS is Linux!'
