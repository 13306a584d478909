"""BLAKE3, SHA-256, and Ed25519 as strict as can be (RFC 8032): with the standard library only."""
import functools
import hashlib
import struct


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


# BLAKE3: blocks of 64 bytes, chunks of 16 blocks, and over the chunks a binary tree.
IV = struct.unpack("<8I", bytes.fromhex(
    "67e6096a85ae67bb72f36e3c3af54fa57f520e518c68059babd9831f19cde05b"))
CHUNK_START, CHUNK_END, PARENT, ROOT, CONTEXT, MATERIAL = 1, 2, 4, 8, 32, 64
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
LANES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
MASK = 0xFFFFFFFF


def compress(chaining, block, counter, flags):
    words = struct.unpack("<16I", block.ljust(64, b"\0"))
    v = [*chaining, *IV[:4], counter & MASK, counter >> 32, len(block), flags]
    for _ in range(7):
        for (ia, ib, ic, id_), x, y in zip(LANES, words[::2], words[1::2]):
            a, b, c, d = v[ia], v[ib], v[ic], v[id_]
            for word, turn_d, turn_b in ((x, 16, 12), (y, 8, 7)):
                a = a + b + word & MASK
                d = ((d ^ a) >> turn_d | (d ^ a) << 32 - turn_d) & MASK
                c = c + d & MASK
                b = ((b ^ c) >> turn_b | (b ^ c) << 32 - turn_b) & MASK
            v[ia], v[ib], v[ic], v[id_] = a, b, c, d
        words = [words[i] for i in PERMUTATION]
    return [low ^ high for low, high in zip(v[:8], v[8:])]


def blake3(data, key=IV, mode=0):
    def subtree(first, count, flags):
        if count > 1:
            left = 1 << (count - 1).bit_length() - 1  # the greatest power of two below `count`
            pair = subtree(first, left, mode) + subtree(first + left, count - left, mode)
            return compress(key, struct.pack("<16I", *pair), 0, flags | PARENT)
        chunk, chaining = data[first * 1024:first * 1024 + 1024], key
        last = max(0, len(chunk) - 1) // 64 * 64
        for at in range(0, last + 1, 64):
            ends = (mode | CHUNK_START * (at == 0), flags | CHUNK_END | CHUNK_START * (at == 0))
            chaining = compress(chaining, chunk[at:at + 64], first, ends[at == last])
        return chaining
    return struct.pack("<8I", *subtree(0, max(1, (len(data) + 1023) // 1024), mode | ROOT))


@functools.lru_cache
def context_key(context):
    return struct.unpack("<8I", blake3(context.encode(), IV, CONTEXT))


@functools.lru_cache(4096)  # of exports that begin alike
def derive_key(context, material):
    return blake3(material, context_key(context), MATERIAL)


# Ed25519: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def same(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 == (p[1] * q[2] - q[1] * p[2]) % P


def point(data):
    """The point `data` encodes, if it does so canonically and the point is not of small order."""
    sign, y = divmod(int.from_bytes(data, "little"), 2**255)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    x = x if x % 2 == sign else P - x
    p = (x, y, 1, x * y % P)
    twice = add(p, p)
    four = add(twice, twice)
    valid = len(data) == 32 and y < P and x * x % P == square and not same(add(four, four), ZERO)
    return p if valid else None


ZERO = (0, 1, 1, 0)
BASE = point(b"\x58" + b"\x66" * 31)


@functools.lru_cache(4096)
def signed(key, message, signature):
    """Whether `signature` is the one by `key` over `message`: no weak keys, no second forms."""
    a, r, s = point(key), point(signature[:32]), int.from_bytes(signature[32:], "little")
    if not a or not r or s >= ORDER or len(signature) != 64:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % ORDER
    minus_a = (P - a[0], a[1], 1, P - a[3])
    table, total = (ZERO, BASE, minus_a, add(BASE, minus_a)), ZERO  # total = s B - k A
    for bit in reversed(range(253)):
        total = add(add(total, total), table[(s >> bit & 1) + 2 * (k >> bit & 1)])
    return same(total, r)
