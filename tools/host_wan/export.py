"""The average of a running training as a file that the host loads."""

from pathlib import Path

from safetensors import safe_open

from .network import I2V_CHANNELS, WanSettings, build_wan, write_wan


def export_average(kind: str, folder: Path, settings: WanSettings, shift: float) -> Path:
    """Writes the average in the checkpoint of `kind` to a file beside that of a finished run."""
    if kind == "i2v":
        settings = WanSettings(settings.width, settings.depth, I2V_CHANNELS)
    network = build_wan(settings)
    with safe_open(folder / kind / "checkpoint.safetensors", "pt") as file:
        names = [name for name in file.keys() if name.startswith("average.")]  # noqa: SIM118
        state = {name.removeprefix("average."): file.get_tensor(name) for name in names}
        step = file.metadata()["step"]
    network.load_state_dict(state)
    path = folder / f"wan21_{kind}_toy.safetensors"
    write_wan(path, network, settings, {"kind": kind, "steps": int(step), "shift": shift})
    return path
