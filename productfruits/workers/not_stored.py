"""Why a request is not stored, and whether it is worth coming again."""

from productfruits.errors import ProductFruitsError


class NotStored(ProductFruitsError):
    """Nothing of this request was acknowledged: send it again later."""


class StoreBusy(NotStored):
    """More is waiting to be stored than this server takes on. Nothing of this request was stored: send it again."""


class StoreUnavailable(NotStored):
    """The store cannot take anything now. Nothing of this request was acknowledged: send it again later."""


class Poisonous(NotStored):
    """This request cannot be stored as it is, which is our fault. Send it again; in the end it is set aside."""
