"""The wire: the only code that imports the generated modules.

Client and server both use it; it needs grpcio, protobuf and fileseq and runs on Python 3.9.

- `messages`: every message class and enum. Nobody else imports `airoto.v1`.
- `caller`: `Caller(request_id, client)`, `caller_of(metadata)`, `new_request_id()`,
  `this_client()`.
- `methods`: `METHODS[name] -> Method(name, path, request, response, client_streaming,
  server_streaming)`, `Method.bind(channel)`, `generic_handler(implementation)`, `SERVICE_NAME`.
- `channel`: `connect(target, credentials=None)`, `parse_target(text) -> Target`,
  `default_target()`, `channel_options()`, `server_options()`, `CHUNK_BYTES`.
- `status`: `to_status(error) -> Status(code, details, trailing_metadata)`,
  `from_rpc_error(exc, target="")`, `error_to_detail`, `error_from_detail`.
- `chunks`: `chunks_of_bytes(content, data)`, `chunks_of_file(path)`,
  `Collector(sink, max_bytes=...)` with `add(chunk)` and `finish() -> PlaneHeader`.
- `jsonform`: any message to and from its JSON form: `from_dict(cls, data)`, `to_dict(message)`,
  `load_json(text, what)`.
- `recipe`: `read`, `write`, `from_json`, `to_json`, `from_dict`, `to_dict`,
  `check(recipe, limits=LIMITS, parts=Parts.ALL) -> list[Violation]`, `validate` (the same, raising
  RecipeError), `resolved(recipe, base)`, `with_defaults`, `canonical`, `recipe_hash`.
- `prompts`: what people type: `frame_range("1001-1100")`, `parse_point("1001:812,455")`,
  `parse_box("1001:100,80,620,540")`, `parse_text("1001:a red car")`,
  `parse_mask("1001:rough.png")`, `prompt_at(roto_object, frame)`.

Beside it, `airoto.sequence` reads and writes frame patterns (`plate.%04d.exr`).
"""

import os

# gRPC's handlers for fork() run in every child that is started by fork and exec, which is how
# Python 3.9 starts children; there grpcio 1.80 aborts some of them before they begin (its poller
# waits on descriptors that are closed by then). Nobody here goes on in a forked child.
# It counts only if it is set before grpc is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
