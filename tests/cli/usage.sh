#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is said to whoever asks how, or asks wrongly; and that help, manual and completion agree.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

commands='info map convert read compare check create grow shrink defrag rename rm attach commit rebase space write serve bench meta vm doctor'

test_help() { shows help --help; }
test_help_of_info() { shows help-info help info; }
test_help_of_map() { shows help-map help map; }
test_help_of_convert() { shows help-convert help convert; }
test_help_of_read() { shows help-read help read; }
test_help_of_compare() { shows help-compare help compare; }
test_help_of_check() { shows help-check help check; }
test_help_of_create() { shows help-create help create; }
test_help_of_grow() { shows help-grow help grow; }
test_help_of_shrink() { shows help-shrink help shrink; }
test_help_of_defrag() { shows help-defrag help defrag; }
test_help_of_rename() { shows help-rename help rename; }
test_help_of_rm() { shows help-rm help rm; }
test_help_of_attach() { shows help-attach help attach; }
test_help_of_commit() { shows help-commit help commit; }
test_help_of_rebase() { shows help-rebase help rebase; }
test_help_of_space() { shows help-space help space; }
test_help_of_write() { shows help-write help write; }
test_help_of_serve() { shows help-serve help serve; }
test_help_of_bench() { shows help-bench help bench; }
test_help_of_meta() { shows help-meta help meta; }
test_help_of_vm() { shows help-vm help vm; }
test_help_of_doctor() { shows help-doctor help doctor; }

test_help_is_the_same_however_asked() {
    for command in $commands; do
        same "$(vdisk "$command" --help)" "$(vdisk help "$command")" "$command"
        same "$(vdisk "$command" -h)" "$(vdisk help "$command")" "$command"
        same "$(vdisk "$command" --help too many operands)" "$(vdisk help "$command")" "$command"
    done
    same "$(vdisk help)" "$(vdisk --help)"
    same "$(vdisk -h)" "$(vdisk --help)"
}

test_version() {
    local version

    version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" "$root/meson.build")
    same "$(vdisk --version)" "vdisk $version"
}

# "-f, --format FORMAT" of every option, one per line.
options_of_help() { vdisk help ${1:+"$1"} | sed -nE 's/^  +((-[A-Za-z], +)?--[a-z-]+( [A-Z]+)?) .*/\1/p'; }
options_of_page() {
    sed -n '/^# OPTIONS/,/^# [^O]/{s/^\*-/-/;T;s/[*_]//g;s/\(-.\) [A-Z]*,/\1,/;p}' "$root/man/$1.1.scd"
}

test_manual_pages_list_the_same_options() {
    for command in $commands; do
        [ -n "$(options_of_help "$command")" ] || fail "no options in the help of $command"
        diff <(options_of_help "$command" | sort) <(options_of_page "vdisk-$command" | sort) >&2 ||
            fail "$command: help (<) and manual (>) differ"
    done
    diff <(options_of_help) <(options_of_page vdisk) >&2 || fail "vdisk: help and manual differ"
}

