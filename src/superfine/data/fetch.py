"""The data sets of the literature: where they are, and how to get them.

No hash here is of our own making: each is published at the place named beside it. Where none is, the address is that of one
commit of a repository, the number of pictures is checked, and :class:`Fetched` says that no more was.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from superfine.data.unpack import unpack
from superfine.download import Progress, download
from superfine.errors import UserError
from superfine.files import alone, sha256_of

RECORD = "source.json"


@dataclass(frozen=True)
class Archive:
    """One file to fetch, and the folder it becomes.

    Parameters
    ----------
    folder : of the pictures, below the place that the user names.
    url : its last part is the name of the file.
    megabytes : about, to tell the user.
    pictures : how many the archive holds; None where its makers do not say.
    terms : what its makers allow, in short.
    size, sha256 : of the file, where published.
    published : where its hash is published.
    """

    folder: str
    url: str
    megabytes: float
    pictures: int | None
    terms: str
    size: int | None = None
    sha256: str | None = None
    published: str | None = None

    @property
    def file(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Fetched:
    """A data set that is there.

    ``verified`` tells whether ``sha256``, of the archive it was unpacked from, is the published one; ``already`` whether it was
    there before.
    """

    folder: Path
    pictures: int
    sha256: str
    verified: bool
    already: bool


ETH = "https://data.vision.ee.ethz.ch/cvl/DIV2K"
TFDS = "https://github.com/tensorflow/datasets, tensorflow_datasets/datasets/div2k/checksums.tsv"
HF = "https://huggingface.co/datasets"
ACADEMIC = "for academic research"

SOURCES: dict[str, tuple[Archive, ...]] = {
    # Agustsson and Timofte 2017, "NTIRE 2017 Challenge on Single Image Super-Resolution: Dataset and Study".
    "div2k": (
        Archive(
            "DIV2K_train_HR",
            f"{ETH}/DIV2K_train_HR.zip",
            3531,
            800,
            ACADEMIC,
            size=3530603713,
            sha256="9d0b9c463f6e35b6c62cc6a930ee2224f670b34c1df841a57670f9acf0f6c335",
            published=TFDS,
        ),
        Archive(
            "DIV2K_valid_HR",
            f"{ETH}/DIV2K_valid_HR.zip",
            449,
            100,
            ACADEMIC,
            size=448993893,
            sha256="20dd31fd84d777bc1cf5d6b7654a3f569c0aec74458ae094122ad1d0489900fc",
            published=TFDS,
        ),
    ),
    # Lim et al. 2017, "Enhanced Deep Residual Networks for Single Image Super-Resolution". A copy of its 2650 pictures: that
    # of the authors, https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar, is often out of reach and larger by its twins.
    "flickr2k": (
        Archive(
            "Flickr2K",
            f"{HF}/goodfellowliu/Flickr2K/resolve/main/Flickr2K.zip",
            11600,
            None,
            "under the licences of the photographers on Flickr",
            sha256="401a5b1d247d18d1114b77b069e3c7bf235c80f06b8b9caaef0086d07f1d42a3",
            published=f"{HF}/goodfellowliu/Flickr2K/blob/main/Flickr2K.zip",
        ),
    ),
    # Bevilacqua et al. 2012; Zeyde et al. 2010; Martin et al. 2001; Huang et al. 2015.
    "set5": (
        Archive(
            "Set5",
            f"{HF}/eugenesiow/Set5/resolve/325646fe7cc8811e312562437885c5c018c74966/data/Set5_HR.tar.gz",
            0.9,
            5,
            ACADEMIC,
        ),
    ),
    "set14": (
        Archive(
            "Set14",
            f"{HF}/eugenesiow/Set14/resolve/5c964717e61b4931236a6dd5561750d11e5a7abb/data/Set14_HR.tar.gz",
            5,
            14,
            ACADEMIC,
        ),
    ),
    "bsd100": (
        Archive(
            "BSD100",
            f"{HF}/eugenesiow/BSD100/resolve/600666edcba3b8386c367fcb03e72424a1ff9f86/data/BSD100_HR.tar.gz",
            27,
            100,
            "for research and education that is not commercial",
        ),
    ),
    "urban100": (
        Archive(
            "Urban100",
            f"{HF}/eugenesiow/Urban100/resolve/57309de03db02ac12ee09ad6127e7b815c211328/data/Urban100_HR.tar.gz",
            135,
            100,
            "CC BY 4.0",
        ),
    ),
}


def fetch(
    archive: Archive,
    to: Path,
    *,
    progress: Progress = lambda done, total: None,
) -> Fetched:
    """Download an archive into the folder ``to`` and unpack it there; what was done before is not done again.

    An archive that somebody has put into ``to`` is used, and left there; one that was downloaded is removed once it is
    unpacked. Interrupted at any moment, the next call goes on. Of several at once with one ``to``, one works and the others
    wait.

    Parameters
    ----------
    progress : told the bytes that are there, and how many there will be: first those of the archive, then those unpacked.

    Raises
    ------
    UserError
        No connection (the message tells what to place where), another file than expected, a damaged archive, a folder in
        the way, no room.
    """
    folder = to / archive.folder
    try:
        to.mkdir(parents=True, exist_ok=True)
        with alone(to, wait=True):
            return _there(folder) if folder.exists() else _fetched(archive, to, progress)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); make room or choose another folder"
        ) from error


def _fetched(archive: Archive, to: Path, progress: Progress) -> Fetched:
    folder, file = to / archive.folder, to / archive.file
    # Under a name of its own, or nobody could tell, after a stop, whether it was brought or downloaded.
    source = file if file.exists() else to / f"{archive.file}.fetched"
    way_out = f"run the same command again, or download the file elsewhere, put it at {file} and run it again"
    download(archive.url, source, sha256=archive.sha256, size=archive.size, progress=progress, way_out=way_out)
    part = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of an attempt that was killed
        digest = archive.sha256 or sha256_of(source)
        pictures = unpack(source, part, pictures=archive.pictures, progress=progress)
        record = {**asdict(archive), "pictures": pictures, "sha256": digest, "verified": archive.sha256 is not None}
        (part / RECORD).write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.rename(folder)
        if source != file:
            source.unlink()
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Fetched(folder, pictures, digest, archive.sha256 is not None, already=False)


def _there(folder: Path) -> Fetched:
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return Fetched(folder, record["pictures"], record["sha256"], record["verified"], already=True)
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder}: is there, but was not fetched; move it away, or give another --to") from None
