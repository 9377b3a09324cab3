"""Data-parallel training on paper: what a step takes on 8 to 1,024 devices, from what it takes on one.

python bench/scaling_model.py                       ResNet-50 at assumed rates of a data-centre GPU
python bench/scaling_model.py --measure             with the rate of this machine's device
python bench/scaling_model.py --rate 480 --batch 64 --link 12.5e9 --input 350

A step is the slowest of its parts, since they overlap: computing (forward and backward), the ring all-reduce of the gradients
behind the backward pass, and the input pipeline of a machine. What does not overlap is the last bucket and the latency of
the ring. Weak scaling (a fixed batch a device) and strong scaling (a fixed batch for all) are printed.

Every term is an argument. The defaults are assumptions and say so; `--measure` puts what this machine's device does in place of
the first two, and `bench/images.py` measures the input.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass

import archspec
from archspec.ir.network import Network

DEVICES = (8, 16, 32, 64, 128, 256, 512, 1024)
BUCKET = 25 << 20  # bytes of a bucket of PyTorch's DDP (its default, bucket_cap_mb)
BACKWARD = 2 / 3  # of a step's computing: two of its three passes of multiply-adds


@dataclass(frozen=True)
class Device:
    """The terms of one device."""

    rate: float  # images a second, forward, backward and update, at a full batch
    knee: float  # images at which half of that rate is reached: small batches do not fill a device
    link: float  # bytes a second that a device sends to the next in the ring
    latency: float  # seconds of one hop
    input: float  # images a second that the machine's input pipeline makes for each device


def measured(net: Network, batch: int) -> tuple[float, float]:
    """Rate and knee of this machine's device, from steps of PyTorch at `batch` images and at an eighth of them."""
    few, many = _seconds(net, max(1, batch // 8)), _seconds(net, batch)
    rate = (batch - max(1, batch // 8)) / (many - few)
    return rate, max(0.0, rate * many - batch)


def _seconds(net: Network, batch: int, steps: int = 4) -> float:
    """Of a training step: channels last, on GPUs in bfloat16."""
    import torch
    import torch.nn.functional as F

    device = "cuda" if torch.cuda.is_available() else "cpu"
    layout = torch.channels_last
    model: torch.nn.Module = archspec.build(net, "torch").to(device, memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    images = torch.randn(batch, *net.input_shape, device=device).to(memory_format=layout)
    labels = torch.zeros(batch, dtype=torch.long, device=device)
    seconds = []
    for _ in range(steps + 2):  # the first two choose algorithms and take memory
        begun = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[2:])


def compute(device: Device, batch: float) -> float:
    """Seconds of computing for a batch on one device."""
    return (batch + device.knee) / device.rate


def on_the_wire(count: int, gradient: float) -> float:
    """Bytes that each device sends in a ring all-reduce: 2 (N - 1) / N of the gradient (Patarasuk and Yuan, 2009)."""
    return 2 * (count - 1) / count * gradient


def step(device: Device, count: int, batch: float, gradient: float) -> dict[str, float]:
    """Seconds of each part of a step on so many devices with `batch` images each, and of the whole."""
    computing = compute(device, batch)
    sending = on_the_wire(count, gradient) / device.link
    buckets = max(1.0, gradient / BUCKET)
    hops = 2 * (count - 1) * device.latency
    left = (
        sending / buckets + hops
    )  # the last bucket is ready when the backward pass ends, and the ring's hops add up
    hidden = min(sending * (1 - 1 / buckets), computing * BACKWARD)
    exposed = left + sending * (1 - 1 / buckets) - hidden
    reading = batch / device.input
    return {"compute": computing, "send": sending, "exposed": exposed, "input": reading,
            "step": max(computing + exposed, reading)}  # fmt: skip


def rows(device: Device, gradient: float, each: float | None, whole: float | None) -> list[str]:
    """The table for a fixed batch a device, or for a fixed batch of all."""
    lines = ["devices  batch/device  compute ms  on the wire MB  exposed ms  input ms   images/s  efficiency"]
    for count in DEVICES:
        batch = each if each is not None else (whole or 0) / count
        if batch < 1:
            continue
        parts = step(device, count, batch, gradient)
        alone = batch / compute(device, batch) if each is not None else (whole or 0) / compute(device, whole or 0)
        rate = batch * count / parts["step"]
        lines.append(
            f"{count:>7} {batch:>13,.0f} {1e3 * parts['compute']:>11.1f} {on_the_wire(count, gradient) / 1e6:>15.1f} "
            f"{1e3 * parts['exposed']:>11.2f} {1e3 * parts['input']:>9.1f} {rate:>10,.0f} {100 * rate / count / alone:>10.1f}%"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="resnet50", help="its parameters are the gradient (default: %(default)s)")
    parser.add_argument("--batch", type=float, default=256, help="images a device (default: %(default)s)")
    parser.add_argument(
        "--global-batch", type=float, default=8192, help="for strong scaling (default: %(default)s)"
    )
    parser.add_argument("--rate", type=float, default=2500, help="images/s of one device (assumed: %(default)s)")
    parser.add_argument("--measure", action="store_true", help="measure --rate and --knee on this machine's device")
    parser.add_argument("--knee", type=float, default=16, help="images at half rate (assumed: %(default)s)")
    parser.add_argument("--link", type=float, default=50e9,
                        help="bytes/s from device to device (assumed: %(default)g, one 400 Gbit/s port a GPU)")  # fmt: skip
    parser.add_argument("--latency", type=float, default=5e-6, help="seconds a hop (assumed: %(default)g)")
    parser.add_argument("--input", type=float, default=4000,
                        help="images/s of input for each device (assumed: %(default)s)")  # fmt: skip
    parser.add_argument(
        "--gradient-bytes", type=float, default=4, help="bytes a parameter on the wire (default: 4)"
    )
    given = parser.parse_args()
    net = archspec.load(given.net)
    rate, knee = measured(net, int(given.batch)) if given.measure else (given.rate, given.knee)
    if given.measure:
        print(f"measured: {rate:.4g} images/s, half of it at {knee:.2g} images")
    device = Device(rate, knee, given.link, given.latency, given.input)
    gradient = net.cost.params * given.gradient_bytes
    print(f"{net.name}: {net.cost.params:,} parameters, {gradient / 1e6:.1f} MB of gradients; "
          f"{device.rate:.4g} images/s a device, {device.link / 1e9:g} GB/s, {device.input:g} images/s of input")  # fmt: skip
    print(f"\nWeak scaling, {given.batch:g} images a device")
    print("\n".join(rows(device, gradient, given.batch, None)))
    print(f"\nStrong scaling, {given.global_batch:g} images in all")
    print("\n".join(rows(device, gradient, None, given.global_batch)))


if __name__ == "__main__":
    main()
