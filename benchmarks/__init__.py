"""One script a headline claim; each prints its figures."""
