#!/usr/bin/env python3
"""Cost against size: time and memory of each variant of the block for longer and larger clips, and how they grow.

    bench/scaling.py [--program=./nonlocal] [--frames=8,16,32,64] [--crops=224,256,320,384,448] [--variants=...]
                     [--network] [--backward] [--repeat=5] [--json] [FLAG of `nonlocal bench`...]

A block stands behind res3: of a clip of F frames and crops of S pixels it sees F/2 x S/8 x S/8 positions of 512
channels. Memory beyond is what the plan takes beside inputs and outputs, without weights; peak RSS is the whole
process's. Exponents are slopes of log cost against log positions, fitted over all sizes, and over the larger half,
where what does not grow counts least. A cost is called linear up to 1.1, which sorting (n log n) stays below. --network times whole networks instead.
Sizes that memory does not suffice for are left out and said to be. Python's standard library is enough.
"""
import argparse
import json
import math
import os
import shutil
import subprocess
import sys

VARIANTS = "embedded_gaussian,gaussian,dot_product,concatenation"
CHANNELS = 512
LINEAR = 1.1
MIB = 1 << 20


def slope(points):
    """Least squares of log cost against log size; None where that says nothing."""
    logs = [(math.log(size), math.log(cost)) for size, cost in points if cost > 0]
    if len({x for x, _ in logs}) < 2:
        return None
    mean_x = sum(x for x, _ in logs) / len(logs)
    mean_y = sum(y for _, y in logs) / len(logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)


def size_flags(args, frames, crop):
    if args.network:
        return ["--mode=infer", f"--crop={crop}", "--set", f"INFER.video_length={frames}"]
    shape = f"--shape={CHANNELS},{frames // 2},{crop // 8},{crop // 8}"
    return ["--mode=block", shape] + (["--backward"] if args.backward else [])


def measure(args, variant, frames, crop):
    """The program's last line of JSON, or its one line of refusal."""
    positions = frames // 2 * (crop // 8) ** 2
    repeat = max(1, min(args.repeat, args.repeat * 12544 // positions))
    command = [args.program, "bench", "--json", f"--pairwise={variant}", f"--repeat={repeat}",
               *size_flags(args, frames, crop), *args.flags]
    env = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode == 2 and "MiB of memory" in done.stderr:
        return positions, done.stderr.strip().splitlines()[-1]
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr.strip()}")
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    beyond = answer["arena_bytes"] + answer["workspace_bytes"] - answer["input_output_bytes"]
    return positions, {"variant": variant, "frames": frames, "crop": crop, "positions": positions,
                       "ms": answer["ms_min"], "beyond_mib": beyond / MIB,
                       "constant_mib": answer["constant_bytes"] / MIB,
                       "peak_rss_mib": answer["peak_rss_mib"], "backend": answer["backend"]}


def show_row(row):
    print(f"| {row['frames']:6d} | {row['crop']:4d} | {row['positions']:9d} | {row['ms']:9.2f} | "
          f"{row['beyond_mib']:10.1f} | {row['constant_mib']:7.1f} | {row['peak_rss_mib']:8.0f} |", flush=True)


def exponents(rows):
    """Of time and memory: over all sizes, over the larger half."""
    rows = sorted(rows, key=lambda row: row["positions"])
    larger = rows[len(rows) // 2:]
    return {key: [slope([(row["positions"], row[key]) for row in part]) for part in (rows, larger)]
            for key in ("ms", "beyond_mib")}


def verdict(exponent):
    if exponent is None:
        return "one size only"
    return "linear" if exponent <= LINEAR else "more than linear"


def text(exponent):
    return "-" if exponent is None else f"{exponent:.2f}"


def show_variant(args, variant):
    rows = []
    if not args.json:
        print(f"\n{variant}{', with gradients' if args.backward else ''}\n\n| frames | crop | positions |        ms | "
              "MiB beyond | weights | peak RSS |\n|---|---|---|---|---|---|---|")
    for frames in args.frames:
        for crop in args.crops:
            positions, row = measure(args, variant, frames, crop)
            if isinstance(row, str):
                print(f"left out: {frames} frames, crop {crop}: {row}", file=sys.stderr)
                continue
            rows.append(row)
            if args.json:
                print(json.dumps(row), flush=True)
            else:
                show_row(row)
    fitted = exponents(rows)
    if args.json:
        print(json.dumps({"variant": variant, "exponents": fitted}))
        return
    for key, name in (("ms", "time"), ("beyond_mib", "memory")):
        over_all, larger = fitted[key]
        print(f"{name}: exponent {text(over_all)}, over the larger half {text(larger)}: {verdict(larger)}")


def numbers(given):
    return [int(part) for part in given.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="./nonlocal")
    parser.add_argument("--frames", type=numbers, default=numbers("8,16,32,64"))
    parser.add_argument("--crops", type=numbers, default=numbers("224,256,320,384,448"))
    parser.add_argument("--variants", default=VARIANTS)
    parser.add_argument("--network", action="store_true")
    parser.add_argument("--backward", action="store_true")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args, args.flags = parser.parse_known_args()
    if args.network and args.backward:
        parser.error("--backward is of blocks; leave out --network")
    if any(frames < 2 for frames in args.frames) or any(crop < 16 for crop in args.crops):
        parser.error("want frames of at least 2 and crops of at least 16")
    if not shutil.which(args.program):
        parser.error(f"no program {args.program}; --program=FILE names `nonlocal`")
    for variant in args.variants.split(","):
        show_variant(args, variant)


if __name__ == "__main__":
    main()
