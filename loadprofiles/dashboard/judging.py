"""What a reader says of an alert."""

from datetime import UTC, datetime

from loadprofiles.anomalies.states import STATES
from loadprofiles.dashboard.context import Context
from loadprofiles.errors import InputError, ParameterError

NOTE_LENGTH = 1000
NAME_LENGTH = 100


def judge(context: Context, state: str, note: str, who: str) -> str:
    """Keep what a reader says of the alert that is open.

    Args:
        context: Of the page; its view names the alert.
        state: One of `STATES`.
        note: Why; may be empty.
        who: The reader's name, where nobody has to sign in; else who has signed in counts.

    Returns:
        The moment, as text: another one each time.

    Raises:
        ParameterError: The dashboard is read-only, there is no such state, nobody is named, or a text is too long.
        InputError: There is no such alert or no alert database.
    """
    store = context.data.store
    if context.read_only:
        raise ParameterError(context.say("This dashboard is read-only: alerts cannot be judged here."))
    if store is None:
        raise InputError(context.say("There is no alert database."))
    name = (context.user or who).strip()
    if state not in STATES:
        raise ParameterError(context.say("There is no such state of an alert."))
    if not name:
        raise ParameterError(context.say("Say who you are, so that others know whom to ask."))
    if len(note) > NOTE_LENGTH or len(name) > NAME_LENGTH:
        raise ParameterError(context.say("The note has to be shorter than {count} characters.", count=NOTE_LENGTH))
    store.set_state(context.view.alert, state, " ".join(note.split()), name)
    return datetime.now(UTC).isoformat()
