"""The limits on finished jobs are settings of the page, and the server reads what it saves."""

import json
import time

import pytest

from sora_core.resume.retention import JobLimits

pytestmark = pytest.mark.browser

NAMES = ("Sora.Jobs.MaxGigabytes", "Sora.Jobs.MaxDays")
READ = "names => names.map(name => window.app.ui.settings.getSettingValue(name))"
WRITE = "([name, value]) => window.app.ui.settings.setSettingValueAsync(name, value)"


def test_the_page_shows_the_defaults_and_saves_what_the_user_sets_where_the_server_reads_it(
    page, server
):
    assert page.evaluate(READ, list(NAMES)) == [JobLimits().gigabytes, JobLimits().days]
    page.evaluate(WRITE, [NAMES[1], 7])
    files = server.base / "user"
    for _ in range(50):
        saved = [json.loads(path.read_text()) for path in files.glob("*/comfy.settings.json")]
        if any(settings.get(NAMES[1]) == 7 for settings in saved):
            return
        time.sleep(0.1)
    raise AssertionError(f"not saved below {files}")
