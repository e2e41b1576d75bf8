"""Times one training step of a method, ours against PyTorch's, side by side: the same weights, threads and inputs' shapes.

usage: compare.py COPL [--method copl|lavish|dg-sct] [--threads N] [--rounds N] [--clips N] [--avx2] [PRESET...]

COPL is the `copl` program. Rounds alternate: ours, then PyTorch's, each in a process of its own, so that both meet the
same machine and the memory of one is not counted with the other's. DG-SCT's sounds go through HTS-AT. A step is forward and backward of one clip of ten
segments (20 images). `--avx2` holds both sides to AVX2 where the processor has more. Needs pip's torch, timm and safetensors; `scripts/compare-torch` installs them.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Our preset, timm's model.
MODELS = {
    "swin-v2-tiny-window8-256": "swinv2_tiny_window8_256",
    "swin-v2-base-window12-192": "swinv2_base_window12_192",
    "swin-v2-large-window12-192": "swinv2_large_window12_192",
    "vit-base-16": "vit_base_patch16_224",
    "vit-large-16": "vit_large_patch16_224",
}
DEFAULT = ["swin-v2-tiny-window8-256", "swin-v2-base-window12-192", "vit-base-16"]


# The sizes of the official HTS-AT: image, mels, patch, window, width, depths, heads; frames of a segment's spectrogram.
HTS_AT = (256, 64, 4, 8, 96, (2, 2, 6, 2), (4, 8, 16, 32))
HTS_AT_FRAMES = 1001
METHODS = ("copl", "lavish", "dg-sct")
# What holds either side's libraries to AVX2.
AVX2 = {
    "COPL_CPU_CAPABILITY": "avx2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}


def build(preset: str):
    import timm
    import torch

    torch.manual_seed(0)
    return timm.create_model(MODELS[preset], pretrained=False, num_classes=0)


def build_hts_at():
    import torch
    from adapters import HtsAtBody

    torch.manual_seed(1)
    return HtsAtBody(*HTS_AT)


def write_weights(preset: str, path: Path) -> None:
    """The timm model's weights under timm's names, which both sides read."""
    from safetensors.torch import save_file

    model = build(preset)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, path)


def net_of(method: str, preset: str, model):
    """The peer, and the shape of a segment's spectrogram."""
    vit = preset.startswith("vit")
    size = model.patch_embed.img_size[0]
    if method == "copl":
        from peer import Copl, CoplConfig, SwinV2Stream, ViTStream

        stream = ViTStream(model) if vit else SwinV2Stream(model)
        return Copl(stream, stream, CoplConfig(coupled_sites=4 if vit else 2)), (3, size, size)
    from adapters import AdapterConfig, DgSct, HalvedSwinV2, HalvedViT, HtsAtStream, Lavish

    stream = HalvedViT(model) if vit else HalvedSwinV2(model)
    # The sizes of either for AVE (docs/methods.md).
    if method == "lavish":
        return Lavish(stream, stream, AdapterConfig()), (3, size, size)
    sounds = HtsAtStream(build_hts_at())
    config = AdapterConfig(latents=32, groups=4, batch_norm=False)
    return DgSct(stream, sounds, config, stream.block_tokens, sounds.block_tokens), (1, HTS_AT_FRAMES, HTS_AT[1])


def torch_step(method: str, preset: str, weights: Path, threads: int, clips: int, steps: int) -> None:
    """Times PyTorch's steps in this process and prints JSON."""
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(threads)
    model = build(preset)
    model.load_state_dict(load_file(weights))
    net, sound_shape = net_of(method, preset, model)
    size = model.patch_embed.img_size[0]
    frames = torch.randn(clips, 10, 3, size, size)
    sound = torch.randn(clips, 10, *sound_shape)
    labels = torch.randint(0, 29, (clips, 10))
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        loss = net.loss(frames, sound, labels)[0]
        loss.backward()
        times.append(time.perf_counter() - start)
        net.zero_grad()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    about = f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"
    print(json.dumps({"step_ms": 1e3 * statistics.median(times[1:]), "peak_memory_mb": peak, "about": about}))


def run(command: list[str], env: dict[str, str]) -> dict:
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def compare(copl: str, method: str, preset: str, threads: int, rounds: int, clips: int, avx2: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.safetensors"
        write_weights(preset, weights)
        env = {"RAYON_NUM_THREADS": str(threads), **(AVX2 if avx2 else {})}
        peer_env = {"OMP_NUM_THREADS": str(threads), **(AVX2 if avx2 else {})}
        ours_command = [copl, "bench", "step", "--method", method, "--encoder", preset, "--weights", str(weights), "--clips", str(clips), "--same-size"]
        if method == "dg-sct":
            ours_command += ["--audio-encoder", "hts-at"]
        theirs_command = [sys.executable, __file__, "--peer", preset, "--method", method, "--weights", str(weights), "--clips", str(clips)]
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(run([*ours_command, "--steps", "3", "--json"], env))
            theirs.append(run([*theirs_command, "--threads", str(threads), "--steps", "3"], peer_env))
    ours_ms = [o["forward_ms"] + o["backward_ms"] for o in ours]
    theirs_ms = [t["step_ms"] for t in theirs]
    ratios = [o / t for o, t in zip(ours_ms, theirs_ms)]
    memory = max(o["peak_memory_mb"] for o in ours), max(t["peak_memory_mb"] for t in theirs)
    peak = max(o["machine_gflops"] for o in ours)
    share = [100 * ours[0]["gflop"] / ms * 1e3 / peak for ms in (min(ours_ms), min(theirs_ms))]
    print(f"{method} on {preset}: {rounds} rounds, {threads} threads, {20 * clips} images a step, {theirs[0]['about']}")
    print(f"  time    ours {statistics.median(ours_ms):8.0f} ms   torch {statistics.median(theirs_ms):8.0f} ms   "
          f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"  memory  ours {memory[0]:8.0f} MB   torch {memory[1]:8.0f} MB   ratio {memory[0] / memory[1]:.2f}")
    print(f"  speed   ours {share[0]:8.0f} %    torch {share[1]:8.0f} %    of a plain matrix product's {peak:.0f} GFLOP/s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="COPL PRESET")
    parser.add_argument("--method", default="copl", choices=METHODS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clips", type=int, default=1)
    parser.add_argument("--avx2", action="store_true")
    parser.add_argument("--steps", type=int, default=3, help=argparse.SUPPRESS)
    parser.add_argument("--weights", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    args = parser.parse_intermixed_args()
    if args.peer:
        torch_step(args.method, args.peer, args.weights, args.threads, args.clips, args.steps)
        return
    if not args.names:
        parser.error("the copl program is missing")
    default = DEFAULT if args.method != "dg-sct" else DEFAULT[:1]
    for preset in args.names[1:] or default:
        if preset not in MODELS:
            parser.error(f"no preset {preset}; there are {', '.join(MODELS)}")
        compare(args.names[0], args.method, preset, args.threads, args.rounds, args.clips, args.avx2)


if __name__ == "__main__":
    main()
