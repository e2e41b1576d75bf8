"""Times the decoding of clips to ten frames and a mono waveform: `copl bench decode`, PyAV and torchcodec on the same files.

usage: decode.py COPL [--rounds N] [--passes N] [--size N] FILE...

Rounds alternate. Counted is the CPU time a clip (user and system, children included), each side on one clip, or a few short
ones, at a time; the libraries decode in one thread and have been imported and warmed up by a first clip. Asked of each: the
frame on screen at the middle of each of ten seconds, squeezed to SIZE x SIZE pixels of red, green and blue with a bicubic
filter, and 16 kHz mono sound. Needs pip's av, torchcodec, torch and numpy; `scripts/compare-decode` installs them.
"""
from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys

SEGMENTS = 10
RATE = 16_000


def with_pyav(path: str, size: int) -> None:
    import av

    frames, wanted, last = [], 0, None

    def take() -> None:
        picture = last.reformat(size, size, "rgb24", interpolation="BICUBIC")
        frames.append(picture.to_ndarray())

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for frame in container.decode(stream):
            while last is not None and wanted < SEGMENTS and frame.time > wanted + 0.5:
                take()
                wanted += 1
            if wanted == SEGMENTS:
                break
            last = frame
    with av.open(path) as container:
        resampler = av.AudioResampler("flt", "mono", RATE)
        sound = []
        for frame in container.decode(audio=0):
            sound += [part.to_ndarray() for part in resampler.resample(frame)]


def with_torchcodec(path: str, size: int) -> None:
    import torch
    from torchcodec.decoders import AudioDecoder, VideoDecoder

    decoder = VideoDecoder(path, num_ffmpeg_threads=1, dimension_order="NCHW")
    begin, end = decoder.metadata.begin_stream_seconds, decoder.metadata.end_stream_seconds
    times = [min(max(t + 0.5, begin), end - 1e-3) for t in range(SEGMENTS)]
    frames = decoder.get_frames_played_at(seconds=times).data
    torch.nn.functional.interpolate(frames.float(), (size, size), mode="bicubic").clamp(0, 255).byte()
    AudioDecoder(path, sample_rate=RATE, num_channels=1).get_all_samples()


PEERS = {"PyAV": with_pyav, "torchcodec": with_torchcodec}


def peer(name: str, files: list[str], passes: int, size: int) -> None:
    """In a process of its own: prints the CPU milliseconds a clip."""
    if name == "torchcodec":
        import torch

        torch.set_num_threads(1)
    decode = PEERS[name]
    decode(files[0], size)

    def cpu() -> float:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return usage.ru_utime + usage.ru_stime

    before = cpu()
    for _ in range(passes):
        for path in files:
            decode(path, size)
    print(json.dumps(1e3 * (cpu() - before) / (passes * len(files))))


def ours(copl: str, files: list[str], passes: int, size: int, together: int) -> float:
    command = [copl, "bench", "decode", "--passes", str(passes), "--size", str(size), "--together", str(together)]
    text = subprocess.run(command + files, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"^both .* ([0-9.]+) ms of CPU", text, re.MULTILINE).group(1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("copl")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=8)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--peer", choices=PEERS)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    if args.peer:
        return peer(args.peer, args.files, args.passes, args.size)

    def of(name: str) -> float:
        command = [sys.executable, __file__, args.copl, "--peer", name, "--passes", str(args.passes)]
        run = subprocess.run(command + ["--size", str(args.size)] + args.files, capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"{name}: {run.stderr.strip().splitlines()[-1]}")
        return json.loads(run.stdout)

    sides = {f"copl, {n} at once": lambda n=n: ours(args.copl, args.files, args.passes, args.size, n) for n in (1, 4, 8)}
    sides |= {name: lambda name=name: of(name) for name in PEERS}
    costs: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(args.rounds):
        for name, run in sides.items():
            costs[name].append(run())
    medians = {name: statistics.median(values) for name, values in costs.items()}
    best = min(medians[name] for name in PEERS)
    for name, median in medians.items():
        spread = f"{min(costs[name]):.1f} to {max(costs[name]):.1f}"
        print(f"{name:18} {median:7.1f} ms of CPU a clip ({spread}), {median / best:.2f} of the better library's")


if __name__ == "__main__":
    main()
