"""A JupyterHub of two users, a reader and a stranger, with the shared engine as its service. Read by JupyterHub."""

import json
import os
import sys
from pathlib import Path

from jupyterhub.spawner import SimpleLocalProcessSpawner

# What the test has chosen: ports, folders, the model.
told = json.loads(os.environ["HUB_TEST"])
folder = Path(told["folder"])
service = f"http://127.0.0.1:{told['service']}"

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.JupyterHub.bind_url = f"http://127.0.0.1:{told['public']}/hubs/"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{told['hub']}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{told['proxy']}"
c.ConfigurableHTTPProxy.should_start = False  # the test has: the Hub would wait 15 s for it, and then end
c.JupyterHub.db_url = f"sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = str(folder / "cookie")
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {"ada", "bob", "rita", "eve"}
c.JupyterHub.allow_named_servers = True


class Spawner(SimpleLocalProcessSpawner):
    """A home folder for each user, although all are one user of the system."""

    home_dir_template = str(folder / "{username}")


c.JupyterHub.spawner_class = Spawner
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--allow-root", "--ServerApp.authorizer_class=nbcopilot.server.hub_authorizer.HubAuthorizer"]
c.Spawner.start_timeout = c.Spawner.http_timeout = 300  # a busy machine is slow to start a server
c.Spawner.env_keep = ["PATH", "LANG"]
c.Spawner.environment = {
    "JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp",  # without JupyterLab it starts sooner
    "NBCOPILOT_ENGINE": f"{service}/hubs/services/nbcopilot/v1",
    "NBCOPILOT_API_KEY": lambda spawner: spawner.api_token,
    "NBCOPILOT_CONFIG_DIR": lambda spawner: str(folder / spawner.user.name / "settings"),
    "NBCOPILOT_RUNTIME_DIR": lambda spawner: str(folder / spawner.user.name / "run"),
}

c.JupyterHub.services = [
    {
        "name": "nbcopilot",
        "url": service,
        "timeout": 300,
        "command": [
            sys.executable,
            "-m",
            "nbcopilot",
            "serve",
            "--hub",
            "--model",
            told["model"],
            "--tokens-per-day",
            "2000",
        ],
        "environment": told["environment"],
    },
    {"name": "admin", "api_token": told["token"]},
]
c.Spawner.oauth_client_allowed_scopes = ["custom:nbcopilot:read", "custom:nbcopilot:use"]
use = "access:services!service=nbcopilot"
c.JupyterHub.custom_scopes = {
    "custom:nbcopilot:read": {"description": "Look at the copilot of a server"},
    "custom:nbcopilot:use": {"description": "Change and run what is there, ask the model"},
}
c.JupyterHub.load_roles = [
    {"name": "server", "scopes": ["access:servers!server", "users:activity!user", use]},
    {"name": "user", "scopes": ["self"]},
    {"name": "askers", "scopes": [use], "users": ["ada", "bob"]},
    {"name": "readers", "scopes": ["access:servers!user=ada", "custom:nbcopilot:read"], "users": ["rita"]},
    {"name": "keepers", "scopes": ["admin:users", "admin:servers", "tokens", "list:users"], "services": ["admin"]},
]
