"""How frames come in and mattes go out: paths, uploads, decoding, writing."""
