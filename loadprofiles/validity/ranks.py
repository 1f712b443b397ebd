"""One order of clusterings from several validity indices: the mean of their ranks."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from loadprofiles.errors import ParameterError
from loadprofiles.validity.indices import DIRECTIONS

RANKED: Final = ("Silhouette Score", "DB Index", "Calinski-Harabasz", "Dunn", "MDI")
"""The indices that set the width of clusters against the gaps between them, and that no larger k betters by itself.

SI and WCBCR are not among them: they divide by sums that have more terms the more clusters there are, so they fall as k
grows, whatever the profiles; MIA has no term for the gaps, and CDI none for the nearest clusters, and both mostly fall.
To rank by them is to ask for as many clusters as there may be. The five are not free of a trend either: where profiles
form no groups, Davies-Bouldin and MDI get better with k and Calinski-Harabasz gets worse.
"""


def rank_table(table: pd.DataFrame, indices: Sequence[str] = RANKED) -> pd.Series:
    """The mean rank of each clustering over several indices: lower is better, 1 is best by all of them.

    An order by mean ranks is Borda's. Ranks rather than values, since indices have no common scale, and several
    of them, since each has its own favourites; so Pihur, Datta, Datta 2007, "Weighted rank aggregation of
    cluster validation measures: a Monte Carlo cross-entropy approach", Bioinformatics 23(13), 1607-1615,
    doi:10.1093/bioinformatics/btm158, who weight the ranks and look for the list that is nearest to all of
    them, where here each index counts the same.

    Args:
        table: one row a clustering, with a column for each index, named like its MLflow metric.
        indices: by which to rank, keys of `DIRECTIONS`. Equal values share the mean of their ranks; an index that is
            missing (NaN) ranks last.

    Returns:
        The mean rank, in the table's order and with its index.

    Raises:
        ParameterError: no index, one that has no direction, or one that the table lacks.
    """
    if not indices:
        raise ParameterError("rank_table needs at least one index to rank by.")
    for problem, names in (
        ("are no validity indices", [name for name in indices if name not in DIRECTIONS]),
        ("are not in the table", [name for name in indices if name not in table]),
    ):
        if names:
            raise ParameterError(f"{', '.join(map(repr, names))} {problem}; give names of its columns in DIRECTIONS.")
    ranks = {
        name: table[name].astype(float).rank(ascending=DIRECTIONS[name] < 0, na_option="bottom") for name in indices
    }
    return pd.DataFrame(ranks, index=table.index).mean(axis=1).rename("mean rank")
