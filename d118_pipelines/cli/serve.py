"""`d118 serve`: the console, with Dagster behind it.

Called by the command line; it is served by `console/`.
"""

from __future__ import annotations


def serve() -> None:
    """Serve the console: Dagster's daemon and web server, behind a sign-in.

    API_HOST and API_PORT say where (127.0.0.1, 8000); SECRET_KEY signs sessions.
    """
    from d118_pipelines.service.services import serve_console

    serve_console()
