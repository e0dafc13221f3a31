"""Writes ecg/filters.safetensors: what SciPy's resample_poly, butter and sosfiltfilt make of a signal, and ecg/wfdb/good/expected.json.

Needs NumPy, SciPy (made with 1.10.1), and the kit of reference numbers beside the repository for the second.
"""
import hashlib
import json
import os
import struct

import numpy as np
from scipy import signal

HERE = os.path.dirname(os.path.abspath(__file__))
WFDB = os.path.join(HERE, "..", "..", "..", "..", "shared", "reference", "wfdb", "good", "expected.safetensors")


def write(path, tensors):
    header, data = {}, b""
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name], dtype="<f8")
        header[name] = {"dtype": "F64", "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def filters():
    n = 400
    t = np.arange(n) / 500
    random = np.random.RandomState(1)
    x = 0.7 + 0.3 * np.sin(2 * np.pi * 1.3 * t) + np.sin(2 * np.pi * 7 * t + 1) + 0.2 * random.randn(n) + 0.5 * t
    tensors = {"x": x}
    for up, down in [(1, 5), (100, 257), (5, 1), (2, 3)]:
        for pad in ["constant", "line"]:
            tensors[f"resample.{up}.{down}.{pad}"] = signal.resample_poly(x, up, down, padtype=pad)
    for order, low, high in [(3, 0.5, 40), (1, 8, 16), (3, None, 40), (2, None, 100), (4, 0.5, None), (5, 1, None), (3, 5, 200), (8, 3, 45)]:
        kind = "bandpass" if low and high else "lowpass" if high else "highpass"
        edges = [low, high] if low and high else high or low
        sos = signal.butter(order, edges, kind, fs=500, output="sos")
        name = f"butter.{order}.{low or 0}.{high or 0}"
        tensors[name + ".both_ways"] = signal.sosfiltfilt(sos, x)
        response = signal.sosfreqz(sos, worN=[0.25, 0.5, 1, 8, 30, 40, 100, 240], fs=500)[1]
        tensors[name + ".response"] = np.stack([response.real, response.imag])
    write(os.path.join(HERE, "ecg", "filters.safetensors"), tensors)


def wfdb():
    with open(WFDB, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    hashes = {}
    for name, entry in header.items():
        if name != "__metadata__":
            values = np.frombuffer(data[slice(*entry["data_offsets"])], {"F64": "<f8", "I32": "<i4"}[entry["dtype"]])
            hashes[name] = hashlib.sha256(np.where(np.isnan(values), 0, values).astype(values.dtype).tobytes()).hexdigest()  # NaN as 0
    with open(os.path.join(HERE, "ecg", "wfdb", "good", "expected.json"), "w") as file:
        json.dump(hashes, file, indent=2)
        file.write("\n")


filters()
wfdb()
