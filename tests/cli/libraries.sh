#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Which libraries of the system the command loads, and what it says where one is missing. The loader
# itself tells, where LD_DEBUG asks it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

network='lib(curl|ssl|crypto|xml2)[.-]'

# loads_none_of_the_network ARGUMENT...
loads_none_of_the_network() {
    rm -f loaded.*
    LD_DEBUG=files LD_DEBUG_OUTPUT=loaded vdisk "$@" >/dev/null || fail "vdisk $*"
    cat loaded.* >loaded
    grep -q 'file=libc\.so' loaded || skip 'the loader tells nothing'
    ! grep -E "$network" loaded || fail "vdisk $* loads what only the network needs"
}

test_local_disks_need_no_library_of_the_network() {
    noise 300000 >raw
    loads_none_of_the_network --version
    loads_none_of_the_network --help
    loads_none_of_the_network convert -O streamOptimized raw disk.vmdk
    loads_none_of_the_network create -t monolithicSparse --parent disk.vmdk child.vmdk
    loads_none_of_the_network write --offset 0 -i raw child.vmdk
    loads_none_of_the_network info --json child.vmdk
    loads_none_of_the_network map child.vmdk
    loads_none_of_the_network check child.vmdk
    loads_none_of_the_network read -o copy child.vmdk
    loads_none_of_the_network compare copy child.vmdk
    loads_none_of_the_network rm child.vmdk
}

test_none_is_linked() {
    need readelf
    ! readelf -d "$VDISK" | grep NEEDED | grep -E "$network" || fail 'vdisk is linked with it'
}

# tells_of FILE REASON: what is said where FILE is all there is of a library.
tells_of() {
    LD_LIBRARY_PATH=$PWD/lib fails_with "loading '$1', which talking to servers needs: .*$2" \
        info vsphere://root@127.0.0.1:1/web
}

test_a_broken_library_is_told() {
    local name

    export VDISK_PASSWORD=x
    for name in libcurl.so.4 libssl.so.3 libxml2.so.2; do
        rm -rf lib
        mkdir lib
        : >"lib/$name"
        tells_of "$name" 'file too short \(on Debian it is in the package '
    done
}

# Another library stands for one that is too old to have what is called.
test_an_old_library_is_told() {
    local name other

    export VDISK_PASSWORD=x
    need ldd
    other=$(ldd "$VDISK" | sed -n 's/.*libdeflate\.so[^ ]* => \([^ ]*\) .*/\1/p')
    [ -n "$other" ] || skip 'vdisk has no libdeflate'
    for name in libcurl.so.4 libssl.so.3 libxml2.so.2; do
        rm -rf lib
        mkdir lib
        ln -s "$other" "lib/$name"
        tells_of "$name" 'undefined symbol'
    done
}

# Its contexts would be given to a library that did not make them.
test_curl_with_another_tls_library_is_told() {
    local other

    export VDISK_PASSWORD=x
    PATH=$PATH:/sbin:/usr/sbin
    need ldconfig
    other=$(ldconfig -p | sed -n 's/.*libcurl-gnutls\.so\.4 .*=> //p' | head -n 1)
    [ -n "$other" ] || skip 'there is no libcurl with GnuTLS'
    mkdir lib
    ln -s "$other" lib/libcurl.so.4
    LD_LIBRARY_PATH=$PWD/lib fails_with "'libcurl.so.4' has the TLS library 'GnuTLS.*, expected OpenSSL/" \
        info vsphere://root@127.0.0.1:1/web
}

test_with_all_of_them_the_server_is_asked() {
    export VDISK_PASSWORD=x
    fails_with 'refused' info vsphere://root@127.0.0.1:1/web
}

run_tests "$@"
