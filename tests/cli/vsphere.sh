#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vsphere:// URLs, `vdisk vm` and `vdisk doctor`, against the simulated vCenter named by VSPHERE_SIM.
# shellcheck source=tests/cli/sim.sh
. "$(dirname "$0")/sim.sh"

snapshots_of() { vdisk vm snapshot list --json "$url/web" | jq -r '.snapshots[].name'; }

test_urls_are_refused_in_one_sentence() {
    fails_with "a password does not belong in a URL" info vsphere://root:secret@h/web
    fails_with "no virtual machine is named" info vsphere://h
    fails_with "unknown option 'snap' in the URL" info 'vsphere://root@h/web?snap=1'
    fails_with "no user for 'h'; write vsphere://USER@h" info vsphere://h/web
    fails_with "'vdisk check' works on files of this machine" check vsphere://root@h/web
    fails_with "'vdisk create' works on files" create -t vmfs --parent vsphere://root@h/web c.vmdk
    fails_with "'vsphere://root@h/web' exists; --overwrite" convert x vsphere://root@h/web
    fails_with "exists and stays what it is" convert -O raw --overwrite x vsphere://root@h/web
    fails_with "vm: expected list HOST" vm frob h
    fails_with "vm: expected list HOST" vm snapshot create h/web
    fails_with "vm: --quiesce, --description and --hold are for" vm list --hold h
    fails_with "vm: --disk is for export" vm list --disk 1 h
    fails_with "vm: --overwrite is for export and file get" vm show --overwrite h/web
    fails_with "vm: expected list HOST" vm export h/web
    fails_with "vm: expected list HOST" vm file get h '[ds1] x'
    fails_with "'vm file' takes a host alone" vm file get root@h/web '[ds1] x' x
    fails_with "'frob', expected on or off" vm tracking root@h/web frob
    fails_with "'vm list' takes a host alone" vm list root@h/web
    fails_with "transport and compression are for a disk" vm show 'root@h/web?transport=nbd'
    fails_with "--password-fd is '-1', expected 0 to 65535" info --password-fd -1 vsphere://root@h/web
    fails_with "insecure=1 in the URL beside a thumbprint" info --thumbprint AA 'vsphere://root@h/web?insecure=1'
}

test_unreachable_servers() {
    export VDISK_PASSWORD=x
    fails_with "no-such-host.invalid" info vsphere://root@no-such-host.invalid/web
    fails_with "127.0.0.1.*refused" vm list root@127.0.0.1:1
}

test_machines_are_shown() {
    sim
    vdisk vm list "$host" | grep -q 'Datacenter/vm/web'
    vdisk vm list --json "$url" | jq -e '.vcenter and .vms[0].name == "web" and .vms[0].poweredOn'
    vdisk vm show "$host/web" | grep -q '^Disk 2: Hard disk 2, key 2001, at scsi0:1, 4 MiB, thick'
    vdisk vm show --json "$url/web" | jq -e '(.disks | length) == 2 and .snapshots == []'
    same "$(vdisk vm disks --json "$url/Datacenter/vm/web" | jq -r '.disks[].chain[0]')" \
        $'[ds1] web/web.vmdk\n[ds1] web/data.vmdk'
    fails_with "has no VM 'nix'" vm show "$url/nix"
}

test_a_disk_by_all_its_names() {
    local disk moref

    sim --powered-off
    moref=$(vdisk vm show --json "$url/web" | jq -r .moref)
    for disk in web/1 'web/Hard disk 1' web/Hard%20disk%201 web/2000 web/scsi0:0 'web/[ds1] web/web.vmdk' \
        Datacenter/vm/web/1 Datacenter%2Fvm%2Fweb/1 "$moref/1" "moref=$moref/1"; do
        same "$(vdisk info --json "$url/$disk" | jq -r '.file + " " + .transport')" \
            '[ds1] web/web.vmdk nbdssl' "$disk"
    done
    fails_with "'web' has 2 disks, so say which: 1 'Hard disk 1'" info "$url/web"
    fails_with "'web' has no disk '7'; there are" info "$url/web/7"
}

