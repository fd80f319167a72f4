"""The runs that train the host's Wan network: clips rendered and encoded, then T2V, then I2V."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from sora_core.checkpoints.checkpoint import load_autoencoder, read_config
from sora_core.checkpoints.text_file import load_text
from sora_core.errors import TrainingError
from sora_core.models.autoencoder import Autoencoder
from sora_core.models.text_encoder import encode
from sora_core.pipeline.generate import MODELS, SHIPPED
from sora_core.shapes import Latent, Size
from sora_core.training.dataset import Shelf, read_shard, write_shard
from sora_core.training.distributed import Ranks
from sora_core.training.latent_dataset import LatentShard, encode_shards, read_latents
from sora_core.training.trainer import Progress, TrainingConfig, train
from tools.host import ROOT, VERSION

from .network import I2V_CHANNELS, WanSettings, build_wan, read_wan, widen_to_footage, write_wan
from .task import WanTask, sampling_shift

FOLDER = ROOT / "runs" / "wan"
SHARD_CLIPS = 128
TEST = Shelf(Size(64, 64, 17), 128, 900_000_000, held_out=True)
CLIPS = (Shelf(Size(64, 64, 17), 4096, 500_000_000), Shelf(Size(64, 64, 33), 1024, 600_000_000))
CAPTIONS = 2
KINDS = ("t2v", "i2v")
Log = Callable[[str], None]


def wan_file(kind: str, folder: Path = FOLDER) -> Path:
    """Where the trained network of `kind`, t2v or i2v, is written."""
    return folder / f"wan21_{kind}_toy.safetensors"


def released_autoencoder() -> Autoencoder:
    path = MODELS / SHIPPED
    return load_autoencoder(path, read_config(path))


def make_latents(folder: Path, log: Log) -> None:
    """Renders the clips and encodes them with the released autoencoder; existing files stay.

    The rendered frames of training clips are removed once they are encoded.
    """
    autoencoder = released_autoencoder()
    for shelf in (TEST, *CLIPS):
        for i, path in enumerate(shelf.shards(folder / "clips")):
            if (folder / "latents" / path.name).exists():
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            stop = min(shelf.clips, (i + 1) * SHARD_CLIPS)
            seeds = range(shelf.first_seed + i * SHARD_CLIPS, shelf.first_seed + stop)
            write_shard(path, shelf, seeds, CAPTIONS)
            encode_shards([path], folder / "latents", autoencoder)
            if shelf is not TEST:
                path.unlink()
            log(f"encoded {path.name}")


def read_shelves(folder: Path, shelves: Sequence[Shelf]) -> list[LatentShard]:
    """The latents of those `shelves` of which some are there; TrainingError for none at all."""
    found = [
        [path for path in shelf.shards(folder / "latents") if path.exists()] for shelf in shelves
    ]
    if not any(found):
        raise TrainingError(f"no latents in {folder}: run `python -m tools.host_wan data` first")
    return [read_latents(paths) for paths in found if paths]


@torch.no_grad()
def grey_latent(autoencoder: Autoencoder, size: Size) -> Latent:
    """The latent of a grey video of `size`."""
    return autoencoder.encode(torch.zeros(1, 3, size.frames, size.height, size.width))


def train_wan(
    kind: str, config: TrainingConfig, settings: WanSettings, folder: Path, resume: bool, log: Log
) -> Path:
    """Trains the network of `kind`, image to video from the written text to video; its file."""
    torch.manual_seed(config.seed)
    autoencoder = released_autoencoder()
    encoder, tokenizer = load_text()
    (captions,) = (read_shard(path).captions for path in TEST.shards(folder / "clips"))
    if kind == "i2v":
        state, facts = read_wan(wan_file("t2v", folder))
        settings = WanSettings(facts["width"], facts["depth"], I2V_CHANNELS)
        network = build_wan(settings)
        network.load_state_dict(widen_to_footage(state, I2V_CHANNELS))
    else:
        network = build_wan(settings)
    encoded = encode(encoder, tokenizer, [""])
    task = WanTask(
        network,
        autoencoder,
        read_shelves(folder, CLIPS),
        read_shelves(folder, [TEST])[0],
        [texts[1] for texts in captions],
        encoded.states[0][encoded.mask[0]],
        config.batch,
        config.seed,
        grey_latent(autoencoder, CLIPS[1].size) if kind == "i2v" else None,
    )

    def on_progress(progress: Progress) -> None:
        log(
            f"{kind} step {progress.step} of {progress.steps}: loss {progress.loss:.4f}, "
            f"{progress.samples_a_second:.1f} clips/s, {progress.seconds_left / 60:.0f} min left"
        )

    run = folder / kind
    run.mkdir(parents=True, exist_ok=True)
    average = train(task, config, run, Ranks(), resume=resume, on_progress=on_progress)
    scores = {f"test/{level}": task.test_loss(average, level) for level in (0.3, 0.7, 0.95)}
    log(f"{kind}: {scores}")
    facts = training_facts(kind, config, task) | scores
    path = wan_file(kind, folder)
    write_wan(path, average, settings, facts)
    return path


def training_facts(kind: str, config: TrainingConfig, task: WanTask) -> dict[str, Any]:
    """The metadata of the training: autoencoder, commit, host, clips, steps."""
    return {
        "kind": kind,
        "autoencoder": SHIPPED,
        "commit": commit(),
        "host": f"ComfyUI {VERSION}",
        "clips": [len(shard.latents) for shard in task.sizes],
        "steps": config.steps,
        "batch": config.batch,
        "shift": round(sampling_shift(task.shift), 3),
    }


def commit() -> str:
    """The commit of the checkout; empty outside of one."""
    command = ("git", "-C", str(ROOT), "rev-parse", "HEAD")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
