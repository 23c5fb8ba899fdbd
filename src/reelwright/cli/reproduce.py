"""`reelwright reproduce`: renders a reel again from its manifest, and says whether the same file came out."""

import asyncio
from pathlib import Path

import msgspec
import rich_click as click

from reelwright.ground.errors import Refusal
from worker import ffmpeg, reproduction


class ReproduceRefused(Refusal):
    code = "reproduce.refused"


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("again.mp4"), show_default=True)
def reproduce(manifest: Path, folder: Path, out: Path) -> int:
    """Render a reel again from its manifest, and say whether the same file came out.

    FOLDER holds the files that MANIFEST names, under any names: they are known by their SHA-256. Of reels that were
    made here it is `artefacts` in the folder of `--data`. Exit code 0: the same file; 1: another, and where it differs.

    Example:  reelwright reproduce cats.manifest.json ~/.local/share/reelwright/artefacts
    """
    try:
        told = msgspec.json.decode(manifest.read_bytes(), type=reproduction.Manifest)
    except msgspec.MsgspecError as wrong:
        raise ReproduceRefused(f"{manifest} is not a reel's manifest: {wrong}.", field="MANIFEST") from wrong
    if not out.resolve().parent.is_dir():
        raise ReproduceRefused(f"The folder {out.parent} does not exist: make it first.", field="--out")
    files = reproduction.by_digest(folder.rglob("*"))
    try:
        other = asyncio.run(reproduction.reproduce(told, files, out.resolve()))
    except ffmpeg.MediaFailed as failed:
        raise ReproduceRefused(f"{manifest} can't be rendered: {failed}.", field="MANIFEST") from failed
    click.echo(f"{out}: " + (f"another file, in {', '.join(other)}" if other else "the same file"))
    return 1 if other else 0
