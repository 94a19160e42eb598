"""Puts migrations/ and static/dist/ beside the code of a wheel, and refuses to build one without the built files."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = "static/dist/admin.css"


class CustomBuildHook(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable install reads both folders from the checkout (productfruits/__init__.py), so it needs neither.
        if version == "editable":
            return
        # Without this stop hatchling builds a wheel whose pages have no style, and says nothing.
        if not (Path(self.root) / BUILT).is_file():
            raise FileNotFoundError(f"{BUILT} is missing, so the package would have no style: run `make assets` first")
        if self.target_name == "wheel":
            build_data["force_include"]["migrations"] = "productfruits/_migrations"
            build_data["force_include"]["static/dist"] = "productfruits/_static/dist"
