# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of the command against the simulated vCenter share; VSPHERE_SIM names that.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

unset VDISK_PASSWORD VDISK_THUMBPRINT

# sim ARGUMENT...: a vCenter with the machine web of two disks; sets url, and the ways to log in.
sim() {
    need jq
    [ -x "${VSPHERE_SIM:-}" ] || skip 'vsphere-sim is not built'
    [ -x "$(dirname "$VSPHERE_SIM")/vsphere-sim-soap" ] || skip 'vsphere-sim-soap is not built'
    mkdir -p ds/web
    noise 700000 >guest
    truncate -s 8M guest
    vdisk convert -O vmfsThin guest ds/web/web.vmdk
    vdisk create -t vmfs -s 4M ds/web/data.vmdk
    mkfifo hold
    "$VSPHERE_SIM" --datastore "ds1=$PWD/ds" --vm 'web=[ds1] web/web.vmdk,[ds1] web/data.vmdk' "$@" \
        <hold >ready &
    server=$!
    exec 7>hold
    beside= # a program of the test's that is to end with it
    trap '[ -z "$beside" ] || kill "$beside"; exec 7>&-; wait "$server" || true' EXIT
    while ! [ -s ready ]; do
        kill -0 "$server" || fail 'vsphere-sim ended'
        sleep 0.1
    done
    VDISK_PASSWORD=$(jq -r .password ready)
    VDISK_THUMBPRINT=$(jq -r .thumbprintSha256 ready)
    export VDISK_PASSWORD VDISK_THUMBPRINT
    host="$(jq -r .user ready)@127.0.0.1:$(jq -r .port ready)"
    # shellcheck disable=SC2034 # the tests use it
    url="vsphere://$host"
}

# wait_for COMMAND...: until it succeeds, at most a minute.
wait_for() {
    local _

    for _ in $(seq 300); do
        "$@" && return
        sleep 0.2
    done
    fail "waited in vain for: $*"
}