test_manual_page_lists_the_same_commands() {
    diff <(vdisk --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p') \
        <(sed -n '/^# COMMANDS/,/^# O/s/^\*\([a-z]*\)\*.*/\1/p' "$root/man/vdisk.1.scd") >&2
}

test_manual_pages_summarise_alike() {
    for command in $commands; do
        same "$(sed -n "s/^vdisk-$command - //p" "$root/man/vdisk-$command.1.scd")" \
            "$(vdisk --help | sed -n "s/^  $command  *//p")" "summary of $command"
    done
}

completions() {
    PATH="$(dirname "$VDISK"):$PATH" bash -c '
        . "$0/completion/vdisk"
        COMP_WORDS=("$@")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _vdisk vdisk 2>/dev/null
        printf "%s\n" "${COMPREPLY[@]}"' "$root" "$@" | sort
}

test_completion() {
    touch disk.vmdk
    mkdir folder
    same "$(completions vdisk co)" $'commit\ncompare\nconvert' commands
    same "$(completions vdisk --v)" --version
    same "$(completions vdisk map --js)" --json options
    same "$(completions vdisk convert -f '')" $'raw\nvmdk' formats
    same "$(completions vdisk map di)" disk.vmdk files
    same "$(completions vdisk map --parent-dir '')" folder folders
    same "$(completions vdisk read --offset '')" '' numbers
    same "$(completions vdisk vm s)" $'show\nsnapshot' verbs
    same "$(completions vdisk vm snapshot r)" remove verbs
    for command in $commands; do
        same "$(completions vdisk "$command" -- | tr '\n' ' ')" \
            "$(vdisk help "$command" | grep -o '^  .*--[a-z-]*' | grep -o -- '--.*' | sort | tr '\n' ' ')" \
            "options of $command"
    done
}

test_wrong_usage() {
    fails_with "no command given; 'vdisk help'"
    fails_with "unknown command 'frobnicate'; 'vdisk help'" frobnicate
    fails_with "unknown command 'frobnicate'" help frobnicate
    fails_with "unknown option --frob; 'vdisk --help'" --frob
    fails_with "map: unknown option --frob; 'vdisk map --help'" map --frob disk
    fails_with "map: unknown option -x" map -x disk
    fails_with "info: unknown option --strict" info --strict disk
    fails_with "map: no argument is expected in --json=yes" map --json=yes disk
    fails_with "read: an argument is missing after --offset" read disk --offset
    fails_with "read: an argument is missing after -o" read disk -o
    fails_with "map: missing operand, expected DISK" map
    fails_with "compare: missing operand, expected A B" compare a
    fails_with "map: unexpected operand b" map a b
    fails_with "map: an operand is empty" map ''
    fails_with "--format is 'qcow2', expected raw or vmdk" map -f qcow2 disk
    fails_with "--level is '13', expected 1 to 12" convert --level 13 a b
    fails_with "--level is '-1', expected 1 to 12" convert --level -1 a b
    fails_with "--offset: cannot read '1X' as a size" read --offset 1X disk
    fails_with "--length: cannot read '-1' as a size" read --length -1 disk
    mapfile -t many < <(printf -- '--parent-dir=d%d\n' {1..33})
    fails_with "--parent-dir is given more than 32 times" map "${many[@]}" disk
}

test_types_are_told() {
    truncate -s 1M a.raw
    fails_with "create knows no type 'qcow2'; it can make: stream" create -t qcow2 -s 1M b.vmdk
    fails_with "create: --type is missing" create -s 1M b.vmdk
    fails_with "create: --size is missing" create -t vmfs b.vmdk
    fails_with "--size is 1000 bytes, expected a multiple of 512" create -t vmfs -s 1000 b.vmdk
    fails_with "grow: --size is missing" grow b.vmdk
    fails_with "meta: expected list DISK" meta frob b.vmdk
    fails_with "meta: expected list DISK" meta get b.vmdk
    fails_with "can take raw and streamOptimized, not vmfs" convert -O vmfs a.raw -
    fails_with "knows no type 'qcow2'; there are: raw" convert -O qcow2 a.raw b
    vdisk convert -O raw --level 6 a.raw b
    same_files a.raw b
}

test_missing_files() {
    for command in info map read check; do
        fails_with "no-such-disk" "$command" no-such-disk
    done
    fails_with "no-such-disk" convert no-such-disk b
    fails_with "no-such-disk" compare no-such-disk b
    [ ! -e b ] || fail "a target was made"
}

test_lost_output_is_told() {
    truncate -s 1M a.raw
    [ -w /dev/full ] || skip 'no /dev/full'
    descriptor 1 ffffffff custom 'RW 2048 ZERO' >z.vmdk
    for command in 'help' 'info a.raw' 'map a.raw' 'map --json a.raw' 'info --json a.raw' 'read a.raw' \
        'compare a.raw a.raw' 'check z.vmdk' 'convert a.raw -'; do
        status=0
        # shellcheck disable=SC2086
        vdisk $command >/dev/full 2>err || status=$?
        same "$status" 2 "$command"
        same "$(wc -l <err)" 1 "lines of $command"
        grep -q 'No space left' err || fail "$command said: $(cat err)"
    done
}

test_closed_descriptors_do_no_harm() {
    noise 1048576 >a.raw
    cp a.raw want
    vdisk convert a.raw out 0<&- 1>&- 2>&-
    same_files want out
    status=0
    vdisk convert a.raw - 1>&- 2>err || status=$?
    same "$status" 2
    grep -q 'standard output' err
    status=0
    vdisk info no-such-disk 2>&- || status=$?
    same "$status" 2
    same_files want a.raw
}

test_names_do_not_steer_the_terminal() {
    fails_with "'a[^[:cntrl:]]+\[31mb'" info $'a\033[31mb'
    fails_with "'a[^[:cntrl:]]+b'" info $'a\nb'
}

run_tests "$@"
