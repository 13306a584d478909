"""JSON as in RFC 8785, without fractions, and the other encodings, each in its one form."""
import base64
import json


def write(value):
    """Canonical JSON, if the members of objects are in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def parse(text):
    """The value of canonical JSON. Any other way to write it is refused."""
    def ordered(pairs):
        names = [name.encode("utf-16-be") for name, _ in pairs]
        if names != sorted(set(names)):
            raise ValueError("members are out of order, or one is there twice")
        return dict(pairs)

    def integer(digits):
        if not -2**53 < int(digits) < 2**53:
            raise ValueError("a number is beyond 2^53 - 1")
        return int(digits)
    value = json.loads(text.decode(), object_pairs_hook=ordered, parse_int=integer,
                       parse_float=integer, parse_constant=integer)
    if write(value) != text:
        raise ValueError("it is not canonical JSON")
    return value


def unhex(digits, size):
    data = bytes.fromhex(digits)
    if data.hex() != digits or len(data) != size:
        raise ValueError(f"`{digits}` is not {size} bytes in hex")
    return data


def unbase64(written):
    data = base64.b64decode(written, validate=True)
    if base64.b64encode(data).decode() != written:
        raise ValueError(f"`{written}` is not canonical base64")
    return data


def little(number):
    return number.to_bytes(8, "little")
