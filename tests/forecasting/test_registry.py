"""Models by name, and what each imports."""

import subprocess
import sys

import numpy as np
import pytest

from loadprofiles.choices import AUTO, FORECAST_MODELS, LEARNERS, ONLINE
from loadprofiles.forecasting.registry import forecaster, learner
from tests.forecasting.panels import drawn_panel, ints


@pytest.mark.parametrize("name", sorted({*FORECAST_MODELS} - {*LEARNERS, AUTO, ONLINE}))
def test_every_model_that_does_not_learn_forecasts(name):
    forecast = forecaster(name)(drawn_panel(30), ints(0), ints(30 * 24), 24)
    assert forecast.shape == (1, 24)
    assert np.isfinite(forecast).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_every_model_that_learns_can_be_fitted_and_loaded(name):
    assert callable(learner(name).fit)
    assert callable(learner(name).load)


def test_the_weekly_naive_model_is_the_reference():
    panel = drawn_panel(30)
    for name, hours in (("seasonal_naive", 168), ("seasonal_naive_24h", 24)):
        forecast = forecaster(name)(panel, ints(0), ints(28 * 24), 24)
        first = 28 * 24 - hours
        np.testing.assert_array_equal(forecast[0], panel.energy_kwh[0, first : first + 24])


@pytest.mark.parametrize(
    ("asked", "not_imported"),
    [
        ("learner('xgboost')", {"tensorflow", "keras", "statsforecast"}),
        ("forecaster('profile')", {"tensorflow", "keras", "statsforecast", "xgboost"}),
        ("learner('lstm')", {"tensorflow", "keras", "statsforecast", "xgboost"}),
    ],
)
def test_a_model_imports_no_library_of_another(asked, not_imported):
    imported = "import sys; from loadprofiles.forecasting.registry import *"
    code = f"{imported}; {asked}; print({not_imported} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
