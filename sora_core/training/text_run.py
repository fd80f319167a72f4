"""The run that trains the text encoder: `python -m sora_core train text RECIPE`."""

from ..checkpoints.text_file import write_text
from ..models.text_encoder import TextEncoder
from .dataset import Shelf
from .distributed import Ranks
from .experiment import Run
from .minilm import load_teacher
from .sentences import gather
from .text import train_text

TEXT_FOLDER = "text"


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
        student: TextEncoder = train_text(
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
