"""The HTTP application: probes, pages, the API, and who may ask."""
