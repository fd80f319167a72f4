"""Boxes of MP4 and elements of Matroska, to write headers that no muxer writes."""

import struct


def boxes(data, begin, end):
    """The kind, position and size of each box."""
    while begin < end:
        size, kind = struct.unpack_from(">I4s", data, begin)
        yield kind, begin, size
        begin += size


def inside(data, *kinds):
    """The position and size of each box on a path, the first of its kind inside the last."""
    path, begin, end = [], 0, len(data)
    for kind in kinds:
        found = next(each for each in boxes(data, begin, end) if each[0] == kind)
        path.append(found[1:])
        begin, end = found[1] + 8, found[1] + found[2]
        if kind == b"stsd":
            begin += 8
    return path


def resized(data, parents, change):
    """Adds `change` to the size of each box of `parents`."""
    for at, _ in parents:
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + change)


def ebml(number, *parts):
    """An element of Matroska; `number` in hexadecimal digits."""
    size = sum(map(len, parts)) | 0x4000
    return bytes.fromhex(number) + size.to_bytes(2, "big") + b"".join(parts)
