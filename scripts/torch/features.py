"""Times a feature encoder, ours against PyTorch's, side by side: the same weights, threads and images.

usage: features.py COPL [--threads N] [--rounds N] [--images N] [--avx2] [--parity] [PRESET...]

Rounds alternate, each side in a process of its own. PyTorch's side is torchvision's or timm's model in evaluation mode without
gradients, in the memory format that is faster for it (channels last and not, both are timed). Our weights are read from a
file under the names of its state dict. With --parity nothing is timed: a fixture of the whole network with random weights and
statistics is written, and `copl parity` holds ours against it. Needs pip's torch, torchvision, timm and safetensors;
`scripts/compare-features` installs them.
"""
from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compare import AVX2, run


def vision(name: str):
    import torchvision

    return getattr(torchvision.models, name)(weights=None)


def timm_model(name: str, **settings):
    import timm

    return timm.create_model(name, pretrained=False, **settings)


# Our preset: what builds PyTorch's model, the layer that is timed and compared, and the sizes as fixtures have them.
RESNET = {"arch": "resnet", "width": 64, "classes": 1000, "image_size": 224}
PRESETS = {
    "clip-vit-base-patch32": (
        lambda: timm_model("vit_base_patch32_clip_quickgelu_224", num_classes=512),
        "image",
        {"arch": "clip-vit", "image_size": 224, "patch_size": 32, "width": 768, "layers": 12, "heads": 12, "out_dim": 512},
    ),
    "pvt-v2-b5": (
        lambda: timm_model("pvt_v2_b5"),
        "logits",
        {"arch": "pvt-v2", "embed_dims": [64, 128, 320, 512], "num_heads": [1, 2, 5, 8], "mlp_ratios": [4] * 4,
         "depths": [3, 6, 40, 3], "sr_ratios": [8, 4, 2, 1], "classes": 1000, "image_size": 224},
    ),
    "vgg-19": (
        lambda: vision("vgg19"),
        "logits",
        {"arch": "vgg", "convs": [2, 2, 4, 4, 4], "channels": [64, 128, 256, 512, 512], "hidden": 4096, "classes": 1000,
         "image_size": 224},
    ),
    "resnet-18": (lambda: vision("resnet18"), "logits", RESNET | {"block": "basic", "layers": [2, 2, 2, 2]}),
    "resnet-152": (lambda: vision("resnet152"), "logits", RESNET | {"block": "bottleneck", "layers": [3, 8, 36, 3]}),
}


def build(preset: str):
    import torch

    torch.manual_seed(0)
    model = PRESETS[preset][0]().eval()
    for name, tensor in model.state_dict().items():
        if "running" in name:
            # Statistics as a training leaves them: not 0 and 1.
            tensor.copy_(torch.rand(tensor.shape) + (0.5 if name.endswith("var") else -0.5))
    if preset.startswith("clip"):
        # CLIP's projection has none.
        torch.nn.init.zeros_(model.head.bias)
    return model


