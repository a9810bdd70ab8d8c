"""Points of a picture: lines, boxes and figures on a grid, in whole numbers."""

__all__ = ["Canvas"]

# Rows of three points for each sign, from the top.
_SIGNS = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711",
    "5": "74717", "6": "74757", "7": "71111", "8": "75757", "9": "75717", ".": "00002",
    "-": "00700", "+": "02720", "e": "02743", ":": "02020", " ": "00000",
}  # fmt: skip
_SIGN_WIDTH, _SIGN_HEIGHT = 3, 5


class Canvas:
    """A picture in the making.

    Args:
        width, height: points.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._points = bytearray(width * height)

    @property
    def rows(self) -> list[bytes]:
        """From the top."""
        width = self.width
        return [
            bytes(self._points[y * width : (y + 1) * width]) for y in range(self.height)
        ]  # fmt: skip

    def point(self, x: int, y: int, colour: int) -> None:
        """One point; outside of the picture nothing."""
        if 0 <= x < self.width and 0 <= y < self.height:
            self._points[y * self.width + x] = colour

    def box(self, left: int, top: int, right: int, bottom: int, colour: int) -> None:
        """A filled box; both corners belong to it."""
        left, right = max(left, 0), min(right, self.width - 1)
        for y in range(max(top, 0), min(bottom, self.height - 1) + 1):
            if right >= left:
                begin = y * self.width
                self._points[begin + left : begin + right + 1] = bytes([colour]) * (
                    right - left + 1
                )

    def line(self, x: int, y: int, x_end: int, y_end: int, colour: int) -> None:
        """A line from point to point (Bresenham), two points thick."""
        across, down = abs(x_end - x), -abs(y_end - y)
        right, lower = (1 if x < x_end else -1), (1 if y < y_end else -1)
        error = across + down
        while True:
            self.point(x, y, colour)
            self.point(x, y + 1, colour)
            if x == x_end and y == y_end:
                return
            twice = 2 * error
            if twice >= down:
                error += down
                x += right
            if twice <= across:
                error += across
                y += lower

    def text(self, x: int, y: int, text: str, colour: int, size: int = 2) -> None:
        """Figures; signs that are none are left blank."""
        for number, sign in enumerate(text):
            rows = _SIGNS.get(sign, _SIGNS[" "])
            left = x + number * (_SIGN_WIDTH + 1) * size
            for row, points in enumerate(rows):
                for column in range(_SIGN_WIDTH):
                    if int(points) >> (_SIGN_WIDTH - 1 - column) & 1:
                        at, top = left + column * size, y + row * size
                        self.box(at, top, at + size - 1, top + size - 1, colour)

    @staticmethod
    def text_width(text: str, size: int = 2) -> int:
        """Points that a text takes."""
        return len(text) * (_SIGN_WIDTH + 1) * size - size
