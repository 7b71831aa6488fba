"""Codes as the words that the hardware reads and writes, and back.

A frame of a port is `words` words of `word_bits` bits, the lowest byte first. A word holds `lanes`
neighbours of the tensor read place by place, channels innermost; element l takes bits l * width
upwards, as two's complement where `signed`; bits above the last element are 0 and mean nothing.
"""

import numpy as np


def frame_bytes(port):
    """Bytes of one frame in memory."""
    return port["words"] * port["word_bits"] // 8


def pack(codes, port):
    """Bytes (frames, frame_bytes) of integer codes (frames, *shape)."""
    frames, words, lanes, width = len(codes), port["words"], port["lanes"], port["width"]
    flat = codes.reshape(frames, port["batch"], port["channels"], port["pixels"])
    elements = flat.transpose(0, 1, 3, 2).reshape(frames, words, lanes)
    data = _bytes_of(elements, width)
    if width % 8 == 0:
        body = data.reshape(frames, words, -1)
    else:
        bits = np.unpackbits(data, axis=-1, bitorder="little")[..., :width]
        body = np.packbits(bits.reshape(frames, words, -1), axis=-1, bitorder="little")
    out = np.zeros((frames, words, port["word_bits"] // 8), np.uint8)
    out[..., : body.shape[-1]] = body
    return out.reshape(frames, -1)


def unpack(data, port):
    """Integer codes (frames, *shape) of bytes; Python ints where 64 bits do not suffice."""
    words, lanes, width = port["words"], port["lanes"], port["width"]
    table = np.ascontiguousarray(data).reshape(-1, words, port["word_bits"] // 8)
    frames = len(table)
    if width % 8 == 0:
        parts = table[..., : lanes * width // 8].reshape(frames, words, lanes, -1)
    else:
        bits = np.unpackbits(table, axis=-1, bitorder="little")[..., : lanes * width]
        bits = bits.reshape(frames, words, lanes, width)
        parts = np.packbits(bits, axis=-1, bitorder="little")
    elements = _integers_of(parts, width, port["signed"])
    placed = elements.reshape(frames, port["batch"], port["pixels"], port["channels"])
    return placed.transpose(0, 1, 3, 2).reshape(frames, *port["shape"])


def read_vectors(path, ports):
    """Codes by value from a vector file: frame after frame, elements of 64-bit words, low first."""
    limbs = [-(-p["width"] // 64) for p in ports]
    sizes = [int(np.prod(p["shape"])) * n for p, n in zip(ports, limbs)]
    table = np.fromfile(path, "<u8").reshape(-1, sum(sizes))
    stops = np.cumsum(sizes)
    found = {}
    for port, n, size, stop in zip(ports, limbs, sizes, stops):
        data = np.ascontiguousarray(table[:, stop - size : stop]).view(np.uint8)
        codes = _integers_of(data.reshape(-1, 8 * n), 64 * n, port["signed"])
        found[port["value"]] = codes.reshape(len(table), *port["shape"])
    return found


def _bytes_of(elements, width):
    """The bytes of each element along a new last axis, as many as its bits need."""
    count = -(-width // 8)
    if width <= 64 and elements.dtype != object:
        data = np.ascontiguousarray(elements.astype("<i8"))
        return data[..., None].view(np.uint8)[..., :count]
    mask = (1 << width) - 1
    joined = b"".join((int(v) & mask).to_bytes(count, "little") for v in elements.ravel())
    return np.frombuffer(joined, np.uint8).reshape(*elements.shape, count)


def _integers_of(parts, width, signed):
    """Integers from their bytes (last axis), in whose upper bits beyond `width` there are zeros."""
    if width < 64 or (width == 64 and signed):
        wide = np.zeros((*parts.shape[:-1], 8), np.uint8)
        wide[..., : parts.shape[-1]] = parts
        values = wide.view("<i8")[..., 0].astype(np.int64)
        if signed and width < 64:
            sign = np.int64(1 << (width - 1))
            values = (values ^ sign) - sign
        return values
    rows = parts.reshape(-1, parts.shape[-1])
    sign = 1 << (width - 1) if signed else 0
    out = np.empty(len(rows), object)
    out[:] = [(int.from_bytes(row.tobytes(), "little") ^ sign) - sign for row in rows]
    return out.reshape(parts.shape[:-1])
