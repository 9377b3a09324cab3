"""Which part of a photo is shown, and in what size: settled before anything of it is decoded."""

from __future__ import annotations

from dataclasses import dataclass

from archspec_runtime.images.pillow import middle, with_shorter_side

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Window:
    """A box in the pixels of a photo, shown as so many pixels (width, height).

    Steps that would each resize or crop are composed into one window, so that a photo is resampled once and only where
    it is seen. `limits` are the pixels that the filter may look at: a crop that comes before any resizing cuts them off,
    one that comes after leaves them, as if the whole photo had been resized.
    """

    box: Box
    size: tuple[int, int]
    limits: Box

    @staticmethod
    def whole(width: int, height: int) -> Window:
        """All of a photo, in its own size."""
        return Window((0, 0, width, height), (width, height), (0, 0, width, height))

    @property
    def scale(self) -> float:
        """How many pixels of the photo one pixel stands for, along the axis where that is less."""
        left, top, right, bottom = self.box
        return min((right - left) / self.size[0], (bottom - top) / self.size[1])

    @property
    def plain(self) -> bool:
        """Whether nothing has been resized."""
        left, top, right, bottom = self.box
        return (right - left, bottom - top) == self.size

    def resized(self, width: int, height: int) -> Window:
        """The same part in another size."""
        return Window(self.box, (width, height), self.limits)

    def cropped(self, left: int, top: int, width: int, height: int) -> Window:
        """A part of what is shown, in pixels of it."""
        across, down = (
            (self.box[2] - self.box[0]) / self.size[0],
            (self.box[3] - self.box[1]) / self.size[1],
        )
        x, y = self.box[0] + left * across, self.box[1] + top * down
        box = (x, y, x + width * across, y + height * down)
        return Window(box, (width, height), box if self.plain else self.limits)

    def shorter_side(self, side: int) -> Window:
        """The same part with its short edge of `side` pixels."""
        return self.resized(*with_shorter_side(self.size, side))

    def at_least(self, width: int, height: int) -> Window:
        """The same part, enlarged as far as a crop of this size needs."""
        scale = max(width / self.size[0], height / self.size[1])
        if scale <= 1:
            return self
        return self.resized(max(width, round(self.size[0] * scale)), max(height, round(self.size[1] * scale)))

    def centre(self, width: int, height: int) -> Window:
        """The middle of it."""
        return self.cropped(middle(self.size[0], width), middle(self.size[1], height), width, height)
