"""The runs of `python -m sora_core train`: each part of a model with its data and settings.

A run is a plain object that each training process calls with its rank.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from ..checkpoints.checkpoint import (
    load_autoencoder,
    load_transformer,
    read_config,
    write_checkpoint,
)
from ..checkpoints.safetensors_io import write_tensors
from ..checkpoints.text_file import load_text, write_text
from ..errors import TrainingError
from ..models.autoencoder import Autoencoder
from ..models.dit import DiT, DiTConfig
from ..models.text_encoder import encode
from ..models.vocabulary import Vocabulary
from ..video.frames import video_from_frames
from .autoencoder import AutoencoderTask, normalise
from .captioner import (
    EMPTY_CLIPS,
    CaptionDataset,
    read_captions,
    save_captioner,
    train_captioner,
    without_scene,
)
from .classifier import ClassifierDataset, save_reader, train_reader
from .conditioning_masks import KnownSpan
from .crossfade_dataset import SPANS, read_fading
from .dataset import Shelf, read_shards
from .decoder import DecoderTask, with_one_decoder, with_second_decoder
from .decoder_dataset import generate_shards, read_samples
from .distributed import Ranks
from .experiment import AUTOENCODER_NAME, TRANSFORMER_NAME, OnShard, Run
from .latent_alignment import align
from .latent_dataset import LatentShard, encode_shards, read_latents
from .minilm import load_teacher
from .sentences import gather
from .text import train_text
from .trainer import TrainingConfig, train
from .transformer import Mix, TransformerTask

DECODER, CLASSIFIER_FILE, TEXT_FOLDER = "decoder", "reader", "text"
CAPTIONER_FILE, RECAPTIONING = "captioner", "recaptioning"
ARMS = {"short": (0,), "descriptive": (1,)}
"""The captions on which each transformer of the re-captioning experiment is trained."""


class AutoencoderRun(Run):
    """Trains the autoencoder; from a model file, its latents are aligned to those of that file."""

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.pictures

    def __call__(self, ranks: Ranks) -> None:
        config, folder = self.recipe.autoencoder_training, self.folder(AUTOENCODER_NAME)
        torch.manual_seed(config.seed)
        clips = list(read_shards(self.shards(*self.recipe.pictures)))
        preview_clips = next(read_shards(self.shards(self.recipe.test)))
        before = None
        if self.start:
            before = with_one_decoder(load_autoencoder(self.start, read_config(self.start)))
        model = copy.deepcopy(before) if before else Autoencoder(self.recipe.autoencoder)
        model.train().requires_grad_(True)
        task = AutoencoderTask(model, clips, preview_clips, config.batch, config.seed)
        average = train(
            task, config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            if before:
                align(average, before, clips)
            else:
                normalise(average, clips)
            write_tensors(folder / "weights.safetensors", average.state_dict())


class TransformerRun(Run):
    """Trains the transformer on latents of clips, some of which fade into one another."""

    needs_latents = True

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.clips

    @property
    def fading(self) -> dict[KnownSpan, list[Path]]:
        """The rendered shards whose clips fade into one another, by the span of the fade."""
        shards = self.shards(replace(self.recipe.clips[0], clips=self.recipe.fading))
        groups = {span: shards[i :: len(SPANS)] for i, span in enumerate(SPANS)}
        return {span: paths for span, paths in groups.items() if paths}

    def derive(self, on_shard: OnShard) -> None:
        """Encodes missing latents of the clips and of the fading ones."""
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
        if self.start:  # model files lack the head for truth maps, so it would be untrained
            mix = replace(mix, truth_weight=0.0)
        self.learn(recipe.transformer, mix, config, self.folder(TRANSFORMER_NAME), ranks, fading)

    def learn(
        self,
        model: DiTConfig,
        mix: Mix,
        config: TrainingConfig,
        folder: Path,
        ranks: Ranks,
        fading: Sequence[LatentShard] = (),
    ) -> None:
        """Trains a transformer on the latents of `needed`; writes a model file to `folder`."""
        torch.manual_seed(config.seed)
        encoder, tokenizer = load_text()
        sizes = [read_latents(self.latent_shards(shelf)) for shelf in self.needed]
        test = read_latents(self.latent_shards(self.recipe.test))
        captions = [
            texts[1]
            for clips in read_shards(self.shards(self.recipe.test))
            for texts in clips.captions
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
            write_checkpoint(
                target, average.dit, autoencoder, name=self.recipe.name, latents=latents
            )

    def begun(self, model: DiTConfig) -> DiT:
        """The transformer before training, from the model file `start` or newly initialised."""
        if self.start:
            transformer = load_transformer(self.start, read_config(self.start))
            return transformer.train().requires_grad_(True)
        transformer = DiT(model)
        transformer.init_weights()
        return transformer


class DecoderRun(Run):
    """Trains the generated decoder on latents from the trained transformer; the rest is frozen."""

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return (*self.recipe.pictures, self.recipe.generated)

    @property
    def generated_shards(self) -> list[Path]:
        """The files of generated latents."""
        return [self.folder("painted") / path.name for path in self.shards(self.recipe.generated)]

    def trained_transformer(self) -> DiT:
        """The recipe's transformer in eval mode; TrainingError if it is not trained yet."""
        path = self.folder(TRANSFORMER_NAME) / f"{self.recipe.name}.safetensors"
        if not path.exists():
            raise TrainingError("there is no trained transformer yet: train that first")
        return load_transformer(path, read_config(path))

    def derive(self, on_shard: OnShard) -> None:
        """Generates the missing latents."""
        generate_shards(
            self.shards(self.recipe.generated),
            self.folder("painted"),
            self.trained_transformer(),
            self.trained_autoencoder(),
            partial(on_shard, "generating"),
        )

    def __call__(self, ranks: Ranks) -> None:
        recipe, config, folder = self.recipe, self.recipe.decoder_training, self.folder(DECODER)
        torch.manual_seed(config.seed)
        preview_clips = next(read_shards(self.shards(recipe.test)))
        task = DecoderTask(
            with_second_decoder(self.trained_autoencoder()),
            list(read_shards(self.shards(*recipe.pictures))),
            list(read_shards(self.shards(recipe.generated))),
            read_samples(self.generated_shards),
            preview_clips,
            config.batch,
            config.seed,
        )
        average = train(
            task, config, folder, ranks, resume=self.resume, on_progress=self.on_progress
        )
        if ranks.first:
            write_tensors(folder / "weights.safetensors", average.state_dict())
            video = torch.stack([video_from_frames(clip) for clip in preview_clips.frames[:16]])
            target = folder / f"{recipe.name}.safetensors"
            latents = average.encode(video)
            write_checkpoint(
                target, self.trained_transformer(), average, name=recipe.name, latents=latents
            )


