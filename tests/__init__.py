"""The tests; a package of its own, because a dependency installs one of this name too."""
