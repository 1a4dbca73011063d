"""How fast is a set of image files packed, and how much memory does it take?

    python benchmarks/packing.py tiny-imagenet-200.zip --size 32

The archive (or folder) is packed into a temporary cache. From the second round on, the system has it in memory. The
best round counts, because other processes slow rounds down.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from cganzoo.data.cache import packed
from cganzoo.data.sets.specs import cganzoo_datasets

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("root", help="the archive or folder")
parser.add_argument("--set", default="tinyimagenet", help="name of the data set")
parser.add_argument("--size", type=int, default=32, help="height and width to pack at, in pixels")
parser.add_argument("--rounds", type=int, default=3)
options = parser.parse_args()

spec = next(spec for spec in cganzoo_datasets() if spec.name == options.set)
config = spec.config(root=options.root)
cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

best, second_start = 0.0, float("inf")
for _ in range(options.rounds):
    with tempfile.TemporaryDirectory() as folder:
        started, busy = time.perf_counter(), time.process_time()
        splits = packed(spec.build(config), name="set", image_size=options.size, channels=3, folder=Path(folder))
        seconds, busy = time.perf_counter() - started, time.process_time() - busy
        count = sum(len(split.labels) for split in splits.values())
        print(f"{count:,} images in {seconds:.2f} s: {count / seconds:,.0f} images/s; CPU time {busy:.2f} s")
        best = max(best, count / seconds)
        started = time.perf_counter()
        packed(spec.build(config), name="set", image_size=options.size, channels=3, folder=Path(folder))
        second_start = min(second_start, time.perf_counter() - started)

peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"best: {best:,.0f} images/s, {best / cores:,.0f} per core of {cores}")
print(f"found packed in {second_start:.3f} s; peak memory of the process, libraries included: {peak:,.0f} MiB")
