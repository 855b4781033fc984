"""`python -m nbcopilot`."""

import sys

from nbcopilot.cli.main import main

sys.exit(main())
