"""What a teacher makes of a pack's small pictures, as a pack: targets beside the photographs.

Knowledge distillation (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"). Of what a photograph shows, most of
what a network fails to predict cannot be predicted at all from its low-resolution twin, and is noise in the gradient. What a
better network makes of the twin holds only what can be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from superfine.data.building import Done, Job, build, folder_for
from superfine.data.pack import Pack, Pixels
from superfine.errors import UserError
from superfine.images import in_unit

Enlarge = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps H×W×3 RGB in [0,1] to sH×sW×3."""


def teach(
    pack: Pack,
    enlarge: Enlarge,
    out: Path,
    *,
    teacher: dict[str, Any],
    only: str = "*",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Pack:
    """Enlarge the twins of ``pack`` into the pack folder ``out``: its pictures, in its order, as ``enlarge`` makes them.

    Interrupted, it goes on when it is called again; what is there already is returned.

    Parameters
    ----------
    enlarge : by ``pack.scale``.
    teacher : what tells of it, its ``name`` and more; kept in the pack, with the hash of ``pack``.
    only : pattern (:mod:`fnmatch`) of the names in the pack of those that are enlarged. The others stay what they are: pictures
        of a kind that the teacher knows less well than who is to learn.
    progress : called with (pictures done, pictures in all) after each.

    Raises
    ------
    UserError
        ``pack`` holds a teacher's results itself, or must be made again; ``only`` fits nothing; results of another size;
        ``out`` holds photographs, what another teacher made or something else, or cannot be written.
    """
    if pack.teacher is not None:
        raise UserError(f"{pack.path}: holds what a teacher made; give the pack of the photographs")
    pack.refuse_unchecked()
    teacher = teacher | {"only": only, "of": pack.sha256}
    chosen = [fnmatchcase(entry.file, only) for entry in pack.entries]
    if not any(chosen):
        raise UserError(f"--only {only}: fits no picture of {pack.path}; the first is {pack.entries[0].file}")
    jobs = [Job(entry.file, entry.bytes, entry.modified_ns) for entry in pack.entries]
    numbers = {job: i for i, job in enumerate(jobs)}

    def convert(todo: Sequence[Job]) -> Iterator[Done]:
        for i in map(numbers.__getitem__, todo):
            lr = pack.lr(i)
            if not chosen[i]:
                yield pack.entries[i], pack.hr(i), lr
                continue
            result = enlarge(in_unit(lr)).clip(0, 1)
            hr: Pixels = np.ascontiguousarray(np.rint(result * np.float32(255)).astype(np.uint8))
            if hr.shape != pack.hr(i).shape:
                raise UserError(
                    f"{teacher['name']}: makes {hr.shape} of {lr.shape}; give one that enlarges ×{pack.scale}"
                )
            yield replace(pack.entries[i], sha256=hashlib.sha256(hr.data).hexdigest()), hr, lr

    with folder_for(Path(out)) as old:
        if old is not None:
            if old.teacher is None:
                raise UserError(f"{out}: holds photographs; name a new folder with -o")
            if old.teacher != teacher:
                raise UserError(
                    f"{out}: holds what another teacher made, or of other pictures; delete it, or name a new folder with -o"
                )
            progress(len(jobs), len(jobs))
            return old
        return build(jobs, Path(out), pack.scale, convert, teacher=teacher, progress=progress)
