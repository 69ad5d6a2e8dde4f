"""`python -m obscura_backup_client.cli`, for environments without the script on the path."""

from __future__ import annotations

import sys

from obscura_backup_client.cli import main

sys.exit(main())
