"""The dashboard from its parameters: users, runs, app, server."""

from pathlib import Path

import click

from loadprofiles.dashboard.app import Settings, create_app, health
from loadprofiles.dashboard.library import Library
from loadprofiles.dashboard.security import protect
from loadprofiles.dashboard.server import check_binding, serve
from loadprofiles.dashboard.users import add_user as add_to_file
from loadprofiles.dashboard.users import load_users
from loadprofiles.errors import EmptyResultError, ParameterError


def run(
    *,
    run_id: str,
    host: str,
    port: int,
    alert_db: str,
    read_only: bool,
    users_file: Path | None,
    add_user: str,
    behind_proxy: bool,
    trusted_hosts: str,
    cache_folder: Path,
) -> None:
    """Serve the dashboard until it is interrupted, or add a user to the file of those who may sign in.

    Args:
        run_id: Run of the chain to show; empty: the latest that has finished, also one that finishes later.
        host: Address to listen on.
        port: Port to listen on; 0: any that is free.
        alert_db: URL of the alert database; empty: that of the run.
        read_only: Nobody can judge alerts.
        users_file: File of those who may sign in; None: those of the environment.
        add_user: Name to add to it; empty: none.
        behind_proxy: Whether a proxy with TLS stands before it.
        trusted_hosts: Names by which it may be asked for, with commas between.
        cache_folder: Folder for what is aggregated of each run.

    Raises:
        ParameterError: The address needs users, or the port is in use.
        InputError: There is no such run, or the file of users cannot be read.
        StoreError: The MLflow store or the alert database cannot be used.
    """
    if add_user:
        _add_user(users_file, add_user)
        return
    users = load_users(users_file)
    check_binding(host, users)
    library = Library(run_id, alert_db, cache_folder)
    _make_ready(library)
    app = create_app(library, Settings(read_only, has_users=bool(users)))
    protect(
        app.server,
        users=users,
        behind_proxy=behind_proxy,
        trusted_hosts=tuple(name.strip() for name in trusted_hosts.split(",") if name.strip()),
        script_hashes=app.csp_hashes,
        health=lambda: health(library),
    )
    serve(app.server, host, port, lambda url: click.echo(f"dashboard: {url} (Ctrl-C ends it)"))


def _make_ready(library: Library) -> None:
    """Aggregate the run before the first reader has to wait for it; a store without runs is told on the page."""
    try:
        data = library.open()
    except EmptyResultError as error:
        click.echo(f"dashboard: {error}", err=True)
    else:
        click.echo(f"dashboard: {data.results.name}, run {data.results.run_id}, {len(data.cube.meters)} meters")


def _add_user(users_file: Path | None, name: str) -> None:
    if users_file is None:
        raise ParameterError("add_user: name the file by --users_file")
    password = click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True)
    is_new = add_to_file(users_file, name, password)
    click.echo(f"{users_file}: {'added' if is_new else 'changed the password of'} {name}")
