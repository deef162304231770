"""Pictures of single images for the page, which draws boxes over them."""

import io

from PIL import Image

from quant_accuracy.base.errors import first_line

# Pixels of the longer side.
SIDE = 560
_QUALITY = 70


def decode(content: bytes) -> Image.Image:
    """An encoded image as RGB.

    Raises:
        ValueError: It cannot be decoded.
    """
    try:
        picture = Image.open(io.BytesIO(content))
        if picture.mode.startswith("I"):
            # 16 bits a channel: Pillow would clip them to 8, TensorFlow takes the upper ones.
            picture = picture.convert("I").point(lambda value: value / 256).convert("L")
        return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(first_line(error)) from error


def as_jpeg(image: Image.Image) -> bytes:
    """An image as a JPEG of at most `SIDE` pixels a side; the same bytes every time."""
    scale = min(SIDE / image.width, SIDE / image.height, 1.0)
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue()