test_a_disk_is_read() {
    local way

    sim --powered-off
    for way in nbdssl nbd 'nbdssl&compression=fastlz' 'nbd&compression=zlib' 'nbd&compression=skipz'; do
        vdisk convert "$url/web/1?transport=$way" "out-$way"
        same_files guest "out-$way"
    done
    vdisk convert -O monolithicSparse "$url/web/1" out.vmdk
    vdisk compare "$url/web/1" out.vmdk
    same "$(vdisk compare "$url/web/1" "$url/web/2" || echo "$?")" $'Different: the first byte that differs is 0.\n1'
    vdisk read --offset 511 --length 70000 "$url/web/1" >got
    tail -c +512 guest | head -c 70000 >want || true
    same_files want got
    same "$(vdisk map --json "$url/web/1" | jq '[.runs[].length] | add')" 8388608
    same "$(vdisk meta get "$url/web/1" adapterType)" "$(vdisk meta get ds/web/web.vmdk adapterType)"
    vdisk meta list --json "$url/web/1" | jq -e '.adapterType'
    fails_with "'adapterType' of '\[ds1\] web/web.vmdk' cannot be set: .* nobody has made public" meta set "$url/web/1" adapterType ide
    fails_with "has no key 'nix' in its disk database" meta get "$url/web/1" nix
    vdisk space -O streamOptimized "$url/web/1"
    vdisk info "$url/web/1" | grep -q '^Transport  *nbdssl'
}

test_a_disk_is_written() {
    sim --powered-off
    printf 'hello' | vdisk write --offset 513 "$url/web/2"
    same "$(vdisk read --offset 513 --length 5 "$url/web/2")" hello
    noise 3000000 7 >new
    truncate -s 5M new
    fails_with "the target only" convert --overwrite new "$url/web/2"
    vdisk convert --overwrite new "$url/web/1"
    truncate -s 8M new
    vdisk convert "$url/web/1" got
    same_files new got
    exec 7>&-
    wait "$server"
    vdisk convert ds/web/web.vmdk got --overwrite
    same_files new got
}

test_a_running_machine_through_a_snapshot() {
    local first second id

    sim --workload
    fails_with "'web' is running, so its disks can be opened only as a snapshot" info "$url/web/1"
    vdisk vm tracking "$url/web" on
    first=$(vdisk vm snapshot create --quiesce --description 'for a test' "$url/web" 'a & b')
    same "$(snapshots_of)" 'a & b'
    vdisk convert "$url/web/1?snapshot=a%20%26%20b" one
    vdisk convert "$url/web/1?snapshot=$first" two
    same_files one two
    same_files one ds/web/web-flat.vmdk
    fails_with "a snapshot is not written to" write --input guest "$url/web/1?snapshot=$first"
    fails_with "'web' has no snapshot 'nix'" info "$url/web/1?snapshot=nix"
    id=$(vdisk vm disks --json "$url/web?snapshot=$first" | jq -r '.disks[0].changeId')
    sleep 0.5
    second=$(vdisk vm snapshot create --json "$url/web" 'a & b' | jq -r .snapshot)
    fails_with "several snapshots called 'a & b': say $first or $second" vm snapshot remove "$url/web" 'a & b'
    vdisk vm changed --json "$url/web/1?snapshot=$second" "$id" | jq -e '.bytes > 0 and (.areas | length) > 0'
    vdisk vm changed "$host/web/1?snapshot=$second" 2>told | awk 'NF != 2 { exit 1 }'
    grep -q 'the change ID of then is' told
    fails_with "change" vm changed "$url/web/1?snapshot=$second" '52 00/9'
    vdisk vm snapshot remove "$url/web" "$second"
    vdisk vm snapshot remove --progress "$url/web" "$first" 2>told
    grep -q '^removing the snapshot: 100%' told
    same "$(snapshots_of)" ''
}

