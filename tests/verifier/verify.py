"""Verifies whole ledgers as FORMAT.md says, with the owner's public key and nothing else. Exits with
0 if all of them hold, 1 if one does not, and up to which record it does, 2 if it cannot say."""
import argparse, functools, re, sys

from canonical import little, parse, unbase64, unhex, write
from primitives import blake3, derive_key, sha256, signed

EVENTS = {"owner": "act", "agent": "asked delegated denied intent outcome", "kernel": "checkpoint "
          "declared erased misbehaved opened outcome recalled recovered snapshot witnessed"}
ACTS = ("approve bind certify declare dismiss erase freeze grant identity rekey reject retire "
        "revoke unfreeze")
AGENT = "agt_[0-9a-f]{24}@idn_[0-9a-f]{24}"
SIGNATURE = r"— ([^\0-\x1f\s+]+) ([A-Za-z0-9+/]{7,}=*)\n"

def need(holds, what):
    if not holds:
        raise ValueError(what)

def members(value, *names):
    need(isinstance(value, dict) and tuple(value) == names, f"its members are not {names}")
    return value.values()

class Ledger:
    """What the records so far prove: where the chain and the tree stand, and which keys speak."""
    def __init__(self, key):
        parts = little(3) + b"own" + little(len(key)) + key
        self.id = derive_key("clawnet 2026 identifier v1", parts)[:16]
        self.name, self.owner, self.kernel, self.number = "own_" + self.id.hex(), key, b"", 0
        self.sequence, self.head, self.at, self.peaks = 0, bytes(32), 0, []

    def chain(self, sequence, previous, record):
        payload = write(record)
        need(len(payload) <= 1 << 20, "it is longer than a record may be")
        fields = self.id + little(sequence) + previous + little(len(payload))
        return derive_key("clawnet 2026 ledger chain v1", fields + payload)

    def take(self, sequence, head, record, whole=True):
        """Checks a record by its hash; if not `whole`, not all before it have been taken."""
        actor, at, event = members(record, "actor", "at", "event")
        need(type(at) is int and at >= self.at, "its time is before that of the record before it")
        (name, what), = event.items()
        role = "agent" if re.fullmatch(AGENT, actor) else actor
        need(name in EVENTS[role].split(), f"there is no {name} by the {role}")
        need((name == "opened") == (sequence == 1), "the first record opens the ledger, no other")
        if name == "opened":
            need(write(what) == write({"format": 1, "key": self.owner.hex()}), "another's ledger")
        elif name == "act":
            self.act(*members(what, "act", "number", "signature"), whole)
        elif name == "checkpoint" and whole:
            need(self.note(what) == self.tree(), "the checkpoint is not over what is before it")
        elif name == "snapshot" and whole:
            said = write({"ledger": self.name, "sequence": sequence, "state": what["state"]})
            said, signature = b"clawnet snapshot v1\n" + said, unhex(what["signature"], 64)
            need(signed(self.kernel, said, signature), "the state is not signed by the kernel")
        self.sequence, self.head, self.at = sequence, head, at
        self.push(sha256(b"\0", little(sequence), head))

    def act(self, act, number, signature, whole):
        follows = number == self.number + 1 if whole else number > self.number
        need(type(number) is int and follows, f"act {number} does not follow act {self.number}")
        (name, what), = act.items()
        need(name in ACTS.split(), f"there is no act {name}")
        self.stated("act", act, number, signature)
        if name == "certify":
            self.kernel = unhex(what["key"], 32)
        elif name == "rekey":
            self.owner = unhex(what["key"], 32)
            self.stated("key", what["key"], number, what["proof"])
        self.number = number

    def stated(self, what, value, number, signature):
        statement = write({what: value, "ledger": self.name, "number": number})
        statement = f"clawnet owner {what} v1\n".encode() + statement
        need(signed(self.owner, statement, unhex(signature, 64)), f"the {what} is not the owner's")

    def push(self, node, size=1):
        """Adds a leaf to the tree, of which the whole subtrees are kept, the greatest first."""
        while self.peaks and self.peaks[-1][0] == size:
            size, node = 2 * size, sha256(b"\1", self.peaks.pop()[1], node)
        self.peaks.append((size, node))

    def tree(self):
        nodes = (node for _, node in reversed(self.peaks))
        root = functools.reduce(lambda right, left: sha256(b"\1", left, right), nodes)
        return self.sequence, root

    def note(self, text):
        """Size and root of a checkpoint that the kernel key in force signed."""
        name = "clawnet/" + self.name
        parts = re.fullmatch(f"({name}\n([1-9][0-9]*)\n(.+)\n)\n((?:{SIGNATURE}){{1,16}})", text)
        need(parts and len(text.encode()) <= 1 << 16, "it is no checkpoint of this ledger")
        body, size, root, lines, *_ = parts.groups()
        mine = name, sha256(name.encode(), b"\n\1", self.kernel)[:4]
        lines = [(signer, unbase64(data)) for signer, data in re.findall(SIGNATURE, lines)]
        mine = [data[4:] for signer, data in lines if (signer, data[:4]) == mine]
        need(mine and all(signed(self.kernel, body.encode(), signature) for signature in mine),
             "the checkpoint is not signed by the kernel key in force")
        return int(size), unbase64(root)

    def check(self, lines, remembered):
        first = {"export": {"format": 1, "key": self.owner.hex(), "ledger": self.name}}
        need(next(lines, b"") == write(first) + b"\n", "no export of this ledger begins so")
        size, beside, bodies = int(remembered.split("\n")[1]) if remembered else 1, None, set()
        for line in lines:
            value, sequence = parse(line.rstrip(b"\n")), self.sequence + 1
            if "body" in value:
                content, digest = members(*members(value, "body"), "content", "digest")
                need(digest == beside and digest not in bodies, "a body that it does not name")
                need(blake3(unbase64(content)).hex() == digest, "a body that is not of its digest")
                bodies.add(digest)
            elif "end" in value:
                value = {"end": {"hash": self.head.hex(), "sequence": self.sequence}}
                need(line == write(value) + b"\n", "the end is not of the last record")
                need(self.sequence >= size, f"it ends, of {size} records that are remembered")
                return need(not next(lines, b""), "something follows the end")
            else:
                record, head = value["record"], self.chain(sequence, self.head, value["record"])
                value = {"hash": head.hex(), "record": record, "sequence": sequence}
                need(line == write(value) + b"\n", "its place or hash is not what its past gives")
                beside = body_of(**record["event"])
                self.take(sequence, head, record)
                if remembered and sequence == size:
                    need(self.note(remembered) == self.tree(), "it is not what is remembered")
        need(False, "it is cut off")

