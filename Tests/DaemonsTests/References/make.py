"""Writes inputs.json: small input files as other programs write them, with the pixels they stand for.

Made with Python 3.11, NumPy 2.4.6 and Pillow; run it here to make the file again. The network of the tests has 2x2 pixels of 0..16.
"""
import base64, gzip, io, json
import numpy, PIL
from PIL import Image

grey = [[0, 85], [170, 255]]
files = {}

def put(name, data, values, channels=1):
    files[name] = {"base64": base64.b64encode(data).decode(), "values": values, "channels": channels}

def png(image, **options):
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()

full = [value * 16 / 255 for row in grey for value in row]
g8 = Image.fromarray(numpy.array(grey, dtype=numpy.uint8), "L")
put("grey 8 bit", png(g8), full)
put("grey 16 bit", png(Image.fromarray((numpy.array(grey) * 257).astype(numpy.uint16))), full)
put("grey 1 bit", png(Image.fromarray(numpy.array([[0, 255], [255, 0]], dtype=numpy.uint8), "L").convert("1")), [0, 16, 16, 0])
put("palette", png(g8.convert("P")), full)
put("colour of grey", png(g8.convert("RGB")), full)
put("colour with alpha", png(g8.convert("RGBA")), full)
red = numpy.zeros((2, 2, 3), dtype=numpy.uint8)
red[0, 1, 0], red[1, 0, 1], red[1, 1, 2] = 255, 255, 255
planes = [float(red[y, x, c]) * 16 / 255 for c in range(3) for y in range(2) for x in range(2)]
put("colour for three channels", png(Image.fromarray(red, "RGB")), planes, 3)
put("grey for three channels", png(g8), full * 3, 3)

def npy(array):
    out = io.BytesIO()
    numpy.save(out, array)
    return out.getvalue()

pixels = numpy.array([[0, 4], [8, 16]])
put("npy u1", npy(pixels.astype(numpy.uint8)), [0, 4, 8, 16])
put("npy f4", npy((pixels / 16).astype(numpy.float32)), [0, 4, 8, 16])
put("npy f8 with a batch of one", npy((pixels / 16)[None, None]), [0, 4, 8, 16])

def npz(save, **arrays):
    out = io.BytesIO()
    save(out, **arrays)
    return out.getvalue()

scaled = (pixels / 16).astype(numpy.float32)
put("npz", npz(numpy.savez, picture=scaled), [0, 4, 8, 16])
put("npz, compressed, with a label", npz(numpy.savez_compressed, x=scaled[None], y=numpy.array([3])), [0, 4, 8, 16])
put("npz of integers", npz(numpy.savez, x=pixels.astype(numpy.int64)[None], other=numpy.zeros(5)), [0, 4, 8, 16])

idx = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 4, 8, 16])
put("idx, gzip", gzip.compress(idx, mtime=0), [0, 4, 8, 16])
put("csv, gzip", gzip.compress(b"0,4,8,16\n", mtime=0), [0, 4, 8, 16])

with open("inputs.json", "w") as out:
    json.dump({"numpy": numpy.__version__, "pillow": PIL.__version__, "files": files}, out, indent=1, sort_keys=True)
    out.write("\n")
