"""Verifies proof bundles as FORMAT.md says, with the owner's public key and nothing else.

Says of each bundle that its records are in the ledger of that owner, under a checkpoint that the
certified kernel signed, each act among them signed by the owner. Whether they bear each other (the
approval the question, the grant the intent) is to be read from them. Exits like verify.py."""
import argparse, sys

from canonical import little, parse, unhex
from primitives import sha256
from verify import members, need, report


def climb(here, place, size, path):
    """The root of a tree of `size` leaves, from the leaf at `place` (from 0) and what is beside."""
    if size == 1:
        need(not path and place == 0, "its path does not lead to it")
        return here
    half = 1 << (size - 1).bit_length() - 1  # the greatest power of two below `size`
    if place < half:
        return sha256(b"\1", climb(here, place, half, path[:-1]), path[-1])
    return sha256(b"\1", path[-1], climb(here, place - half, size - half, path[:-1]))


def check(ledger, file):
    text, founder, proven = file.read(), ledger.owner.hex(), {}
    names = ("checkpoint", "format", "key", "records", "subject")
    note, version, key, records, subject = members(parse(text.removesuffix(b"\n")), *names)
    need(type(version) is int and version == 1, "its format is unknown")
    need(key == founder, "it is of another ledger")
    for entry in records:
        names = ("path", "previous", "record", "sequence")
        path, previous, record, sequence = members(entry, *names)
        need(type(sequence) is int and sequence > ledger.sequence, "records are out of order")
        previous = unhex(previous, 32)
        beside = sequence == ledger.sequence + 1
        need(not beside or previous == ledger.head, "it does not follow the record before it")
        head = ledger.chain(sequence, previous, record)
        ledger.take(sequence, head, record, whole=False)
        leaf = sha256(b"\0", little(sequence), head)
        proven[sequence] = leaf, [unhex(node, 32) for node in path]
    size, root = ledger.note(note)
    for sequence, (leaf, path) in proven.items():
        need(sequence <= size and len(path) <= 64, f"record {sequence} is not under the checkpoint")
        found = climb(leaf, sequence - 1, size, path)
        need(found == root, f"record {sequence} is not under the checkpoint")
    need(type(subject) is int and subject in proven, "the record it is about is not there")


if __name__ == "__main__":
    usage = argparse.ArgumentParser(description=__doc__)
    usage.add_argument("key", type=lambda key: unhex(key, 32), help="the founding key, in hex")
    usage.add_argument("bundles", nargs="+", help="proof bundles, in JSON")
    said = usage.parse_args()
    sys.exit(report(said.key, said.bundles, check))
