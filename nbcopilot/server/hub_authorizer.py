"""Who may look at, and who may use, a single-user server of a JupyterHub: by custom scopes of the Hub.

For servers that are shared with others. Set where the single-user servers start, as docs/jupyterhub.md shows:
`--ServerApp.authorizer_class=nbcopilot.server.hub_authorizer.HubAuthorizer`. Needs the extra `hub`.
"""

from __future__ import annotations

import os
from typing import Any

from jupyterhub.singleuser.extension import JupyterHubAuthorizer

READ, USE = "custom:nbcopilot:read", "custom:nbcopilot:use"


class HubAuthorizer(JupyterHubAuthorizer):  # type: ignore[misc, unused-ignore]
    """The server's owner may do everything; others look with the scope READ, and do the rest with USE."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        """Whether `user` may do `action` ("read", "write", "execute") with `resource` here."""
        if not super().is_authorized(handler, user, action, resource):
            return False
        if user.hub_user.get("name") == os.environ.get("JUPYTERHUB_USER"):
            return True
        needed = {READ, USE} if action == "read" else {USE}
        return bool(self.hub_auth.check_scopes(needed, user.hub_user))
