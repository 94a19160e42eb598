"""What analytics.js and the mobile SDKs ask Segment's CDN for before they send anything: where to, and what.

analytics.js needs exactly one integration, or it loads the old ones from Segment; it takes whether to use TLS from its
own options (`integrations["Segment.io"].protocol`), the mobile SDKs always use it.
"""

from typing import Any
from urllib.parse import urlsplit


def document(write_key: str, base_url: str) -> dict[str, Any]:
    """The settings of a source whose events go to the server at this address."""
    address = urlsplit(base_url)
    everything = {"__default": {"enabled": True, "integrations": {}}}
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": f"{address.netloc}{address.path.rstrip('/')}/v1",
                "protocol": address.scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": True,
            }
        },
        "plan": {"track": everything, "identify": everything, "group": everything},
        "edgeFunction": {},
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "remotePlugins": [],
        "analyticsNextEnabled": True,
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
    }