def body_of(asked={}, declared={}, outcome={}, act={"act": {}}, **_):
    archive = act["act"].get("retire", {}).get("archive") or declared.get("body")
    return asked.get("content", {}).get("digest") or outcome.get("evidence") or archive

def report(key, files, check):
    """Says what a check of each file finds; the exit status."""
    status = 0
    for file in files:
        ledger = Ledger(key)
        try:
            with open(file, "rb") as lines:
                check(ledger, lines)
            print(f"{file}: it holds: {ledger.sequence} records, {ledger.head.hex()}")
        except Exception as error:  # whatever it trips over is not of the form
            status = max(status, 2 if isinstance(error, OSError) else 1)
            print(f"{file}: it holds up to record {ledger.sequence}, then: {error!r}")
    return status

if __name__ == "__main__":
    usage = argparse.ArgumentParser(description=__doc__)
    usage.add_argument("--remember", metavar="CHECKPOINT", help="a signed note seen earlier")
    usage.add_argument("key", type=lambda key: unhex(key, 32), help="the founding key, in hex")
    usage.add_argument("exports", nargs="+", help="ledgers in JSON Lines")
    said = usage.parse_args()
    note = lambda: said.remember and open(said.remember, encoding="utf-8", newline="").read()
    sys.exit(report(said.key, said.exports, lambda ledger, lines: ledger.check(lines, note())))
