"""A private link for HTTP services, built around Envoy's external processor."""

__version__ = "0.1.0"
