"""An encoder node in Python: a Swin-V2 of timm on PyTorch, used by copl-model as any other encoder node.

It is an example of the node contract (docs/node-contract.md, "Encoders") in another language: nothing of copl is imported.
Needs Python 3.9 or newer and `pip install dora-rs==1.1.0 pyarrow numpy torch timm safetensors`. In a dataflow:

  - id: visual
    path: /path/to/venv/bin/python
    args: ../nodes/examples/timm_encoder.py
    env: { ARCH: swinv2_tiny_window8_256, WEIGHTS: pretrained, THREADS: 1 }
    inputs:
      requests: { source: model/visual, queue_size: 64 }
    outputs: [answers]

Settings: ARCH, a timm name of a Swin-V2, or SIZES, the arguments of timm's SwinTransformerV2 as JSON; WEIGHTS, a
safetensors file with timm's names, or `pretrained`; DEVICE (default cpu); THREADS.
"""
import hashlib
import json
import math
import os
import re
import sys
import time

import numpy as np
import pyarrow as pa
import timm
import torch
import torch.nn.functional as F
from dora import Node
from safetensors.torch import load_file
from timm.models.swin_transformer_v2 import SwinTransformerV2, window_partition, window_reverse

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SCHEMAS = {  # columns of what is sent: i = Int64, s = Utf8, l = List<Int32>, t = tensor<Float32>
    "encoder": "name:s weights:s parameters:i tensors:i frames:l spectrogram:l widths:l tokens:l stages:l "
    "class_tokens:i out_dim:i coupled_sites:i",
    "prompts": "first:i end:i keep:i map:i bias:s shared:t own:t",
    "latents": "block:i keep:i latents:t",
    "condensed": "block:i condensed:t",
    "map": "block:i tokens:t",
    "features": "pooled:t",
}


# --- The encoder: blocks that see prompts as further keys and values ---


