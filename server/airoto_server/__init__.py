"""AIRoto's inference server."""

import os

# Packages that would speak with their makers are told not to, before any of them is imported: ONNX
# Runtime's wheels upload usage and leave an identifier in the home, Hugging Face's hub looks for
# newer files.
os.environ.update(ORT_DISABLE_TELEMETRY="1", HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1")
