"""productfruits: a product-adoption server fed by Segment. `create_app` is the only place where rooms are wired."""

__version__ = "0.1.0"