class SwinV2:
    def __init__(self, settings):
        sizes, weights = settings.get("SIZES"), settings["WEIGHTS"]
        if sizes:
            self.model = SwinTransformerV2(num_classes=0, **json.loads(sizes))
        else:
            self.model = timm.create_model(settings["ARCH"], pretrained=weights == "pretrained", num_classes=0)
        self.fingerprint = f"timm:{settings.get('ARCH', '')}"
        if weights != "pretrained":
            self.model.load_state_dict(load_file(weights))
            with open(weights, "rb") as file:
                self.fingerprint = hashlib.sha256(file.read()).hexdigest()
        self.device = torch.device(settings.get("DEVICE", "cpu"))
        self.model.eval().requires_grad_(False).to(self.device)
        self.blocks = [(s, b) for s, stage in enumerate(self.model.layers) for b in range(len(stage.blocks))]
        self.size = self.model.patch_embed.img_size[0]
        self.biases = [self._position_bias(self._block(i).attn) for i in range(len(self.blocks))]

    def introduction(self):
        blocks = [self._block(i) for i in range(len(self.blocks))]
        state = self.model.state_dict()
        return {
            "name": type(self.model).__name__,
            "weights": self.fingerprint,
            "parameters": sum(t.numel() for t in state.values()),
            "tensors": len(state),
            "frames": [3, self.size, self.size],
            "spectrogram": [3, self.size, self.size],
            "widths": [b.dim for b in blocks],
            "tokens": [math.prod(b.input_resolution) for b in blocks],
            "stages": [s for s, _ in self.blocks],
            "class_tokens": 0,
            "out_dim": self.model.num_features,
            "coupled_sites": 2,
        }

    def images(self, schema, raw):
        """[B, T, H, W, 3] of bytes or [B, T, time, mel] -> [N, 3, H, W]."""
        images = torch.from_numpy(raw).to(self.device, torch.float32).flatten(0, 1)
        if schema == "spectrogram":
            return images.unsqueeze(1).expand(-1, 3, -1, -1)
        mean, std = (torch.tensor(v, device=self.device) for v in (MEAN, STD))
        return ((images / 255 - mean) / std).permute(0, 3, 1, 2)

    def embed(self, images):
        return self.model.patch_embed(images)  # [N, H, W, d]

    def merge(self, index, x):
        stage, block = self.blocks[index]
        return self.model.layers[stage].downsample(x) if block == 0 else x

    def block(self, index, x, prompts, bias):
        block = self._block(index)
        x = x + block.norm1(self._attend(block, self.biases[index], x, prompts, bias))
        return x + block.norm2(block.mlp(x))

    def finish(self, x):
        return self.model.norm(x)

    def _block(self, index):
        stage, block = self.blocks[index]
        return self.model.layers[stage].blocks[block]

    def _position_bias(self, attention):
        with torch.no_grad():
            table = attention.cpb_mlp(attention.relative_coords_table).view(-1, attention.num_heads)
            area = attention.relative_position_index.shape[0]
            table = table[attention.relative_position_index.view(-1)].view(area, area, -1).permute(2, 0, 1)
            return 16 * torch.sigmoid(table)

    def _attend(self, block, position, x, prompts, bias):
        attention, (rows, columns), shift = block.attn, block.window_size, tuple(block.shift_size)
        n, height, width, d = x.shape
        heads, area = attention.num_heads, rows * columns
        if any(shift):
            x = torch.roll(x, (-shift[0], -shift[1]), (1, 2))
        x = F.pad(x, (0, 0, 0, -width % columns, 0, -height % rows))
        padded = x.shape[1:3]
        windows = window_partition(x, (rows, columns)).view(n, -1, area, d)
        weight, biases = attention.qkv.weight, (attention.q_bias, attention.k_bias, attention.v_bias)
        qkv = F.linear(windows, weight, torch.cat(biases))
        q, k, v = qkv.view(n, -1, area, 3, heads, d // heads).permute(3, 0, 1, 4, 2, 5)  # [N, windows, heads, area, .]
        scale = attention.logit_scale.clamp(max=math.log(100)).exp()
        q = F.normalize(q, dim=-1) * scale
        scores = q @ F.normalize(k, dim=-1).transpose(-2, -1) + position
        if block.attn_mask is not None:
            scores = scores + block.attn_mask[None, :, None]
        if prompts is not None:
            count = prompts.shape[1]
            pkv = F.linear(prompts, weight[d:], torch.cat(biases[1:]))
            pk, pv = pkv.view(n, 1, count, 2, heads, d // heads).permute(3, 0, 1, 4, 2, 5)
            extra = q @ F.normalize(pk, dim=-1).transpose(-2, -1)
            if bias == "mean":
                extra = extra + position.mean(-1, keepdim=True)
            shares = torch.cat([scores, extra], -1).softmax(-1)
            out = shares[..., :area] @ v + shares[..., area:] @ pv
        else:
            out = scores.softmax(-1) @ v
        out = attention.proj(out.transpose(2, 3).reshape(-1, area, d))
        out = window_reverse(out.view(-1, rows, columns, d), (rows, columns), padded)[:, :height, :width]
        return torch.roll(out, shift, (1, 2)) if any(shift) else out


# --- A pass: what the model asks of a batch, and the gradients it sends back ---


class Pass:
    """The tokens of a batch, and of every stretch between two answers what its gradient needs."""

    def __init__(self, encoder, images):
        self.encoder, self.x, self.entered = encoder, encoder.embed(images), None
        self.keeps, self.stretches, self.map_gradients = False, [], {}
        self.before = None  # gradient of the tokens the stretch walked back last began with
        self.begin(None)

    def begin(self, start):
        self.now = {"start": start, "given": [], "maps": {}}

    def leaf(self, array, keep):
        self.keeps |= keep
        return torch.from_numpy(array).to(self.encoder.device).requires_grad_(keep and array.size > 0)

    def enter(self, block):
        if self.entered != block:
            self.x, self.entered = self.encoder.merge(block, self.x), block

    def end(self, output):
        if self.keeps:
            self.stretches.append({**self.now, "output": output})

    def prompts(self, m):
        keep = m["keep"] == 1
        shared, own = self.leaf(m["shared"], keep), self.leaf(m["own"], keep)
        together = torch.cat([shared.expand(own.shape[0], -1, -1), own], 1)
        for block in range(m["first"], m["end"]):
            self.enter(block)
            self.x = self.encoder.block(block, self.x, together if together.shape[1] else None, m["bias"])
        if m["map"]:
            self.now["maps"][m["end"] - 1] = self.x.flatten(1, 2)
        if keep:
            self.now["given"].append(({"first": m["first"], "end": m["end"]}, shared, own))
        return []

    def latents(self, m):
        latents = self.leaf(m["latents"], m["keep"] == 1)
        self.enter(m["block"])
        tokens, cut = self.x, self.x.detach().requires_grad_(self.x.requires_grad)
        z = cut.flatten(1, 2)
        condensed = latents + (latents @ z.transpose(1, 2)).softmax(-1) @ z
        self.now.update(tokens=tokens, cut=cut, latents=latents if m["keep"] else None, block=m["block"])
        self.end(condensed)
        self.begin(cut)
        self.x = cut
        return [("condensed", {"block": m["block"], "condensed": condensed})]

    def finish(self, m):
        finished = self.encoder.finish(self.x)
        pooled = finished.mean((1, 2))
        if m["map"]:
            self.now["maps"][len(self.encoder.blocks)] = finished.flatten(1, 2)
        maps = {b: t for stretch in [*self.stretches, self.now] for b, t in stretch["maps"].items()}
        self.end(pooled)
        return [("map", {"block": b, "tokens": t}) for b, t in maps.items()] + [("features", {"pooled": pooled})]

    def back(self, gradient):
        """Walks the last stretch back: gradients of its latents and prompts, in the reverse order of their coming."""
        stretch, answers, roots = self.stretches.pop(), [], []
        gradient = torch.from_numpy(gradient).to(self.encoder.device)
        if "tokens" in stretch:
            leaves = [t for t in (stretch["cut"], stretch["latents"]) if t is not None and t.requires_grad]
            found = torch.autograd.grad(stretch["output"], leaves, gradient, allow_unused=True) if leaves else []
            found = {id(leaf): g for leaf, g in zip(leaves, found) if g is not None}
            if stretch["latents"] is not None:
                d = found.get(id(stretch["latents"]))
                answers.append(("latents", {"block": stretch["block"], "keep": 0, "latents": d}))
            if stretch["tokens"].requires_grad:
                total = sum(g for g in (self.before, found.get(id(stretch["cut"]))) if g is not None)
                roots.append((stretch["tokens"], total))
        elif stretch["output"].requires_grad:
            roots.append((stretch["output"], gradient))
        for block, tokens in stretch["maps"].items():
            if block in self.map_gradients and tokens.requires_grad:
                roots.append((tokens, torch.from_numpy(self.map_gradients.pop(block)).to(self.encoder.device)))
        leaves = [t for _, *pair in stretch["given"] for t in pair if t.requires_grad]
        start = stretch["start"]
        leaves += [start] if start is not None and start.requires_grad else []
        outputs, gradients = zip(*roots) if roots else ((), ())
        found = torch.autograd.grad(outputs, leaves, gradients, allow_unused=True) if roots and leaves else []
        found = {id(leaf): g for leaf, g in zip(leaves, found)}
        for blocks, shared, own in reversed(stretch["given"]):
            d = {n: found.get(id(t)) for n, t in (("shared", shared), ("own", own))}
            d = {n: torch.zeros_like(t) if d[n] is None else d[n] for n, t in (("shared", shared), ("own", own))}
            answers.append(("prompts", {**blocks, "keep": 0, "map": 0, "bias": "zero", **d}))
        self.before = found.get(id(start))
        return answers

    def take(self, schema, m):
        if schema == "map":
            self.map_gradients[m["block"]] = m["tokens"]
            return []
        if schema in ("condensed", "features"):
            return self.back(m["condensed" if schema == "condensed" else "pooled"])
        return getattr(self, schema)(m)


# --- The node: headers, rows, and the end of the stream ---


def tensor_array(tensor):
    array = np.ascontiguousarray(tensor.detach().cpu().numpy() if torch.is_tensor(tensor) else tensor, np.float32)
    kind = pa.fixed_shape_tensor(pa.float32(), list(array.shape))
    child = pa.array(array.reshape(-1))
    return pa.ExtensionArray.from_storage(kind, pa.Array.from_buffers(kind.storage_type, 1, [None], children=[child]))


def row(schema, values):
    make = {
        "i": lambda v: pa.array([v], pa.int64()),
        "s": lambda v: pa.array([v], pa.utf8()),
        "l": lambda v: pa.array([v], pa.list_(pa.int32())),
        "t": tensor_array,
    }
    columns = [c.split(":") for c in SCHEMAS[schema].split()]
    arrays = [make[kind](values[name]) for name, kind in columns]
    return pa.StructArray.from_arrays(arrays, fields=[pa.field(n, a.type) for (n, _), a in zip(columns, arrays)])


def read(value):
    """Columns of a message: numbers and text of the one row, tensors [rows, ...] of images, [...] of the rest."""
    found = {}
    for index, field in enumerate(value.type):
        array = value.field(index)
        if isinstance(array, pa.ExtensionArray):
            shape, storage = list(array.type.shape), array.storage
        elif field.metadata and b"ARROW:extension:metadata" in field.metadata:
            shape, storage = json.loads(field.metadata[b"ARROW:extension:metadata"])["shape"], array
        else:
            found[field.name] = array[0].as_py()
            continue
        numbers = np.array(storage.flatten().to_numpy(zero_copy_only=False))
        numbers = numbers.reshape([len(array), *shape])
        found[field.name] = numbers if field.name in ("frames", "segments") else numbers[0]
    return found


class Output:
    def __init__(self, node, name, run):
        self.node, self.name, self.run, self.seq = node, name, run, 0

    def send(self, header, kind, schema="", value=None):
        metadata = {"copl_version": 1, "run": self.run, "kind": kind, "seq": self.seq, "schema": schema, "clip": ""}
        metadata |= {key: header.get(key, default) for key, default in PLACE.items()}
        # With a request id dora sends the schema in every message; else small messages of many schemas get lost.
        metadata["request_id"] = str(self.seq)
        self.node.send_output(self.name, pa.nulls(0) if value is None else value, metadata)
        self.seq += 1


def in_order(node, run):
    """Messages of the one input in the order they were sent: a small one may overtake a large one."""
    expected, early, since = 0, {}, time.monotonic()
    for event in node:
        if event["type"] != "INPUT":
            continue  # InputClosed and Stop come before queued messages: the stream's end is what counts
        header = event["metadata"]
        if (header["copl_version"], header["run"]) != (1, run) or header["seq"] < expected or header["seq"] in early:
            stop(f"requests: message {header['seq']} of run {header['run']}, expected {expected}")
        early[header["seq"]] = (header, event["value"])
        while expected in early:
            yield early.pop(expected)
            expected, since = expected + 1, time.monotonic()
        if early and time.monotonic() - since > 10:
            break
    if early:
        stop(f"requests: message {expected} is lost")


def stop(problem):
    print(problem, file=sys.stderr)
    sys.exit(8)


PLACE = {"epoch": 1, "split": "train", "position": 0, "step": -1}


def main():
    own_id = re.search(r"""node_id["']?:\s*["']?([\w.-]+)""", os.environ["DORA_NODE_CONFIG"]).group(1)
    node = Node()
    own = next(n for n in node.dataflow_descriptor()["nodes"] if n["id"] == own_id)
    settings = {key: str(value) for key, value in (own.get("env") or {}).items()}
    run = settings.get("COPL_RUN") or str(node.dataflow_id())
    if "THREADS" in settings:
        torch.set_num_threads(int(settings["THREADS"]))
    encoder = SwinV2(settings)
    answers = Output(node, "answers", run)
    answers.send({}, "data", "encoder", row("encoder", encoder.introduction()))
    current = None
    for header, value in in_order(node, run):
        if header["kind"] == "end":
            answers.send({}, "end")
        elif header["kind"] == "data":
            schema, message = header["schema"], read(value)
            if schema in ("frames", "spectrogram"):
                current = None  # what is left of the last step goes first
                current = Pass(encoder, encoder.images(schema, next(iter(message.values()))))
                continue
            for name, values in current.take(schema, message):
                answers.send(header, "data", name, row(name, values))
            if schema in ("finish", "condensed", "features") and not current.stretches:
                current = None


if __name__ == "__main__":
    main()