def clip_names(state: dict) -> dict:
    """timm's ViT under OpenAI's names."""
    parts = {
        "norm1": "ln_1", "norm2": "ln_2", "attn.qkv.weight": "attn.in_proj_weight", "attn.qkv.bias": "attn.in_proj_bias",
        "attn.proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    }
    whole = {
        "cls_token": "class_embedding", "pos_embed": "positional_embedding", "patch_embed.proj.weight": "conv1.weight",
        "norm_pre.weight": "ln_pre.weight", "norm_pre.bias": "ln_pre.bias", "norm.weight": "ln_post.weight",
        "norm.bias": "ln_post.bias",
    }
    named = {}
    for name, tensor in state.items():
        if name == "head.weight":
            named["visual.proj"] = tensor.t()
        elif name in whole:
            named[f"visual.{whole[name]}"] = tensor.squeeze(0) if name == "pos_embed" else tensor.flatten() if name == "cls_token" else tensor
        elif name.startswith("blocks."):
            _, block, part = name.split(".", 2)
            for ours, theirs in parts.items():
                if part.startswith(ours):
                    named[f"visual.transformer.resblocks.{block}.{theirs}{part[len(ours):]}"] = tensor
        elif name != "head.bias":
            sys.exit(f"clip: no name for {name}")
    return named


def named(preset: str, model) -> dict:
    state = model.state_dict()
    state = clip_names(state) if preset.startswith("clip") else state
    return {name: tensor.contiguous() for name, tensor in state.items()}


def write_weights(preset: str, path: Path) -> None:
    from safetensors.torch import save_file

    save_file(named(preset, build(preset)), path)


def parity(copl: str, preset: str) -> bool:
    """Holds ours against a pass of PyTorch's model over two images."""
    import torch
    from safetensors.torch import save_file

    _, layer, sizes = PRESETS[preset]
    model = build(preset)
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode(), tempfile.TemporaryDirectory() as folder:
        tensors = {f"backbone.{name}": tensor for name, tensor in named(preset, model).items()}
        tensors |= {"input.images": images, f"expect.{layer}": model(images)}
        file = Path(folder) / f"{preset}.safetensors"
        save_file(tensors, file, {"config": json.dumps({"kind": "backbone", "backbone": sizes})})
        return subprocess.run([copl, "parity", str(file)]).returncode == 0


def torch_pass(preset: str, threads: int, images: int, passes: int) -> None:
    """Times PyTorch's passes in this process and prints JSON."""
    import torch

    torch.set_num_threads(threads)
    model = build(preset)
    torch.manual_seed(1)
    inputs = torch.randn(images, 3, 224, 224)
    best = None
    for memory in (torch.contiguous_format, torch.channels_last):
        placed, batch = model.to(memory_format=memory), inputs.to(memory_format=memory)
        times = []
        with torch.inference_mode():
            for _ in range(passes + 1):
                start = time.perf_counter()
                placed(batch)
                times.append(time.perf_counter() - start)
        found = 1e3 * statistics.median(times[1:])
        if best is None or found < best[0]:
            best = (found, "channels last" if memory is torch.channels_last else "channels first")
    about = f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, {best[1]}"
    print(json.dumps({"pass_ms": best[0], "about": about}))


def compare(args: argparse.Namespace, preset: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        write_weights(preset, weights)
        more = AVX2 if args.avx2 else {}
        layer = PRESETS[preset][1]
        common = ["--images", str(args.images), "--passes", "3"]
        ours_command = [args.copl, "bench", "features", "--encoder", preset, "--weights", str(weights), "--layer", layer, "--json"]
        theirs_command = [sys.executable, __file__, args.copl, "--peer", preset, "--threads", str(args.threads)]
        ours, theirs = [], []
        for _ in range(args.rounds):
            ours.append(run(ours_command + common, {"RAYON_NUM_THREADS": str(args.threads), **more}))
            theirs.append(run(theirs_command + common, {"OMP_NUM_THREADS": str(args.threads), **more}))
    each = [[side["pass_ms"] / args.images for side in sides] for sides in (ours, theirs)]
    ratios = [o / t for o, t in zip(*each)]
    print(f"{preset} `{layer}`: {args.rounds} rounds, {args.threads} threads, {args.images} images at once, {theirs[0]['about']}")
    print(f"  ours {statistics.median(each[0]):7.1f} ms an image   torch {statistics.median(each[1]):7.1f} ms   "
          f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("copl")
    parser.add_argument("names", nargs="*", metavar="PRESET")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--passes", type=int, default=3, help=argparse.SUPPRESS)
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--parity", action="store_true")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    args = parser.parse_intermixed_args()
    if args.peer:
        torch_pass(args.peer, args.threads, args.images, args.passes)
        return
    for preset in args.names or PRESETS:
        if preset not in PRESETS:
            parser.error(f"no preset {preset}; there are {', '.join(PRESETS)}")
        if not args.parity:
            compare(args, preset)
        elif not parity(args.copl, preset):
            sys.exit(1)


if __name__ == "__main__":
    main()
