"""Every gate of a release, proved able to fail."""
