"""Between Envoy's ext_proc messages and ours: ProcessingRequest -> event, action -> ProcessingResponse.

Both are serialized here. What every exchange sends is written as bytes, around its body: a message object
for each of a header's levels would cost more than all of the cryptography.
"""

from __future__ import annotations

from extproc.envoy_api.events import event
from extproc.envoy_api.replies import NAMESPACE, Reply, reply

__all__ = ["NAMESPACE", "Reply", "event", "reply"]
