"""One module a source; each reads its files, or its server, into RawMeters."""
