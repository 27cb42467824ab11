"""What `produce --dry-run` says of a generation."""

from typing import Any

from generator.memory import gib


def plan_lines(report: dict[str, Any]) -> list[str]:
    """A plan's report as lines for people."""
    licence = report["weights_licence"]
    if licence == "unknown" and report["usual_licence"] != "unknown":
        licence = f"not stated here ({report['family']} is usually under {report['usual_licence']})"
    memory, took, disk = report["memory"], report["time"], report["disk"]
    lines = [
        f"model: {report['model']} ({report['family']}, {report['pipeline']}), "
        f"{gib(report['weights_bytes'])} of weights",
        f"licence of the weights: {licence}",
        f"on {report['device']} in {report['dtype']}: {_called_with(report)}",
    ]
    lines += [f"  {a['what']}: {a['asked']} → {a['given']} ({a['why']})" for a in report["adjustments"]]
    lines += [f"{what}: sha256 {sha256}" for what, sha256 in report["pictures"].items()]
    lines += [f"lora: sha256 {sha256}" for sha256 in report["lora"]]
    how = [f"offload {memory['offload']}", "VAE in tiles" if memory["tiling"] else "VAE whole"]
    how += [f"weights in {memory['quantize']}"] if memory["quantize"] else []
    lines.append(
        f"memory: at most about {gib(memory['needed'])} of the {gib(max(0, memory['available']))} that can be used "
        f"({', '.join(how)})"
    )
    lines.append(
        f"time: {_duration(took['least_s'])} to {_duration(took['most_s'])} of denoising, an estimate from "
        f"{took['flops']:.2g} operations at {took['flops_per_s']:.2g} a second"
    )
    lines.append(f"disk: about {gib(disk['needed'])} while it is made, {gib(disk['free'])} free")
    return lines


def _called_with(report: dict[str, Any]) -> str:
    asked = report["arguments"]
    told = []
    if asked.get("num_frames") is not None:
        told.append(f"{asked['num_frames']} frames at {report['fps']:g} a second")
    if asked.get("width") is not None:
        told.append(f"{asked['width']}x{asked['height']}")
    if asked.get("num_inference_steps") is not None:
        told.append(f"{asked['num_inference_steps']} steps")
    if asked.get("guidance_scale") is not None:
        told.append(f"guidance {asked['guidance_scale']:g}")
    if report["flow_shift"] is not None:
        told.append(f"flow shift {report['flow_shift']:g}")
    return ", ".join(told)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
