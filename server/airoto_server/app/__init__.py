"""The server's command line and how its parts are put together."""