test_an_interrupted_snapshot_leaves_none() {
    local pid status=0

    sim --fault slow-task=3000
    "$VDISK" vm snapshot create -p "$url/web" late >out 2>err &
    pid=$!
    wait_for grep -q 'creating the snapshot' err
    kill -TERM "$pid" # a shell lets its background jobs ignore SIGINT
    wait "$pid" || status=$?
    same "$status" 2
    grep -q 'interrupted by SIGTERM' err || fail "it said: $(cat err)"
    [ ! -s out ] || fail "it told $(cat out)"
    same "$(snapshots_of)" ''
}

test_a_held_snapshot_is_removed() {
    local pid

    sim
    mkfifo input
    "$VDISK" vm snapshot create --hold "$url/web" held <input >out &
    pid=$!
    exec 8>input
    wait_for test -s out
    same "$(snapshots_of)" held
    exec 8>&-
    wait "$pid"
    same "$(snapshots_of)" ''

    : >out
    exec 8<>input
    "$VDISK" vm snapshot create --hold "$url/web" held <input >out &
    pid=$!
    wait_for test -s out
    kill -TERM "$pid"
    wait "$pid"
    exec 8>&-
    same "$(snapshots_of)" ''
}

# fault NAME VALUE: from now on, VALUE being JSON; a second later it is sure.
fault() {
    printf '{"fault": "%s", "value": %s}\n' "$1" "$2" >&7
    sleep 1
}

# soap METHOD TYPE:MOREF INNER: one call, as another client; prints what its answer holds.
soap() {
    python3 - "$here/../sim" "${host##*:}" "$VDISK_PASSWORD" "$@" <<'EOF'
import sys
sys.path.insert(0, sys.argv[1])
import soap_client
client = soap_client.Client(int(sys.argv[2]))
client.login("administrator@vsphere.local", sys.argv[3])
print("".join(client.call(*sys.argv[4:]).itertext()))
EOF
}

test_a_machine_is_exported() {
    sim --powered-off
    same "$(vdisk vm export "$url/web" out)" $'out/web-disk1.vmdk\nout/web-disk2.vmdk'
    vdisk compare out/web-disk1.vmdk guest
    vdisk compare --strict out/web-disk2.vmdk ds/web/data.vmdk
    same "$(vdisk info --json out/web-disk1.vmdk | jq -r .createType)" streamOptimized
    fails_with "'out/web-disk1.vmdk' exists" vm export "$url/web" out
    vdisk vm export --overwrite --json --disk scsi0:1 "$url/web" out >told
    jq -e '(.files | length) == 1 and .files[0].disk == 2 and .files[0].verified' told
    same "$(jq -r .files[0].sha256 told)" "$(sha256sum out/web-disk2.vmdk | cut -d' ' -f1)"
    vdisk vm export -p "$url/web" progress 2>told
    grep -q '^preparing the export: 100%' told
    grep -q '^100.0% ' told
    fails_with "'web' has no disk '7'" vm export --disk 7 "$url/web" none
}

test_a_running_machine_is_exported_as_a_snapshot() {
    sim --workload
    fails_with "the VM is running.*make a snapshot and export that" vm export "$url/web" out
    same "$(ls -A out)" ''
    vdisk vm snapshot create "$url/web" past >/dev/null
    vdisk vm export --disk 'Hard disk 1' "$url/web?snapshot=past" out >/dev/null
    vdisk convert "$url/web/1?snapshot=past" past.raw
    vdisk compare --strict out/web-disk1.vmdk past.raw
}

test_an_export_that_fails_leaves_nothing() {
    local pid status=0

    sim --powered-off --fault cut-exports=200000
    fails_with "such a stream cannot be taken up again" vm export "$url/web" out
    same "$(ls -A out)" ''
    fault lease-lost '"HostNotConnected"'
    fails_with "the host is not connected" vm export "$url/web" out
    fault cut-exports null
    fault lease-fails '"NoDiskSpace"'
    fails_with "the datastore is full" vm export "$url/web" out
    fault lease-fails null
    fault slow-exports 500
    "$VDISK" vm export -p "$url/web" out >told 2>err 7>&- &
    pid=$!
    wait_for grep -q '/s' err
    kill -TERM "$pid"
    wait "$pid" || status=$?
    same "$status" 2
    grep -q 'interrupted by SIGTERM' err || fail "it said: $(cat err)"
    same "$(ls -A out)" ''
    [ ! -s told ] || fail "it told $(cat told)"
}

