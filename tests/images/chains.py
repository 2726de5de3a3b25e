# SPDX-License-Identifier: Apache-2.0
"""Chains: links of several formats and grain sizes over each other, unequal capacities, and the
ways a parent hint may have to be read. Chains that must be refused are in hostile.py."""

import random

import command
import cowd
import descriptor
import hosted
import sesparse
import stream
import texts
from disk import SECTOR, UNMAPPED, ZERO, Disk, Link, noise, prose

TOOLS = "its tools do not join chains"
CAPACITY = 3 * 4096 * 8 + 100


def some(seed, grain, capacity, every, states=()):
    """Every n-th grain with data, some with the given states, in a fixed jumble."""
    count = -(-capacity // grain)
    choices = [noise, prose, *states]
    grains = []
    for number in range(seed % every, count, every):
        choice = choices[(number * 7 + seed) % len(choices)]
        data = choice(seed + number, grain * SECTOR) if callable(choice) else choice
        grains.append((number, data))
    return grains


def hosted_child(folder, name, parent, grain=128, capacity=CAPACITY, seed=3, zeros=True):
    shape = hosted.Shape(grain=grain, version=2, flags=7) if zeros else hosted.Shape(grain=grain)
    grains = dict(some(seed, grain, capacity, 5, [ZERO] if zeros else []))
    return hosted.write_disk(folder / name, capacity, grains, shape, 0x1000 + seed, parent)


def cowd_child(folder, name, parent, capacity=CAPACITY, seed=4, grain=1):
    grains = some(seed, grain, capacity, max(91 // grain, 3))
    return cowd.write_link(folder, name, capacity, grains,
                           cowd.Shape(grain=grain, root=not parent), 0x2000 + seed, parent)


def sesparse_child(folder, name, parent, capacity=CAPACITY, seed=6):
    grains = some(seed, sesparse.GRAIN, capacity, 11, [ZERO, UNMAPPED])
    return sesparse.write_link(folder, name, capacity, grains[::-1],
                               sesparse.Shape(reverse_slots=True), 0x3000 + seed, parent)


def stream_base(folder, capacity=CAPACITY):
    grains = some(1, 128, capacity, 3)
    return stream.write(folder / "base.vmdk", capacity, grains, stream.VMWARE)


def done(link):
    link.libvmdk = TOOLS
    return link


def three_formats(folder):
    """Stream, COWD, SESparse, hosted with grains of 4 KiB: from the base to the leaf."""
    base = stream_base(folder)
    delta = cowd_child(folder, "a-000001", base)
    space = sesparse_child(folder, "a-000002", delta)
    return done(hosted_child(folder, "a-000003.vmdk", space, grain=8))


def flat_base(folder):
    """Hosted with large grains over SESparse over a flat disk."""
    base = cowd.write_base(folder, CAPACITY)
    space = sesparse_child(folder, "a-000001", base)
    return done(hosted_child(folder, "a-000002.vmdk", space, grain=512))


def deep(folder, depth=20):
    """Twenty links; formats and grain sizes take turns."""
    link = cowd.write_base(folder, CAPACITY)
    for step in range(1, depth):
        name = f"a-{step:06d}"
        if step % 3 == 0:
            link = sesparse_child(folder, name, link, seed=step)
        elif step % 3 == 1:
            link = hosted_child(folder, f"{name}.vmdk", link, grain=8 << step % 7, seed=step)
        else:
            link = cowd_child(folder, name, link, seed=step, grain=1)
    return done(link)


def unequal(parent_capacity, child_capacity):
    def make(folder):
        parent = hosted_child(folder, "base.vmdk", None, 16, parent_capacity, zeros=False)
        return done(hosted_child(folder, "child.vmdk", parent, 128, child_capacity, seed=9))
    return make


def smaller_middle(folder):
    """The middle link ends first: what lies behind it is zeros, whatever the base holds there."""
    base = cowd.write_base(folder, 40000)
    middle = hosted_child(folder, "middle.vmdk", base, 16, 20005, 5)
    return done(hosted_child(folder, "leaf.vmdk", middle, 64, 30000, 8))


def split_child(folder):
    """The child's extents are cut elsewhere than its parent's."""
    parent = hosted.split(folder)
    (folder / "disk.vmdk").rename(folder / "base.vmdk")
    parent.path = folder / "base.vmdk"
    capacity, shape = parent.disk.capacity, hosted.Shape(embedded=False, grain=8)
    link = Link(folder / "child.vmdk", Disk(capacity, parent.disk), [], parent, 0xc11d)
    lines, base = [], 0
    for index, size in enumerate((8 * 9999, 8 * 2222, capacity - 8 * 12221), 1):
        part = folder / f"child-s{index:03d}.vmdk"
        grains = dict(some(index, 8, size, 37))
        layout = hosted.write_extent(part, size, grains, shape)
        hosted.note_grains(link, part, shape, layout, grains, base)
        lines.append(descriptor.extent_line(size, "SPARSE", part.name))
        base += size
    link.path.write_text(descriptor.text("twoGbMaxExtentSparse", lines, link.cid,
                                         (parent.cid, "base.vmdk")))
    return done(link)


def hinted(hint, place="base.vmdk", qemu="takes the hint as a path"):
    """A child whose hint reads `hint` while the parent lies at `place`."""
    def make(folder):
        (folder / place).parent.mkdir(exist_ok=True)
        parent = hosted_child(folder, place, None, 16, 8192, zeros=False)
        grains = dict(some(2, 128, 8192, 7))
        link = hosted.write_disk(folder / "child.vmdk", 8192, grains, cid=0xc11d, parent=parent,
                                 hint=hint)
        link.qemu = qemu
        return done(link)
    return make


def second_candidate(folder):
    """The hint leads to another disk's file; the one with the right CID lies beside the child."""
    link = hinted("old/base.vmdk")(folder)
    (folder / "old").mkdir()
    hosted.write_disk(folder / "old" / "base.vmdk", 8192, {0: noise(1, 512)}, cid=0x0bad)
    return link


def native_snapshot(folder):
    """A storage array's snapshot is whole; its parent is not asked and need not be there."""
    link = texts.reworded(lambda words: words.replace(
        'Snapshot="no"', 'Snapshot="yes"').replace("parentCID=ffffffff", "parentCID=00001234")
        .replace("# Extent", 'parentFileNameHint="gone.vmdk"\n# Extent'))(folder)
    link.qemu = "asks the parent"
    return done(link)


def flat_leaf(folder):
    """A flat link holds every sector; its parent shows nowhere."""
    cowd.write_base(folder, 4099)
    link, words = texts.one_flat(folder)
    words = words.replace("parentCID=ffffffff", "parentCID=00ba5e00\n"
                          'parentFileNameHint="base.vmdk"')
    link.path.write_text(words)
    return done(link)


def never_written(folder):
    """CID fffffffe is an ordinary value for comparison."""
    parent = hosted.write_disk(folder / "base.vmdk", 4096, {3: noise(3, 65536)}, cid=0xfffffffe)
    return done(hosted_child(folder, "child.vmdk", parent, 128, 4096))


def at_random(seed):
    """Two to seven links; format, capacity, grain size and grains by chance."""
    def make(folder):
        source = random.Random(seed)
        link = None
        for step in range(source.randrange(2, 8)):
            capacity = source.choice((CAPACITY, source.randrange(3000, 60000)))
            name, salt = f"a-{step:06d}", source.randrange(1000)
            kind = source.choice((hosted_child, cowd_child, sesparse_child))
            if kind is hosted_child:
                grain = 8 << source.randrange(8)
                link = kind(folder, f"{name}.vmdk", link, grain, capacity, salt)
            else:
                link = kind(folder, name, link, capacity, salt)
        return done(link)
    return make


CASES = {
    "three-formats": three_formats,
    "flat-base": flat_base,
    "depth-20": deep,
    "parent-smaller": unequal(5003, 20000),
    "parent-larger": unequal(20000, 5003),
    "smaller-middle": smaller_middle,
    "split-child": split_child,
    "hint-of-host": hinted("/vmfs/volumes/4c549ecd-66066010/vm/base.vmdk"),
    "hint-datastore": hinted("[store 1] vm/base.vmdk", "vm/base.vmdk"),
    "hint-windows": hinted("vm\\base.vmdk", "vm/base.vmdk"),
    "hint-subfolder": hinted("vm/base.vmdk", "vm/base.vmdk", True),
    "second-candidate": second_candidate,
    "native-snapshot": native_snapshot,
    "flat-leaf": flat_leaf,
    "never-written": never_written,
}

CASES |= {f"random-{seed}": at_random(seed) for seed in range(1, 13)}

if __name__ == "__main__":
    command.main(CASES, __doc__)
