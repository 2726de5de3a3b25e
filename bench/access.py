# SPDX-License-Identifier: Apache-2.0
"""Rows of the table that look at disks and touch them here and there: random reads and writes,
chains, maps, checks, huge disks, NBD. Each row is a function that takes the Bench of bench/bench."""
import array
import os
import random
import shutil
import struct
import subprocess

MIB = 1 << 20
LINKS = 30
READ_LINKS = 20
ALLOCATED_GRAINS = 1 << 20
# A prime of blocks after the last one, so that every block comes once before any comes twice and
# no two neighbours in time share a grain.
STEP = (17 * MIB) + 4096
GRAIN_STEP = 331 * 65536
READS = 100000
WRITES = 50000
ALLOCATIONS = 2000


def random_io(bench, verb, disk, count, depth, step=STEP, size=4096):
    return [os.path.join(bench.build, "bench", "random-io"), bench.library, verb, disk, str(count),
            str(depth), str(step), str(size)]


def qemu_bench(disk, count, depth, step=STEP, size=4096, more=(), cache="writeback"):
    return ["qemu-img", "bench", "-f", "vmdk", "-c", str(count), "-d", str(depth), "-s", str(size),
            "-S", str(step), "-t", cache, *more, disk]


def qemu_io(disk, commands):
    """What the peer writes; `unsafe`: nothing here needs to survive a power cut."""
    subprocess.run(["qemu-io", "-f", "vmdk", "-t", "unsafe", disk], input=commands, text=True,
                   stdout=subprocess.DEVNULL, check=True)


def create(path, size, *more):
    if os.path.exists(path):
        os.unlink(path)
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", *more, path, *([size] if size else [])],
                   check=True)


# ---- test data --------------------------------------------------------------------------------