test_files_of_a_datastore() {
    sim --powered-off
    same "$(vdisk vm file get "$host" '[ds1] web/web.vmdk' - | sha256sum)" "$(sha256sum <ds/web/web.vmdk)"
    fault cut-files 1000000
    vdisk vm file get "$url" '[ds1] web/web-flat.vmdk' flat
    same_files flat guest
    fault cut-files null
    fails_with "'flat' exists" vm file get "$url" '[ds1] web/web-flat.vmdk' flat
    fails_with "there is no such file" vm file get "$url" '[ds1] web/nix' nix
    [ ! -e nix ] || fail 'a file is there'
    fails_with "no datastore 'ds2'" vm file get "$url" '[ds2] web/nix' nix
    fails_with "is not of the form" vm file get "$url" web/nix nix
    vdisk vm file put "$url" guest '[ds1] up/a & b.bin'
    same_files guest 'ds/up/a & b.bin'
    fails_with "cannot open the file" vm file put "$url" guest '[ds1] web/web.vmdk'
    fails_with "'ds' is not a regular file" vm file put "$url" ds '[ds1] x'
}

needs_consolidation() { vdisk vm show --json "$url/web" | jq -e .consolidationNeeded; }

test_disks_are_consolidated() {
    local snapshot

    sim --workload
    snapshot=$(vdisk vm snapshot create "$url/web" late)
    soap RemoveSnapshot_Task "VirtualMachineSnapshot:$snapshot" \
        '<removeChildren>false</removeChildren><consolidate>false</consolidate>' >/dev/null
    wait_for needs_consolidation
    vdisk vm show "$url/web" | grep -q "^Consolidation  *needed: 'vdisk vm snapshot consolidate' does it"
    same "$(vdisk vm disks --json "$url/web" | jq '.disks[0].chain | length')" 2
    vdisk vm snapshot consolidate -p "$url/web" 2>told
    grep -q '^consolidating: 100%' told
    vdisk vm show --json "$url/web" | jq -e '.consolidationNeeded == false and .disks[0].chain == ["[ds1] web/web.vmdk"]'
    vdisk vm snapshot consolidate "$url/web"
}

test_a_machine_that_waits_for_an_answer() {
    local moref pid

    sim
    moref=$(vdisk vm show --json "$url/web" | jq -r .moref)
    fault vm-question '"Was it moved?"'
    "$VDISK" vm snapshot create "$url/web" late >out 2>err 7>&- &
    pid=$!
    wait_for grep -q "stands still until somebody answers.*'Was it moved?' (possible answers: 'Yes', 'No')" err
    vdisk vm show "$url/web" | grep -q "^Waits for  *'Was it moved?'"
    soap AnswerVM "VirtualMachine:$moref" '<questionId>1</questionId><answerChoice>0</answerChoice>' >/dev/null
    wait "$pid" || fail "it said: $(cat err)"
    same "$(snapshots_of)" late
    vdisk vm show --json "$url/web" | jq -e '.question == null'
}

test_passwords() {
    local password

    sim
    password=$VDISK_PASSWORD
    unset VDISK_PASSWORD
    printf '%s\r\nsecond line\n' "$password" >secret
    chmod 600 secret
    vdisk vm list --password-file secret "$url" 2>err | grep -q web
    same "$(cat err)" ''
    chmod 644 secret
    vdisk vm list --password-file secret "$url" 2>err | grep -q web
    grep -q "warning: 'secret' holds a secret and can be read by others (mode 644)" err
    vdisk vm list --password-fd 9 9<secret "$url" | grep -q web
    fails_with "'missing'" vm list --password-file missing "$url"
    fails_with "'/dev/null' is empty" vm list --password-file /dev/null "$url"
    fails_with "descriptor 9: Bad file" vm list --password-fd 9 "$url"
    VDISK_PASSWORD=$password-not fails_with 'the password is wrong' vm list "$url"
    setsid "$VDISK" vm list "$url" 2>err && fail 'no password was needed'
    grep -q 'there is no terminal to ask at; use --password-file' err
}

