"""Says in the file itself that it is made by AI, where programs and people look for it.

IPTC asks those who make pictures or videos by a trained model to write its Digital Source Type into their XMP packet
(Photo Metadata User Guide, "Guidance for generative AI"; Video Metadata Hub 1.6). Players show the comment.
"""

import os
from pathlib import Path
from uuid import UUID

SOURCE_TYPE = "trainedAlgorithmicMedia"
_TERM = f"http://cv.iptc.org/newscodes/digitalsourcetype/{SOURCE_TYPE}"
COMMENT = f"Pictures and voice are made by AI: {_TERM}"
_XMP = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")
"""Whose `uuid` box holds an MP4's XMP packet (Adobe, XMP Specification Part 3, 1.2.7.1)."""
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
    f"<Iptc4xmpExt:DigitalSourceType>{_TERM}</Iptc4xmpExt:DigitalSourceType>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)


def mark(video: Path) -> None:
    """Add the XMP packet behind all else in an MP4, and see it on the disk. Raises OSError."""
    held = _XMP.bytes + _PACKET.encode()
    with video.open("ab") as file:
        file.write((8 + len(held)).to_bytes(4, "big") + b"uuid" + held)
        file.flush()
        os.fsync(file.fileno())
