"""Clusters as an MLflow model: days in kWh in, cluster, its name and the distance out."""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel

from loadprofiles.errors import LoadProfilesError
from loadprofiles.representatives import read_clusters


class ClusterModel(PythonModel):
    """The nearest cluster of each day."""

    def load_context(self, context: Any) -> None:
        """Read the arrays that were logged with the model."""
        self._clusters = read_clusters(Path(context.artifacts["clusters"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Assign days, a row each.

        Args:
            context: not used.
            model_input: a table with a column of kWh a step of the day, as in a profile table.
            params: none are known.

        Returns:
            `cluster`, `cluster_name` and `distance`, a row a day.

        Raises:
            MlflowException: a value is missing or no finite number.
        """
        try:
            labels, names, distances = self._clusters.assign_energies(model_input.to_numpy())
        except LoadProfilesError as error:
            raise MlflowException(str(error), INVALID_PARAMETER_VALUE) from error
        return pd.DataFrame({"cluster": labels, "cluster_name": names, "distance": distances}, index=model_input.index)


mlflow.models.set_model(ClusterModel())
