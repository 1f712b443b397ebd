import pytest
from plotly.offline import get_plotlyjs

from loadprofiles.dashboard import plotly_script as subject


@pytest.fixture(autouse=True)
def _made_anew():
    subject.plotly_script.cache_clear()
    yield
    subject.plotly_script.cache_clear()


def test_the_plotly_that_is_installed_has_the_list():
    assert 100 < len(get_plotlyjs().encode()) - len(subject.plotly_script()) < 1000


def test_bar_and_heatmap_stay_where_the_list_is_found(monkeypatch):
    made = ",".join(f"{name}()" for name in ("bar", "box", "heatmap", *"abcdefgh"))
    monkeypatch.setattr(subject, "get_plotlyjs", lambda: f"a();P.register([{made}]);b()")
    assert subject.plotly_script() == b"a();P.register([bar(),heatmap()]);b()"


def test_a_version_without_the_list_is_served_whole(monkeypatch):
    monkeypatch.setattr(subject, "get_plotlyjs", lambda: "P.register([bar(),box()])")
    assert subject.plotly_script() == b"P.register([bar(),box()])"
