"""Verifies a ClawNet ledger as FORMAT.md says, with the owner's public key and nothing else.

    python3 verify.py EXPORT.jsonl OWNER_KEY [CHECKPOINT.txt]    a whole ledger
    python3 verify.py --bundle BUNDLE.json OWNER_KEY             one record and what it rests on

Exit status: 0 it holds; 1 it does not, and one line says where and why; 2 wrong usage.
"""
import base64, collections, functools, hashlib, json, re, sys

from primitives import blake3, derive_key, signed

def need(holds, what):
    if not holds:
        raise ValueError(what)

def write(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

def parse(line):
    """The value of canonical JSON. Any other way to write it is refused."""
    def ordered(pairs):
        names = [name.encode("utf-16-be") for name, _ in pairs]
        need(names == sorted(set(names)), "members are out of order, or one is there twice")
        return dict(pairs)
    def integer(digits):
        need(abs(int(digits)) < 2**53, f"{digits} is beyond 2^53 - 1")
        return int(digits)
    value = json.loads(line.decode(), object_pairs_hook=ordered, parse_int=integer,
                       parse_float=integer, parse_constant=integer)
    need(write(value) == line, "it is not canonical JSON")
    return value

def members(value, *names):
    need(isinstance(value, dict) and tuple(value) == names, f"its members are not {names}")
    return value.values()

def unhex(digits, size):
    data = bytes.fromhex(digits)
    need(data.hex() == digits and len(data) == size, f"`{digits}` is not {size} bytes in hex")
    return data

def unbase64(written):
    data = base64.b64decode(written, validate=True)
    need(base64.b64encode(data).decode() == written, f"`{written}` is not canonical base64")
    return data

def little(number):
    return number.to_bytes(8, "little")

def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def climb(here, place, size, path):
    """The root of a tree of `size` leaves, from the leaf at `place` (from 0) and what is beside."""
    if size == 1:
        need(not path and place == 0, "its path does not lead to it")
        return here
    half = 1 << (size - 1).bit_length() - 1
    if place < half:
        return sha256(b"\1", climb(here, place, half, path[:-1]), path[-1])
    return sha256(b"\1", path[-1], climb(here, place - half, size - half, path[:-1]))

class Ledger:
    """What the records so far prove: where the chain and the tree stand, and which keys speak."""
    def __init__(self, key):
        self.id = derive_key("clawnet 2026 identifier v1", little(3) + b"own" + little(32) + key)[:16]
        self.name, self.owner, self.kernel, self.number = "own_" + self.id.hex(), key, None, 0
        self.sequence, self.head, self.at, self.peaks, self.place = 0, bytes(32), 0, [], 1
        self.count = collections.Counter()

    def take(self, sequence, previous, record, line=None):
        """Checks record `sequence`, which stands in `line` if none before it is left out; its leaf."""
        payload = write(record)
        fields = self.id + little(sequence) + previous + little(len(payload))
        self.head = derive_key("clawnet 2026 ledger chain v1", fields + payload)
        whole = {"hash": self.head.hex(), "record": record, "sequence": sequence}
        need(line in (None, write(whole)), "its place or hash is not what it and its past give")
        actor, at, event = members(record, "actor", "at", "event")
        need(type(at) is int and at >= self.at, "its time is before that of the record before it")
        (name, event), = event.items()
        need((actor == "owner") == (name == "act"), "acts are the owner's, and only they")
        need((name == "opened") == (sequence == 1), "the first record opens the ledger, no other")
        if name == "opened":
            need(write(event) == write({"format": 1, "key": self.owner.hex()}), "another's ledger")
        elif name == "act":
            self.act(*members(event, "act", "number", "signature"), line is not None)
        elif name == "checkpoint" and line is not None:
            self.compare(event, sequence - 1)
        self.sequence, self.at = sequence, at
        self.count[name] += 1
        return sha256(b"\0", little(sequence), self.head)

    def act(self, act, number, signature, complete):
        follows = number == self.number + 1 if complete else number > self.number
        need(type(number) is int and follows, f"act {number} does not follow act {self.number}")
        (name, what), = act.items()
        self.number = number
        self.stated("act", act, signature)
        if name == "certify":
            self.kernel = unhex(what["key"], 32)
        elif name == "rekey":
            self.owner = unhex(what["key"], 32)
            self.stated("key", what["key"], what["proof"])

    def stated(self, what, value, signature):
        statement = write({what: value, "ledger": self.name, "number": self.number})
        statement = f"clawnet owner {what} v1\n".encode() + statement
        holds = signed(self.owner, statement, unhex(signature, 64))
        need(holds, f"the {what} is not signed by the owner's key")

    def push(self, node):
        """Adds a leaf to the tree, of which the whole subtrees are kept, the greatest first."""
        size = 1
        while self.peaks and self.peaks[-1][0] == size:
            size, node = 2 * size, sha256(b"\1", self.peaks.pop()[1], node)
        self.peaks.append((size, node))

    def compare(self, note, size):
        nodes = [node for _, node in reversed(self.peaks)]
        root = functools.reduce(lambda right, left: sha256(b"\1", left, right), nodes)
        need(self.note(note) == (size, root), "the checkpoint is not over the records before it")

    def note(self, note):
        """Size and root of a checkpoint that the kernel key in force signed."""
        name, lines = "clawnet/" + self.name, note.split("\n")
        need(lines[0] == name and re.fullmatch("[1-9][0-9]{0,15}", lines[1])
             and lines[3] == lines[-1] == "", "no checkpoint of this ledger")
        need(self.kernel, "no kernel key is certified")
        key_id = sha256(name.encode(), b"\n\1", self.kernel)[:4]
        mine = [unbase64(line[len(name) + 3:]) for line in lines if line.startswith(f"— {name} ")]
        mine = [signature[4:] for signature in mine if signature[:4] == key_id]
        body = "\n".join(lines[:3]) + "\n"
        holds = len(mine) == 1 and signed(self.kernel, body.encode(), mine[0])
        need(holds, "the checkpoint is not signed by the kernel key in force")
        return int(lines[1]), unbase64(lines[2])

def check_export(ledger, lines, key, remembered):
    size, payload = int((remembered or "\n0").split("\n")[1]), b""
    first = {"export": {"format": 1, "key": key, "ledger": ledger.name}}
    need(next(lines, b"") == write(first) + b"\n", "no first line of an export for this owner")
    for line in lines:
        ledger.place = ledger.sequence + 1
        if line == write({"end": {"hash": ledger.head.hex(), "sequence": ledger.sequence}}) + b"\n":
            need(not next(lines, b""), "something follows the end")
            need(size <= ledger.sequence and (size or not remembered), f"gone, of {size} remembered")
            return
        value = parse(line[:-1])
        if "body" in value:
            content, digest = members(*members(value, "body"), "content", "digest")
            need(digest.encode() in payload, "before it stands a body that nothing named")
            ledger.place = ledger.sequence
            need(blake3(unbase64(content)).hex() == digest, "the body behind it is not its digest")
            ledger.count["body"] += 1
            continue
        payload = write(value["record"])
        ledger.push(ledger.take(ledger.place, ledger.head, value["record"], line[:-1]))
        if ledger.place == size:
            ledger.compare(remembered, size)
    ledger.place = ledger.sequence + 1
    need(False, "gone, and everything after it")

def check_bundle(ledger, lines, key, _):
    ledger.place, proven = "the bundle", []
    bundle = parse(b"".join(lines).rstrip(b"\n"))
    names = ("checkpoint", "format", "key", "records", "subject")
    note, version, founder, records, subject = members(bundle, *names)
    need(write([version, founder]) == write([1, key]), "not of format 1, or not for this owner")
    for entry in records:
        names = ("path", "previous", "record", "sequence")
        path, previous, record, ledger.place = members(entry, *names)
        need(ledger.sequence < ledger.place, "it is out of order")
        leaf = ledger.take(ledger.place, unhex(previous, 32), record)
        proven.append((leaf, ledger.place, [unhex(node, 32) for node in path]))
    ledger.place = "the checkpoint"
    size, root = ledger.note(note)
    for leaf, ledger.place, path in proven:
        need(climb(leaf, ledger.place - 1, size, path) == root, "it is not in the tree")
    ledger.place = "the subject"
    need(subject in [place for _, place, _ in proven], "its record is not there")

def main(arguments):
    bundle = arguments[:1] == ["--bundle"]
    path, key, *checkpoint = (*arguments[bundle:], "", "")[:max(2, len(arguments) - bundle)]
    if len(checkpoint) > (not bundle) or not re.fullmatch("[0-9a-f]{64}", key):
        return print(__doc__, file=sys.stderr) or 2
    ledger, check = Ledger(bytes.fromhex(key)), check_bundle if bundle else check_export
    try:
        remembered = open(checkpoint[0], "rb").read().decode() if checkpoint else None
        with open(path, "rb") as lines:
            check(ledger, lines, key, remembered)
    except OSError as error:
        return print(error, file=sys.stderr) or 2
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        place = f"record {ledger.place}" if isinstance(ledger.place, int) else ledger.place
        print(f"{place}: {error if isinstance(error, ValueError) else 'not of the right form'}")
        return 1
    print(f"{ledger.name}: it holds. Last record {ledger.sequence}, {ledger.head.hex()}. Checked: "
          + ", ".join(f"{count} {name}" for name, count in sorted(ledger.count.items())))
    return 0

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
