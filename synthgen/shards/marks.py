"""Marks that say of an image, wherever it goes, that it is synthetic and what it was made from.

A PNG file carries them as text (chunks tEXt and iTXt, https://www.w3.org/TR/png-3/#11textinfo):

    synthetic          true
    generator          synthgen and the SHA-256 of the checkpoint
    seed, label        of the image
    XML:com.adobe.xmp  XMP with IPTC's digital source type, which other programs look for

Other files say it of all their images, as attributes (`formats.set_attributes`). Sets of earlier
versions have no marks.
"""

from collections.abc import Mapping
from typing import Any

from synthgen.errors import DataError
from synthgen.shards.png_codec import png_chunk, read_texts, text_chunk

# IPTC's term for media that a trained model made: https://cv.iptc.org/newscodes/digitalsourcetype/
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
SOFTWARE = "synthgen "  # begins what is said of the generator
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf='
    '"http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:Iptc4xmpExt='
    f'"http://iptc.org/std/Iptc4xmpExt/2008-02-29/" Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"'
    ' rdf:about=""/></rdf:RDF></x:xmpmeta>'
)


def set_chunks(attributes: Mapping[str, Any]) -> bytes:
    """Return the chunks that the PNG files of a set have in common; none if nothing is known.

    Args:
        attributes: of the set, see `formats.set_attributes`.
    """
    if not attributes.get("synthetic"):
        return b""
    xmp = b"XML:com.adobe.xmp" + b"\0" * 5 + XMP.encode()  # no compression, language, translation
    generator = f"{SOFTWARE}{attributes['checkpoint_sha256']}"
    return (
        text_chunk("synthetic", "true")
        + text_chunk("generator", generator)
        + png_chunk(b"iTXt", xmp)
    )


def attributes_of(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return what the texts of a PNG file say of its set, named as in `formats.set_attributes`.

    Args:
        texts: by keyword; what is not there is left out.
    """
    found: dict[str, Any] = {}
    if "synthetic" in texts:
        found["synthetic"] = texts["synthetic"] == "true"
    if "generator" in texts:
        found["checkpoint_sha256"] = texts["generator"].removeprefix(SOFTWARE)
    if "XML:com.adobe.xmp" in texts:
        same = texts["XML:com.adobe.xmp"] == XMP
        found["digital_source_type"] = SOURCE_TYPE if same else texts["XML:com.adobe.xmp"]
    return found


def common_attributes(pictures: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what all of some PNG files say of their set.

    Args:
        pictures: the bytes of the files, by a name of each.

    Raises:
        DataError: if they contradict each other.
    """
    common: dict[str, Any] | None = None
    for name, content in pictures.items():
        found = attributes_of(read_texts(content))
        if common is not None and found != common:
            raise DataError(
                f"{name}: Expected an image with the marks of the others of its shard, "
                f"{common or 'none'}, received {found or 'none'}."
            )
        common = found
    return common or {}
