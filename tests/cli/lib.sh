# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2181
# What the command's tests share: TAP, transcripts compared with files beside the scripts, and small
# disks. A script defines functions named test_*, and ends with run_tests. Each test runs in a shell
# and an empty folder of its own; a command that fails ends it as failed. `skip REASON` ends it as
# not run.
#
#     VDISK=build/cli/vdisk tests/cli/info.sh [part of a test's name]
#
# VD_REWRITE=1 writes the transcripts anew; read the difference before committing it.
set -u
set -o pipefail

: "${VDISK:?is to name the vdisk to test}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034
root=$(cd "$here/../.." && pwd)
script=$(basename "$0" .sh)
VDISK=$(realpath "$VDISK")
export LC_ALL=C TZ=UTC

vdisk() { "$VDISK" "$@"; }

need() {
    local program

    for program; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

skip() {
    echo "$*" >"$scratch/skip"
    exit 77
}

fail() {
    echo "failed: $*" >&2
    exit 1
}

same() { [ "$1" = "$2" ] || fail "${3:-value}: '$1' instead of '$2'"; }
same_files() { cmp "$1" "$2" >&2 || fail "'$1' and '$2' are not the same"; }
no_partial() {
    local left

    left=$(find . -name '*.partial')
    [ -z "$left" ] || fail "left behind: $left"
}

# What changes from run to run or machine to machine.
steady() {
    sed -E -e 's/("allocatedOnHost": )[0-9]+/\1N/' \
        -e 's/(on the host +).*/\1N/' \
        -e "s|$scratch/work|WORK|g" \
        -e "s/${FILTER:-nothing-to-filter}/HIDDEN/g"
}

# shows NAME ARGUMENT...: runs vdisk, and compares what it said with expected/SCRIPT-NAME.txt.
shows() {
    local wanted="$here/expected/$script-$1.txt"
    local status=0

    shift
    vdisk "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    {
        printf '$ vdisk'
        printf ' %q' "$@"
        printf '\n'
        cat "$scratch/out"
        sed 's/^/stderr: /' "$scratch/err"
        echo "exit $status"
    } | steady >"$scratch/transcript"
    if [ -n "${VD_REWRITE:-}" ]; then
        cp "$scratch/transcript" "$wanted"
    fi
    diff -u "$wanted" "$scratch/transcript" >&2 || fail "not what $wanted says"
}

# fails_with PATTERN ARGUMENT...: exit 2, nothing on standard output, one sentence that matches.
fails_with() {
    local pattern=$1
    local status=0

    shift
    vdisk "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
    same "$status" 2 "exit status of vdisk $*"
    [ ! -s "$scratch/out" ] || fail "vdisk $* wrote to standard output"
    same "$(wc -l <"$scratch/err")" 1 "lines on standard error of vdisk $*"
    grep -Eq "^vdisk: .*$pattern" "$scratch/err" || fail "vdisk $* said: $(cat "$scratch/err")"
}

# noise BYTES [SEED]: bytes that repeat nowhere and are the same every time.
noise() { python3 -c '
import random, sys
random.seed(int(sys.argv[2]))
sys.stdout.buffer.write(random.randbytes(int(sys.argv[1])))' "$1" "${2:-1}"; }

# put OFFSET FILE: standard input goes into the file from there on; the rest of it stays.
put() { dd of="$2" seek="$1" oflag=seek_bytes iflag=fullblock bs=64K conv=notrunc status=none; }

# descriptor CID PARENT_CID TYPE [LINE]...: a text descriptor; the lines are extents and the like.
descriptor() {
    printf '# Disk DescriptorFile\nversion=1\nCID=%s\nparentCID=%s\ncreateType="%s"\n' "$1" "$2" "$3"
    shift 3
    printf '%s\n' "$@"
}

run_test() {
    local number=$1 name=$2

    rm -rf "$scratch"
    mkdir -p "$scratch/work"
    # No || or if around this, here or in the caller: they would switch set -e off inside.
    (
        set -e
        cd "$scratch/work"
        "$name"
    ) >"$scratch/log" 2>&1
    case $? in
    0) echo "ok $number - ${name#test_}" ;;
    77) echo "ok $number - ${name#test_} # SKIP $(cat "$scratch/skip")" ;;
    *)
        echo "not ok $number - ${name#test_}"
        sed 's/^/# /' "$scratch/log"
        return 1
        ;;
    esac
}

run_tests() {
    local tests number=0 failed=0 name

    scratch=$(mktemp -d "${TMPDIR:-/tmp}/vdisk-test.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    tests=$(declare -F | sed -n "s/^declare -f \(test_.*${1:-}.*\)/\1/p")
    echo "1..$(wc -w <<<"$tests")"
    for name in $tests; do
        number=$((number + 1))
        run_test "$number" "$name"
        [ $? = 0 ] || failed=1
    done
    return "$failed"
}
