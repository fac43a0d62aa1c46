"""The packs of this folder: records of a path (u32 length, UTF-8) and a content (u32 length, bytes), little-endian,
sorted by path; as Scripts/onnx-cases writes them."""
import struct


def write(path, records):
    with open(path, "wb") as f:
        for name in sorted(records):
            for part in (name.encode(), records[name]):
                f.write(struct.pack("<I", len(part)) + part)


def read(path):
    content = open(path, "rb").read()
    place, parts = 0, []
    while place < len(content):
        length, = struct.unpack_from("<I", content, place)
        parts.append(content[place + 4:place + 4 + length])
        place += 4 + length
    return {name.decode(): value for name, value in zip(parts[::2], parts[1::2])}
