"""A headless Chromium for pages that tests have written."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def missing() -> str | None:
    """What keeps a browser from starting here, None if nothing does."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            return f"needs the program {program}"
    try:
        import axe_core_python
        import selenium
    except ImportError as error:
        return f"needs a package: {error}"
    return None if axe_core_python and selenium else "never"


class Browser:
    """Shows one page at a time."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def show(self, page: Path, width: int = 1100, scheme: str = "light") -> None:
        """Open the page at a width in CSS pixels, for a reader who prefers `light` or `dark`."""
        self.driver.get_log("performance")
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.command("Emulation.setDeviceMetricsOverride", size)
        preference = {"name": "prefers-color-scheme", "value": scheme}
        self.command("Emulation.setEmulatedMedia", {"features": [preference]})
        self.driver.get(page.as_uri())

    def command(self, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """A command of the DevTools protocol."""
        found: dict[str, Any] = self.driver.execute_cdp_cmd(name, parameters)
        return found

    def run(self, script: str) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script)

    def requests(self) -> list[str]:
        """Addresses that were asked for since `show`."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def console(self) -> list[str]:
        """What the browser complained about."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def accessibility_violations(self) -> list[str]:
        """What axe-core finds."""
        from axe_core_python.selenium import Axe

        found = Axe().run(self.driver)["violations"]
        return [f"{one['id']}: {[node['html'] for node in one['nodes']]}" for one in found]


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with a fresh profile; `missing()` says whether there can be one."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            driver.get("about:blank")  # in place of the browser's own first page, which loads a lot
            yield Browser(driver)
        finally:
            driver.quit()
