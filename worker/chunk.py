"""The chunk program, `python -m worker.chunk SPEC`: paints one time chunk's frames and pipes them into the encoder."""

import sys
from pathlib import Path

import msgspec

from reelwright import rendering
from worker import ffmpeg


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frames [first, last) of a timeline, painted from its scenes' motion sources, into `out`.

    Where it is `compared`, the encoder says how like them it came out.
    """

    ffmpeg: str
    timeline: rendering.Timeline
    sources: dict[int, str]
    first: int
    last: int
    out: str
    profile: str = "normal"
    style: rendering.Style = rendering.Style()
    compared: bool = False


def encode(spec: Spec) -> int:
    """Paint and encode; tell each finished frame on standard output. Return the encoder's exit code."""
    timeline = spec.timeline
    argv = rendering.graph.encode(
        spec.ffmpeg,
        Path(spec.out),
        width=timeline.width,
        height=timeline.height,
        profile=spec.profile,
        compared=spec.compared,
    )
    encoder = ffmpeg.Pipe(argv)
    painter = rendering.Painter(timeline, {scene: Path(path) for scene, path in spec.sources.items()}, spec.style)
    try:
        for done, frame in enumerate(painter.frames(spec.first, spec.last), start=1):
            for plane in (frame.y, frame.u, frame.v):
                encoder.write(plane.tobytes())
            sys.stdout.write(f"{done}\n")
            sys.stdout.flush()
    except BrokenPipeError:
        return encoder.close() or 1
    return encoder.close()


if __name__ == "__main__":
    sys.exit(encode(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Spec)))