test_the_password_is_asked_for() {
    local password

    sim
    password=$VDISK_PASSWORD
    unset VDISK_PASSWORD
    python3 - "$VDISK" "$url" "$password" <<'EOF'
import os, pty, sys
vdisk, url, password = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(vdisk, [vdisk, "vm", "list", url])
said = b""
def more():
    global said
    try:
        data = os.read(terminal, 4096)
    except OSError:
        data = b""
    said += data
    return data
while b"Password of administrator@vsphere.local at 127.0.0.1: " not in said:
    assert more(), said
os.write(terminal, password.encode() + b"\n")
while more():
    pass
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, said
assert b"Datacenter/vm/web" in said, said
assert password.encode() not in said, "the password was shown"
EOF
}

test_a_session_of_the_callers() {
    sim
    python3 - "$(jq -r .port ready)" "$VDISK_PASSWORD" >cookie <<'EOF'
import ssl, sys, urllib.request
body = ('<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><Login xmlns="urn:vim25">'
        '<_this type="SessionManager">SessionManager</_this><userName>administrator@vsphere.local'
        '</userName><password>' + sys.argv[2] + '</password></Login></Body></Envelope>')
request = urllib.request.Request(f"https://127.0.0.1:{sys.argv[1]}/sdk", body.encode(),
                                 {"Content-Type": "text/xml", "SOAPAction": '"urn:vim25/6.7"'})
context = ssl._create_unverified_context()
print(urllib.request.urlopen(request, context=context).headers["Set-Cookie"])
EOF
    chmod 600 cookie
    unset VDISK_PASSWORD
    vdisk vm list --session-file cookie "vsphere://127.0.0.1:$(jq -r .port ready)" | grep -q web
    vdisk vm list --session-file cookie "vsphere://127.0.0.1:$(jq -r .port ready)" | grep -q web ||
        fail 'the session was logged out'
    echo vmware_soap_session=nonsense >cookie
    fails_with 127.0.0.1 vm list --session-file cookie "$url"
}

test_trust() {
    local right sha1

    sim --powered-off
    right=$VDISK_THUMBPRINT
    sha1=$(jq -r .thumbprint ready)
    unset VDISK_THUMBPRINT
    fails_with "is not trusted" vm list "$url"
    fails_with "is not trusted.*expected" vm list --thumbprint "$(printf 'AB%.0s' {1..32})" "$url"
    fails_with "humbprint" vm list --thumbprint nonsense "$url"
    fails_with "missing.pem" vm list "$url?ca=missing.pem"
    vdisk vm list --thumbprint "$sha1" "$url" | grep -q web
    vdisk vm list "$url?thumbprint=${right//:/}" | grep -q web
    vdisk vm list "$url?insecure=1" | grep -q web
    VDISK_THUMBPRINT=$sha1 vdisk vm list "$url" | grep -q web
    # The URL says more than the option, and that more than the environment.
    fails_with 'is not trusted' vm list --thumbprint "$sha1" "$url?thumbprint=$(printf 'AB%.0s' {1..20})"
    # Of two URLs each one counts, also where the server is the same.
    vdisk compare "$url/web/1?insecure=1" "$url/web/1?thumbprint=${right//:/}"
    fails_with 'is not trusted' compare "$url/web/1?insecure=1" \
        "$url/web/1?thumbprint=$(printf 'AB%.0s' {1..20})"
}

# checks NAME: the outcome of a check in the file report.
outcome_of() { jq -r --arg name "$1" '.checks[] | select(.name == $name) | .outcome' report; }
examine() {
    local wanted=$1 status=0

    shift
    vdisk doctor --json "$@" >report 2>err || status=$?
    same "$status" "$wanted" "exit status of doctor"
    same "$(cat err)" '' 'standard error of doctor'
}

