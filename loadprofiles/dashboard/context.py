"""What a page of the dashboard is made from: results, what the reader has chosen, language and rights."""

from dataclasses import dataclass

from loadprofiles.dashboard.data import Data
from loadprofiles.dashboard.language import Language
from loadprofiles.dashboard.state import View


@dataclass(frozen=True)
class Context:
    """Of one page at one moment.

    Attributes:
        data: The results.
        view: What the reader has chosen.
        language: In which it is told.
        user: Who has signed in; empty: nobody has to.
        read_only: Whether alerts cannot be judged.
    """

    data: Data
    view: View
    language: Language
    user: str = ""
    read_only: bool = False

    def say(self, text: str, **values: object) -> str:
        """A text in the reader's language; see `Language.say`."""
        return self.language.say(text, **values)