def fill_tables(path, run_grains):
    """Allocates grains in runs of `run_grains` at random places of an empty monolithicSparse, as
    entries of its tables and a file that is one hole behind them: no row reads their bytes."""
    rng = random.Random(1)
    with open(path, "r+b") as file:
        fields = struct.unpack_from("<IIIQQQQIQQQ", file.read(512))
        capacity, grain, entries, redundant, primary = (fields[3], fields[4], *fields[7:10])
        grains = capacity // grain
        directories = []
        for sector in (primary, redundant):
            file.seek(sector * 512)
            directories.append(array.array("I", file.read((grains // entries) * 4)))
        place = -(-os.fstat(file.fileno()).st_size // (grain * 512)) * grain
        tables = {}
        # In every second slot at most, so that no two runs touch.
        for slot in sorted(rng.sample(range(grains // run_grains // 2),
                                      ALLOCATED_GRAINS // run_grains)):
            for index in range(slot * run_grains * 2, slot * run_grains * 2 + run_grains):
                table = tables.setdefault(index // entries, array.array("I", bytes(entries * 4)))
                table[index % entries] = place
                place += grain
        for number, table in tables.items():
            for directory in directories:
                file.seek(directory[number] * 512)
                file.write(table.tobytes())
        file.truncate(place * 512)


def make_chain(bench, size_mib):
    """Snapshots upon sparse.vmdk, each with some writes of its own."""
    rng = random.Random(2)
    below = bench.path("sparse.vmdk")
    for link in range(1, LINKS):
        path = bench.path(f"link-{link}.vmdk")
        create(path, None, "-b", below, "-F", "vmdk")
        qemu_io(path, "".join(f"write -P {link} {rng.randrange(size_mib * 16 - 4) << 16} 256k\n"
                              for _ in range(20)))
        below = path


def make_filled(path, size_mib):
    """Every grain allocated."""
    create(path, f"{size_mib}M")
    qemu_io(path, "".join(f"write -P 7 {at}M 16M\n" for at in range(0, size_mib, 16)))


def make_data(bench, size_mib):
    make_chain(bench, size_mib)
    make_filled(bench.path("filled-ours.vmdk"), size_mib // 2)
    shutil.copy(bench.path("filled-ours.vmdk"), bench.path("filled-peer.vmdk"))
    for name, size, run_grains in (("map", "2T", 4), ("check", "256G", 16)):
        create(bench.path(name + ".vmdk"), size)
        fill_tables(bench.path(name + ".vmdk"), run_grains)


def chain_disk(bench, links):
    return bench.path(f"link-{links - 1}.vmdk")


# ---- rows -------------------------------------------------------------------------------------

def random_reads(bench, name, disk, depth, target):
    bench.pair(name, random_io(bench, "read", disk, READS, depth),
               qemu_bench(disk, READS, depth, more=["-U"]), count=READS, own_time=True,
               target=target)


def row_random_32(bench):
    random_reads(bench, "random 4 KiB reads, 32 at a time", bench.path("sparse.vmdk"), 32, 3)


def row_random_direct(bench):
    disk = bench.path("filled-ours.vmdk")
    for depth in (1, 32):
        bench.pair(f"random 4 KiB reads unbuffered, {depth} at a time",
                   random_io(bench, "read-direct", disk, READS // 10, depth),
                   qemu_bench(disk, READS // 10, depth, more=["-U"], cache="none"),
                   count=READS // 10, own_time=True)


def row_random_chain(bench):
    for depth in (1, 32):
        random_reads(bench, f"random 4 KiB reads, {READ_LINKS} links, {depth} at a time",
                     chain_disk(bench, READ_LINKS), depth, 4)


def row_sequential_chain(bench):
    disk = chain_disk(bench, READ_LINKS)
    size = os.path.getsize(bench.path("raw.img"))
    bench.pair(f"read {READ_LINKS} links, in order",
               random_io(bench, "read", disk, size // (2 * MIB), 2, 2 * MIB, 2 * MIB),
               qemu_bench(disk, size // (2 * MIB), 8, 2 * MIB, 2 * MIB, more=["-U"]),
               volume=size, own_time=True, target=4)


def row_random_write(bench):
    for depth in (1, 32):
        bench.pair(f"random 4 KiB writes, {depth} at a time",
                   random_io(bench, "write", bench.path("filled-ours.vmdk"), WRITES, depth),
                   qemu_bench(bench.path("filled-peer.vmdk"), WRITES, depth, more=["-w"]),
                   count=WRITES, own_time=True, target=2)


def row_allocate(bench):
    """Into empty disks, new ones each time."""
    ours, peer = bench.path("new-ours.vmdk"), bench.path("new-peer.vmdk")
    for what, step in (("in order", 65536), ("at random", GRAIN_STEP)):
        bench.pair(f"64 KiB writes that allocate, {what}",
                   random_io(bench, "write", ours, ALLOCATIONS, 1, step, 65536),
                   qemu_bench(peer, ALLOCATIONS, 1, step, 65536, more=["-w"]),
                   count=ALLOCATIONS, own_time=True, target=2,
                   before=lambda: (create(ours, "8G"), create(peer, "8G")))
    os.unlink(ours)
    os.unlink(peer)


def row_info_chain(bench):
    disk = chain_disk(bench, LINKS)
    bench.pair(f"info of a chain of {LINKS} links", [bench.vdisk, "info", disk],
               ["qemu-img", "info", "--backing-chain", "-U", disk], target=5)


def row_map_many(bench):
    disk = bench.path("map.vmdk")
    bench.pair("map of 2 TiB, 1 M grains", [bench.vdisk, "map", "--json", disk],
               ["qemu-img", "map", "-U", "--output=json", disk], target=20, warm=False)


def row_check(bench):
    disk = bench.path("check.vmdk")
    bench.pair("check of 256 GiB, 1 M grains", [bench.vdisk, "check", disk],
               ["qemu-img", "check", "-U", disk], target=5)


def row_nbd(bench):
    disk = bench.path("sparse.vmdk")
    plugin = os.path.join(bench.build, "nbdkit", "nbdkit-vdisk-plugin.so")
    if not os.path.exists(plugin) or not shutil.which("nbdkit") or not shutil.which("nbdcopy"):
        bench.skip("nbdcopy of a disk to null", "nbdkit or nbdcopy is missing")
        return
    bench.pair("nbdcopy of a disk to null",
               ["nbdcopy", "--", "[", "nbdkit", "--exit-with-parent", plugin, "file=" + disk, "]",
                "null:"],
               ["nbdcopy", "--", "[", "qemu-nbd", "-r", "-f", "vmdk", disk, "]", "null:"],
               volume=os.path.getsize(bench.path("raw.img")), target=1.5)


ROWS = [row_random_32, row_random_direct, row_random_chain, row_sequential_chain, row_random_write,
        row_allocate, row_info_chain, row_map_many, row_check, row_nbd]
