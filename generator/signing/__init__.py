"""Signatures of images in the formats of cosign, with keys of the operator's: pure, without registry or files."""
