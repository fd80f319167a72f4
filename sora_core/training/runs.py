"""What `python -m sora_core train` trains: each part with its data and its settings.

A run is a plain object that each training process calls with its rank.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from ..bundle import load_autoencoder, load_transformer, read_config, write_bundle
from ..errors import TrainingError
from ..language import load_text
from ..models.autoencoder import Autoencoder
from ..models.dit import DiT, DiTConfig
from ..models.text import encode
from ..models.vocabulary import Vocabulary
from ..video.frames import video_from_frames
from ..weights import write
from .alignment import align
from .autoencoder import AutoencoderTask, normalise
from .captioner import (
    STRANGERS,
    Tellings,
    read_tellings,
    save_captioner,
    strangers,
    train_captioner,
)
from .dataset import Shelf, read_shards
from .decoder import DecoderTask, with_one_decoder, with_second_decoder
from .distributed import Ranks
from .fading import SPANS, read_fading
from .known import Span
from .latents import Latents, encode_shards, read_latents
from .painted import paint_shards, read_painted
from .reader import Lessons, save_reader, train_reader
from .run import AUTOENCODER, OnShard, Run
from .trainer import TrainingConfig, train
from .transformer import Mix, TransformerTask

TRANSFORMER, DECODER, READER = "transformer", "decoder", "reader"
CAPTIONER, RECAPTIONING = "captioner", "recaptioning"
ARMS = {"short": (0,), "descriptive": (1,)}
"""Which captions each transformer of the re-captioning experiment learns from."""


class AutoencoderRun(Run):
    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.pictures

    def __call__(self, ranks: Ranks) -> None:
        config, folder = self.recipe.autoencoder_training, self.folder(AUTOENCODER)
        torch.manual_seed(config.seed)
        clips = list(read_shards(self.shards(*self.recipe.pictures)))
        shown = next(read_shards(self.shards(self.recipe.test)))
        before = None
        if self.start:
            before = with_one_decoder(load_autoencoder(self.start, read_config(self.start)))
        model = copy.deepcopy(before) if before else Autoencoder(self.recipe.autoencoder)
        model.train().requires_grad_(True)
        task = AutoencoderTask(model, clips, shown, config.batch, config.seed)
        average = train(
            task, config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            if before:
                align(average, before, clips)
            else:
                normalise(average, clips)
            write(folder / "weights.safetensors", average.state_dict())


class TransformerRun(Run):
    sees_latents = True

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.clips

    @property
    def fading(self) -> dict[Span, list[Path]]:
        """The rendered shards whose clips turn into one another, by when they do."""
        shards = self.shards(replace(self.recipe.clips[0], clips=self.recipe.fading))
        groups = {span: shards[i :: len(SPANS)] for i, span in enumerate(SPANS)}
        return {span: paths for span, paths in groups.items() if paths}

    def derive(self, on_shard: OnShard) -> None:
        Run.derive(self, on_shard)
        for span, paths in self.fading.items():
            encode_shards(
                paths,
                self.folder("fading"),
                self.trained_autoencoder(),
                partial(on_shard, "fading"),
                read=partial(read_fading, span=span),
            )

    def __call__(self, ranks: Ranks) -> None:
        recipe, config = self.recipe, self.recipe.transformer_training
        fading = [
            read_latents([self.folder("fading") / path.name for path in paths], span)
            for span, paths in self.fading.items()
        ]
        shares = (recipe.fading_weight / len(fading) for _ in fading)
        mix = Mix(weights=(*recipe.weights, *shares))
        if self.start:  # no model file holds the head that reads the truth: it would begin anew
            mix = replace(mix, truth_weight=0.0)
        self.learn(recipe.transformer, mix, config, self.folder(TRANSFORMER), ranks, fading)

    def learn(
        self,
        model: DiTConfig,
        mix: Mix,
        config: TrainingConfig,
        folder: Path,
        ranks: Ranks,
        fading: Sequence[Latents] = (),
    ) -> None:
        """Trains a transformer on what is needed, and leaves a whole model file in `folder`."""
        torch.manual_seed(config.seed)
        encoder, tokenizer = load_text()
        sizes = [read_latents(self.latent_shards(shelf)) for shelf in self.needed]
        test = read_latents(self.latent_shards(self.recipe.test))
        captions = [
            ways[1]
            for clips in read_shards(self.shards(self.recipe.test))
            for ways in clips.captions
        ]
        transformer = self.begun(model)
        autoencoder = self.trained_autoencoder()
        task = TransformerTask(
            transformer,
            autoencoder,
            [*sizes, *fading],
            test,
            captions,
            encode(encoder, tokenizer, [""]).states[0],
            mix,
            config.batch,
            config.seed,
        )
        average = train(
            task, config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            target = folder / f"{self.recipe.name}.safetensors"
            latents = test.latents[:16].float()
            write_bundle(target, average.dit, autoencoder, name=self.recipe.name, latents=latents)

    def begun(self, model: DiTConfig) -> DiT:
        """The transformer that is trained, as it is before."""
        if self.start:
            transformer = load_transformer(self.start, read_config(self.start))
            return transformer.train().requires_grad_(True)
        transformer = DiT(model)
        transformer.start()
        return transformer


class DecoderRun(Run):
    """A second decoder, on what the trained transformer paints. Latents stay as they are."""

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return (*self.recipe.pictures, self.recipe.painted)

    @property
    def painted(self) -> list[Path]:
        return [self.folder("painted") / path.name for path in self.shards(self.recipe.painted)]

    def trained_transformer(self) -> DiT:
        path = self.folder(TRANSFORMER) / f"{self.recipe.name}.safetensors"
        if not path.exists():
            raise TrainingError("there is no trained transformer yet: train that first")
        return load_transformer(path, read_config(path))

    def derive(self, on_shard: OnShard) -> None:
        paint_shards(
            self.shards(self.recipe.painted),
            self.folder("painted"),
            self.trained_transformer(),
            self.trained_autoencoder(),
            partial(on_shard, "painting"),
        )

    def __call__(self, ranks: Ranks) -> None:
        recipe, config, folder = self.recipe, self.recipe.decoder_training, self.folder(DECODER)
        torch.manual_seed(config.seed)
        shown = next(read_shards(self.shards(recipe.test)))
        task = DecoderTask(
            with_second_decoder(self.trained_autoencoder()),
            list(read_shards(self.shards(*recipe.pictures))),
            list(read_shards(self.shards(recipe.painted))),
            read_painted(self.painted),
            shown,
            config.batch,
            config.seed,
        )
        average = train(
            task, config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            write(folder / "weights.safetensors", average.state_dict())
            video = torch.stack([video_from_frames(clip) for clip in shown.frames[:16]])
            target = folder / f"{recipe.name}.safetensors"
            latents = average.encode(video)
            write_bundle(
                target, self.trained_transformer(), average, name=recipe.name, latents=latents
            )


class RecaptioningRun(TransformerRun):
    """The same small transformer twice, from the same start and on the same clips and noise: once
    told what they show in short captions, once in descriptive ones."""

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return (self.recipe.learned,)

    @property
    def fading(self) -> dict[Span, list[Path]]:
        return {}

    def __call__(self, ranks: Ranks) -> None:
        for arm, captions in ARMS.items():
            mix = Mix(weights=(1.0,), captions=captions, known=0.0)
            folder = self.folder(f"{RECAPTIONING}/{arm}")
            self.learn(self.recipe.learner, mix, self.recipe.recaptioning_training, folder, ranks)


class ReaderRun(Run):
    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.lessons

    def __call__(self, ranks: Ranks) -> None:
        autoencoder, folder = self.trained_autoencoder(), self.folder(READER)
        reader = train_reader(
            Lessons.of(read_shards(self.shards(*self.needed)), autoencoder),
            Lessons.of(read_shards(self.shards(self.recipe.test)), autoencoder),
            self.recipe.reader_training,
            folder,
            ranks,
            resume=self.resume,
            on_progress=self.on_progress,
        )
        if ranks.first:
            save_reader(reader, folder / "reader.safetensors")


class CaptionerRun(Run):
    sees_latents = True

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.tellings

    def __call__(self, ranks: Ranks) -> None:
        autoencoder, folder = self.trained_autoencoder(), self.folder(CAPTIONER)
        *shelves, test = (
            read_tellings(self.shards(shelf), self.latent_shards(shelf))
            for shelf in (*self.needed, self.recipe.test)
        )
        vocabulary = Vocabulary.of(
            text for _, captions, _ in (*shelves, test) for ways in captions for text in ways
        )
        config = self.recipe.captioner_training
        captioner = train_captioner(
            [Tellings.of(*shelf, vocabulary) for shelf in shelves],
            Tellings.of(*test, vocabulary),
            strangers(autoencoder, self.recipe.test.size, STRANGERS, config.seed),
            vocabulary,
            config,
            folder,
            ranks,
            resume=self.resume,
            on_progress=self.on_progress,
        )
        if ranks.first:
            save_captioner(captioner, folder / "captioner.safetensors")
