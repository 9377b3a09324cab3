"""The documentation as a site: what Sphinx reads, made of the checkout's pages and of archspec itself."""
