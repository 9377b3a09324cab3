"""Writing folders whole or not at all, and taking back what an interrupt leaves half made."""

from __future__ import annotations

from archspec.files.folders import FolderError, check_own, digest, listed, write_folder, written_aside

__all__ = ["FolderError", "check_own", "digest", "listed", "write_folder", "written_aside"]
