"""Why a gate is red: which quantizers, which classes, which images."""
