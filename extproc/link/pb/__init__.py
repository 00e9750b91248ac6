"""Generated from protos/privatelink/v1 by `make protos`."""