class RecaptioningRun(TransformerRun):
    """Trains one small transformer twice, on short captions and on descriptive ones.

    Initial weights, clips and noise are the same.
    """

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return (self.recipe.learned,)

    @property
    def fading(self) -> dict[KnownSpan, list[Path]]:
        return {}

    def __call__(self, ranks: Ranks) -> None:
        for arm, captions in ARMS.items():
            mix = Mix(weights=(1.0,), captions=captions, known=0.0)
            folder = self.folder(f"{RECAPTIONING}/{arm}")
            self.learn(self.recipe.learner, mix, self.recipe.recaptioning_training, folder, ranks)


class ReaderRun(Run):
    """Trains the attribute classifier."""

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.lessons

    def __call__(self, ranks: Ranks) -> None:
        autoencoder, folder = self.trained_autoencoder(), self.folder(CLASSIFIER_FILE)
        reader = train_reader(
            ClassifierDataset.from_latents(read_shards(self.shards(*self.needed)), autoencoder),
            ClassifierDataset.from_latents(read_shards(self.shards(self.recipe.test)), autoencoder),
            self.recipe.reader_training,
            folder,
            ranks,
            resume=self.resume,
            on_progress=self.on_progress,
        )
        if ranks.first:
            save_reader(reader, folder / "reader.safetensors")


class CaptionerRun(Run):
    """Trains the captioner."""

    needs_latents = True

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return self.recipe.captioner_clips

    def __call__(self, ranks: Ranks) -> None:
        autoencoder, folder = self.trained_autoencoder(), self.folder(CAPTIONER_FILE)
        *shelves, test = (
            read_captions(self.shards(shelf), self.latent_shards(shelf))
            for shelf in (*self.needed, self.recipe.test)
        )
        vocabulary = Vocabulary.from_captions(
            text for _, captions, _ in (*shelves, test) for texts in captions for text in texts
        )
        config = self.recipe.captioner_training
        captioner = train_captioner(
            [CaptionDataset.from_latents(*shelf, vocabulary) for shelf in shelves],
            CaptionDataset.from_latents(*test, vocabulary),
            without_scene(autoencoder, self.recipe.test.size, EMPTY_CLIPS, config.seed),
            vocabulary,
            config,
            folder,
            ranks,
            resume=self.resume,
            on_progress=self.on_progress,
        )
        if ranks.first:
            save_captioner(captioner, folder / "captioner.safetensors")


class TextRun(Run):
    """Trains the text encoder, a low-rank student of MiniLM; needs no clips."""

    @property
    def needed(self) -> tuple[Shelf, ...]:
        return ()

    @property
    def rendered(self) -> tuple[Shelf, ...]:
        return ()

    def __call__(self, ranks: Ranks) -> None:
        recipe, folder = self.recipe.text, self.folder(TEXT_FOLDER)
        teacher, tokenizer = load_teacher()
        student = train_text(
            teacher,
            tokenizer,
            recipe,
            *gather(recipe.amounts),
            self.recipe.text_training,
            folder,
            ranks,
            resume=self.resume,
            on_progress=self.on_progress,
        )
        if ranks.first:
            write_text(folder / "text-encoder.safetensors", student, tokenizer)