test_doctor_finds_nothing() {
    sim
    examine 0 "$url/web"
    jq -e '.ok and ([.checks[] | select(.outcome == "failed")] | length) == 0' report
    for check in name 'server port' certificate trust login version machine 'privileges to read' ticket 'disk port' \
        'disk greeting' 'disk certificate' 'disk service'; do
        same "$(outcome_of "$check")" ok "$check"
    done
    jq -r .checks[].found report | grep -q "SHA-1 $(jq -r .thumbprint ready), SHA-256 $(jq -r .thumbprintSha256 ready)"
    same "$(outcome_of 'change tracking')" warning
    same "$(vdisk doctor "$host" | grep -vc '^ok ')" 0 'lines that are not ok'
    examine 1 --nfc-port 1 "$url/web"
    same "$(outcome_of 'disk port')" failed
}

test_doctor_tells_what_is_wrong() {
    sim --fault missing-privilege=VirtualMachine.Provisioning.DiskRandomRead
    examine 1 "$url/web"
    same "$(outcome_of 'privileges to read')" failed
    jq -r .checks[].found report | grep -q 'missing are VirtualMachine.Provisioning.DiskRandomRead'
    VDISK_PASSWORD=wrong examine 1 "$url"
    same "$(outcome_of login)" failed
    same "$(outcome_of privileges)" skipped
    VDISK_THUMBPRINT=$(printf 'AB%.0s' {1..20}) examine 1 "$url"
    same "$(outcome_of trust)" failed
    same "$(outcome_of login)" ''
    examine 1 "$url/nix"
    same "$(outcome_of machine)" failed
}

test_doctor_without_a_server() {
    examine 1 root@127.0.0.1:1
    same "$(outcome_of 'server port')" failed
    examine 1 root@no-such-host.invalid
    same "$(outcome_of name)" failed
    same "$(outcome_of 'disk port')" ''
    fails_with "no host name has" doctor 'h h'
}

test_secrets_are_told_nobody() {
    sim
    {
        vdisk vm show "$url/web"
        vdisk doctor "$url/web"
        vdisk info "$url/web/1" || true
        VDISK_THUMBPRINT=00 vdisk info "$url/web/1" || true
    } >all 2>&1
    if grep -F "$VDISK_PASSWORD" all; then fail 'the password was told'; fi
}

sim_completions() {
    PATH="$(dirname "$VSPHERE_SIM"):$PATH" bash -c '
        . "$0/completion/vsphere-sim"
        COMP_WORDS=("$@")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _vsphere_sim vsphere-sim 2>/dev/null
        printf "%s\n" "${COMPREPLY[@]}"' "$root" "$@" | sort
}

test_completion_of_the_simulator() {
    [ -x "${VSPHERE_SIM:-}" ] || skip 'vsphere-sim is not built'
    mkdir folder
    touch file
    same "$(sim_completions vsphere-sim --prof)" --profile options
    same "$(sim_completions vsphere-sim --esxi --v)" $'--verbose\n--version\n--vm' options
    same "$(sim_completions vsphere-sim --profile '')" $'6\n7\n8' releases
    same "$(sim_completions vsphere-sim --nfc-version 1)" 11 versions
    same "$(sim_completions vsphere-sim --fault drop)" $'drop-after\ndrop-answer\ndrop-answer-once\ndrop-once' \
        faults
    same "$(sim_completions vsphere-sim --fault slow)" $'slow-exports\nslow-task' 'faults of SOAP'
    same "$(sim_completions vsphere-sim --fault drop-after = '')" '' 'a number'
    same "$(sim_completions vsphere-sim --datastore '')" '' 'a name'
    same "$(sim_completions vsphere-sim --datastore ds = fold)" folder folders
    same "$(sim_completions vsphere-sim --datastore ds =)" folder folders
    same "$(sim_completions vsphere-sim --port '')" '' numbers
    same "$(sim_completions vsphere-sim -- | tr '\n' ' ')" \
        "$("$VSPHERE_SIM" --help | sed '/^Faults/,$d' | grep '^  ' | grep -o -- '--[a-z-]*' | sort | tr '\n' ' ')" options
}

run_tests "$@"
