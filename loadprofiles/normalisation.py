"""The scale on which profiles are compared; light enough to travel with a served model."""

import numpy as np
import numpy.typing as npt

NORMALISATION = "l2"


def normalise(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Profiles divided by their Euclidean length, so that shapes compare; a day of zeros stays zeros.

    Args:
        values: energies in kWh, shape (profiles, steps).
    """
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)
