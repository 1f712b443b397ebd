"""The options of `dashboard.py`."""

import click

from loadprofiles.anomalies.options import DatabaseUrl
from loadprofiles.anomalies.states import URL_VARIABLE
from loadprofiles.cli import PlainPath, boolean_option, option, options

PORT = 8050

dashboard = options(
    option("run_id", str, "", "Run of the chain to show; empty: the latest that has finished."),
    option("host", str, "127.0.0.1", "Address to listen on; another than this machine's own asks for users."),
    option("port", click.IntRange(min=0, max=65535), str(PORT), "Port to listen on; 0: any that is free."),
    option(
        "alert_db",
        DatabaseUrl(optional=True),
        "",
        f"URL of the alert database; empty: that of the run. {URL_VARIABLE} of the environment overrules it.",
    ),
    boolean_option("read_only", "false", "Nobody can judge alerts."),
    option(
        "users_file",
        PlainPath(optional=True),
        "",
        "File of users who may sign in, lines of name:hash; empty: those of DASHBOARD_USERS, or nobody has to.",
    ),
    option("add_user", str, "", "Ask for a password, add this user to users_file, and end."),
    boolean_option("behind_proxy", "false", "A proxy with TLS stands before it, whose headers are believed."),
    option("trusted_hosts", str, "", "Names by which it may be asked for, with commas between; empty: this machine's."),
    option(
        "cache_folder",
        PlainPath(optional=False),
        ".cache/loadprofiles",
        "Folder for what is aggregated of each run; it can be deleted at any time.",
    ),
)
"""Of `dashboard.py`."""
