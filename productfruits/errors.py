"""The root of every error this product raises on purpose."""


class ProductFruitsError(Exception):
    """Something went wrong in productfruits."""

    def __init__(self, message: str | None = None) -> None:
        # A subclass's docstring is its message: what happened, why, and what to do about it.
        super().__init__(message or " ".join((type(self).__doc__ or "").split()))
