#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# vCenters and hosts of each release, and certificates told apart by authority and by age, met by the
# command.
# shellcheck source=tests/cli/sim.sh
. "$(dirname "$0")/sim.sh"

# works WHERE QUERY: info, read, map, convert and vm show; WHERE without the machine.
works() {
    local where=$1 query=${2:-}

    same "$(vdisk info --json "$where/web/1$query" | jq -r '.file + " " + .transport')" '[ds1] web/web.vmdk nbdssl'
    vdisk read --offset 511 --length 70000 "$where/web/1$query" >part
    tail -c +512 guest | head -c 70000 >want || true
    same_files want part
    same "$(vdisk map --json "$where/web/1$query" | jq '[.runs[].length] | add')" 8388608
    vdisk convert --overwrite "$where/web/1$query" whole
    same_files guest whole
    same "$(vdisk vm show --json "$where/web$query" | jq -r .name)" web
}

test_vcenter_8() {
    sim --powered-off
    works "$url"
}

test_vcenter_7() {
    sim --powered-off --profile 7
    works "$url"
}

test_vcenter_6() {
    sim --powered-off --profile 6
    works "$url"
}

test_esxi() {
    sim --powered-off --esxi
    works "$url"
    same "$(vdisk vm list --json "$url" | jq .vcenter)" false
    sim_again --powered-off --esxi --profile 6
    works "$url"
    sim_again --powered-off --esxi --profile 7
    works "$url"
}

# Another simulator in place of the first.
sim_again() {
    exec 7>&-
    wait "$server"
    rm -rf ds hold ready guest
    sim "$@"
}

# As a client sees it that has nothing but the network.
certificate() {
    openssl s_client -connect "127.0.0.1:$(jq -r .port ready)" -showcerts </dev/null 2>/dev/null |
        sed -n '/BEGIN CERT/,/END CERT/p'
}

test_an_authority() {
    need openssl
    sim --powered-off
    unset VDISK_THUMBPRINT
    certificate >own.pem
    works "$url" '?ca=own.pem'
    works "$url" "?ca=$PWD/own.pem"
    fails_with 'is not trusted' info "$url/web/1"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -subj /CN=other -days 2
    fails_with 'is not trusted' info "$url/web/1?ca=other.pem"
    fails_with "'ready' holds no certificate authority" info "$url/web/1?ca=ready"
    fails_with "'missing.pem' holds no certificate authority" vm show "$url/web?ca=missing.pem"
    # The URL says whom to trust: what the environment says is for others.
    VDISK_THUMBPRINT=$(printf 'AB%.0s' {1..20}) works "$url" '?ca=own.pem'
}

# A front with the certificate of an old host: signed with SHA-1 by an authority, its key 1024 bits
# long.
old_front() {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout authority.key -out authority.pem -subj /CN=authority -days 2
    openssl req -newkey rsa:1024 -nodes -keyout old.key -out old.csr -subj /CN=127.0.0.1
    printf 'subjectAltName=IP:127.0.0.1\n' >names
    openssl x509 -req -sha1 -in old.csr -CA authority.pem -CAkey authority.key -CAcreateserial -extfile names \
        -days 2 -out old.pem
    python3 - "$(jq -r .port ready)" >front 7>&- <<'EOF' &
import select, socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.set_ciphers("DEFAULT:@SECLEVEL=0")
context.load_cert_chain("old.pem", "old.key")
plain = ssl._create_unverified_context()
def pump(a, b):  # on one thread: TLS takes no two at once
    other = {a: b, b: a}
    while True:
        for source in [s for s in other if s.pending()] or select.select([a, b], [], [])[0]:
            source.settimeout(0)  # what came may be TLS's own
            try:
                data = source.recv(65536)
            except ssl.SSLWantReadError:
                continue
            finally:
                source.settimeout(None)
            if not data:
                return
            other[source].sendall(data)
def serve(client):
    try:
        with context.wrap_socket(client, server_side=True) as client:
            with plain.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1])))) as server:
                pump(client, server)
    except OSError:
        pass
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
EOF
    beside=$!
    wait_for test -s front
    old="vsphere://administrator@vsphere.local@127.0.0.1:$(cat front)"
}

test_a_host_of_old() {
    need openssl python3
    sim --powered-off --profile 6
    unset VDISK_THUMBPRINT
    old_front
    fails_with '127.0.0.1' info "$old/web/1?ca=authority.pem"
    fails_with '127.0.0.1' vm show "$old/web?ca=authority.pem"
    works "$old" '?ca=authority.pem&legacy-tls=1'
    fails_with 'is not trusted' info "$old/web/1?legacy-tls=1"
    fails_with 'legacy-tls=yes in the URL, expected legacy-tls=1' info "$old/web/1?legacy-tls=yes"
}

run_tests "$@"
