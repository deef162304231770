"""How an image is marked to be turned: EXIF's orientation, which viewers follow and TensorFlow's decoder does not.

COCO's sizes and boxes refer to the pixels as they are stored.
"""

from typing import NamedTuple, Optional

from PIL import Image

# EXIF 2.3, 4.6.4.A: what a viewer does with the stored pixels.
_TAG = 0x0112
_TURNS = {2: "mirrored", 3: "turned by 180 degrees", 4: "mirrored upside down", 5: "mirrored and turned by 90 degrees",
          6: "turned by 90 degrees", 7: "mirrored and turned by 270 degrees", 8: "turned by 270 degrees"}


class Orientation(NamedTuple):
    """A mark that asks viewers to turn an image.

    Attributes:
        value: EXIF's number, 2 to 8.
    """

    value: int

    def text(self) -> str:
        """What it means, for a message."""
        return (f"its EXIF orientation {self.value} has viewers show it {_TURNS[self.value]}; TensorFlow takes the "
                "pixels as they are stored, to which sizes and boxes have to refer")


def of_image(picture: Image.Image) -> Optional[Orientation]:
    """The mark of an image that is open; None where it has none, or one that changes nothing."""
    try:
        value = picture.getexif().get(_TAG)
    except Exception:  # a damaged mark raises many kinds, and is none
        return None
    return Orientation(int(value)) if value in _TURNS else None
