#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""far-end.py [PORT BYTES]: a server that accepts and says nothing; or one that passes everything on
to PORT of this machine and back, until BYTES were passed back on one connection, or the file `stall`
is there: from then on it says nothing on any. Prints its port, and runs until it is killed.
"""
import os
import socket
import sys
import threading

stalled = threading.Event()
silent = []  # connections nobody answers on, kept open


def pass_on(source, target, limit):
    passed = 0
    while True:
        data = source.recv(65536)
        if os.path.exists("stall") or (limit is not None and passed + len(data) > limit):
            stalled.set()
        if stalled.is_set():
            silent.extend((source, target))
            return
        passed += len(data)
        if not data:
            target.shutdown(socket.SHUT_WR)
            return
        target.sendall(data)


def serve(client, port, limit):
    server = socket.create_connection(("127.0.0.1", port))
    for source, target, most in ((client, server, None), (server, client, limit)):
        threading.Thread(target=pass_on, args=(source, target, most), daemon=True).start()


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        client = listener.accept()[0]
        if len(sys.argv) > 1 and not stalled.is_set():
            serve(client, int(sys.argv[1]), int(sys.argv[2]))
        else:
            silent.append(client)


main()
