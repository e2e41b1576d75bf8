"""Loads what `copl export` wrote: python load.py [FOLDER] lists it; `load(folder)` gives config and tensors.

Needs numpy alone. For PyTorch: {name: torch.from_numpy(array) for name, array in tensors.items()}.

Prompts are `visual.global_prompts.SITE` [L_g, d], `visual.frame_prompts.SITE` [T, d], the same for `audio`; the exchange
between modalities is `coupling.I.*` for the last sites; the head is `classifier.*`. A prompt acts as a key and value of
the attention of every block of its site, never as a query.

Adapters of LAVISH and DG-SCT are `visual.adapters.P.{attention,feed_forward}.*`, the same for `audio`, P the pair of blocks;
running statistics of their batch norms stand beside them.
"""

import hashlib
import json
import pathlib
import struct
import sys

import numpy

TYPES = {"F32": numpy.float32, "I64": numpy.int64, "U32": numpy.uint32}


def load(folder):
    """The description and the tensors by name; refuses a file that is not the described one."""
    folder = pathlib.Path(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    data = (folder / "adapter_model.safetensors").read_bytes()
    if hashlib.sha256(data).hexdigest() != config["tensors_sha256"]:
        raise ValueError("adapter_model.safetensors is not the file that adapter_config.json describes")
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, about in header.items():
        if name == "__metadata__":
            continue
        start, end = (8 + size + offset for offset in about["data_offsets"])
        tensors[name] = numpy.frombuffer(data[start:end], TYPES[about["dtype"]]).reshape(about["shape"])
    if {name: list(t.shape) for name, t in tensors.items()} != config["tensors"]:
        raise ValueError("the tensors' shapes are not those that adapter_config.json describes")
    return config, tensors


if __name__ == "__main__":
    config, tensors = load(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent)
    print(config["method"], [encoder["name"] for encoder in config["encoders"]], config["metrics"])
    for name, tensor in sorted(tensors.items()):
        print(f"{name:50} {tensor.shape}")
    print(sum(t.size for t in tensors.values()), "numbers")
