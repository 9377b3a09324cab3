"""The language server: `archspec.service` in the words of the protocol."""
