#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A signal ends every wait for a server at once, and what was taken there is given back.
# shellcheck source=tests/cli/sim.sh
. "$(dirname "$0")/sim.sh"

# far_end ARGUMENT...: far-end.py, whose port is then in far_port.
far_end() {
    rm -f far
    python3 "$here/far-end.py" "$@" >far &
    far_pid=$!
    wait_for test -s far
    far_port=$(cat far)
}

far_end_stop() {
    kill "$far_pid"
    wait "$far_pid" 2>/dev/null || true
}

now_ms() { date +%s%3N; }

# stopped MILLISECONDS WHEN ARGUMENT...: runs vdisk, ends it by SIGTERM when the command WHEN
# succeeds, and has it end with a sentence in that time.
stopped() {
    local most=$1 when=$2
    local pid began took status=0

    shift 2
    "$VDISK" "$@" >out 2>err <input &
    pid=$!
    wait_for eval "$when"
    kill -0 "$pid" || fail "vdisk $* has ended: $(cat err)"
    began=$(now_ms)
    kill -TERM "$pid" # a shell lets its background jobs ignore SIGINT
    wait "$pid" || status=$?
    took=$(($(now_ms) - began))
    same "$status" 2 "exit status of vdisk $*, which said: $(cat err)"
    same "$(wc -l <err)" 1 "lines on standard error of vdisk $*: $(cat err)"
    grep -q '^vdisk: interrupted by SIGTERM: ' err || fail "vdisk $* said: $(cat err)"
    [ "$took" -le "$most" ] || fail "vdisk $* took $took ms to end"
}

# every_command MILLISECONDS WHEN URL: each that talks to servers, stopped.
every_command() {
    local most=$1 when=$2 where=$3

    stopped "$most" "$when" info "$where/web/2"
    stopped "$most" "$when" map "$where/web/2"
    stopped "$most" "$when" read "$where/web/2"
    stopped "$most" "$when" compare "$where/web/2" input
    stopped "$most" "$when" space "$where/web/2"
    stopped "$most" "$when" bench "$where/web/2"
    stopped "$most" "$when" write "$where/web/2"
    stopped "$most" "$when" meta get "$where/web/2" uuid
    stopped "$most" "$when" meta set "$where/web/2" uuid x
    stopped "$most" "$when" convert "$where/web/2" new
    stopped "$most" "$when" convert --overwrite input "$where/web/2"
    stopped "$most" "$when" convert --overwrite -s 512 - "$where/web/2"
    stopped "$most" "$when" serve "$where/web/2"
    stopped "$most" "$when" vm list "$where"
    stopped "$most" "$when" vm show "$where/web"
    stopped "$most" "$when" vm disks "$where/web"
    stopped "$most" "$when" vm snapshot list "$where/web"
    stopped "$most" "$when" vm snapshot create "$where/web" name
    stopped "$most" "$when" vm snapshot remove "$where/web" name
    stopped "$most" "$when" vm tracking "$where/web" on
    stopped "$most" "$when" vm changed "$where/web/2"
    stopped "$most" "$when" doctor "$where/web"
    stopped "$most" "$when" doctor --json "$where/web"
}

prepare() {
    need python3 jq ss
    head -c 512 /dev/zero >input
}

# connections PORT: those to it that are made.
connections() { ss -Htn state established "dport = :$1" | wc -l; }

test_a_server_that_says_nothing() {
    prepare
    far_end
    VDISK_PASSWORD=x every_command 5000 "[ \"\$(connections $far_port)\" -ge 1 ]" "vsphere://root@127.0.0.1:$far_port"
    far_end_stop
}

# sessions: how many the server has, but for the one that asks.
sessions() {
    PYTHONPATH="$root/tests/sim" PYTHONDONTWRITEBYTECODE=1 python3 - "${url##*:}" "$VDISK_PASSWORD" <<'EOF'
import sys
from soap_client import Client
client = Client(int(sys.argv[1]))
client.login("administrator@vsphere.local", sys.argv[2])
manager = client.content["sessionManager"]
print(len(client.prop(manager, "sessionList")) - 1)
client.call("Logout", manager)
EOF
}

# The SOAP service falls silent in the middle, here and there: whatever waits then ends, and gives up
# the server after a moment's grace.
test_a_server_that_falls_silent() {
    local bytes where

    prepare
    sim --powered-off
    for bytes in 0 3000 6000 9000; do
        far_end "${url##*:}" "$bytes"
        where="vsphere://administrator@vsphere.local@127.0.0.1:$far_port"
        stopped 9000 'sleep 1' vm list "$where"
        far_end_stop
    done
    far_end "${url##*:}" 6000
    where="vsphere://administrator@vsphere.local@127.0.0.1:$far_port"
    stopped 9000 'sleep 1' info "$where/web/2"
    far_end_stop
}

# The host falls silent, before the disk is open and after; the vCenter answers. Nothing of ours is
# left there.
test_a_host_that_falls_silent() {
    local after before

    prepare
    noise 3000000 >input
    sim --powered-off
    before=$(sessions)
    for after in 1 2 4 6; do
        echo "{\"fault\": \"stall\", \"value\": $after}" >&7
        stopped 8000 'sleep 1' convert --overwrite "$url/web/1" new
        stopped 8000 'sleep 1' convert --overwrite -s 3000000 - "$url/web/2"
        same "$(sessions)" "$before" 'sessions'
        [ ! -e new ] || fail 'a target is left behind'
    done
    echo '{"fault": "stall", "value": 2}' >&7
    stopped 8000 'sleep 1' info "$url/web/1"
    stopped 8000 'sleep 1' meta set "$url/web/1" uuid x
    stopped 8000 'sleep 1' write -i input "$url/web/1"
    stopped 8000 'sleep 1' serve "$url/web/1"
    same "$(sessions)" "$before" 'sessions'
}

test_a_password_that_does_not_come() {
    prepare
    mkfifo secret
    exec 8<>secret
    stopped 5000 'sleep 0.5' vm list --password-file secret root@127.0.0.1:1
    stopped 5000 'sleep 0.5' vm list --password-fd 8 root@127.0.0.1:1
    exec 8>&-
    stopped 5000 'sleep 0.5' vm list --password-file secret root@127.0.0.1:1
}

# The snapshot that is being made is taken back although the wish to stop is there.
test_what_is_under_way_is_settled() {
    local before

    prepare
    sim --fault slow-task=2000
    before=$(sessions)
    stopped 20000 'sleep 0.7' vm snapshot create "$url/web" late
    same "$(vdisk vm snapshot list "$url/web")" '' snapshots
    same "$(sessions)" "$before" 'sessions'
}

run_tests "$@"
