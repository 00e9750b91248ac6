"""HTTP/2 (RFC 9113) with prior knowledge and gRPC over it, for the one service and the health service.

    bytes ---> Connection ---> events ---> Session ---> messages ---> Call, and service.Stream
          <---            <--- DATA   <---         <--- replies  <---

All is sans-I/O but `protocol`, which is the asyncio shell, and `server`, which is a worker's. docs/wire.md
has the sections of the RFC, and the tests that hold them.
"""
