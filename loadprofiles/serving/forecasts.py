"""Forecasts as an MLflow model: recent readings in, the next hours with their quantiles out."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from loadprofiles.errors import LoadProfilesError
from loadprofiles.forecasting.served import read_forecaster


class ForecastModel(PythonModel):
    """The horizon after each meter's last reading."""

    def load_context(self, context: Any) -> None:
        """Read what was logged with the model."""
        self._forecaster = read_forecaster(Path(context.artifacts["forecaster"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Forecast, from some weeks of readings.

        Args:
            context: not used.
            model_input: `meter_id, timestamp_utc, energy_kwh`, a row an interval; the stamps in ISO 8601.
            params: none are known.

        Returns:
            A row an interval that is forecast: the median, `energy_kwh`, and its quantiles.

        Raises:
            MlflowException: the readings cannot be used; says which and why.
        """
        try:
            table = self._forecaster.forecast(model_input)
        except LoadProfilesError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error
        stamps = ["origin_utc", "timestamp_utc"]
        # JSON has no dates
        return table.assign(**{name: table[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in stamps})


mlflow.models.set_model(ForecastModel())
